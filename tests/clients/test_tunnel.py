# SPDX-License-Identifier: MIT
"""Transfers through a proxy's tunnel (CONNECT): each failure times method, flavour of libcurl and way of running it.

In each cell are asserted: the bytes that the program receives, its result, the attempts in the log, and the requests at
proxy and server.
"""

import json
import re
import shutil

from harness import BUILD, TRANSFER, cases, paired
from http2 import Http2Server
from tunnel import RealProxy, Tunnel, refusal

CURL = "/usr/bin/curl"
PROGRAMS = {"openssl": TRANSFER, "gnutls": f"{BUILD}/clients/transfer_gnutls"}
MODES = ("easy", "socket")
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
    "connect_503_after": Fault("any", "503", [refusal(503, "Retry-After: 0.05")], keys={"retry.base": "9s"}),
    "connect_502_close": Fault("any", "502", [refusal(502, "Connection: close")]),
    "connect_429": Fault("any", "429", [refusal(429, "Retry-After: 0.05")], keys={"retry.base": "9s"}),
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
    """A server behind a proxy. cut: so many TLS handshakes with the server fail. arguments: of faultd."""

    def __init__(self, test, proxy, tls, path, cut=0, arguments=()):
        self.server, self.proxy = test.server(*arguments), proxy
        front = test.tls_front(self.server, cut) if tls else self.server
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


# The others are variants of these. Each is tested with two of the programs.
MATRIX = ("connect_reset", "connect_close", "connect_503", "connect_429", "connect_407", "tls_cut", "tls_end", "reset", "close",
          "503", "plain_reset", "plain_503")


@paired(**table(MATRIX), **{name: case for name, case in table(FAULTS).items()
                            if case[0] not in MATRIX and case[2:] in (("openssl", "easy"), ("gnutls", "socket"))})
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
        test.equal([event["delay_ms"] for event in test.events("retry")], [50], "delays in the log")


@paired(**table(("connect_reset", "connect_half", "connect_503", "connect_429", "tls_cut", "tls_end", "plain_cut"),
                programs=["openssl"]))
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


# The ways in which a program can look at header lines, with curl.

OPTIONS = {
    "none": [], "fail": ["-f"], "fail_include": ["-f", "-i"], "include": ["-i"], "dump": ["-D", "-"],
    "dump_include": ["-i", "-D", "headers"], "suppress": ["-i", "--suppress-connect-headers"],
    "suppress_fail": ["-f", "-D", "-", "--suppress-connect-headers"],
    "head": ["-I"], "write_out": ["-w", "%{http_code} %{http_connect} %{exitcode} %{errormsg} %{num_headers}\\n"],
}
METHODS = {"get": [], "post": ["-d", "x=1"], "put": ["-T", "/etc/passwd"], "form": ["-F", "f=@/etc/passwd"]}


def curl(place, *options):
    return [CURL, "-sSkp", "-x", place.proxy.url(), *options, place.url]


@paired(**{f"{fault}-{options}-{method}": (fault, OPTIONS[options], METHODS[method])
           for fault in ("connect_503", "connect_429", "connect_407", "tls_cut") for options in OPTIONS for method in METHODS
           if method == "get" or options in ("include", "fail", "suppress_fail")})
def test_options(test, case):
    """What curl prints and writes is what one good attempt gives, or for a 407 what curl gets alone."""
    fault, options, method = FAULTS[case[0]], *case[1:]
    repeated = fault.repeats == "any"
    good = Place(test, test.opened(Tunnel(*([] if repeated else fault.script))), fault.tls, "ok")
    alone = test.alone(curl(good, *options, *method))
    files = test.left()
    bad = Place(test, test.opened(Tunnel(*fault.script)), fault.tls, "ok")
    test.same(test.rebound(curl(bad, *options, *method), fault.keys), alone)
    test.equal(test.left(), files, "files")
    check_log(test, [fault.cause] * repeated, [2] * repeated)
    test.equal(bad.counts(), (1 + repeated, repeated), "CONNECTs, requests")


