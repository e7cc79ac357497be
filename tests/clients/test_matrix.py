# SPDX-License-Identifier: MIT
"""Every kind of request times every kind of failure times every way of running a transfer.

What each cell must come to follows from a few rules (see Fault.repeats), so that the table below holds only what a
failure looks like alone. In each cell are asserted: the bytes that the program received, the result and the status that
it sees, how often it was called back, the requests and bytes that reached the server, and the attempts in the log.
"""

import functools
import json
import os
import threading
import zlib

from harness import TRANSFER, body, cases, paired
from http2 import Http2Server

MODES = ("easy", "poll", "socket")
REQUESTS = ("get", "head", "put", "post", "callback", "mime", "upload50")
IDEMPOTENT = ("get", "head", "put", "upload50")
SIZES = {"get": 0, "head": 0, "put": 5000, "post": 3000, "callback": 5000, "upload50": 50000000}
HURRY = {"retry.base": "5ms"}
PATIENT = {"retry.base": "20ms", "retry.attempts": "50"}
PORT_THAT_IS_NEVER_USED = 9


@functools.cache
def checksum(size):
    return f"{zlib.crc32(body(size, binary=True)):08x}"


class Fault:
    """How a first request fails: what happens at the server, and what the program gets if nothing repeats it.

    sent: "never" left, "maybe" was acted on, "answered" with a status, "rejected" by a status of retry.rejected; "own":
    libcurl itself repeats it; "delivered": the program has bytes of the answer; "for ever": never left, and never will.
    varies: the result depends on the version of libcurl, and some versions repeat the request themselves.
    """

    def __init__(self, sent, place, result=0, status=0, content=b"", cause=None, keys=None, size50=None, varies=False):
        self.sent, self.place, self.result, self.status, self.content = sent, place, result, status, content
        self.cause, self.keys, self.size50, self.varies = cause, keys or HURRY, size50, varies

    def repeats(self, request, keyed=False):
        """The rule: what never left is repeated; what may have been acted on only where that does no harm."""
        return self.sent in ("never", "rejected") or (self.sent in ("maybe", "answered") and (keyed or request in IDEMPOTENT))


# Places: where the request goes. Each has a URL, options for the program, the requests that arrived as (bytes, CRC).
# Those with `http1` can answer with 100 Continue.


class Faulty:
    http1 = True

    def __init__(self, test, script, request):
        self.server, self.options, self.on_retry = test.server(), [], None
        self.url = self.server.url(f"k/{script}/ok")

    def requests(self):
        return [(int(entry[3]), entry[4]) for entry in self.server.log("k")]


class Late(Faulty):
    def __init__(self, test, script, request):
        super().__init__(test, script, request)
        self.server = test.server("--listen-after", "never")
        self.url = self.server.url("k")
        self.on_retry = self.server.listen


class CutHandshake(Faulty):
    def __init__(self, test, script, request):
        super().__init__(test, script, request)
        self.url = test.tls_front(self.server, cut=1).url("k")
        self.options = ["--insecure"]


class Nowhere(Faulty):
    def __init__(self, test, script, request):
        super().__init__(test, script, request)
        self.url = f"http://no-such-host.invalid:{PORT_THAT_IS_NEVER_USED}/k"


class Http2:
    """Bytes of a stream that was ended before its body are not counted: how many arrive is the kernel's affair."""

    http1 = False

    def __init__(self, test, script, request):
        self.server = test.opened(Http2Server(*script.split(), head=request == "head"))
        self.url, self.options, self.on_retry = self.server.url("k"), ["--h2"], None

    def requests(self):
        return [None if r.fault in Http2Server.AT_ONCE else (r.size, f"{r.crc:08x}") for r in self.server.requests]


def at(place, script=""):
    return lambda test, request: place(test, script, request)


