# SPDX-License-Identifier: MIT
"""Downloads that break off. They continue if the content is proven to be the same. Else the program gets its error."""

import fcntl
import hashlib
import json
import os
import threading
import zlib

from harness import TRANSFER, body, cases

SIZE, SENT = 3000, 1700
SAME = f"etag=%22a%22;size={SIZE}"
CUT = f"cut;range;{SAME};sent={SENT}"
WHOLE = f"ok;range;{SAME}"
MODES = ("easy", "poll", "socket")
HURRY = {"retry.base": "5ms"}


def download(test, script, mode="easy", options=(), keys=None, **flags):
    """What the program reports, and the (Range, If-Range) of each request."""
    server = test.server()
    command = [TRANSFER, "--mode", mode, "--progress", *options, server.url(f"k/{script}")]
    result = test.rebound(command, {**HURRY, **(keys or {})}, **flags)
    test.check(result.out.startswith(b"{"), f"no report: {result}")
    line = json.loads(result.out)
    return line["transfers"][0], server.ranges("k"), line


def is_prefix(got, content):
    return got["received"] <= len(content) and got["crc"] == f"{zlib.crc32(content[:got['received']]):08x}"


def check_whole(test, got, content, length=True, progress=True, size=None, status=200):
    """One good answer, with the true sizes. size: of the body as it was sent, where that is another than the content's."""
    test.equal((got["result"], got["status"], got["error"]), (0, status, ""), "result, status, error buffer")
    test.equal((got["received"], got["crc"]), (len(content), f"{zlib.crc32(content):08x}"), "bytes, CRC")
    test.equal((got["blocks"], got["trace"]), (1, "HB"), "header blocks, order of the callbacks")
    test.check(got["first_line"].startswith(f"HTTP/1.1 {status} "), f"status line {got['first_line']}")
    test.equal(got["size_download"], len(content) if size is None else size, "SIZE_DOWNLOAD")
    if length:
        test.equal(got["length"], len(content), "CONTENT_LENGTH_DOWNLOAD")
    if length and progress:
        test.equal(got["progress"][1:], [0, len(content), len(content)], "progress: steps back, most, total")


TEXTS = {}


def text_of_cut(test, missing):
    """The text that this version of libcurl gives to a program alone if so many bytes of a body are missing."""
    if "cut" not in TEXTS:
        part = test.part()
        url = part.server().url("k/cut;size=2000;sent=700")
        TEXTS["cut"] = json.loads(part.alone([TRANSFER, url]).out)["transfers"][0]["error"]
        test.check("1300" in TEXTS["cut"], f"the text of a cut body is {TEXTS['cut']!r}")
    return TEXTS["cut"].replace("1300", str(missing))


def check_broken(test, got, content=body(SENT), size=SIZE, status=200):
    """Exactly what the program would have had alone."""
    test.equal((got["result"], got["status"]), (18, status), "result, status")
    test.equal(got["error"], text_of_cut(test, size - len(content)), "error buffer")
    test.equal((got["received"], got["crc"]), (len(content), f"{zlib.crc32(content):08x}"), "bytes, CRC")
    test.equal((got["blocks"], got["trace"]), (1, "HB"), "header blocks, order of the callbacks")
    test.equal((got["size_download"], got["length"]), (len(content), size), "SIZE_DOWNLOAD, CONTENT_LENGTH_DOWNLOAD")


def per_mode(**named):
    return {f"{name}-{mode}": (mode, *value) for name, value in named.items() for mode in MODES}


ASKED = (f"bytes={SENT}-", '"a"')
PLAIN = ("-", "-")