# Without a failure, everything is as alone.

NEGOTIATE = "Proxy-Authenticate: NTLM"
CHALLENGE = (NEGOTIATE + " TlRMTVNTUAACAAAADAAMADgAAAA1goniASNFZ4mrze8AAAAAAAAAACQAJABEAAAABgBwFwAAAA9TAGUAcgB2AGUAcgACAAwA"
             "UwBlAHIAdgBlAHIAAQAMAFMAZQByAHYAZQByAAAAAAA=")
DIGEST = 'Proxy-Authenticate: Digest realm="x", nonce="1", qop="auth"'
USER = ["--proxy-user", "me:secret"]
LOGINS = {
    "basic": (["--proxy-basic"], []),
    "anyauth": (["--proxy-anyauth"], [refusal(407, LOGIN, body=b"who?")]),
    "anyauth_close": (["--proxy-anyauth"], [refusal(407, LOGIN, "Connection: close")]),
    "digest": (["--proxy-digest"], [refusal(407, DIGEST, body=b"who?")]),
    "ntlm": (["--proxy-ntlm"], [refusal(407, CHALLENGE)]),
    "anyauth_ntlm": (["--proxy-anyauth"], [refusal(407, NEGOTIATE), refusal(407, CHALLENGE)]),
    "wrong_password": (["--proxy-basic"], [refusal(407, LOGIN)] * 9),
    "wrong_digest": (["--proxy-digest"], [refusal(407, DIGEST)] * 9),
}


def run_both(test, script, command, keys=None, tls=True):
    """Runs curl alone and under rebound, each with a proxy of its own. Returns both places."""
    places, results = [], []
    for run in (test.alone, lambda line: test.rebound(line, keys)):
        place = Place(test, test.opened(Tunnel(*script)), tls, "ok")
        results.append((run(command(place)), test.left()))
        places.append(place)
    (alone, files), (under, files_under) = results
    for result, place in ((alone, places[0]), (under, places[1])):
        result.err = result.err.replace(str(place.proxy.port).encode(), b"PROXY").replace(
            place.url.split("/")[2].encode(), b"SERVER")
    test.same(under, alone)
    test.equal(files_under, files, "files")
    return places


@cases(**{f"{options}-{scheme}": (OPTIONS[options], scheme == "tls")
          for options in OPTIONS for scheme in ("tls", "plain")})
def test_healthy(test, case):
    options, tls = case
    alone, under = run_both(test, [], lambda place: curl(place, *options), tls=tls)
    test.equal(under.counts(), (1, 1), "CONNECTs, requests")
    test.equal([test.events(), under.proxy.heads[0].split()[0]], [[], b"CONNECT"], "log")


@paired(**{f"{login}-{options}": (LOGINS[login], OPTIONS[options])
           for login in LOGINS for options in ("include", "fail_include", "suppress", "dump")})
def test_login(test, case):
    """The 407 of libcurl's own login is no failure."""
    (login, script), options = case
    alone, under = run_both(test, script, lambda place: curl(place, *USER, *login, *options))
    test.equal(under.counts(), alone.counts(), "CONNECTs, requests")
    test.equal(test.events("retry"), [], "retries in the log")


@cases(**{f"{login}-{fault}": (LOGINS[login], step)
          for login in ("anyauth", "anyauth_close", "digest", "ntlm", "anyauth_ntlm")
          for fault, step in (("cut", "cut"), ("503", refusal(503)), ("reset", "reset"))})
def test_failure_after_login(test, case):
    """After a login, the next attempt can need fewer rounds or all of them. The program gets the bytes of one."""
    (login, script), step = case
    good = Place(test, test.opened(Tunnel(*script)), True, "ok")
    alone = test.alone(curl(good, *USER, *login, "-i", "-d", "x=1"))
    bad = Place(test, test.opened(Tunnel(*script, step, *(script if "ntlm" in login[0] else ()))), True, "ok")
    under = test.rebound(curl(bad, *USER, *login, "-i", "-d", "x=1"), HURRY)
    test.same(under, alone)
    check_log(test, ["503" if isinstance(step, bytes) else "reset"], [2])
    test.equal(bad.server.count("k"), 1, "requests")


