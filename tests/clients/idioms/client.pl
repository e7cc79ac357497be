# SPDX-License-Identifier: MIT
# Connects without blocking, in the way named first, and prints the line that the server sends: client.pl WAY HOST PORT
use strict;
use warnings;

my ($way, $host, $port) = @ARGV;
my %ways = (
    timeout => sub {
        require IO::Socket::INET;
        my $peer = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => 10) or die "$@\n";
        print scalar <$peer>;
    },
    ip => sub {
        require IO::Socket::IP;
        my $peer = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Timeout => 10) or die "$@\n";
        print scalar <$peer>;
    },
    http => sub {
        require HTTP::Tiny;
        my $answer = HTTP::Tiny->new(timeout => 10)->get("http://$host:$port/k");
        $answer->{success} or die $answer->{content};
        print $answer->{content};
    },
    anyevent => sub {
        require AnyEvent;
        require AnyEvent::Socket;
        my $done = AnyEvent->condvar;
        my $hold = AnyEvent::Socket::tcp_connect($host, $port, sub { $done->send($_[0] ? $_[0] : ()) });
        my $peer = $done->recv or die "$!\n";
        vec(my $set = '', fileno($peer), 1) = 1;
        select($set, undef, undef, 10);
        sysread($peer, my $line, 99);
        print $line;
    },
    mojo => sub {
        require Mojo::IOLoop;
        my $failure;
        Mojo::IOLoop->client({address => $host, port => $port} => sub {
            my ($loop, $error, $stream) = @_;
            if ($error) { $failure = $error; return $loop->stop }
            $stream->on(read => sub { print $_[1]; $loop->stop });
        });
        Mojo::IOLoop->start;
        die "$failure\n" if $failure;
    },
);
$ways{$way}->();