CUT_503 = "raw;text=HTTP%2F1.1%20503%20Busy%0D%0AServer:%20x%0D%0AConte"
FAULTS = {
    "503": Fault("answered", at(Faulty, "s503"), 0, 503, b"status 503\n", "503"),
    "429": Fault("rejected", at(Faulty, "s429"), 0, 429, b"status 429\n", "429"),
    "reset": Fault("maybe", at(Faulty, "reset"), 56, cause="reset"),
    "close": Fault("maybe", at(Faulty, "close"), 52, cause="reset"),
    "line": Fault("maybe", at(Faulty, "raw;text=HTTP%2F1.1%20503%20Bu"), 52, cause="reset"),
    # libcurl before 8 reports success for a header block that ends early. That of a 200 has been delivered line by line.
    "head503": Fault("answered", at(Faulty, CUT_503), 0, 503, b"", "reset"),
    "head200": Fault("delivered", at(Faulty, "cuthead"), 0, 200, b""),
    "cut": Fault("delivered", at(Faulty, "cut;size=3000;sent=1700"), 18, 200, body(1700)),
    "slow": Fault("maybe", at(Faulty, "ok;delay=3000"), 28, cause="timeout", size50=2000000,
                  keys={"timeout.attempt": "700ms", **HURRY}),
    "refused": Fault("never", at(Late), 7, cause="refused", keys=PATIENT),
    "dns": Fault("for ever", at(Nowhere), 6, cause="dns"),
    "tls": Fault("never", at(CutHandshake), 35, cause="reset"),
    # libcurl sends a refused stream again, whatever its method, five times. Then, and after a GOAWAY, it can no longer be
    # told from a request that was acted on.
    "h2_refused": Fault("own", at(Http2, "refused")),
    "h2_refused6": Fault("maybe", at(Http2, " ".join(["refused"] * 6)), 56, cause="reset", size50=100000),
    "h2_goaway": Fault("maybe", at(Http2, "goaway"), 16, cause="reset", varies=True),
    "h2_goaway_acted_on": Fault("maybe", at(Http2, "processed"), 18, cause="reset", varies=True),
    "h2_broken": Fault("maybe", at(Http2, "broken"), 92, cause="reset"),
    "h2_503": Fault("answered", at(Http2, "503"), 0, 503, b"status 503\n", "503"),
}


def good_body(place):
    return b"good h2\n" if "--h2" in place.options else b"good k\n"


def seen(test, result):
    """The line of JSON, and its one transfer."""
    try:
        line = json.loads(result.out)
    except ValueError:
        test.check(False, f"no report: {result}")
    return line, line["transfers"][0]


ALONE = {}


def alone_good(test, request, size):
    """What the program sees alone of a good answer, and the bytes of its request: versions of libcurl differ in whether
    they ask for 100 Continue, and in the boundary of a form."""
    if (request, size) not in ALONE:
        part = test.part()
        server = part.server()
        result = part.alone(command_of(request, "easy", size, server.url("k/ok")))
        ALONE[request, size] = seen(part, result)[1], int(server.log("k")[0][3])
    return ALONE[request, size]


def as_alone(test, fault, request, size):
    """The fault with the result that this version of libcurl has alone."""
    if not fault.varies:
        return fault
    part = test.part()
    place = fault.place(part, request)
    got = seen(part, part.alone(command_of(request, "easy", size, *place.options, place.url)))[1]
    if got["status"] == 200:
        return Fault("own", fault.place)
    return Fault(fault.sent, fault.place, got["result"], got["status"], cause=fault.cause)


def command_of(request, mode, size, *rest):
    size_option = ["--size", str(size)] if request == "upload50" else []
    return [TRANSFER, "--mode", mode, "--request", request, *size_option, *rest]


def check_received(test, got, code, status, content, request):
    content = b"" if request == "head" else content
    test.equal((got["result"], got["status"]), (code, status), f"result, status ({got['error']})")
    wanted = (len(content), f"{zlib.crc32(content):08x}")
    test.equal((got["received"], got["crc"]), wanted, "bytes and CRC that the program received")
    test.equal(got["size_download"], len(content), "SIZE_DOWNLOAD")


def check_good(test, got, place, request, interim):
    check_received(test, got, 0, 200, good_body(place), request)
    test.equal(got["error"], "", "error buffer")
    test.equal(got["blocks"], 1 + interim, "header blocks that the program saw")
    test.equal(got["trace"], "H" if request == "head" else "HB", "order of the callbacks")
    if request != "head":
        test.equal(got["length"], len(good_body(place)), "CONTENT_LENGTH_DOWNLOAD")


def check_failed(test, got, interim, fault, request):
    if request == "head" and fault.sent == "delivered" and fault.result:  # without a body nothing of it can be cut
        check_received(test, got, 0, fault.status, b"", request)
        return
    status = 100 if interim and fault.result and fault.sent == "maybe" else fault.status
    check_received(test, got, fault.result, status, fault.content, request)
    silent = (0, 16)  # libcurl has no more to say of these
    test.check((got["error"] == "") == (fault.result in silent), f"error buffer: {got['error']!r}")


