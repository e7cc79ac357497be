# SPDX-License-Identifier: MIT
"""Uploads from callbacks and pipes that cannot be rewound. Up to 64 KiB are kept and sent again."""

import os
import zlib

from harness import BUILD, HERE, QUICK, cases

PHP = os.path.join(HERE, "bindings", "upload.php")
FAST = dict(QUICK, **{"budget.floor": "100/s"})
KEPT = 64 * 1024
PUTS = ("sized", "chunked", "field", "post")
BAD = {"status": "s503", "reset": "reset", "close": "close", "line": "raw;text=HTTP%2F1.1%20", "twice": "s503/reset",
       "status_early": "s503;early"}


def content(size):
    return " ".join(map(str, range(1, size + 1))).encode()[:size]


def bodies(server, key):
    return [(int(entry[3]), entry[4]) for entry in server.log(key)]


def arrived(size, times):
    return [(size, f"{zlib.crc32(content(size)):08x}")] * times


def php(driver, kind, size, *urls):
    return ["php", PHP, driver, kind, str(size), *urls]


def pairs(kinds, drivers=("easy", "multi")):
    return {f"{kind}-{driver}": (kind, driver) for kind in kinds for driver in drivers}


@cases(**pairs(PUTS))
def test_php_gets_through(test, case):
    """Each byte reaches the server in each attempt, and the program supplies it once."""
    kind, driver = case
    for size in (0, 1, 3000, KEPT):
        for name, bad in BAD.items():
            part = test.part()
            server = part.server()
            result = part.rebound(php(driver, kind, size, server.url(f"k/{bad}/ok")), part.policy(base=FAST))
            part.good(result, f"0 200 good k {size}\n".encode())
            requests = 2 + bad.count("/")
            if "early" in bad:  # this response came before the upload
                part.equal(bodies(server, "k")[1:], arrived(size, 1), f"{size} bytes, {name}: bodies that arrived")
            else:
                part.equal(bodies(server, "k"), arrived(size, requests), f"{size} bytes, {name}: bodies that arrived")


@cases(**pairs(PUTS))
def test_php_with_more_is_sent_once(test, case):
    kind, driver = case
    for bad in ("s503", "reset"):
        part = test.part()
        server = part.server()
        command = php(driver, kind, KEPT + 1, server.url(f"k/{bad}/ok"))
        alone = part.alone(command)
        server.reset()
        part.same(part.rebound(command, part.policy(base=FAST)), alone)
        part.equal(bodies(server, "k"), arrived(KEPT + 1, 1), f"{bad}: bodies that arrived")
        part.equal(part.reasons(), ["upload"], f"{bad}: reasons")


@cases("easy", "multi")
def test_large_upload_is_not_held(test, driver):
    """The response to an upload that cannot be sent again passes at once, however large it is."""
    server = test.server()
    command = php(driver, "sized", KEPT + 1, server.url("k/s503;size=200000"))
    alone = test.alone(command)
    test.same(test.rebound(command, test.policy(base=FAST)), alone)
    test.equal(test.reasons(), ["upload"], "reasons")


@cases("sized", "chunked")
def test_kept_connection_that_breaks(test, kind):
    """libcurl cannot rewind the upload for a new connection. Alone, the program gets CURLE_SEND_FAIL_REWIND."""
    server = test.server()
    command = php("multi", kind, 3000, server.url("a/ok"), server.url("b/reset/ok"))
    alone = test.alone(command)
    test.check(b"\n65 0" in alone.out, f"not the error that this is about: {alone}")
    server.reset()
    under = test.rebound(command, test.policy(base=FAST))
    test.good(under, b"0 200 good a 3000\n0 200 good b 3000\n")
    test.equal(bodies(server, "b"), arrived(3000, 2), "bodies that arrived")
    test.equal([e.get("cause") for e in test.events("retry")], ["reset"], "causes")


@cases(**pairs(("auth",)))
def test_what_libcurl_does_in_one_attempt(test, case):
    """libcurl finds the method of authentication. Under rebound, it sends the same requests as alone."""
    kind, driver = case
    for size in (0, 3000):
        part = test.part()
        server = part.server()
        command = php(driver, kind, size, server.url("k/s401;header=WWW-Authenticate:%20Basic%20realm=x/ok"))
        alone, wanted = part.alone(command), server.log("k")
        server.reset()
        part.same(part.rebound(command, part.policy(base=FAST)), alone)
        part.equal([e[1:] for e in server.log("k")], [e[1:] for e in wanted], f"{size} bytes: requests")


def test_redirect_that_needs_a_rewind(test):
    server = test.server()
    command = [os.path.join(BUILD, "clients", "transfer"), "--request", "put", "--no-seek", "--no-expect", "--follow",
               "--no-header", server.url("k/s307;header=Location:%20%2Fk")]
    alone = test.alone(command)
    test.equal(alone.code, 65, "result alone")
    server.reset()
    test.equal(test.rebound(command, test.policy(base=FAST)).code, 65, "result")
    test.equal(server.count("k"), 1, "requests")


def test_callback_that_pauses(test):
    server = test.server()
    under = test.rebound(php("multi", "pause", 20000, server.url("k/s503/reset/ok")), test.policy(base=FAST))
    test.good(under, b"0 200 good k 20000\n")
    test.equal(bodies(server, "k"), arrived(20000, 3), "bodies that arrived")


@cases(stdin=["-T", "-"], now=["-T", "."], chunked=["-T", "-", "-H", "Transfer-Encoding: chunked"],
       post=["-X", "POST", "-H", "Idempotency-Key: 7", "-T", "-"], parallel=["-Z", "-T", "-"])
def test_curl_from_a_pipe(test, options):
    """The seek function of the command curl cannot seek in a pipe."""
    for size in (0, 3000, 60000):
        for bad in ("s503", "reset", "s503/reset"):
            part = test.part()
            server = part.server()
            data = part.file("data", content(size))
            command = ["sh", "-c", 'cat "$0" | "$@"', data, "curl", "-sS", "--no-progress-meter", *options]
            alone = part.alone([*command, server.url("k/ok")])
            part.equal(alone.code, 0, f"exit status alone {alone}")
            server.reset()
            part.same(part.rebound([*command, server.url(f"k/{bad}/ok")], part.policy(base=FAST)), alone)
            part.equal(bodies(server, "k"), arrived(size, 2 + bad.count("/")), f"{size} bytes, {bad}: bodies")
