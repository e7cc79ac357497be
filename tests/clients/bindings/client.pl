# SPDX-License-Identifier: MIT
# Transfers by WWW::Curl: client.pl easy|multi get|post|put FILE URL...
use strict;
use warnings;
use WWW::Curl::Easy;
use WWW::Curl::Multi;

my ($driver, $mode, $file, @urls) = @ARGV;

sub content {
    open(my $in, '<:raw', $file) or die;
    local $/;
    return <$in>;
}

sub transfer {
    my ($url, $id) = @_;
    my $easy = WWW::Curl::Easy->new;
    my $self = {easy => $easy, body => '', blocks => 0, result => 0};
    $easy->setopt(CURLOPT_URL, $url);
    $easy->setopt(CURLOPT_PRIVATE, $id);
    $easy->setopt(CURLOPT_WRITEFUNCTION, sub { $self->{body} .= $_[0]; return length $_[0] });
    $easy->setopt(CURLOPT_HEADERFUNCTION, sub { $self->{blocks} += $_[0] =~ m{^HTTP/}; return length $_[0] });
    if ($mode eq 'post') {
        my $data = content();
        $easy->setopt(CURLOPT_POSTFIELDSIZE, length $data);
        $easy->setopt(CURLOPT_COPYPOSTFIELDS, $data);
    } elsif ($mode eq 'put') {
        my $data = content();
        my $sent = 0;
        $easy->setopt(CURLOPT_UPLOAD, 1);
        $easy->setopt(CURLOPT_INFILESIZE, length $data);
        $easy->setopt(CURLOPT_READFUNCTION, sub {
            my $piece = substr($data, $sent, $_[0]);
            $sent += length $piece;
            return $piece;
        });
    }
    return $self;
}

my @transfers = map { transfer($urls[$_], $_ + 1) } 0 .. $#urls;
if ($driver eq 'easy') {
    $_->{result} = $_->{easy}->perform for @transfers;
} else {
    my $multi = WWW::Curl::Multi->new;
    $multi->add_handle($_->{easy}) for @transfers;
    my $active = @transfers;
    while ($active) {
        my $running = $multi->perform;
        while (my ($id, $result) = $multi->info_read) {
            $active--;
            $transfers[$id - 1]{result} = $result;
        }
        last if !$active;
        my ($read, $write, $except) = $multi->fdset;
        my @bits = map { my $bits = ''; vec($bits, $_, 1) = 1 for @$_; $bits } $read, $write, $except;
        select($bits[0], $bits[1], $bits[2], 0.005);
    }
}
binmode STDOUT;
for (@transfers) {
    my $easy = $_->{easy};
    printf "%d %d %d %d\n", $_->{result}, $easy->getinfo(CURLINFO_HTTP_CODE), $_->{blocks},
        $easy->getinfo(CURLINFO_SIZE_DOWNLOAD);
    print $_->{body}, "\n";
}
