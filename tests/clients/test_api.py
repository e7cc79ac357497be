# SPDX-License-Identifier: MIT
"""Programs that post JSON to an API which throttles, with the built-in policies."""
import json
import os

from harness import HERE, cases
from listener import Listener
from test_hints import INFO, QUOTA, failing

PROGRAMS = dict(
    curl=["sh", os.path.join(HERE, "api", "post.sh")],
    pycurl=["/usr/bin/python3", os.path.join(HERE, "api", "post.py")],
    php=["php", os.path.join(HERE, "api", "post.php")],
    requests=["/usr/bin/python3", os.path.join(HERE, "api", "post_requests.py")],
    httpx=["/usr/bin/python3", os.path.join(HERE, "api", "post_httpx.py")])

JSON = '{"prompt":"Why is the sky blue?"}'
BACKOFF = 1000  # the first delay of builtin:api is random, and at most so long in milliseconds

# key: the first answer, the delay that it asks for (None: the backoff), the hint in the log
ANSWERS = dict(
    milliseconds=(failing(429, "retry-after-ms: 50"), 50, "retry-after-ms"),
    tokens=(failing(429, "x-ratelimit-remaining-tokens: 0", "x-ratelimit-reset-tokens: 60ms"), 60, "rate-limit"),
    overloaded=(failing(529), None, None),
    info=(failing(503, text=INFO), 70, "retry-info"),
    quota=(failing(429, "retry-after-ms: 50", text=QUOTA), None, None),
    conflict=(failing(409, "x-should-retry: true"), None, "x-should-retry"))


def run(test, program, policy):
    """Posts to each URL in one loop. Returns the lines that the program printed, by key, and the requests per key."""
    server = test.server()
    urls = [server.url(f"{key}/{answer[0]}/ok") for key, answer in ANSWERS.items()]
    result = test.rebound([*program, JSON, *urls], policy, flags=["--log", test.log_path])
    test.equal((result.code, result.err), (0, b""), "exit status and stderr")
    lines = result.out.decode().splitlines()
    test.equal(len(lines), len(urls), "lines")
    for key in ANSWERS:
        bodies = {(line[1], line[3], line[4]) for line in server.log(key)}
        test.equal(len(bodies), 1, f"different requests for {key}: {bodies}")
    return dict(zip(ANSWERS, lines)), {key: server.count(key) for key in ANSWERS}


@cases(**PROGRAMS)
def test_builtin_api(test, program):
    """All but the used-up quota end well. Each delay is the one that the server asks for, or the backoff."""
    lines, counts = run(test, program, "builtin:api")
    for key in ANSWERS:
        good = key != "quota"
        test.equal(lines[key], f"200 good {key}" if good else f"429 {QUOTA}", f"result of {key}")
        test.equal(counts[key], 2 if good else 1, f"requests of {key}")
    wanted = [answer[1:] for key, answer in ANSWERS.items() if key != "quota"]
    retries = [(event["delay_ms"], event.get("hint")) for event in test.events("retry")]
    test.equal([hint for _, hint in retries], [hint for _, hint in wanted], "hints")
    for (found, _), (delay, _) in zip(retries, wanted):
        test.check(found == delay if delay else found <= BACKOFF, f"a delay of {found}, not {delay}")
    test.equal([event["reason"] for event in test.events("stop")], ["quota"], "reasons")


@cases(**PROGRAMS)
def test_builtin_default(test, program):
    """A POST is repeated only where the server says that it did not process the request, or asks for it."""
    lines, counts = run(test, program, "builtin:default")
    for key in ("milliseconds", "tokens", "conflict"):
        test.equal((lines[key], counts[key]), (f"200 good {key}", 2), key)
    for key, status in (("overloaded", 529), ("info", 503), ("quota", 429)):
        test.equal((lines[key].split()[0], counts[key]), (str(status), 1), key)
    test.equal([event["reason"] for event in test.events("stop")], ["method", "method", "quota"], "reasons")


@cases(**PROGRAMS)
def test_methods_can_be_restricted(test, program):
    """--set retry.methods alone also ends the retries after a 429. With retry.rejected these stay."""
    server = test.server()
    command = [*program, JSON, server.url(f"a/{failing(429)}/ok"), server.url(f"b/{failing(503)}/ok")]
    test.rebound(command, "builtin:api", flags=["--set", "retry.methods=idempotent"])
    test.equal((server.count("a"), server.count("b")), (1, 1), "requests")
    server.reset()
    flags = ["--set", "retry.methods=idempotent", "--set", "retry.rejected=429, throttled", "--set", "retry.base=10ms"]
    test.rebound(command, "builtin:api", flags=flags)
    test.equal((server.count("a"), server.count("b")), (2, 1), "requests")


# --- a body that is too long to be held


class LongAnswers(Listener):
    """Answers every POST of JSON by 429 with one body."""

    def __init__(self, body):
        self.body, self.requests = body, 0
        super().__init__()

    def _serve(self, peer, number):
        request = b""
        while not request.endswith(JSON.encode()):
            piece = peer.recv(4096)
            if not piece:
                return
            request += piece
        self.requests += 1
        peer.sendall(b"HTTP/1.1 429 Slow down\r\nContent-Type: application/json\r\nConnection: close\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(self.body) + self.body)


def quota_behind(size, first=False):
    """An insufficient_quota behind so many bytes of another member, or before them."""
    filler, quota = f'"filler":"{"x" * size}"', QUOTA[1:-1]
    text = "{" + (f"{quota},{filler}" if first else f"{filler},{quota}") + "}"
    json.loads(text)
    return text.encode()


KIB = 1024


@cases(short=(quota_behind(60 * KIB), 1, "quota"), long=(quota_behind(70 * KIB), 1, "overflow"),
       early=(quota_behind(70 * KIB, first=True), 1, "overflow"), other=(b" " * 70 * KIB, 1, "overflow"))
def test_long_body(test, case):
    """The body of a response of at most 64 KiB is searched for the quota. A longer one reaches the program at once, so it ends the call."""
    body, requests, reason = case
    server = test.opened(LongAnswers(body))
    result = test.rebound(["/usr/bin/curl", "-s", "-d", JSON, f"http://127.0.0.1:{server.port}/"], "builtin:api",
                          flags=["--log", test.log_path, "--set", "retry.base=10ms"])
    test.good(result, body)
    test.equal(server.requests, requests, "requests")
    test.equal([event["reason"] for event in test.events("stop")], [reason], "reasons")
