#!/usr/bin/python3
"""Stands before a host whose IKE daemon and ESP are in two namespaces: what Linux does by UDP_ENCAP in one.

Usage: nat_t_splitter.py PUBLIC PEER IKE_FROM IKE_TO ESP_FROM ESP_TO IKE_DELAY

Datagrams of PEER to PUBLIC, all on port 4500, go on from IKE_FROM to IKE_TO when they have the non-ESP marker of
RFC 3948 section 2.2, else from ESP_FROM to ESP_TO; answers come back the same way, those of IKE after IKE_DELAY
seconds. Prints "ready".
"""
import collections
import select
import socket
import sys
import time

PORT = 4500
NON_ESP_MARKER = bytes(4)


def bound(address):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, PORT))
    return udp


def main():
    public_address, peer, ike_from, ike_to, esp_from, esp_to, delay = sys.argv[1:]
    public, ike, esp = bound(public_address), bound(ike_from), bound(esp_from)
    held = collections.deque()
    print("ready", flush=True)
    while True:
        wait = max(0, held[0][0] - time.monotonic()) if held else None
        readable = select.select([public, ike, esp], [], [], wait)[0]
        if public in readable:
            data = public.recv(1 << 16)
            if data.startswith(NON_ESP_MARKER):
                ike.sendto(data, (ike_to, PORT))
            else:
                esp.sendto(data, (esp_to, PORT))
        if esp in readable:
            public.sendto(esp.recv(1 << 16), (peer, PORT))
        if ike in readable:
            held.append((time.monotonic() + float(delay), ike.recv(1 << 16)))
        while held and held[0][0] <= time.monotonic():
            public.sendto(held.popleft()[1], (peer, PORT))


main()