# Special cases.


def transfer(test, place, *options, keys=None):
    """One transfer of the test program under rebound. Its result, and what it reports."""
    result = test.rebound(place.command(TRANSFER, *options), {**HURRY, **(keys or {})})
    return result, seen(test, result)


@cases(**{f"{request}-{mode}": (options, mode) for mode in MODES for request, options in {
    "put": ["--request", "put", "--no-seek"], "chunks": ["--request", "put", "--no-seek", "--unknown-size"],
    "callback": ["--request", "callback", "--no-seek", "--expect100"], "form": ["--request", "mime", "--no-seek"],
    "fields": ["--request", "post", "--expect100"]}.items()})
def test_upload(test, case):
    """Nothing of the upload is read before the tunnel is open. So an upload without a seek function is repeated."""
    options, mode = case
    place = Place(test, test.opened(Tunnel(refusal(503), "cut")), True, "ok")
    good = Place(test, test.opened(Tunnel()), True, "ok")
    alone = test.alone(good.command(TRANSFER, "--mode", mode, *options))
    result, _ = transfer(test, place, "--mode", mode, *options)
    same(test, result, alone)
    check_log(test, ["503", "reset"], [3])
    test.equal(place.counts(), (3, 1), "CONNECTs, requests")
    if "mime" not in options:  # the boundary is random
        test.equal([entry[3:5] for entry in place.server.log("k")], [entry[3:5] for entry in good.server.log("k")], "body")


@cases(*MODES)
def test_download_is_continued(test, mode):
    """A download breaks off inside the tunnel. The next attempts need a tunnel of their own."""
    good = Place(test, test.opened(Tunnel()), True, "ok;last;range;etag=%22a%22;size=30000")
    alone = test.alone(good.command(TRANSFER, "--mode", mode))
    place = Place(test, test.opened(Tunnel("granted", refusal(503))), True, "cut;range;etag=%22a%22;size=30000;sent=9000/ok;"
                  "range;etag=%22a%22;size=30000")
    result, got = transfer(test, place, "--mode", mode)
    same(test, result, alone)
    check_log(test, ["reset", "503"], [3])
    test.equal(place.counts(), (3, 2), "CONNECTs, requests")


@cases(*MODES)
def test_download_is_not_continued(test, mode):
    """The proxy refuses every further tunnel. The program gets the end of its download, with the values of that."""
    path = "cut;range;etag=%22a%22;size=30000;sent=9000"
    alone = test.alone(Place(test, test.opened(Tunnel()), True, path).command(TRANSFER, "--mode", mode))
    place = Place(test, test.opened(Tunnel("granted", refusal(503), refusal(503))), True, path)
    result, _ = transfer(test, place, "--mode", mode)
    same(test, result, alone)


@cases(get=(["--follow"], 2), post=(["--follow", "--request", "post"], 1))
def test_redirect_to_another_host(test, case):
    """The second host needs a tunnel of its own. A POST that was answered by 307 may have been acted on."""
    options, attempts = case
    other = test.server()
    place = Place(test, test.opened(Tunnel("granted", refusal(503))), False,
                  f"s307;header=Location:{other.url('j').replace('/', '%2F')}")
    result, got = transfer(test, place, *options)
    check_log(test, ["503"] * (attempts - 1), [2] * (attempts - 1))
    results = (0,) if attempts == 2 else (56, 7)  # from libcurl 8.20 on, a refused tunnel is 7
    test.check(got["result"] in results, f"result: {got['result']}")
    test.equal(other.count("j"), attempts - 1, "requests at the second host")
    test.equal(result.out.count(b"307 Fine"), 1, "redirects that the program saw")


