# SPDX-License-Identifier: MIT
# Speaks HTTP in the way named first and prints each response: client.pl WAY METHOD URL
use strict;
use warnings;

my ($way, $method, $url) = @ARGV;
my $body = $method eq 'POST' ? 'name=value' : '';
my $secure = $url =~ /^https/;
my $ca = $ENV{SSL_CERT_FILE};

sub lwp {
    my ($times, %options) = @_;
    require LWP::UserAgent;
    my $agent = LWP::UserAgent->new(%options, ssl_opts => {SSL_ca_file => $ca});
    for (1 .. $times) {
        my $answer = $agent->request(HTTP::Request->new($method, $url, [], $body));
        print $answer->code, "\n", $answer->content;
    }
}

my %ways = (
    lwp => sub { lwp(1, timeout => 10) },
    lwp_keep_alive => sub { lwp(2, keep_alive => 1) },
    tiny => sub {
        require HTTP::Tiny;
        my $agent = HTTP::Tiny->new(timeout => 10, verify_SSL => 1, SSL_options => {SSL_ca_file => $ca});
        for (1 .. 2) {
            my $answer = $agent->request($method, $url, {content => $body});
            print $answer->{status}, "\n", $answer->{content};
        }
    },
    mojo => sub {
        require Mojo::UserAgent;
        my $agent = Mojo::UserAgent->new(ca => $ca);
        for (1 .. 2) {
            my $sent = $agent->start($agent->build_tx($method => $url => ($body ? $body : ())));
            my $error = $sent->error;
            die "$error->{message}\n" if $error && !$error->{code};
            print $sent->res->code, "\n", $sent->res->body;
        }
    },
);
$ways{$way}->();
