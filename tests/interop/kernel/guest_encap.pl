#!/usr/bin/perl
# Holds a UDP socket with UDP_ENCAP, as an IKE daemon does, so that the kernel takes ESP in UDP on that port.
#
# Usage: encap PORT TYPE; 1 is the draft without IKE on that port, 2 is RFC 3948 (include/uapi/linux/udp.h).
my ($AF_INET, $SOCK_DGRAM, $IPPROTO_UDP) = (2, 2, 17);
my $UDP_ENCAP = 100;
socket(my $socket, $AF_INET, $SOCK_DGRAM, $IPPROTO_UDP) or die "encap: $!";
bind($socket, pack 'Sna4x8', $AF_INET, $ARGV[0], "\0\0\0\0") or die "encap: $!";
setsockopt($socket, $IPPROTO_UDP, $UDP_ENCAP, pack 'i', $ARGV[1]) or die "encap: $!";
sleep;
