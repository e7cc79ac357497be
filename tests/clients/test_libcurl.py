# SPDX-License-Identifier: MIT
"""Other programs that bring libcurl in: the GnuTLS flavour, loaded at run time by Python, Perl and Tcl."""

from harness import cases, check_attempts_exhausted, check_gets_through

PYCURL = """
import io, pycurl, sys
out = io.BytesIO()
headers = []
c = pycurl.Curl()
c.setopt(c.URL, sys.argv[1])
c.setopt(c.WRITEFUNCTION, out.write)
c.setopt(c.HEADERFUNCTION, lambda line: headers.append(line))
c.perform()
print(c.getinfo(c.RESPONSE_CODE), len([h for h in headers if h.startswith(b'HTTP/')]))
print(out.getvalue().decode(), end='')
"""
PERL = """
my $c = WWW::Curl::Easy->new;
my $body = '';
$c->setopt(CURLOPT_URL, $ARGV[0]);
$c->setopt(CURLOPT_WRITEFUNCTION, sub { $body .= $_[0]; return length $_[0] });
my $code = $c->perform;
print $c->getinfo(CURLINFO_HTTP_CODE), " 1\\n", $body;
exit $code;
"""
TCL = """
package require TclCurl
set c [curl::init]
$c configure -url [lindex $argv 0] -bodyvar body
$c perform
puts "[$c getinfo responsecode] 1"
puts -nonewline $body
"""


def command(test, language, url):
    if language == "python":
        return ["/usr/bin/python3", test.file("client.py", PYCURL), url]
    if language == "perl":
        return ["perl", "-MWWW::Curl::Easy", test.file("client.pl", PERL), url]
    return ["tclsh", test.file("client.tcl", TCL), url]


@cases("python", "perl", "tcl")
def test_gets_through(test, language):
    check_gets_through(test, lambda url: command(test, language, url))


@cases("python", "perl", "tcl")
def test_attempts_exhausted(test, language):
    check_attempts_exhausted(test, lambda url: command(test, language, url))


BREAKER = """
import pycurl, sys, time
def perform(url):
    c = pycurl.Curl()
    c.setopt(c.URL, url)
    c.setopt(c.WRITEFUNCTION, lambda data: None)
    start = time.perf_counter()
    try:
        c.perform()
        return c.getinfo(c.RESPONSE_CODE), c.getinfo(c.NUM_CONNECTS), ''
    except pycurl.error as e:
        took = time.perf_counter() - start
        return e.args[0], c.getinfo(c.RESPONSE_CODE), e.args[1] if took < 0.1 else 'slow'
sick, sound = sys.argv[1:]
for url in (sick, sick, sick):
    print(*perform(url))
time.sleep(0.35)
print(*perform(sound))
print(*perform(sound))
"""


def test_breaker_opens_and_closes(test):
    server = test.server()
    keys = {"breaker": "on", "breaker.refuse": "always", "breaker.window": "4", "breaker.min_calls": "2",
            "breaker.open": "300ms",
            "retry.attempts": "1"}
    result = test.rebound(
        ["/usr/bin/python3", test.file("client.py", BREAKER), server.url("k/s503"), server.url("j/ok")], keys)
    lines = result.out.decode().splitlines()
    test.equal(result.code, 0, f"exit status ({result})")
    test.equal(lines[:2], ["503 1 ", "503 1 "], "the first two")
    test.check(lines[2].startswith("7 0 ") and "breaker" in lines[2], f"the refused one: {lines[2]}")
    test.equal(lines[3:], ["200 1 ", "200 1 "], "after the open time")
    test.equal((server.count("k"), server.count("j")), (2, 2), "requests")


REUSE = """
import io, pycurl, sys
c = pycurl.Curl()
for url in sys.argv[1:]:
    out = io.BytesIO()
    c.setopt(c.URL, url)
    c.setopt(c.WRITEDATA, out)
    c.perform()
    print(c.getinfo(c.RESPONSE_CODE), out.getvalue().decode(), end='')
c.reset()
c.setopt(c.URL, sys.argv[1])
c.perform()
"""


def test_one_handle_for_many_transfers(test):
    server = test.server()
    urls = [server.url("a/s503/ok"), server.url("b/ok"), server.url("c/close/ok"), server.url("d/s404")]
    result = test.rebound(["/usr/bin/python3", test.file("client.py", REUSE), *urls])
    test.good(result, b"200 good a\n200 good b\n200 good c\n404 status 404\ngood a\n")
    test.equal([server.count(k) for k in "abcd"], [3, 1, 2, 1], "requests")
