# SPDX-License-Identifier: MIT
"""What servers say about retries beside the status: how long to wait, and whether a retry makes sense."""
from harness import TRANSFER, cases

CURL = "/usr/bin/curl"

QUOTA = '{"error":{"message":"You exceeded your quota","type":"insufficient_quota"}}'
INFO = '{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"0.07s"}]}}'
AWS = '{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}'
POST = ["-d", "x=1"]
OWN = 20  # the wait of the tests' policy in milliseconds


def quoted(text):
    """A text as a part of the server's script."""
    return "".join(c if c.isalnum() or c in "-_." else "".join(f"%{byte:02X}" for byte in c.encode()) for c in text)


def failing(status, *headers, text=None):
    step = f"s{status}" + "".join(f";header={quoted(header)}" for header in headers)
    return step if text is None else f"{step};text={quoted(text)}"


# name: the first answer, curl's options, keys, the delay before the second request (None: there is none), the hint in the
# log, the reason why the call ends
CASES = dict(
    milliseconds=(failing(503, "Retry-After-Ms: 50"), [], {}, 50, "retry-after-ms", None),
    azure=(failing(429, "X-Ms-Retry-After-Ms: 50"), POST, {}, 50, "x-ms-retry-after-ms", None),
    fraction=(failing(503, "Retry-After: 0.05"), [], {}, 50, "retry-after", None),
    zero=(failing(503, "Retry-After-Ms: 0"), [], {}, OWN, None, None),
    nonsense=(failing(503, "Retry-After-Ms: soon", "X-RateLimit-Reset: 5"), [], {}, OWN, None, None),
    twice=(failing(503, "Retry-After-Ms: 50", "Retry-After-Ms: 60"), [], {}, 60, "retry-after-ms", None),
    too_long=(failing(503, "Retry-After-Ms: 50000"), [], {}, None, "retry-after-ms", "retry-after"),
    limit=(failing(429, "X-RateLimit-Reset-Tokens: 50ms", "X-RateLimit-Remaining-Tokens: 0"), POST, {}, 50, "rate-limit",
           None),
    throttled_403=(failing(403, "X-RateLimit-Remaining: 0", "X-RateLimit-Reset-After: 0.05"), POST, {}, 50, "rate-limit",
                   None),
    plain_403=(failing(403, "X-RateLimit-Remaining: 5"), [], {}, None, None, None),
    aws_field=(failing(400, "x-amzn-ErrorType: ThrottlingException:"), POST, {}, OWN, None, None),
    aws_body=(failing(400, "x-amzn-RequestId: 1", text=AWS), POST, {}, OWN, None, None),
    aws_other=(failing(400, "x-amzn-RequestId: 1", text='{"__type":"ValidationException"}'), POST, {}, None, None, None),
    retry_info=(failing(503, text=INFO), [], {}, 70, "retry-info", None),
    should_retry=(failing(409, "x-should-retry: true"), POST, {}, OWN, "x-should-retry", None),
    should_stop=(failing(503, "x-should-retry: false"), [], {}, None, "x-should-retry", "hint"),
    quota=(failing(429, "Retry-After-Ms: 50", text=QUOTA), POST, {}, None, "insufficient-quota", "quota"),
    get_529=(failing(529), [], {}, OWN, None, None),
    post_429=(failing(429), POST, {}, OWN, None, None),
    post_503=(failing(503), POST, {}, None, None, "method"),
    post_503_hint=(failing(503, "Retry-After-Ms: 50"), POST, {}, None, None, "method"),
    post_safe=(failing(429), POST, {"retry.methods": "safe"}, None, None, "method"),
    post_added=(failing(503), POST, {"retry.rejected": "+503"}, OWN, None, None),
    standard=(failing(503, "Retry-After-Ms: 50", "Retry-After: 0.06"), [], {"retry.after": "standard"}, 60, "retry-after",
              None),
    ignored=(failing(503, "Retry-After-Ms: 50", "x-should-retry: false"), [], {"retry.after": "ignore"}, OWN, None, None),
    not_throttled=(failing(403, "Retry-After: 1"), [], {"retry.on": "-throttled"}, None, None, None),
    none=(failing(409, "x-should-retry: true"), [], {"retry.on": "none"}, None, None, None),
    not_found=(failing(404, "x-should-retry: maybe"), [], {}, None, None, None))


def check(test, command, server, case):
    _, _, keys, delay, hint, reason = case
    result = test.rebound(command, keys)
    again = [(event["delay_ms"], event.get("hint")) for event in test.events("retry")]
    test.equal(again, [] if delay is None else [(delay, hint)], "delays and hints")
    test.equal(server.count("k"), 1 if delay is None else 2, "requests")
    ended = [(event.get("reason"), event.get("hint")) for event in test.events("stop")]
    test.equal(ended, [(reason, hint)] if reason else [], "reasons and hints of the end")
    return result


@cases(**CASES)
def test_curl_follows(test, case):
    """Without a second request, the program gets the first answer as it would alone."""
    server = test.server()
    command = [CURL, "-s", "-i", *case[1], server.url(f"k/{case[0]}/ok")]
    alone = test.alone(command)
    server.reset()
    result = check(test, command, server, case)
    if case[3] is None:
        test.same(result, alone)
    else:
        test.check(result.out.startswith(b"HTTP/1.1 200 ") and result.out.endswith(b"\r\n\r\ngood k\n"), f"{result}")
        test.equal(result.out.count(b"HTTP/1.1 "), 1, "header blocks")


@cases(**{f"{name}-{mode}": (CASES[name], mode) for name in ("milliseconds", "retry_info", "throttled_403", "not_found")
          for mode in ("easy", "poll", "socket")})
def test_programs_follow(test, case):
    case, mode = case
    server = test.server()
    method = ["--request", "post"] if case[1] else []
    check(test, [TRANSFER, "--mode", mode, *method, server.url(f"k/{case[0]}/ok")], server, case)