@cases(**per_mode(
    once=(f"{CUT}/{WHOLE}", [PLAIN, ASKED]),
    twice=(f"{CUT}/cut;range;{SAME};sent=300/{WHOLE}", [PLAIN, ASKED, ("bytes=2000-", '"a"')]),
    one_byte=(f"cut;range;{SAME};sent=1/{WHOLE}", [PLAIN, ("bytes=1-", '"a"')]),
    last_byte=(f"cut;range;{SAME};sent={SIZE - 1}/{WHOLE}", [PLAIN, (f"bytes={SIZE - 1}-", '"a"')]),
    headers_only=(f"cut;range;{SAME};sent=0/{WHOLE}", None),
    nothing_more=(f"{CUT}/cut;range;{SAME};sent=0/{WHOLE}", [PLAIN, ASKED, ASKED]),
    whole_again=(f"{CUT}/ok;{SAME}", [PLAIN, ASKED]),
    whole_again_cut=(f"{CUT}/cut;{SAME};sent=1000/{WHOLE}", [PLAIN, ASKED, ASKED]),
    busy_between=(f"{CUT}/s503/{WHOLE}", [PLAIN, ASKED, ASKED]),
    reset_between=(f"{CUT}/reset/{WHOLE}", [PLAIN, ASKED, ASKED]),
    cut_head_between=(f"{CUT}/cuthead/{WHOLE}", [PLAIN, ASKED, ASKED]),
    after_busy=(f"s503/{CUT}/{WHOLE}", [PLAIN, PLAIN, ASKED])))
def test_continued(test, case):
    mode, script, ranges = case
    got, asked, _ = download(test, script, mode)
    check_whole(test, got, body(SIZE), progress=not script.startswith("s503"))  # its bytes were seen to come and go
    if ranges:
        test.equal(asked, ranges, "ranges asked for")
    test.equal(len(test.events("recovered")), 1, "recoveries in the log")


@cases(*MODES)
def test_broken_by_reset(test, mode):
    content = body(2000000, binary=True)
    step = "range;binary;etag=%22a%22;size=2000000"
    got, asked, _ = download(test, f"cut;rst;sent=1500000;{step}/ok;{step}", mode)
    check_whole(test, got, content)
    test.equal((asked[0], asked[1][1], len(asked)), (PLAIN, '"a"', 2), "requests")


OTHER_PART = f"s206;size={SIZE - SENT};header=Content-Range:%20bytes%20{SENT}-{SIZE - 1}%2F{SIZE}"


@cases(**per_mode(
    weak=(f"cut;range;etag=W%2F%22a%22;size={SIZE};sent={SENT}/ok;range;etag=W%2F%22a%22;size={SIZE}", 1),
    no_etag=(f"cut;range;size={SIZE};sent={SENT}/ok;range;size={SIZE}", 1),
    date_only=(f"cut;range;size={SIZE};sent={SENT};header=Last-Modified:%20Sun%2C%2006%20Nov%201994%2008:49:37%20GMT/"
               f"ok;range;size={SIZE}", 1),
    changed=(f"{CUT}/ok;range;etag=%22b%22;seed=1;size={SIZE}", 2),
    changed_etag_only=(f"{CUT}/ok;range;etag=%22b%22;size={SIZE}", 2),
    same_etag_other_bytes=(f"{CUT}/ok;seed=1;{SAME}", 2),
    same_etag_longer=(f"{CUT}/ok;etag=%22a%22;size={SIZE + 1}", 2),
    same_etag_shorter=(f"{CUT}/ok;etag=%22a%22;size={SENT - 1}", 2),
    same_etag_encoded=(f"{CUT}/ok;{SAME};header=Content-Encoding:%20br", 2),
    etag_gone=(f"{CUT}/ok;size={SIZE}", 2),
    other_place=(f"{CUT}/{WHOLE};shift=7", 2),
    other_end=(f"{CUT}/{WHOLE};upto=2500", 2),
    other_length=(f"{CUT}/ok;range;etag=%22a%22;size={SIZE + 1}", 2),
    part_of_other=(f"{CUT}/{OTHER_PART};etag=%22b%22", 2),
    part_of_unknown=(f"{CUT}/{OTHER_PART}", 2),
    part_encoded=(f"{CUT}/{OTHER_PART};etag=%22a%22;header=Content-Encoding:%20br", 2),
    no_content_range=(f"{CUT}/s206;etag=%22a%22;size={SIZE - SENT}", 2),
    beyond=(f"{CUT}/s416", 2), gone=(f"{CUT}/s404", 2), redirected=(f"{CUT}/s302;header=Location:%20%2Fx", 2),
    empty=(f"{CUT}/s204;etag=%22a%22", 2)))
def test_not_continued(test, case):
    mode, script, requests = case
    got, asked, _ = download(test, script, mode)
    check_broken(test, got)
    test.equal(asked, [PLAIN, ASKED][:requests], "ranges asked for")