def check_loop(test, line, mode, request):
    """The multi handle told the truth: one transfer runs until its one message, and nobody spun."""
    if mode == "easy":
        return
    test.equal((line["good"], line["messages"], line["running"]), (True, 1, [1, 0]), "calls, messages, running counts")
    if request != "upload50":
        test.check(line["loops"] <= 150, f"{line['loops']} rounds of the program's loop")


def check_arrived(test, got, request, wanted, size):
    """Every whole request is the same, byte for byte; the boundary of a form is random."""
    test.equal(len(got), wanted, f"requests at the server {got}")
    whole = [each for each in got if each]
    if request == "mime":
        test.equal([each[0] for each in whole], [size] * len(whole), "bytes of each request")
        test.check(len(set(whole)) <= 1, f"the repeated form differs: {whole}")
    else:
        test.equal(whole, [(size, checksum(size))] * len(whole), "bytes and CRC of each request")


def check_log(test, fault, repeats):
    retries = [event["cause"] for event in test.events("retry")]
    if fault.sent == "for ever":
        test.equal(retries, [fault.cause] * 2, "retries in the log")
    elif not repeats:
        test.equal(retries, [], "retries in the log")
    elif fault.place is FAULTS["refused"].place:
        test.check(retries and set(retries) == {"refused"}, f"retries in the log: {retries}")
    else:
        test.equal(retries, [fault.cause], "retries in the log")
    if repeats:
        recovered = [event["attempt"] for event in test.events("recovered")]
        test.equal(recovered, [len(retries) + 1], "the attempt that succeeded, in the log")


def failed_requests(fault, place):
    """How many requests the failed attempt brings to the server."""
    if fault.sent in ("never", "for ever"):
        return 0
    return len(place.server.faults) if isinstance(place, Http2) else 1


def run_cell(test, request, fault, mode, options=(), keys=None, keyed=False):
    size = fault.size50 if request == "upload50" and fault.size50 else SIZES.get(request)
    fault = as_alone(test, fault, request, size)
    place = fault.place(test, request)
    before = failed_requests(fault, place)
    good, arriving = alone_good(test, request, size) if place.http1 or request == "mime" else (None, size)
    interim = place.http1 and good["blocks"] > 1
    command = command_of(request, mode, size, *place.options, *options, place.url)
    result = test.rebound(command, {**fault.keys, **(keys or {})}, on_retry=place.on_retry)
    line, got = seen(test, result)
    repeats = fault.repeats(request, keyed)
    wanted = before
    if repeats or fault.sent == "own":
        check_good(test, got, place, request, interim)
        wanted += 1
    else:
        check_failed(test, got, interim, fault, request)
    check_loop(test, line, mode, request)
    check_arrived(test, place.requests(), request, wanted, arriving)
    check_log(test, fault, repeats)


def table(requests, faults, modes=MODES):
    return {f"{r}-{f}-{m}": (r, FAULTS[f], m) for r in requests for f in faults for m in modes}


@paired(**table(REQUESTS, FAULTS))
def test_cell(test, case):
    run_cell(test, *case)


# The same for what is not idempotent, where the policy or a key allows it.
SENT = [name for name, fault in FAULTS.items() if fault.sent in ("maybe", "answered", "rejected")]


@paired(**table(("post", "callback", "mime"), SENT))
def test_all_methods(test, case):
    run_cell(test, *case, keys={"retry.methods": "all"}, keyed=True)


@cases(**table(("post", "callback", "mime"), ("503", "reset"), ("easy", "socket")))
def test_idempotency_key(test, case):
    run_cell(test, *case, options=["--idempotency-key", "7f"], keyed=True)


# Ways to rewind, and bodies that cannot be.


def upload(test, request, mode, options, step="s503", keys=None):
    server = test.server()
    command = [TRANSFER, "--mode", mode, "--request", request, *options, server.url(f"k/{step}/ok")]
    result = test.rebound(command, {"retry.methods": "all", **HURRY, **(keys or {})})
    return seen(test, result)[1], [(int(entry[3]), entry[4]) for entry in server.log("k")]


def per_mode(**named):
    return {f"{name}-{mode}": (mode, *value) for name, value in named.items() for mode in MODES}


