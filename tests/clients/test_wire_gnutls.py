# SPDX-License-Identifier: MIT
"""Programs that speak HTTP through GnuTLS: every response reaches them, and its status and hints count."""

import json
import os
import ssl
import subprocess

from harness import HERE, QUICK, REBOUND, Skip, built_once, cases
from wire_server import SecureFront, certificate

VERSIONS = {"tls1.2": ssl.TLSVersion.TLSv1_2, "tls1.3": ssl.TLSVersion.TLSv1_3}
POLICY = dict(QUICK, breaker="on")
APT = "/usr/lib/apt/methods/https"


# Hands a request to the method and waits for its result, as apt does: the method ends with its input.
TALK = """
import subprocess, sys
method = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
method.stdin.write(sys.stdin.buffer.read())
method.stdin.flush()
for line in method.stdout:
    print(line.decode(), end="")
    if line[:4] in (b"201 ", b"400 "):
        break
for line in method.stdout:
    print(line.decode(), end="")
    if line == b"\\n":
        break
method.stdin.close()
method.wait()
"""


def secure(test, script, version="tls1.3"):
    server = test.server("--script", script)
    return server, test.opened(SecureFront(server, VERSIONS[version])).port


def wget(port, *more):
    return ["wget", "-nv", "--tries=1", "--content-on-error", f"--ca-certificate={certificate()[0]}", *more, "-O", "-",
            *[f"https://127.0.0.1:{port}/k"] * 2]


def http_events(test):
    return [event for event in test.events() if event["api"] == "http"]


def hosts(environment):
    """What the processes of the user share about hosts."""
    out = subprocess.run([REBOUND, "status", "--json"], env=dict(os.environ, **environment), stdout=subprocess.PIPE,
                         check=True).stdout
    return json.loads(out)["hosts"]


@cases(**VERSIONS)
def test_counts_statuses(test, version):
    server, port = secure(test, "s503;after=17,s429")
    server_alone, port_alone = secure(test, "s503;after=17,s429")
    shared = {"REBOUND_STATE": os.path.join(test.dir, "state")}
    alone = test.alone(wget(port_alone))
    under = test.rebound(wget(port), test.policy(POLICY, hosts="127.0.0.1", base={}), env=shared)
    test.equal(under.out, alone.out, "stdout")
    test.equal(under.code, alone.code, "exit status")
    test.equal((server.count("k"), server_alone.count("k")), (2, 2), "requests")
    events = http_events(test)
    test.equal([(event["decision"], event["reason"], event["cause"], event["way"], event["stack"]) for event in events],
               [("stop", "stack", "503", "gnutls", "tls"), ("stop", "stack", "429", "gnutls", "tls")], "events")
    test.check(all({"first_byte", "total"} <= set(event["times_ms"]) for event in events), "the log has no times")
    known = hosts(shared)
    test.equal([host["failed"] for host in known if host["calls"]], [1], "failures in the window of the breaker")
    test.check(any(0 < (host["not_before_ms"] or 0) <= 17000 for host in known), f"the time of Retry-After: {known}")


def test_opens_the_breaker(test):
    """Each connection has one request, which fails. Its connect is no success of its own."""
    server, port = secure(test, "s503")
    shared = {"REBOUND_STATE": os.path.join(test.dir, "state")}
    policy = dict(POLICY, **{"breaker.window": "2", "breaker.min_calls": "2", "breaker.open": "1m", "breaker.open_max": "1m"})
    test.rebound(wget(port, "--no-http-keep-alive"), test.policy(policy, hosts="127.0.0.1", base={}), env=shared)
    test.equal(server.count("k"), 2, "requests")
    test.equal([host["state"] for host in hosts(shared)], ["open"], "the breaker")


def test_apt(test):
    """The method that apt starts for https: it asks for one file."""
    if not os.path.exists(APT):
        raise Skip("apt has no method for https")
    server, port = secure(test, "s503,ok")
    ask = (f"601 Configuration\nConfig-Item: Acquire::https::CAInfo={certificate()[0]}\n"
           f"Config-Item: Acquire::Retries=0\n\n"
           f"600 URI Acquire\nURI: https://127.0.0.1:{port}/k\nFilename: {test.dir}/got\n\n").encode()
    result = test.rebound(["/usr/bin/python3", "-c", TALK, APT], test.policy(POLICY, hosts="127.0.0.1", base={}), stdin=ask)
    test.check(b"503" in result.out, f"apt got no 503: {result}")
    test.equal(server.count("k"), 1, "requests")
    test.equal([(event["cause"], event["way"]) for event in http_events(test)], [("503", "gnutls")], "events")


def odd(test, way, script="s503,ok"):
    """Runs a way of gnutls.c alone and under rebound. Returns both results, and the requests that arrived under rebound."""
    program = built_once(os.path.join(HERE, "wire", "gnutls.c"), "gnutls", "cc", "-O1", "-D_GNU_SOURCE", "-o", "{target}",
                         "-Wl,--no-as-needed", "-l:libgnutls.so.30")
    _, port_alone = secure(test, script)
    alone = test.alone([program, way, str(port_alone)])
    server, port = secure(test, script)
    under = test.rebound([program, way, str(port)], test.policy(POLICY, hosts="127.0.0.1", base={}))
    return alone, under, server.count("k")


@cases("plain", "functions", "pieces")
def test_observed(test, way):
    """functions: the program reads and writes the socket itself. pieces: one byte at a time."""
    alone, under, count = odd(test, way)
    test.same(under, alone)
    test.equal(count, 2, "requests")
    test.equal([(event["cause"], event["way"]) for event in http_events(test)], [("503", "gnutls")], "events")


@cases("pipelined", "other")
def test_opaque(test, way):
    """Two requests at once; bytes that are not HTTP, before a request."""
    alone, under, _ = odd(test, way)
    test.same(under, alone)
    test.equal(http_events(test), [], "events")