@cases(**per_mode(busy=("s503",), reset=("reset",), cut_head=("cuthead",), cut=(f"cut;range;{SAME};sent=0",)))
def test_attempts_exhausted(test, case):
    mode, step = case
    got, asked, _ = download(test, f"{CUT}/{step}", mode)
    check_broken(test, got)
    test.equal(asked, [PLAIN, ASKED, ASKED], "ranges asked for")


@cases(*MODES)
def test_attempts_exhausted_on_the_way(test, mode):
    got, asked, _ = download(test, f"cut;range;{SAME};sent=500", mode)
    check_broken(test, got, body(1500))
    test.equal(len(asked), 3, "requests")


@cases(*MODES)
def test_switched_off(test, mode):
    got, asked, _ = download(test, f"{CUT}/{WHOLE}", mode, keys={"retry.resume": "off"})
    check_broken(test, got)
    test.equal(asked, [PLAIN], "ranges asked for")


# options of the program: (first byte, end, range of its request, range of the request for the rest)
OWN_RANGES = {
    "open": (["--range", "100-"], 100, SIZE, "bytes=100-", "bytes=1800-"),
    "open_at_0": (["--range", "0-"], 0, SIZE, "bytes=0-", "bytes=1700-"),
    "span": (["--range", "100-2899"], 100, 2900, "bytes=100-2899", "bytes=1800-2899"),
    "past_end": (["--range", "100-9999"], 100, SIZE, "bytes=100-9999", "bytes=1800-2999"),
    "suffix": (["--range", "-2500"], 500, SIZE, "bytes=-2500", "bytes=2200-2999"),
    "resume": (["--resume", "100"], 100, SIZE, "bytes=100-", "bytes=1800-"),
    "resume_before_range": (["--resume", "100", "--range", "7-9"], 100, SIZE, "bytes=100-", "bytes=1800-"),
    "line": (["--header", "Range: bytes=100-2899"], 100, 2900, "bytes=100-2899", "bytes=1800-2899"),
    "line_open": (["--header", "A: b", "--header", "range:bytes=100-"], 100, SIZE, "bytes=100-", "bytes=1800-"),
    "line_before_range": (["--range", "7-9", "--header", "RANGE:  bytes=100-"], 100, SIZE, "bytes=100-", "bytes=1800-"),
    "condition": (["--range", "100-", "--header", 'If-Range: "a"'], 100, SIZE, "bytes=100-", "bytes=1800-"),
    "condition_line": (["--header", 'if-range: "a"', "--header", "Range: bytes=100-2899"], 100, 2900, "bytes=100-2899",
                       "bytes=1800-2899"),
    "include_limit": (["--range", "100-2899", "--max-size", "2800"], 100, 2900, "bytes=100-2899", "bytes=1800-2899"),
}


@cases(**per_mode(**OWN_RANGES))
def test_ranges_of_the_program(test, case):
    mode, options, first, end, own, rest = case
    got, asked, _ = download(test, f"{CUT}/{WHOLE}", mode, options)
    check_whole(test, got, body(SIZE)[first:end], status=206)
    condition = '"a"' if any("f-" in option for option in options) else "-"
    test.equal(asked, [(own, condition), (rest, '"a"')], "ranges asked for")


@cases(**per_mode(
    twice=(f"{CUT}/cut;range;{SAME};sent=300/{WHOLE}", ["bytes=1800-2899", "bytes=2100-2899"]),
    busy_between=(f"{CUT}/s503/{WHOLE}", ["bytes=1800-2899"] * 2),
    reset_between=(f"{CUT}/reset/{WHOLE}", ["bytes=1800-2899"] * 2),
    headers_only=(f"cut;range;{SAME};sent=0/{WHOLE}", ["bytes=100-2899"]),
    after_busy=(f"s503/{CUT}/{WHOLE}", ["bytes=100-2899", "bytes=1800-2899"])))
def test_range_of_the_program_breaks_again(test, case):
    mode, script, ranges = case
    got, asked, _ = download(test, script, mode, ["--range", "100-2899"])
    check_whole(test, got, body(SIZE)[100:2900], status=206, progress=not script.startswith("s503"))
    test.equal([each for each, _ in asked], ["bytes=100-2899", *ranges], "ranges asked for")


def other_part(first, last, total, size, more="etag=%22a%22"):
    return f"s206;size={size};{more};header=Content-Range:%20bytes%20{first}-{last}%2F{total}"


