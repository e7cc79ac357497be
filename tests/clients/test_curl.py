# SPDX-License-Identifier: MIT
"""The unmodified curl against a failing server: which requests are repeated, and what the program receives."""

import os

from harness import LATE_MS, PATIENT, Failure, body, cases

CURL = "/usr/bin/curl"


def check_sent_once(test, server, reason):
    """The request was not repeated, for this reason."""
    test.equal(server.count("k"), 1, "requests")
    test.equal(test.reasons(), [reason], "reasons")


def retries(test):
    return [e["delay_ms"] for e in test.events("retry")]


@cases(
    status="s503x2/ok", reset="resetx2/ok", close="closex2/ok", throttled="s429x2;after=0/ok",
    mixed="s500;last/reset/ok", cut_error="cut;status=503/s502;chunked/ok", gateway="s502/s504/ok",
    cut_status_line="raw;text=HTTP%2F1.1%20/close/ok")
def test_gets_through(test, script):
    server = test.server()
    result = test.rebound([CURL, "-s", server.url("k/" + script)])
    test.good(result, b"good k\n")
    test.equal(result.err, b"", "stderr")
    test.equal(server.count("k"), 3, "requests")
    test.equal(len(retries(test)), 2, "retries in the log")
    recovered = test.events("recovered")
    test.check(len(recovered) == 1 and recovered[0]["attempt"] == 3, f"no recovery in the log: {test.events()}")
    test.equal(recovered[0]["host"], f"127.0.0.1:{server.port}", "host in the log")
    test.equal(recovered[0]["program"], "curl", "program in the log")


def test_late_listener(test):
    server = test.server("--listen-after", str(LATE_MS))
    result = test.rebound([CURL, "-s", server.url("k")], PATIENT)
    test.good(result, b"good k\n")
    test.equal(server.count("k"), 1, "requests")
    test.check(3 <= len(retries(test)) <= 19, f"retries: {test.events()}")
    test.check(all(e["api"] == "curl" for e in test.events()), "connect acted inside libcurl")


@cases("503", "500", "429", "408")
def test_attempts_exhausted(test, status):
    server = test.server()
    url = server.url(f"k/s{status};text=sick%20{status}")
    alone = test.alone([CURL, "-sSi", url])
    server.reset()
    under = test.rebound([CURL, "-sSi", url], {"retry.attempts": "4"})
    test.same(under, alone)
    test.equal(server.count("k"), 4, "requests")
    test.equal(test.events()[-1]["decision"], "stop", "last decision")
    test.equal(test.events()[-1]["reason"], "attempts", "reason")


@cases(reset="reset", close="close", cut_head="raw;text=HTTP%2F1.1", fail_option="s503")
def test_attempts_exhausted_in_the_transport(test, step):
    server = test.server()
    command = [CURL, "-sSf", server.url("k/" + step)]
    alone = test.alone(command)
    server.reset()
    under = test.rebound(command, {"retry.attempts": "4"})
    test.check(alone.code != 0, "nothing is wrong alone")
    test.same(under, alone)
    test.equal(server.count("k"), 4, "requests")


def test_refused_for_ever(test):
    server = test.server("--listen-after", "never")
    command = [CURL, "-sS", server.url("k")]
    alone = test.alone(command)
    test.equal(alone.code, 7, "exit status alone")
    test.same(test.rebound(command), alone)
    test.equal(len(retries(test)), 2, "retries")


@cases("400", "401", "403", "404", "410", "501")
def test_status_that_is_not_listed(test, status):
    server = test.server()
    result = test.rebound([CURL, "-s", server.url(f"k/s{status}/ok")])
    test.good(result, f"status {status}\n".encode())
    test.equal(server.count("k"), 1, "requests")
    test.equal(retries(test), [], "retries")


@cases(
    body=["-s"], fail=["-sf"], include=["-si"], dump=["-s", "-D", "-"], head=["-sI"], file=["-s", "-o", "out"],
    code=["-s", "-w", "%{http_code} %{size_download} %{num_redirects}\\n"], http10=["-s", "--http1.0"],
    compressed=["-s", "--compressed"], custom=["-s", "-X", "DELETE"], fail_body=["-s", "--fail-with-body"])
def test_mode_shows_only_the_last_answer(test, options):
    server = test.server()
    good = test.alone([CURL, *options, server.url("k/ok")])
    out = os.path.join(test.work, "out")
    kept = open(out, "rb").read() if os.path.exists(out) else None
    server.reset()
    under = test.rebound([CURL, *options, server.url("k/s503x2;text=poison;header=X-Poison:1/ok")])
    test.same(under, good)
    if kept is not None:
        test.equal(open(out, "rb").read(), kept, "the file of -o")
    test.equal(server.count("k"), 3, "requests")


