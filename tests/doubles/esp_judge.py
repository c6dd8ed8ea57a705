#!/usr/bin/python3
"""ESP and AH by scapy at one end of a wire: seals, sends, receives and opens what a test asks for.

Usage: esp_judge.py DEVICE GATEWAY_MAC

Reads one JSON object a line and answers each with one. Bytes are hex. It sends and receives Ethernet frames by a
packet socket, so the namespace needs no address and its kernel answers nothing by itself.
"""
import json
import logging
import select
import socket
import sys
import time
import warnings

warnings.filterwarnings("ignore")
logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers.inet import ICMP, IP  # noqa: E402
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6  # noqa: E402
from scapy.layers.ipsec import AH, ESP, SecurityAssociation, _ESPPlain  # noqa: E402
from scapy.packet import Raw  # noqa: E402

ETH_P_IP = 0x0800
ETH_HEADER = 14


class Judge:
    def __init__(self, device, gateway_mac):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((device, ETH_P_IP))
        own_mac = self.socket.getsockname()[4]
        self.ether = bytes.fromhex(gateway_mac.replace(":", "")) + own_mac + ETH_P_IP.to_bytes(2, "big")
        self.associations = {}

    def sa(self, name, spi, crypt, crypt_key, auth=None, auth_key="", esn=False, icv=None):
        """Makes an SA; crypt_key has the salt last, icv is the length where it is not the algorithm's own."""
        self.associations[name] = SecurityAssociation(
            ESP, spi=spi, crypt_algo=crypt, crypt_key=bytes.fromhex(crypt_key), crypt_icv_size=icv,
            auth_algo=auth, auth_key=bytes.fromhex(auth_key), esn_en=esn)
        return {}

    def seal(self, sa, data, seq, nh=4, padlen=None):
        """ESP header, IV, encrypted data with trailer, ICV. A given padlen is written, whatever the padding."""
        sa = self.associations[sa]
        plain = _ESPPlain(spi=sa.spi, seq=seq, iv=sa.crypt_algo.generate_iv(), data=Raw(bytes.fromhex(data)), nh=nh)
        plain = sa.crypt_algo.pad(plain)
        if padlen is not None:
            plain.padlen = padlen
        esp = sa.crypt_algo.encrypt(sa, plain, sa.crypt_key, sa.crypt_icv_size, esn_en=sa.esn_en, esn=sa.esn)
        sa.auth_algo.sign(esp, sa.auth_key)
        return {"esp": bytes(esp).hex()}

    def open(self, sa, esp):
        """Verifies and decrypts; an ICV that does not fit is an error."""
        sa = self.associations[sa]
        packet = ESP(bytes.fromhex(esp))
        if packet.spi != sa.spi:
            raise ValueError(f"SPI is 0x{packet.spi:x}")
        sa.auth_algo.verify(packet, sa.auth_key)
        icv = sa.crypt_icv_size or sa.crypt_algo.icv_size or sa.auth_algo.icv_size
        plain = sa.crypt_algo.decrypt(sa, packet, sa.crypt_key, icv, esn_en=sa.esn_en, esn=sa.esn)
        return {"seq": packet.seq, "nh": plain.nh, "padlen": plain.padlen, "data": bytes(plain.data).hex()}

    def ah(self, name, spi, src, dst, auth, auth_key):
        """Makes an AH SA in tunnel mode."""
        self.associations[name] = SecurityAssociation(
            AH, spi=spi, auth_algo=auth, auth_key=bytes.fromhex(auth_key), tunnel_header=IP(src=src, dst=dst))
        return {}

    def sign(self, sa, data, seq):
        """The whole outer packet around an inner one."""
        raw = bytes.fromhex(data)
        inner = IPv6(raw) if raw[0] >> 4 == 6 else IP(raw)
        return {"packet": bytes(self.associations[sa].encrypt(inner, seq_num=seq)).hex()}

    def verify(self, sa, packet):
        """The inner packet of a whole outer one; an ICV that does not fit is an error."""
        outer = IP(bytes.fromhex(packet))
        seq = outer[AH].seq
        return {"seq": seq, "data": bytes(self.associations[sa].decrypt(outer)).hex()}

    def send_packet(self, packet):
        """Sends a whole IPv4 packet."""
        self.socket.send(self.ether + bytes.fromhex(packet))
        return {}

    def send(self, src, dst, payloads, proto=50, udp=None):
        """Sends an IPv4 packet for each payload, in UDP when `udp` gives the ports."""
        for payload in payloads:
            body = bytes.fromhex(payload)
            if udp:
                length = 8 + len(body)
                body = b"".join(n.to_bytes(2, "big") for n in (*udp, length, 0)) + body
                proto = 17
            self.socket.send(self.ether + bytes(IP(src=src, dst=dst, proto=proto) / Raw(body)))
        return {}

    def receive(self, proto=50, timeout=3.0):
        """The next IPv4 packet of this protocol from the gateway, or null."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return {"packet": None}
            frame, address = self.socket.recvfrom(1 << 16)
            ip = IP(frame[ETH_HEADER:])
            if address[2] == socket.PACKET_OUTGOING or ip.proto != proto:
                continue
            body = bytes(frame[ETH_HEADER + ip.ihl * 4:ETH_HEADER + ip.len])
            ports = [int.from_bytes(body[i:i + 2], "big") for i in (0, 2)] if proto == 17 else None
            return {"packet": {
                "packet": frame[ETH_HEADER:ETH_HEADER + ip.len].hex(),
                "src": ip.src, "dst": ip.dst, "ttl": ip.ttl, "tos": ip.tos, "df": bool(ip.flags.DF),
                "length": ip.len, "udp": ports, "payload": body[8 if proto == 17 else 0:].hex()}}

    def echo(self, src, dst, id, seq, length):
        """An ICMP echo request with `length` bytes of data, of the addresses' family."""
        data = Raw(bytes(i & 0xff for i in range(length)))
        if ":" in src:
            return {"packet": bytes(IPv6(src=src, dst=dst) / ICMPv6EchoRequest(id=id, seq=seq) / data).hex()}
        return {"packet": bytes(IP(src=src, dst=dst) / ICMP(id=id, seq=seq) / data).hex()}

    def read(self, packet):
        """What an inner packet is: addresses and, of an echo reply, its fields."""
        raw = bytes.fromhex(packet)
        if raw[0] >> 4 == 6:
            ip = IPv6(raw)
            reply = ip.getlayer(ICMPv6EchoReply)
            data = bytes(reply.data) if reply else b""
        else:
            ip = IP(raw)
            icmp = ip.getlayer(ICMP)
            reply = icmp if icmp and icmp.type == 0 else None
            data = bytes(icmp.payload) if reply else b""
        fields = {"id": reply.id, "seq": reply.seq, "data": data.hex()} if reply else None
        return {"src": ip.src, "dst": ip.dst, "length": len(raw), "reply": fields}


def main():
    judge = Judge(*sys.argv[1:])
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        operation = request.pop("op")
        try:
            answer = getattr(judge, operation)(**request)
        except Exception as error:  # Whatever scapy thinks of the bytes is the test's to judge.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