@cases(**per_mode(
    weak=("cut;range;etag=W%2F%22a%22;size=3000;sent=1700/ok;range;etag=W%2F%22a%22;size=3000", 1),
    no_etag=("cut;range;size=3000;sent=1700/ok;range;size=3000", 1),
    changed=(f"{CUT}/ok;range;etag=%22b%22;size={SIZE}", 2),
    whole_instead=(f"{CUT}/ok;{SAME}", 2),
    other_place=(f"{CUT}/{WHOLE};shift=7", 2),
    other_end=(f"{CUT}/{WHOLE};upto=2500", 2),
    other_total=(f"{CUT}/ok;range;etag=%22a%22;size={SIZE + 1}", 2),
    beyond=(f"{CUT}/{other_part(1800, 2999, 3000, 1200)}", 2),
    encoded=(f"{CUT}/{other_part(1800, 2899, 3000, 1100)};header=Content-Encoding:%20br", 2),
    no_content_range=(f"{CUT}/s206;etag=%22a%22;size=1100", 2), satisfied=(f"{CUT}/s416", 2), gone=(f"{CUT}/s404", 2)))
def test_range_of_the_program_is_not_continued(test, case):
    mode, script, requests = case
    for options in (["--range", "100-2899"], ["--header", "Range: bytes=100-2899"]):
        part = test.part()
        got, asked, _ = download(part, script, mode, options)
        check_broken(part, got, body(SIZE)[100:1800], size=2800, status=206)
        part.equal(asked, [("bytes=100-2899", "-"), ("bytes=1800-2899", '"a"')][:requests], "ranges asked for")


@cases(**per_mode(
    placed_elsewhere=(f"cut;status=206;sent=1700;{other_part(101, 2900, 3000, 2800)[5:]}", ["--range", "100-2899"]),
    longer=(f"cut;status=206;sent=1700;{other_part(100, 2999, 3000, 2900)[5:]}", ["--range", "100-2899"]),
    other_length=(f"cut;status=206;sent=1700;{other_part(100, 2898, 3000, 2800)[5:]}", ["--range", "100-2899"]),
    several=("cut;status=206;sent=1700;size=2800;etag=%22a%22;header=Content-Type:%20multipart%2Fbyteranges",
             ["--range", "0-99,200-2899"]),
    unasked=(f"cut;status=206;sent=1700;{other_part(100, 2899, 3000, 2800)[5:]}", [])))
def test_part_that_the_program_did_not_ask_for(test, case):
    mode, step, options = case
    got, asked, _ = download(test, f"{step}/{WHOLE}", mode, options)
    test.equal((got["result"], got["status"], got["received"]), (18, 206, 1700), "result, status, bytes")
    test.equal(len(asked), 1, "requests")


@cases(**per_mode(part=(f"ok;range;{SAME}",), again=(f"ok;{SAME}",)))
def test_server_that_ignores_the_range_of_the_program(test, case):
    """The answer is the whole content, which is continued as such."""
    mode, second = case
    for options in (["--range", "100-2899"], ["--header", "Range: bytes=100-2899"]):
        part = test.part()
        got, asked, _ = download(part, f"cut;{SAME};sent={SENT}/{second}", mode, options)
        check_whole(part, got, body(SIZE))
        part.equal(asked, [("bytes=100-2899", "-"), ASKED], "ranges asked for")


def test_resume_that_the_server_ignores(test):
    got, asked, _ = download(test, f"cut;{SAME};sent={SENT}/{WHOLE}", "easy", ["--resume", "100"])
    test.equal((got["result"], got["received"], len(asked)), (33, 0, 1), "result, bytes, requests")


@cases("--range", "--resume", "--header")
def test_encoded_range_of_the_program(test, option):
    """Encoded content: the same range again, of which the decoded bytes that the program has are dropped."""
    value = {"--range": "0-", "--resume": "0", "--header": "Range: bytes=0-"}[option]
    step = "gzip;range;size=200000;etag=%22a%22"
    got, asked, _ = download(test, f"cut;{step};sent=100000/ok;{step}", "easy", ["--encoding", "gzip", option, value])
    test.equal((got["result"], got["received"]), (0, 200000), f"result, bytes ({got['error']})")
    test.check(is_prefix(got, body(200000)), "other bytes")
    test.equal(len({each for each, _ in asked}), 1, f"ranges asked for {asked}")