@cases(post=["-d", "x=1"], patch=["-X", "PATCH", "-d", "x=1"])
def test_post_is_sent_once(test, options):
    server = test.server()
    result = test.rebound([CURL, "-s", *options, server.url("k/s503/ok")])
    test.good(result, b"status 503\n")
    check_sent_once(test, server, "method")


@cases("reset", "close")
def test_post_that_was_cut_off_is_sent_once(test, step):
    server = test.server()
    command = [CURL, "-sS", "-d", "x=1", server.url(f"k/{step}")]
    alone = test.alone(command)
    server.reset()
    test.same(test.rebound(command), alone)
    check_sent_once(test, server, "method")


def test_post_to_a_late_listener(test):
    server = test.server("--listen-after", str(LATE_MS))
    result = test.rebound([CURL, "-s", "-d", "x=1", server.url("k")], PATIENT)
    test.good(result, b"good k\n")
    test.equal(server.log("k")[0][1:5], ("POST", "/k", "3", "9e95a87e"), "the request")
    test.equal(server.count("k"), 1, "requests")


def test_post_with_idempotency_key(test):
    server = test.server()
    command = [CURL, "-s", "-d", "amount=5", "-H", "Idempotency-Key: 7f", server.url("k/s503x2/ok")]
    test.good(test.rebound(command), b"good k\n")
    log = server.log("k")
    test.equal(len(log), 3, "requests")
    test.check(len({entry[1:] for entry in log}) == 1, f"the requests differ: {log}")
    test.equal(log[0][3], "8", "bytes of the body")


@cases(all=("all", "PATCH", 2), safe=("safe", "DELETE", 1), listed=("GET, PATCH", "PATCH", 2))
def test_methods_of_the_policy(test, case):
    methods, method, requests = case
    server = test.server()
    test.rebound([CURL, "-s", "-X", method, server.url("k/s503/ok")], {"retry.methods": methods})
    test.equal(server.count("k"), requests, "requests")


def test_large_post_is_repeated_whole(test):
    data = body(300000, binary=True)
    file = test.file("data", data)
    server = test.server()
    command = [CURL, "-s", "--data-binary", "@" + file, server.url("k/s503/ok")]
    test.good(test.rebound(command, {"retry.methods": "all"}), b"good k\n")
    log = server.log("k")
    test.check(len(log) == 2 and log[0][3:] == log[1][3:] and log[0][3] == "300000", f"the requests differ: {log}")


def test_retry_after_is_honoured(test):
    server = test.server()
    result = test.rebound([CURL, "-s", server.url("k/s503;after=1/ok")])
    test.good(result, b"good k\n")
    test.equal(retries(test), [1000], "delays")
    first, second = (int(entry[0]) for entry in server.log("k"))
    test.check(second - first >= 990, f"the second request came after {second - first} ms")


@cases(
    ignored=({"retry.after": "ignore"}, "5", [20], 2),
    capped=({"retry.after_max": "100ms", "retry.after_over": "cap"}, "5", [100], 2),
    over_ignored=({"retry.after_max": "100ms", "retry.after_over": "ignore"}, "5", [20], 2),
    over=({}, "21", [], 1),
    nonsense=({}, "soon", [20], 2),
    past=({}, "Sun%2C%2006%20Nov%201994%2008:49:37%20GMT", [20], 2))
def test_retry_after_variants(test, case):
    keys, value, delays, requests = case
    server = test.server()
    result = test.rebound([CURL, "-s", server.url(f"k/s503;after={value}/ok")], keys)
    test.good(result, b"good k\n" if requests == 2 else b"status 503\n")
    test.equal(server.count("k"), requests, "requests")
    test.equal(retries(test), delays, "delays")
    if requests == 1:
        test.equal(test.reasons(), ["retry-after"], "reasons")


BREAKER = {"breaker": "on", "breaker.refuse": "always", "breaker.window": "4", "breaker.min_calls": "2", "breaker.open": "30s"}


def test_open_breaker(test):
    server = test.server()
    urls = [server.url(f"k{i}/s503") for i in range(3)]
    result = test.rebound([CURL, "-sS", *urls], BREAKER)
    test.equal(result.code, 7, f"exit status ({result})")
    test.equal(result.out, b"status 503\n", "stdout")
    test.equal([server.count(f"k{i}") for i in range(3)], [2, 0, 0], "requests")
    lines = result.err.decode().splitlines()
    test.equal(len(lines), 2, f"lines on stderr: {lines}")
    test.check(all(l.startswith("curl: (7) ") and "breaker" in l and len(l) > 30 for l in lines), f"stderr: {lines}")
    test.equal([e["decision"] for e in test.events()], ["retry", "stop", "refused", "refused"], "decisions")
    test.equal(test.reasons()[1:], ["breaker"] * 3, "reasons")


