# SPDX-License-Identifier: MIT
"""Transfers through a proxy's tunnel (CONNECT): each failure times method, flavour of libcurl and way of running it.

In each cell are asserted: the bytes that the program receives, its result, the attempts in the log, and the requests at
proxy and server.
"""

import json

from harness import BUILD, TRANSFER, cases
from tunnel import Tunnel, refusal

PROGRAMS = {"openssl": TRANSFER, "gnutls": f"{BUILD}/clients/transfer_gnutls"}
MODES = ("easy", "poll", "socket")
LOGIN = 'Proxy-Authenticate: Basic realm="x"'
HURRY = {"retry.base": "5ms"}


class Fault:
    """How the first attempt fails.

    repeats: "any" method, because the request was not sent; "safe" methods; or "no" method at all.
    script: of the proxy. path: steps of the server. tls: whether the tunnel carries TLS. arrives: whether the failed
    request reaches the server.
    """

    def __init__(self, repeats, cause=None, script=(), path="ok", tls=True, arrives=False, keys=None):
        self.repeats, self.cause, self.script, self.path = repeats, cause, script, path
        self.tls, self.arrives, self.keys = tls, arrives, {**HURRY, **(keys or {})}

    def repeated(self, request):
        return self.repeats == "any" or (self.repeats == "safe" and request == "get")


FAULTS = {
    # The proxy fails before it grants the tunnel.
    "connect_reset": Fault("any", "reset", ["reset"]),
    "connect_close": Fault("any", "reset", ["close"]),
    "connect_half": Fault("any", "reset", ["half"]),
    "connect_hang": Fault("any", "timeout", ["hang"], tls=False, keys={"timeout.attempt": "1500ms"}),
    "connect_503": Fault("any", "503", [refusal(503, body=b"not now")]),
    "connect_503_after": Fault("any", "503", [refusal(503, "Retry-After: 0")], keys={"retry.base": "9s"}),
    "connect_502_close": Fault("any", "502", [refusal(502, "Connection: close")]),
    "connect_429": Fault("any", "429", [refusal(429, "Retry-After: 0")], keys={"retry.base": "9s"}),
    "connect_407": Fault("no", script=[refusal(407, LOGIN)]),
    "connect_407_in_policy": Fault("no", script=[refusal(407, LOGIN)], keys={"retry.on": "reset, 407, 503"}),
    "connect_403": Fault("no", script=[refusal(403)]),
    "connect_501": Fault("no", script=[refusal(501)]),
    # The TLS handshake in the tunnel fails.
    "tls_cut": Fault("any", "reset", ["cut"]),
    "tls_end": Fault("any", "reset", ["end"]),
    # The request has left.
    "reset": Fault("safe", "reset", path="reset/ok", arrives=True),
    "close": Fault("safe", "reset", path="close/ok", arrives=True),
    "503": Fault("safe", "503", path="s503/ok", arrives=True),
    "plain_reset": Fault("safe", "reset", path="reset/ok", tls=False, arrives=True),
    "plain_close": Fault("safe", "reset", path="close/ok", tls=False, arrives=True),
    "plain_503": Fault("safe", "503", path="s503/ok", tls=False, arrives=True),
    "plain_cut": Fault("safe", "reset", ["cut"], tls=False),
    "plain_connect_503": Fault("any", "503", [refusal(503)], tls=False),
}


class Place:
    """A server behind a proxy."""

    def __init__(self, test, proxy, tls, path):
        self.server, self.proxy = test.server(), proxy
        front = test.tls_front(self.server) if tls else self.server
        self.url = front.url(f"k/{path}")

    def command(self, program, *options):
        return [program, "--insecure", "--tunnel", "--stdout", "--header-data", *options, "--proxy", self.proxy.url(),
                self.url]

    def counts(self):
        return self.proxy.connects(), self.server.count("k")


def seen(test, result):
    """What the program reports of its transfer on stderr."""
    try:
        return json.loads(result.err)["transfers"][0]
    except ValueError:
        test.check(False, f"no report: {result}")


def figures(test, result):
    got = seen(test, result)
    return {key: got[key] for key in ("result", "status", "connect_status", "error", "type", "method")}


def same(test, under, alone):
    test.equal(under.out, alone.out, "bytes that the program received")
    test.equal(figures(test, under), figures(test, alone), "result and figures")


def check_log(test, causes, recovered):
    test.equal([event["cause"] for event in test.events("retry")], causes, "retries in the log")
    test.equal([event["attempt"] for event in test.events("recovered")], recovered, "recovered attempts in the log")


def table(faults, requests=("get", "post"), programs=PROGRAMS, modes=MODES):
    return {f"{f}-{r}-{p}-{m}": (f, r, p, m) for f in faults for r in requests for p in programs for m in modes}


@cases(**table(FAULTS))
def test_cell(test, case):
    """One failure. The program gets the bytes of one good attempt, or what it gets alone."""
    fault, request, program, mode = FAULTS[case[0]], *case[1:]
    options = ("--mode", mode, "--request", request)
    repeated = fault.repeated(request)
    script, path = ((), "ok") if repeated else (fault.script, fault.path)
    good = Place(test, test.opened(Tunnel(*script)), fault.tls, path)
    alone = test.alone(good.command(PROGRAMS[program], *options))
    bad = Place(test, test.opened(Tunnel(*fault.script)), fault.tls, fault.path)
    under = test.rebound(bad.command(PROGRAMS[program], *options), fault.keys)
    same(test, under, alone)
    check_log(test, [fault.cause] * repeated, [2] * repeated)
    kept = fault.arrives and fault.cause == "503"  # the second attempt uses the tunnel of the first one
    test.equal(bad.counts(), (1 + (repeated and not kept), fault.arrives + repeated), "CONNECTs, requests")
    if "Retry-After" in str(fault.script):
        test.equal([event["delay_ms"] for event in test.events("retry")], [0], "delays in the log")


@cases(**table([name for name, fault in FAULTS.items() if fault.script and fault.repeats != "no" and fault.cause != "timeout"],
               programs=["openssl"], modes=["easy", "socket"]))
def test_attempts_exhausted(test, case):
    """Every attempt fails. The program gets the failure as alone, once."""
    fault, request, program, mode = FAULTS[case[0]], *case[1:]
    options = ("--mode", mode, "--request", request)
    place = Place(test, test.opened(Tunnel(*fault.script * 9)), fault.tls, "ok")
    alone = test.alone(place.command(PROGRAMS[program], *options))
    under = test.rebound(place.command(PROGRAMS[program], *options), fault.keys)
    same(test, under, alone)
    repeats = 0 if not fault.repeated(request) else 1 if case[0] == "tls_end" else 2
    check_log(test, [fault.cause] * repeats, [])
    test.equal(place.counts(), (2 + repeats, 0), "CONNECTs, requests")