@cases(**per_mode(
    ioctl=("put", ["--ioctl"], 0), chunks=("put", ["--unknown-size"], 0), expect=("put", ["--expect100"], 0),
    no_expect=("put", ["--no-expect"], 0), file=("put", ["--file", "data"], 0),
    rest_of_file=("put", ["--file", "data", "--skip", "1234", "--unknown-size"], 1234),
    file_post=("callback", ["--file", "data"], 0), chunked_post=("callback", ["--unknown-size"], 0),
    expecting_post=("callback", ["--expect100"], 0)))
def test_rewound(test, case):
    mode, request, options, skipped = case
    data = body(5000, binary=True)
    with open(os.path.join(test.work, "data"), "wb") as file:
        file.write(data)
    got, arrived = upload(test, request, mode, options)
    check_received(test, got, 0, 200, b"good k\n", request)
    rest = data[skipped:]
    test.equal(arrived, [(len(rest), f"{zlib.crc32(rest):08x}")] * 2, "requests at the server")


@cases(**per_mode(put=("put",), post=("callback",), form=("mime",)))
def test_what_cannot_be_rewound_is_sent_once(test, case):
    mode, request = case
    options = [] if request == "mime" else ["--size", "100000"]  # of a callback, 64 KiB are kept
    got, arrived = upload(test, request, mode, ["--no-seek", *options])
    check_received(test, got, 0, 503, b"status 503\n", request)
    wanted = 100000 if options else alone_good(test, request, None)[1]
    test.equal([each for each, _ in arrived], [wanted], "bytes of each request")
    # That a part of a form cannot be rewound shows in the next attempt only, before anything of it is sent.
    test.equal(test.reasons(), ([None] if request == "mime" else []) + ["upload"], "reasons")


@cases(**per_mode(small=(5000, True), large=(100000, False)))
def test_pipe(test, case):
    """libcurl reads it by fread. 64 KiB are kept."""
    mode, size, again = case
    pipe = os.path.join(test.work, "pipe")
    os.mkfifo(pipe)

    def feed():
        with open(pipe, "wb") as out:
            out.write(body(size, binary=True))

    threading.Thread(target=feed, daemon=True).start()
    got, arrived = upload(test, "put", mode, ["--file", "pipe", "--unknown-size"])
    check_received(test, got, 0, 200 if again else 503, b"good k\n" if again else b"status 503\n", "put")
    test.equal(arrived, [(size, checksum(size))] * (2 if again else 1), "requests at the server")
    test.equal([e.get("reason") for e in test.events("stop")], [] if again else ["upload"], "reasons")


@cases(**per_mode(
    put=("put", []), post=("callback", []), chunks=("put", ["--unknown-size"]), expect=("put", ["--expect100"]),
    chunked_post=("callback", ["--unknown-size"]), most=("put", ["--size", "65536"]), empty=("put", ["--size", "0"])))
def test_small_callback_without_seek(test, case):
    """The callback supplies each byte once."""
    mode, request, options = case
    got, arrived = upload(test, request, mode, ["--no-seek", *options], "s503/reset")
    size = int(options[1]) if "--size" in options else 5000
    check_received(test, got, 0, 200, b"good k\n", request)
    test.equal(arrived, [(size, checksum(size))] * 3, "requests at the server")
    test.equal((got["handed"], got["seeks"]), (size, 0), "bytes that the callback supplied, seeks")


@cases(**table(("put", "callback", "mime"), ("refused", "tls")))
def test_nothing_was_read_yet(test, case):
    run_cell(test, *case, options=["--no-seek"])


@cases(**table(("put",), [name for name in FAULTS if not name.startswith("h2_")]))
def test_kept_bytes(test, case):
    run_cell(test, *case, options=["--no-seek"])


# The loops of multi programs, with waits long enough to be seen.


@cases("poll", "socket", "wait", "fdset")
def test_no_busy_loop(test, mode):
    server = test.server()
    command = [TRANSFER, "--mode", mode, server.url("k/s503x3/ok")]
    result = test.rebound(command, {"retry.base": "300ms", "retry.attempts": "4"})
    line, got = seen(test, result)
    check_received(test, got, 0, 200, b"good k\n", "get")
    test.equal((line["messages"], line["running"]), (1, [1, 0]), "messages, running counts")
    test.equal([event["delay_ms"] for event in test.events("retry")], [300] * 3, "delays in ms")
    test.check(line["loops"] < 60, f"{line['loops']} rounds of the program's loop")


