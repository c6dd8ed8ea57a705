"""Datagrams that say by which tunnel they were sent, and a look at what came by which device.

    tagged_traffic.py WIRES RATE

Runs in one namespace and looks at every frame on its devices WIRES, a list with commas. Tunnel N has a device vtiN and
the inner addresses 10.64.N.1 and 10.64.N.2 at its two sides; where the traffic runs at side S it sends to the other.
RATE is datagrams a second, all tunnels together. Each line is answered by one: "+N S" begins to send by tunnel N, "-N"
ends that, "pause" and "resume" do so for all, "report" gives JSON.
"""
import json
import select
import socket
import struct
import sys
import time

PORT = 7000
MAGIC = b"in the clear only inside"
HEADER = struct.Struct("!HQ")
TICK_SECONDS = 0.01
IP_PKTINFO = 8
SO_RCVBUFFORCE = 33
ETH_P_ALL = 3
SIZES = (40, 400, 1300, 90, 1000)


class Namespace:
    def __init__(self, wires):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.socket.bind(("0.0.0.0", PORT))
        self.socket.setblocking(False)
        self.wires = [self.open_wire(name) for name in wires]
        self.active = {}
        self.sent = {}
        self.received = {}
        self.wrong = []
        self.clear = 0
        self.foreign = {}
        self.paused = False

    def open_wire(self, name):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        wire.bind((name, ETH_P_ALL))
        wire.setblocking(False)
        return wire

    def send(self, number):
        side, last = self.active[number], self.sent.get(number, 0)
        address = f"10.64.{number}.{3 - side}"
        body = HEADER.pack(number, last) + MAGIC
        try:
            self.socket.sendto(body.ljust(SIZES[last % len(SIZES)], b"."), (address, PORT))
            self.sent[number] = last + 1
        except OSError:
            pass  # no route, or an ICMP error of an earlier one: this one was not sent

    def receive(self):
        while True:
            try:
                data, ancillary, _, (source, _) = self.socket.recvmsg(2048, 128)
            except OSError as error:
                if isinstance(error, BlockingIOError):
                    return
                continue  # an ICMP error
            number, _ = HEADER.unpack_from(data)
            ifindex = struct.unpack_from("i", ancillary[0][2])[0]
            try:
                device = socket.if_indextoname(ifindex)
            except OSError:
                device = None  # gone since
            if source.split(".")[2] != str(number) or device not in (None, f"vti{number}"):
                self.wrong.append(f"{number} from {source} by {device}")
            self.received[number] = self.received.get(number, 0) + 1

    def look(self, wire):
        while True:
            try:
                frame = wire.recv(1 << 16)
            except BlockingIOError:
                return
            if MAGIC in frame:
                self.clear += 1
            kind = kind_of(frame)
            if kind:
                self.foreign[kind] = self.foreign.get(kind, 0) + 1

    def report(self):
        for wire in self.wires:
            self.look(wire)
        names = ("sent", "received", "wrong", "clear", "foreign")
        return {name: getattr(self, name) for name in names}


def kind_of(frame):
    """What a frame is, but "" for what belongs on the wire: ESP, ESP in UDP, ARP."""
    ethertype = int.from_bytes(frame[12:14], "big")
    if ethertype == 0x0806:
        return ""
    if ethertype != 0x0800:
        return hex(ethertype)
    protocol = frame[23]
    if protocol == 50 or protocol == 17 and frame[36:38] == (4500).to_bytes(2, "big"):
        return ""
    return f"protocol {protocol}" + (f" type {frame[34]} {frame[35]}" if protocol == 1 else "")


def main(wires, rate):
    here = Namespace([name for name in wires.split(",") if name])
    turn = 0
    due = time.monotonic()
    print("ready", flush=True)
    pending = b""
    while True:
        sources = [sys.stdin, here.socket, *here.wires]
        readable, _, _ = select.select(sources, [], [], max(0, due - time.monotonic()))
        for wire in here.wires:
            if wire in readable:
                here.look(wire)
        if here.socket in readable:
            here.receive()
        if sys.stdin in readable:
            pending += sys.stdin.buffer.read1(65536) or exit(0)
            *lines, pending = pending.split(b"\n")
            for line in lines:
                print(obey(here, line.decode()), flush=True)
        if time.monotonic() >= due:
            due = max(due + TICK_SECONDS, time.monotonic())
            numbers = list(here.active)
            for _ in range(0 if here.paused or not numbers else max(1, int(rate * TICK_SECONDS))):
                turn += 1
                here.send(numbers[turn % len(numbers)])


def obey(here, line):
    if line == "report":
        return json.dumps(here.report())
    if line in ("pause", "resume"):
        here.paused = line == "pause"
    elif line[0] == "+":
        number, side = line[1:].split()
        here.active[int(number)] = int(side)
    else:
        here.active.pop(int(line[1:]), None)
    return ""


main(sys.argv[1], float(sys.argv[2]))
