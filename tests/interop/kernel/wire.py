#!/usr/bin/python3
"""One end of a wire, without an address: sends the IPv4 packets that a test gives it, tells of those that come.

Usage: wire.py DEVICE MAC_OF_THE_OTHER_END

Reads "send HEX" or "drain" a line and answers each with a line: nothing, or the packets since the last drain.
"""
import socket
import sys

ETH_P_IP = 0x0800
ETH_HEADER = 14


def main(device, other_mac):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    wire.bind((device, ETH_P_IP))
    ether = bytes.fromhex(other_mac.replace(":", "")) + wire.getsockname()[4] + ETH_P_IP.to_bytes(2, "big")
    print(flush=True)
    for line in sys.stdin:
        operation, *packet = line.split()
        if operation == "send":
            wire.send(ether + bytes.fromhex(packet[0]))
            print(flush=True)
        else:
            print(*drain(wire), flush=True)


def drain(wire):
    while True:
        try:
            frame, address = wire.recvfrom(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if address[2] != socket.PACKET_OUTGOING:
            # Ethernet pads short frames.
            length = int.from_bytes(frame[ETH_HEADER + 2:ETH_HEADER + 4], "big")
            yield frame[ETH_HEADER:ETH_HEADER + length].hex()


main(*sys.argv[1:])