@cases("easy", "poll", "socket", "wait", "fdset")
def test_many_transfers(test, mode):
    server = test.server()
    count = 20 if mode == "easy" else 200
    command = [TRANSFER, "--mode", mode, "--count", str(count), server.url("k{n}/s503/reset/ok;size=10000")]
    result = test.rebound(command, {"budget.floor": "1000/s", **HURRY})
    line, _ = seen(test, result)
    wrong = [each for each in line["transfers"] if (each["result"], each["status"], each["received"]) != (0, 200, 10000)]
    test.equal((len(wrong), wrong[:1]), (0, []), "transfers that went wrong")
    test.equal({each["crc"] for each in line["transfers"]}, {f"{zlib.crc32(body(10000)):08x}"}, "CRC")
    if mode != "easy":
        test.equal((line["messages"], line["most"]), (count, count), "messages, most running")
        falls = line["running"] == sorted(line["running"], reverse=True)
        test.check(falls and line["running"][-1] == 0, f"running counts: {line['running']}")
    test.equal([server.count(f"k{i}") for i in range(count)], [3] * count, "requests")


@cases(**{f"{fault}-{mode}": (fault, mode) for fault in ("refused", "goaway", "503") for mode in MODES})
def test_many_streams(test, case):
    fault, mode = case
    server = test.opened(Http2Server(*[fault] * 3))
    command = [TRANSFER, "--h2", "--pipewait", "--mode", mode, "--count", "10", server.url("k")]
    result = test.rebound(command, {"retry.attempts": "6", **HURRY})
    got = [(each["result"], each["status"], each["received"]) for each in seen(test, result)[0]["transfers"]]
    test.equal(got, [(0, 200, 8)] * 10, "result, status, bytes")


# What the program does meanwhile.


@cases(*MODES)
def test_cancelled_while_it_waits(test, mode):
    server = test.server()
    command = [TRANSFER, "--mode", mode, "--cancel-after-ms", "200", server.url("k/s503/ok")]
    result = test.rebound(command, {"retry.base": "10s"})
    got = seen(test, result)[1]
    test.equal((got["result"], got["error"]), (42, "Callback aborted"), "result, error buffer")
    test.equal(server.count("k"), 1, "requests")


@cases(*MODES)
def test_time_limit_of_the_program(test, mode):
    server = test.server()
    command = [TRANSFER, "--mode", mode, "--timeout-ms", "500", server.url("k/s503/hang")]
    result = test.rebound(command, {"retry.base": "100ms"})
    test.equal(seen(test, result)[1]["result"], 28, "result")
    test.equal(server.count("k"), 2, "requests")


@cases(*MODES)
def test_a_wait_that_does_not_fit(test, mode):
    server = test.server()
    command = [TRANSFER, "--mode", mode, "--timeout-ms", "500", server.url("k/s503/ok")]
    result = test.rebound(command, {"retry.base": "5s"})
    check_received(test, seen(test, result)[1], 0, 503, b"status 503\n", "get")
    test.equal(test.reasons(), ["time"], "reasons")


@cases("poll", "socket")
def test_taken_out_and_put_in_again(test, mode):
    """What the program gets is a new transfer; a request that was under way is given up."""
    server = test.server()
    command = [TRANSFER, "--mode", mode, "--count", "5", "--readd-at", "8", server.url("k{n}/s503x2/ok")]
    result = test.rebound(command, {"retry.base": "300ms"})
    line, _ = seen(test, result)
    got = {(each["result"], each["status"], each["received"]) for each in line["transfers"]}
    test.equal(got, {(0, 200, 8)}, "result, status, bytes")
    test.equal((line["messages"], line["most"]), (5, 5), "messages, most running")
    counts = [server.count(f"k{i}") for i in range(5)]
    test.check(all(3 <= count <= 4 for count in counts), f"requests: {counts}")


@cases("poll", "socket")
def test_taken_out_for_good(test, mode):
    server = test.server()
    command = [TRANSFER, "--mode", mode, "--count", "5", "--drop-at", "8", server.url("k{n}/s503")]
    result = test.rebound(command, {"retry.base": "300ms", "retry.attempts": "20"})
    line, _ = seen(test, result)
    test.equal((line["messages"], line["running"][-1]), (0, 0), "messages, running at the end")
    test.equal({each["received"] for each in line["transfers"]}, {0}, "bytes")