@cases(*MODES)
def test_program_refuses_the_tunnel(test, mode):
    """The write callback refuses the proxy's answer (CURLOPT_HEADER). Then the request is not sent."""
    runs = []
    for run in (test.alone, test.rebound):
        place = Place(test, test.opened(Tunnel()), False, "ok")
        command = [TRANSFER, "--mode", mode, "--tunnel", "--include", "--abort-after", "10", "--request", "post",
                   "--proxy", place.proxy.url(), place.url]
        result = run(command)
        got = json.loads(result.out)["transfers"][0]
        error = got["error"].split(",")[0]  # newer versions say how many bytes were refused
        runs.append((error, [got[key] for key in ("result", "received", "header_lines")], place.counts()))
    test.equal(runs[1], runs[0], "result, CONNECTs and requests")
    test.equal(runs[0][2], (1, 0), "CONNECTs, requests")


def test_kept_tunnel(test):
    """Both transfers use one tunnel. The server closes it, so libcurl opens another one, which the proxy first refuses."""
    server, proxy = test.server(), test.opened(Tunnel("granted", refusal(503)))
    urls = [server.url("k/ok"), server.url("j/close/ok")]
    result = test.rebound([CURL, "-sSp", "-x", proxy.url(), *urls], HURRY)
    test.good(result, b"good k\ngood j\n")
    test.equal((server.count("k"), server.count("j")), (1, 2), "requests")


def test_throttling_proxy_delays_nobody_else(test):
    """The Retry-After of a 429 to CONNECT is about the user of the proxy."""
    place = Place(test, test.opened(Tunnel(refusal(429, "Retry-After: 20"))), False, "ok")
    state = {"REBOUND_STATE": test.dir + "/state"}
    keys = {"retry.attempts": "1", **HURRY}
    command = ["timeout", "10", CURL, "-sSp", "-H", "Authorization: x", "-x", place.proxy.url(), place.url]
    test.equal(test.rebound(command, keys, env=state).code, 56, "exit status of the first")
    test.good(test.rebound(command, keys, env=state), b"good k\n")


def test_connect_only(test):
    """A transfer that ends with the tunnel passes through."""
    place = Place(test, test.opened(Tunnel(refusal(503))), False, "ok")
    command = [CURL, "-sSp", "-x", place.proxy.url(), f"telnet://127.0.0.1:{place.server.port}"]
    test.equal(test.rebound(command).code, 56, "exit status")
    test.equal((test.events(), place.proxy.connects()), ([], 1), "log, CONNECTs")


@cases(get=[], post=["-d", "x=1"])
def test_https_proxy(test, options):
    """TLS to the proxy, and TLS in the tunnel. The first handshake with the proxy is cut, and the first CONNECT refused."""
    place = Place(test, test.opened(Tunnel(refusal(503))), True, "ok")
    front = test.tls_front(place.proxy, cut=1)
    command = [CURL, "-sSik", "--proxy-insecure", "-x", f"https://127.0.0.1:{front.port}", *options, place.url]
    alone = test.alone([CURL, "-sSik", "--proxy-insecure", "-x", f"https://127.0.0.1:{test.tls_front(test.opened(Tunnel())).port}",
                        *options, place.url])
    test.same(test.rebound(command, HURRY), alone)
    test.equal([event["cause"] for event in test.events("retry")], ["reset", "503"], "retries in the log")
    test.equal(place.counts(), (2, 2), "CONNECTs, requests")


@cases(get=([], 2), post=(["-d", "x=1"], 1))
def test_http2_in_a_tunnel(test, case):
    options, requests = case
    server = test.opened(Http2Server("broken"))
    place = test.opened(Tunnel(refusal(503)))
    command = [CURL, "-sSp", "--http2-prior-knowledge", "-x", place.url(), *options, server.url("k")]
    result = test.rebound(command, HURRY)
    test.equal(len(server.requests), requests, "requests")
    test.equal(result.out if requests == 2 else result.code, b"good h2\n" if requests == 2 else 92, "output or exit status")
    causes = ["503", "reset"][:requests]
    test.equal([event["cause"] for event in test.events("retry")], causes, "retries in the log")


