#!/usr/bin/perl
# Sends back whatever comes by TCP, IPv4 or IPv6, to the port in the first argument.
my ($AF_INET6, $SOCK_STREAM) = (10, 1);
$SIG{CHLD} = 'IGNORE';
socket(my $server, $AF_INET6, $SOCK_STREAM, 0) or die "echo: $!";
bind($server, pack 'SnNa16N', $AF_INET6, $ARGV[0], 0, '', 0) or die "echo: $!";
listen($server, 5) or die "echo: $!";
while (accept(my $client, $server)) {
  next if fork;
  while (sysread $client, my $bytes, 65536) {
    for (my $at = 0; $at < length $bytes;) { $at += syswrite $client, $bytes, length($bytes) - $at, $at }
  }
  exit;
}