OPTIONS_STAY = """
import io, pycurl, sys
option, first, second = sys.argv[1:]
call = pycurl.Curl()
lines = ["A: b", "Range: bytes=100-2899", "C: d"] if option == "line" else ["A: b"]
call.setopt(pycurl.HTTPHEADER, lines)
if option == "range":
    call.setopt(pycurl.RANGE, "100-2899")
if option == "resume":
    call.setopt(pycurl.RESUME_FROM, 100)
def fetch(call, url):
    body = io.BytesIO()
    call.setopt(pycurl.URL, url)
    call.setopt(pycurl.WRITEDATA, body)
    call.perform()
    print(call.getinfo(pycurl.RESPONSE_CODE), len(body.getvalue()), call.getinfo(pycurl.CONTENT_LENGTH_DOWNLOAD))
fetch(call, first)
fetch(call, second)
if hasattr(call, "duphandle"):
    fetch(call.duphandle(), second)
call.unsetopt(pycurl.RANGE)
call.setopt(pycurl.RESUME_FROM, 0)
call.setopt(pycurl.HTTPHEADER, [])
fetch(call, second)
"""


@cases("range", "resume", "line", "none")
def test_options_of_the_program_stay(test, option):
    """A call after one whose download was continued asks for what the program asks for."""
    server = test.server()
    command = ["/usr/bin/python3", "-c", OPTIONS_STAY, option]
    alone = test.alone([*command, server.url(f"k/{WHOLE}"), server.url(f"l/{WHOLE}")])
    ranges = server.ranges("l")
    test.equal(alone.code, 0, f"alone {alone}")
    server.reset()
    test.same(test.rebound([*command, server.url(f"k/{CUT}/{WHOLE}"), server.url(f"l/{WHOLE}")], HURRY), alone)
    test.equal(len(server.ranges("k")), 2, "requests of the first call")
    test.equal(server.ranges("l"), ranges, "ranges of the later calls")


@cases(**per_mode(
    same=("ok;gzip;size=200000;etag=%22a%22", True), again_cut=("cut;gzip;size=200000;etag=%22a%22;sent=150000", True),
    changed=("ok;gzip;size=200000;etag=%22b%22", False), other_bytes=("ok;gzip;size=200000;seed=1;etag=%22a%22", False)))
def test_encoded(test, case):
    """Decoded content: read again from the start, without a range, and the bytes that the program has are dropped."""
    mode, second, whole = case
    first = "cut;gzip;range;size=200000;etag=%22a%22;sent=100000"
    script = f"{first}/{second}/ok;gzip;size=200000;etag=%22a%22"
    got, asked, _ = download(test, script, mode, ["--encoding", "gzip"])
    test.equal({each for each, _ in asked}, {"-"}, "ranges asked for")
    content = body(200000)
    test.check(is_prefix(got, content), f"{got['received']} bytes that are no beginning of the content")
    if whole:
        uncut, _, _ = download(test, "ok;gzip;size=200000;etag=%22a%22", mode, ["--encoding", "gzip"])
        test.equal(got["length"], uncut["length"], "CONTENT_LENGTH_DOWNLOAD")
        check_whole(test, got, content, length=False, size=uncut["size_download"])
    else:
        test.equal((got["result"], got["status"], len(asked)), (18, 200, 2), "result, status, requests")
        test.check(90000 < got["received"] <= 100000, f"{got['received']} bytes")


@cases(*MODES)
def test_unknown_length(test, mode):
    """Chunks: the end is not known beforehand. Continued rightly or not at all."""
    step = f"range;chunked;{SAME}"
    got, _, _ = download(test, f"cut;sent={SENT};{step}/ok;{step}", mode)
    test.check(is_prefix(got, body(SIZE)), "the bytes are no beginning of the content")
    test.check((got["result"], got["received"]) in ((0, SIZE), (18, SENT)), f"{got['result']}, {got['received']} bytes")


@cases(include=["--include"], pause=["--pause-after", "500"], encoding_unused=["--encoding", ""],
       key=["--header", "Accept: text/plain"])
def test_ways_of_receiving(test, options):
    got, asked, _ = download(test, f"cut;range;{SAME};sent={SENT};piece=100;trickle=1/{WHOLE}", "poll", options)
    test.equal((got["result"], got["status"]), (0, 200), "result, status")
    if "--include" in options:
        test.equal(got["received"], SIZE + got["header_size"], "bytes with headers")
    else:
        test.check(got["received"] == SIZE and is_prefix(got, body(SIZE)), f"{got['received']} bytes")
    test.equal(got["blocks"], 1, "header blocks")
    test.equal(len(asked), 2, "requests")


