#!/usr/bin/perl
# Holds a UDP socket with UDP_ENCAP, as an IKE daemon does, so that the kernel takes ESP in UDP on that port.
my ($AF_INET, $SOCK_DGRAM, $IPPROTO_UDP) = (2, 2, 17);
my ($UDP_ENCAP, $UDP_ENCAP_ESPINUDP) = (100, 2);
socket(my $socket, $AF_INET, $SOCK_DGRAM, $IPPROTO_UDP) or die "encap: $!";
bind($socket, pack 'Sna4x8', $AF_INET, $ARGV[0], "\0\0\0\0") or die "encap: $!";
setsockopt($socket, $IPPROTO_UDP, $UDP_ENCAP, pack 'i', $UDP_ENCAP_ESPINUDP) or die "encap: $!";
sleep;
