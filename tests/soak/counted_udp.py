"""Datagrams that are counted at both ends.

    counted_udp.py send ADDRESS PORT RATE   until SIGTERM; then prints "sent N"
    counted_udp.py receive PORT             until SIGTERM; prints "ready", then "received N twice N dropped N"

Each datagram has its number, 64 bits. "dropped" is what the receiver's own socket had no room for.
"""
import signal
import socket
import struct
import sys
import time

BYTES = 400
BURST_SECONDS = 0.01
SO_RCVBUFFORCE = 33
SO_RXQ_OVFL = 40
RECEIVE_BUFFER = 16 << 20

ended = False


def end(*_):
    global ended
    ended = True


def send(address, port, rate):
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.connect((address, port))
    padding = bytes(BYTES - 8)
    sent = 0
    started = time.monotonic()
    while not ended:
        due = int((time.monotonic() - started) * rate)
        while sent < due and not ended:
            try:
                out.send(struct.pack("!Q", sent) + padding)
                sent += 1
            except ConnectionRefusedError:
                pass  # an ICMP error of an earlier one; this one was not sent
        time.sleep(BURST_SECONDS)
    print(f"sent {sent}", flush=True)


def receive(port):
    into = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    into.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    into.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
    into.bind(("0.0.0.0", port))
    into.settimeout(0.1)
    print("ready", flush=True)
    received = twice = dropped = highest = 0
    seen = set()
    while True:
        try:
            data, ancillary, _, _ = into.recvmsg(BYTES, 64)
        except TimeoutError:
            if ended:
                break
            continue
        for _, kind, value in ancillary:
            if kind == SO_RXQ_OVFL:
                dropped = struct.unpack("I", value)[0]
        received += 1
        number = struct.unpack("!Q", data[:8])[0]
        if number in seen:
            twice += 1
        seen.add(number)
        highest = max(highest, number)
        if len(seen) > 200_000:
            seen = {n for n in seen if n > highest - 100_000}
    print(f"received {received} twice {twice} dropped {dropped}", flush=True)


signal.signal(signal.SIGTERM, end)
if sys.argv[1] == "send":
    send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
else:
    receive(int(sys.argv[2]))