def test_open_breaker_is_per_host(test):
    sick, sound = test.server(), test.server()
    result = test.rebound([CURL, "-sS", sick.url("a/s503"), sick.url("b/s503"), sound.url("c")], BREAKER)
    test.good(result, b"status 503\ngood c\n")
    test.equal(sick.count("b"), 0, "requests after the breaker opened")


def test_budget(test):
    server = test.server()
    result = test.rebound([CURL, "-s", server.url("k/s503/ok")], {"budget.ratio": "0%", "budget.floor": "0/s"})
    test.good(result, b"status 503\n")
    check_sent_once(test, server, "budget")


def test_large_upload_from_a_pipe_passes(test):
    server = test.server()
    shell = f"cat | {CURL} -s -T - '{server.url('k/s503/ok;text=again')}'"
    result = test.rebound(["sh", "-c", shell], stdin=body(100000))
    test.good(result, b"status 503\n")
    check_sent_once(test, server, "upload")
    test.equal(server.log("k")[0][3], "100000", "bytes of the body")


def test_multi_interface(test):
    server = test.server()
    result = test.rebound([CURL, "-sZ", server.url("a/s503/ok;text=good"), server.url("b/s503/ok;text=good")])
    test.good(result, b"goodgood")
    test.equal((server.count("a"), server.count("b")), (2, 2), "requests")


@cases(
    cut="cut;size=3000;sent=1700", cut_by_reset="cut;size=3000;sent=1700;rst",
    chunks="cut;size=3000;sent=1700;chunked")
def test_broken_download_passes(test, step):
    server = test.server()
    command = [CURL, "-sS", server.url(f"k/{step}/ok")]
    alone = test.alone(command)
    server.reset()
    under = test.rebound(command)
    test.check(alone.code != 0, "nothing is wrong alone")
    if "rst" in step:  # how much of it arrives before the reset is the kernel's affair
        test.check(body(3000).startswith(under.out), "stdout")
        test.equal(under.code, alone.code, "exit status")
    else:
        test.same(under, alone)
        test.equal(under.out, body(1700), "stdout")
    check_sent_once(test, server, "delivered")


def test_held_response_over_the_limit(test):
    server = test.server()
    result = test.rebound([CURL, "-s", server.url("k/s503;size=200000;binary/ok")])
    test.good(result, body(200000, binary=True))
    check_sent_once(test, server, "overflow")


def test_application_timeout_bounds_a_hanging_attempt(test):
    server = test.server()
    command = [CURL, "-sS", "-m", "0.4", server.url("k/hang")]
    alone = test.alone(command)
    server.reset()
    under = test.rebound(command, {"retry.attempts": "50"})
    test.same(under, alone)
    test.equal(under.code, 28, "exit status")


def test_application_timeout_bounds_the_waits(test):
    server = test.server()
    command = [CURL, "-sS", "-m", "1", server.url("k/s503")]
    result = test.rebound(command, {"retry.attempts": "100", "retry.base": "300ms"})
    test.good(result, b"status 503\n")
    test.equal(test.events()[-1]["reason"], "time", "reason")
    test.check(2 <= server.count("k") <= 4, f"{server.count('k')} requests")


def test_total_time_of_the_policy(test):
    server = test.server()
    result = test.rebound([CURL, "-sS", server.url("k/s503")], {"retry.base": "2s", "timeout.total": "1s"})
    test.good(result, b"status 503\n")
    check_sent_once(test, server, "time")


def test_attempt_timeout(test):
    server = test.server()
    result = test.rebound([CURL, "-sS", server.url("k/hang/ok")], {"timeout.attempt": "300ms"})
    test.good(result, b"good k\n")
    test.equal(server.count("k"), 2, "requests")
    test.equal([e["cause"] for e in test.events("retry")], ["timeout"], "causes")


def test_redirect_then_sick(test):
    server = test.server()
    url = server.url("r/s302;header=Location:%2Fk%2Fs503x2%2Fok")
    test.good(test.rebound([CURL, "-sL", url]), b"good k\n")
    test.equal(server.count("k"), 3, "requests behind the redirect")


