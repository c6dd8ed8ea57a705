#!/usr/bin/perl
# Prints every packet that comes out of a tunnel device and is what its version says, a line of hex each; runs in the
# guest and beside the gateway.
my ($AF_PACKET, $SOCK_DGRAM, $ETH_P_ALL, $PACKET_OUTGOING) = (17, 2, 3, 4);
my ($ETH_P_IP, $ETH_P_IPV6) = (0x0800, 0x86dd);
my ($ARPHRD_TUNNEL, $ARPHRD_NONE) = (768, 65534);
my ($SOL_SOCKET, $SO_RCVBUFFORCE) = (1, 33);
socket(my $socket, $AF_PACKET, $SOCK_DGRAM, unpack 'S', pack 'n', $ETH_P_ALL) or die "sniff: $!";
setsockopt($socket, $SOL_SOCKET, $SO_RCVBUFFORCE, 4 << 20);
syswrite STDOUT, "ready\n";
while (defined(my $from = recv $socket, my $packet, 65536, 0)) {
  my ($protocol, $hardware, $type) = unpack 'x2 n x4 S C', $from;
  my $version = ord($packet) >> 4;
  next unless $protocol == $ETH_P_IP && $version == 4 or $protocol == $ETH_P_IPV6 && $version == 6;
  next if $type == $PACKET_OUTGOING or $hardware != $ARPHRD_TUNNEL && $hardware != $ARPHRD_NONE;
  syswrite STDOUT, unpack('H*', $packet) . "\n";
}
