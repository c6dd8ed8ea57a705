#!/usr/bin/perl
# Runs commands for the host, one after the other.
#
# host:  RUN <id> <seconds> <bytes>\n              and the words, each ended by a NUL
# guest: RES <id> <exit code> <bytes> <bytes>\n    and standard output and standard error
#
# What runs longer than it may gets SIGALRM: exit code 142. What it leaves running in the background stays.

$ENV{PATH} = '/usr/sbin:/usr/bin:/sbin:/bin';
open my $port, '+<', $ARGV[0] or die "agent: $ARGV[0]: $!";
my $pending = '';

# The port reads as at its end while the host has not connected.
sub more {
  my $got = sysread $port, $pending, 65536, length $pending;
  select undef, undef, undef, 0.02 unless $got;
}

sub answer {
  my $bytes = shift;
  for (my $at = 0; $at < length $bytes;) { $at += syswrite $port, $bytes, length($bytes) - $at, $at }
}

sub slurp {
  open my $file, '<', $_[0] or return '';
  local $/;
  return scalar <$file> // '';
}

answer("READY\n");
while (1) {
  more() until $pending =~ s/^RUN (\S+) (\d+) (\d+)\n//;
  my ($id, $seconds, $length) = ($1, $2, $3);
  more() until length $pending >= $length;
  my @words = split /\0/, substr($pending, 0, $length, ''), -1;
  pop @words;
  my $child = fork;
  if ($child == 0) {
    close $port;
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', '/tmp/.stdout';
    open STDERR, '>', '/tmp/.stderr';
    alarm $seconds;
    exec { $words[0] } @words;
    print STDERR "agent: $words[0]: $!\n";
    exit 127;
  }
  waitpid $child, 0;
  my $code = $? & 127 ? 128 + ($? & 127) : $? >> 8;
  my ($stdout, $stderr) = (slurp('/tmp/.stdout'), slurp('/tmp/.stderr'));
  answer("RES $id $code " . length($stdout) . ' ' . length($stderr) . "\n$stdout$stderr");
}
