#!/usr/bin/python3
"""One end of a wire, without an address: sends the IP packets that a test gives it, tells of those that come.

Usage: wire.py DEVICE MAC_OF_THE_OTHER_END 4|46, the versions of IP to tell of

Reads "send HEX" or "drain" a line and answers each with a line: nothing, or the packets since the last drain.
"""
import socket
import sys

ETH_P_ALL = 3
ETH_P_IP = 0x0800
ETH_P_IPV6 = 0x86DD
ETH_HEADER = 14
IPV6_HEADER = 40


def main(device, other_mac, families):
    protocol = ETH_P_IP if families == "4" else ETH_P_ALL
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    wire.bind((device, protocol))
    addresses = bytes.fromhex(other_mac.replace(":", "")) + wire.getsockname()[4]
    print(flush=True)
    for line in sys.stdin:
        operation, *packet = line.split()
        if operation == "send":
            is_v6 = packet[0][0] == "6"
            wire.send(addresses + (ETH_P_IPV6 if is_v6 else ETH_P_IP).to_bytes(2, "big") + bytes.fromhex(packet[0]))
            print(flush=True)
        else:
            print(*drain(wire), flush=True)


def drain(wire):
    while True:
        try:
            frame, address = wire.recvfrom(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        packet = frame[ETH_HEADER:]
        # Ethernet pads short frames.
        if address[1] == ETH_P_IP:
            packet = packet[:int.from_bytes(packet[2:4], "big")]
        elif address[1] == ETH_P_IPV6:
            packet = packet[:IPV6_HEADER + int.from_bytes(packet[4:6], "big")]
        else:
            continue
        if address[2] != socket.PACKET_OUTGOING:
            yield packet.hex()


main(*sys.argv[1:])