# The same with proxies that people use.

REAL = ("tinyproxy", *(["squid"] if shutil.which("squid", path="/usr/sbin") else []))
REFUSALS = {"tinyproxy": "500", "squid": "503"}  # what they answer if the server refuses the connection
LATE = {"retry.base": "50ms", "retry.attempts": "100", "budget.floor": "1000/s"}
TROUBLES = {
    "late": Fault("any", tls=False, keys=LATE),
    "tls_cut": Fault("any", "reset"),
    "reset": Fault("safe", "reset", path="reset/ok", arrives=True),
    "close": Fault("safe", "reset", path="close/ok", arrives=True),
    "503": Fault("safe", "503", path="s503/ok", arrives=True),
    "plain_reset": Fault("safe", "reset", path="reset/ok", tls=False, arrives=True),
    "plain_close": Fault("safe", "reset", path="close/ok", tls=False, arrives=True),
    "407": Fault("no"),
}


@paired(**{f"{proxy}-{trouble}-{request}-{program}-{mode}": (proxy, trouble, request, program, mode)
           for proxy in REAL for trouble in TROUBLES for request in ("get", "post") for program in PROGRAMS
           for mode in ("easy", "socket")})
def test_real_proxy(test, case):
    name, trouble, request, program, mode = case
    fault, options = TROUBLES[trouble], ("--mode", mode, "--request", request)
    proxy = test.opened(RealProxy(test, name, login=trouble == "407"))
    repeated = fault.repeated(request)
    good = Place(test, proxy, fault.tls, "ok" if repeated else fault.path)
    alone = test.alone(good.command(PROGRAMS[program], *options))
    bad = Place(test, proxy, fault.tls, fault.path, cut=trouble == "tls_cut",
                arguments=("--listen-after", "never") if trouble == "late" else ())
    before = proxy.connects()
    under = test.rebound(bad.command(PROGRAMS[program], *options), fault.keys, on_retry=bad.server.listen)
    test.equal(steady(under.out), steady(alone.out), "bytes that the program received")
    test.equal(figures(test, under), figures(test, alone), "result and figures")
    retries = [event["cause"] for event in test.events("retry")]
    wanted = ([fault.cause or REFUSALS[name]] * max(len(retries) if trouble == "late" else 1, 1)) * repeated
    test.equal(retries, wanted, "retries in the log")
    kept = fault.arrives and fault.cause == "503"
    test.equal(proxy.connects() - before, 1 if kept else 1 + len(retries), "connections to the proxy")
    test.equal(bad.counts()[1], good.counts()[1] + fault.arrives if repeated else good.counts()[1], "requests")


def steady(data):
    """Removes what differs between two answers of a real proxy."""
    return re.sub(rb"(?im)^(date|x-cache|via|age|x-cache-lookup):.*\r\n", b"", data)


@cases(*REAL)
def test_login_at_a_real_proxy(test, name):
    proxy = test.opened(RealProxy(test, name, login=True))
    server = test.server()
    command = [CURL, "-sSip", "--proxy-anyauth", "-x", proxy.url("user:secret@"), server.url("k/ok")]
    alone = test.alone(command)
    under = test.rebound(command)
    test.equal((under.code, steady(under.out)), (0, steady(alone.out)), "status, output")
    test.equal((test.events(), server.count("k")), ([], 2), "log, requests")


@cases("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
def test_proxy_of_the_environment(test, name):
    place = Place(test, test.opened(Tunnel(refusal(503), "cut")), True, "ok")
    result = test.rebound([CURL, "-sSkf", "-d", "x=1", place.url], HURRY, env={name: place.proxy.url()})
    test.good(result, b"good k\n")
    check_log(test, ["503", "reset"], [3])
    test.equal(place.counts(), (3, 1), "CONNECTs, requests")
