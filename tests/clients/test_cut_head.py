# SPDX-License-Identifier: MIT
"""Header blocks that are cut off. Some versions of libcurl report success for them. The cause is always a reset."""

import json
from urllib.parse import quote

from harness import TRANSFER, cases

CURL = "curl"
MODES = ("easy", "poll", "socket")
FINE = "HTTP/1.1 200 Fine\r\n"
CUT = {
    "line_alone": FINE,
    "in_a_name": FINE + "Server: x\r\nConte",
    "after_a_field": FINE + "Server: x\r\n",
    "before_the_blank_line": FINE + "Content-Length: 5\r\n",
    "within_the_blank_line": FINE + "Content-Length: 5\r\n\r",
    "http10": "HTTP/1.0 200 Fine\r\nServer: x\r\n",
    "no_content": "HTTP/1.1 204 Fine\r\nServer: x\r\n",
    "missing": "HTTP/1.1 404 Missing\r\nServer: x\r\n",
    "busy": "HTTP/1.1 503 Busy\r\nServer: x\r\n",
    "redirect": "HTTP/1.1 302 Found\r\nServer: x\r\n",
    "interim": "HTTP/1.1 100 Continue\r\nServer: x\r\n",
    "after_interim": "HTTP/1.1 100 Continue\r\n\r\n" + FINE + "Server: x\r\n",
}


def raw(text, times=1):
    """The step of a script that sends these bytes and closes the connection."""
    return f"rawx{times};text={quote(text, safe='')}"


def seen(result):
    got = json.loads(result.out)["transfers"][0]
    return {key: got[key] for key in ("result", "status", "error", "received", "blocks", "first_line", "trace")}


def said(test):
    return [(e["decision"], e.get("cause"), e.get("reason")) for e in test.events()]


AGAIN = ("retry", "reset", None)


@cases(**{f"{name}-{mode}": (text, mode) for name, text in CUT.items() for mode in MODES})
def test_repeated_if_the_program_received_nothing(test, case):
    text, mode = case
    server = test.server()
    command = [TRANSFER, "--mode", mode, "--no-header"]
    got = seen(test.rebound([*command, server.url(f"k/{raw(text, 2)}/ok;text=good")]))
    test.equal((got["result"], got["status"], got["received"]), (0, 200, 4), f"result, status, bytes in {got}")
    test.equal(server.count("k"), 3, "requests")
    test.equal([each[:2] for each in said(test)], [AGAIN[:2], AGAIN[:2], ("recovered", None)], "the log")


@cases(**{name: [option] if option else [] for name, option in
          {"get": None, "head": "--request=head", "put": "--request=put", "fail": "--fail", "follow": "--follow"}.items()})
def test_lasting(test, options):
    """After all attempts the program has the same as alone."""
    for name, text in CUT.items():
        part = test.part()
        server = part.server()
        command = [TRANSFER, "--no-header", *options, server.url(f"k/{raw(text)}")]
        alone = seen(part.alone(command))
        server.reset()
        part.equal(seen(part.rebound(command)), alone, f"{name}: under rebound")
        part.equal(server.count("k"), 3, f"{name}: requests")
        part.equal(said(part), [AGAIN, AGAIN, ("stop", "reset", "attempts")], f"{name}: the log")


RECEIVES = {"callback": [TRANSFER], "data": [TRANSFER, "--header-data"], "include": [TRANSFER, "--no-header", "--include"],
            "poll": [TRANSFER, "--mode", "poll"], "curl": [CURL, "-sS"], "curl_include": [CURL, "-sSi"],
            "curl_dump": [CURL, "-sS", "-D", "-"], "curl_fail": [CURL, "-sSf"], "curl_head": [CURL, "-sSI"]}


@cases(**RECEIVES)
def test_result_of_the_program_if_it_received_a_line(test, command):
    for name, text in CUT.items():
        part = test.part()
        server = part.server()
        alone = part.alone([*command, server.url(f"k/{raw(text)}")])
        server.reset()
        under = part.rebound([*command, server.url(f"k/{raw(text)}")])
        if command[0] == TRANSFER:
            part.equal(seen(under), seen(alone), f"{name}: under rebound")
        else:
            part.same(under, alone, f"{name}: under rebound")
        held = name in ("busy", "missing")  # the hints in an error may say that it is repeated
        requests = 3 if held else 1
        reason = "attempts" if held else "delivered"
        part.equal(server.count("k"), requests, f"{name}: requests")
        part.equal(said(part), [AGAIN] * (requests - 1) + [("stop", "reset", reason)], f"{name}: the log")