def test_redirect_that_is_not_followed(test):
    server = test.server()
    result = test.rebound([CURL, "-s", server.url("r/s302;header=Location:%2Fk")])
    test.good(result, b"status 302\n")
    test.equal((server.count("r"), server.count("k")), (1, 0), "requests")


def test_interim_responses(test):
    server = test.server()
    alone = test.alone([CURL, "-si", server.url("k/ok;interim=103")])
    server.reset()
    under = test.rebound([CURL, "-si", server.url("k/s503;interim=103/ok;interim=103")])
    test.same(under, alone)
    test.equal(server.count("k"), 2, "requests")


def test_large_download(test):
    server = test.server()
    command = [CURL, "-s", server.url("k/s503/ok;size=50000000;binary"), "-o", "out"]
    alone = test.alone([CURL, "-s", server.url("a/ok;size=50000000;binary"), "-o", "alone"])
    under = test.rebound(command)
    test.equal((alone.code, under.code), (0, 0), "exit status")
    with open(os.path.join(test.work, "out"), "rb") as out:
        if out.read() != body(50000000, binary=True):
            raise Failure("the file differs")
    test.check(under.resident < alone.resident + 8192, f"KiB resident: {alone.resident} alone, {under.resident} under")


def test_several_urls(test):
    server = test.server()
    urls = [server.url(f"k{i}/s503/ok") for i in range(4)]
    test.good(test.rebound([CURL, "-s", *urls]), b"good k0\ngood k1\ngood k2\ngood k3\n")
    test.equal([server.count(f"k{i}") for i in range(4)], [2] * 4, "requests")


def test_proxy(test):
    server = test.server()
    command = [CURL, "-s", "-x", f"http://127.0.0.1:{server.port}", "http://no.such.host.invalid/k/s503x2/ok"]
    test.good(test.rebound(command), b"good k\n")
    test.equal(server.count("k"), 3, "requests")


def test_proxy_tunnel(test):
    server = test.server()
    command = [CURL, "-si", "-p", "-x", f"http://127.0.0.1:{server.port}", "http://no.such.host.invalid/k/ok"]
    alone = test.alone(command)
    server.reset()
    command[-1] = "http://no.such.host.invalid/k/s503x2/ok"
    under = test.rebound(command)
    test.equal(server.count("k"), 3, "requests")
    test.check(under.out.endswith(b"good k\n") and under.out.count(b"503") == 0, f"{under}")
    test.same(under, alone)


def test_tls(test):
    server = test.server()
    front = test.tls_front(server)
    test.good(test.rebound([CURL, "-sk", front.url("k/s503x2/ok")]), b"good k\n")
    test.equal(server.count("k"), 3, "requests")


def test_tls_trust_is_no_failure_to_repeat(test):
    server = test.server()
    front = test.tls_front(server)
    command = [CURL, "-sS", front.url("k")]
    alone = test.alone(command)
    front.accepted = 0
    test.same(test.rebound(command), alone)
    test.equal(alone.code, 60, "exit status")
    test.equal(front.accepted, 1, "connections")


def test_post_whose_handshake_was_cut_is_repeated(test):
    server = test.server()
    front = test.tls_front(server, cut=1)
    test.good(test.rebound([CURL, "-sk", "-d", "x=1", front.url("k")]), b"good k\n")
    test.equal((front.accepted, server.count("k")), (2, 1), "connections, requests")


@cases(off={"intercept": "off"}, connect={"intercept": "connect"})
def test_intercept(test, keys):
    server = test.server()
    test.good(test.rebound([CURL, "-s", server.url("k/s503/ok")], keys), b"status 503\n")
    test.equal(server.count("k"), 1, "requests")


@cases(
    name=("localhost", "localhost"), wildcard=("*", "localhost"), port=("localhost:{port}", "localhost"),
    address=("127.0.0.1", "127.0.0.1"), prefix=("127.0.0.0/8:{port}", "127.0.0.1"))
def test_host_patterns_that_match(test, case):
    pattern, host = case
    server = test.server()
    policy = test.policy(hosts=pattern.format(port=server.port))
    test.good(test.rebound([CURL, "-s", server.url("k/s503/ok", host)], policy), b"good k\n")
    test.equal({e["policy"] for e in test.events()}, {"tested"}, "policy in the log")


@cases(name="other.example", port="127.0.0.1:1", prefix="10.0.0.0/8", wildcard="*.localhost")
def test_host_patterns_that_do_not_match(test, pattern):
    server = test.server()
    policy = test.policy(hosts=pattern)
    test.good(test.rebound([CURL, "-s", server.url("k/s503/ok")], policy), b"status 503\n")
    test.equal(server.count("k"), 1, "requests")
    test.equal(test.events(), [], "log")