@cases("easy", "socket")
def test_an_aborting_program_is_obeyed(test, mode):
    got, asked, _ = download(test, f"{CUT}/{WHOLE}", mode, ["--abort-after", "2000"])
    test.equal((got["result"], len(asked)), (23, 2), "result, requests")
    test.check(got["error"].lower().startswith("fail"), f"error buffer: {got['error']!r}")
    test.check(SENT <= got["received"] <= 2000 and is_prefix(got, body(SIZE)), f"{got['received']} bytes")


@cases("easy", "poll")  # with a loop of its own libcurl does not call the progress callback while nothing happens
def test_cancelled_while_it_continues(test, mode):
    got, asked, _ = download(test, f"{CUT}/hang", mode, ["--cancel-after-ms", "1500"])
    test.equal((got["result"], got["error"]), (42, "Callback aborted"), "result, error buffer")
    test.equal((got["received"], asked), (SENT, [PLAIN, ASKED]), "bytes, ranges asked for")


# In fifty pieces: a gigabyte, and an eighth of it in each mode.

GIB = 1 << 30
PATIENT = {"retry.attempts": "100", "retry.base": "1ms", "budget.floor": "1000/s", "timeout.total": "120s"}


def cut(size):
    """What the server is to do: pieces of a fiftieth in the mean, by its hash of the request."""
    return f"cut;range;binary;etag=%22a%22;sent={size // 107};spread={size // 49};size={size}"


class Sum(threading.Thread):
    """The SHA-256 of what is written to a named pipe."""

    def __init__(self, path):
        super().__init__(daemon=True)
        os.mkfifo(path)
        self.path, self.hash = path, hashlib.sha256()
        self.start()

    def run(self):
        with open(self.path, "rb", buffering=0) as pipe:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
            while piece := pipe.read(1 << 20):
                self.hash.update(piece)

    def digest(self):
        self.join(30)
        return None if self.is_alive() else self.hash.hexdigest()


def check_mended(test, server, wanted, got, size):
    """Compares the reports of a program that ran alone and of one whose download was cut."""
    under, alone = got["transfers"][0], wanted["transfers"][0]
    test.equal((alone["result"], alone["size_download"]), (0, size), f"alone {alone['error']}")
    test.equal((under["result"], under["status"]), (0, 200), f"result, status {under['error']}")
    test.equal((under["size_download"], under["length"]), (size, size), "SIZE_DOWNLOAD, CONTENT_LENGTH_DOWNLOAD")
    places = [int(asked[6:-1]) for asked, _ in server.ranges("k")[1:]]
    test.check(45 <= len(places) <= 60 and places == sorted(set(places)), f"continued at {len(places)}: {places}")
    growth = got["resident_kib"] - wanted["resident_kib"]
    test.check(growth < 1024, f"{growth} KiB more in memory than alone")


def test_gigabyte_has_the_right_sha256(test):
    server = test.server()
    sums = [Sum(os.path.join(test.dir, name)) for name in ("alone", "under")]
    alone = test.alone([TRANSFER, "--out", sums[0].path, server.url(f"a/ok;binary;size={GIB}")])
    under = test.rebound([TRANSFER, "--out", sums[1].path, server.url(f"k/{cut(GIB)}")], PATIENT)
    check_mended(test, server, json.loads(alone.out), json.loads(under.out), GIB)
    test.equal(sums[1].digest(), sums[0].digest(), "SHA-256")


@cases(*MODES)
def test_fifty_pieces(test, mode):
    server, size = test.server(), GIB // 8
    command = [TRANSFER, "--mode", mode]
    alone = json.loads(test.alone([*command, server.url(f"a/ok;binary;size={size}")]).out)
    under = json.loads(test.rebound([*command, server.url(f"k/{cut(size)}")], PATIENT).out)
    check_mended(test, server, alone, under, size)
    got, wanted = under["transfers"][0], alone["transfers"][0]
    test.equal((wanted["result"], wanted["received"], got["received"]), (0, size, size), "bytes received")
    test.equal(got["crc"], wanted["crc"], "CRC")