def test_post_is_sent_once(test):
    server = test.server()
    test.rebound([TRANSFER, "--no-header", "--request", "post", server.url(f"k/{raw(CUT['in_a_name'])}/ok")])
    test.equal(server.count("k"), 1, "requests")
    test.equal(said(test), [("stop", "reset", "method")], "the log")


def follows(test, command, server):
    """Whether this libcurl follows a redirect whose header block is cut off."""
    test.alone(command)
    followed = server.count("b") > 0
    server.reset()
    return followed


@cases(plain=[], include=["--include"])
def test_redirect_that_libcurl_follows(test, options):
    """libcurl follows a Location whose block never ends. The block that comes next is another one."""
    server = test.server()
    first = raw(f"HTTP/1.1 302 Found\r\nLocation: {server.url('b/s503/ok;text=good')}\r\nServer: x\r\n")
    command = [TRANSFER, "--follow", *options]
    if not follows(test, [*command, server.url(f"a/{first}")], server):
        return
    got = seen(test.rebound([*command, server.url(f"a/{first}")]))
    test.equal((got["result"], got["status"], got["blocks"]), (0, 200, 2), f"result, status, blocks in {got}")
    test.equal((server.count("a"), server.count("b")), (2, 2), "requests")
    test.equal([each[:2] for each in said(test)], [("retry", "503"), ("recovered", None)], "the log")


def test_followed_redirect_is_no_resend(test):
    server = test.server()
    first = raw(f"HTTP/1.1 302 Found\r\nLocation: {server.url('b')}\r\nServer: x\r\n")
    command = [CURL, "-sSL", server.url(f"a/{first}")]
    if not follows(test, command, server):
        return
    test.good(test.rebound(command), b"good b\n")
    test.equal(said(test), [], "the log")


def test_http09_is_no_resend(test):
    server = test.server()
    test.good(test.rebound([CURL, "-sS", "--http0.9", server.url(f"k/{raw('plain')}")]), b"plain")
    test.equal(said(test), [], "the log")


def test_breaker_counts_it(test):
    keys = {"retry.attempts": "1", "breaker": "on", "breaker.refuse": "always", "breaker.window": "2",
            "breaker.min_calls": "2", "breaker.open": "30s"}
    server = test.server()
    urls = [server.url(f"k/{raw(CUT['in_a_name'])}") for _ in range(3)]
    result = test.rebound([CURL, "-sS", *urls], keys)
    test.equal((result.code, server.count("k")), (7, 2), f"exit status, requests ({result})")
    test.equal([e["decision"] for e in test.events()], ["stop", "stop", "refused"], "the log")


TWO_PUTS = """
import io, pycurl, sys
call = pycurl.Curl()
call.setopt(pycurl.UPLOAD, 1)
call.setopt(pycurl.HTTPHEADER, ["Expect:"])
call.setopt(pycurl.WRITEDATA, io.BytesIO())
for url in sys.argv[1:]:
    body = io.BytesIO(b"x" * 200000)
    call.setopt(pycurl.URL, url)
    call.setopt(pycurl.INFILESIZE, 200000)
    call.setopt(pycurl.READFUNCTION, body.read)
    try:
        call.perform()
        print(call.getinfo(pycurl.RESPONSE_CODE))
    except pycurl.error as error:
        print(error)
"""


def test_kept_connection_that_breaks_during_an_upload(test):
    """libcurl would send the upload again, but cannot rewind it: CURLE_SEND_FAIL_REWIND. The cause is the break."""
    server = test.server()
    command = ["/usr/bin/python3", "-c", TWO_PUTS, server.url("a/ok"), server.url("b/reset")]
    alone = test.alone(command)
    test.check(b"(65, " in alone.out, f"not the error that this is about: {alone}")
    test.same(test.rebound(command), alone)
    test.equal(said(test), [("stop", "reset", "upload")], "the log")


def test_redirected_upload_that_cannot_be_rewound(test):
    """The same error, but no connection broke."""
    server = test.server()
    command = [TRANSFER, "--request", "put", "--no-seek", "--size", "200000", "--follow", "--no-expect"]
    got = seen(test.rebound([*command, server.url(f"k/s307;header=Location:%20%2Fx")]))
    test.equal(got["result"], 65, "result")
    test.equal([e.get("cause") for e in test.events()], ["other"], "causes")
