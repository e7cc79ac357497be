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


def check_whole(test, got, content, length=True, progress=True, size=None):
    """One good answer, with the true sizes. size: of the body as it was sent, where that is another than the content's."""
    test.equal((got["result"], got["status"], got["error"]), (0, 200, ""), "result, status, error buffer")
    test.equal((got["received"], got["crc"]), (len(content), f"{zlib.crc32(content):08x}"), "bytes, CRC")
    test.equal((got["blocks"], got["trace"]), (1, "HB"), "header blocks, order of the callbacks")
    test.equal(got["first_line"], "HTTP/1.1 200 Fine", "status line")
    test.equal(got["size_download"], len(content) if size is None else size, "SIZE_DOWNLOAD")
    if length:
        test.equal(got["length"], len(content), "CONTENT_LENGTH_DOWNLOAD")
    if length and progress:
        test.equal(got["progress"][1:], [0, len(content), len(content)], "progress: steps back, most, total")


def check_broken(test, got, content=body(SENT), size=SIZE):
    """Exactly what the program would have had alone."""
    test.equal((got["result"], got["status"]), (18, 200), "result, status")
    test.equal(got["error"], f"transfer closed with {size - len(content)} bytes remaining to read", "error buffer")
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


@cases(**per_mode(busy=("s503",), reset=("reset",), cut=(f"cut;range;{SAME};sent=0",)))
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


@cases(range=["--range", "100-"], end=["--range", "100-2899"], resume=["--resume", "100"])
def test_ranges_of_the_program(test, options):
    """The download continues correctly or not at all. The program never gets wrong bytes."""
    got, asked, _ = download(test, f"{CUT}/{WHOLE}", "easy", options)
    content = body(SIZE)[100:2900 if "2899" in options[1] else SIZE]
    test.equal(got["status"], 206, "status")
    test.equal(asked[0][0], f"bytes={options[1]}" + ("-" if "resume" in options[0] else ""), "the program's range")
    test.check(is_prefix(got, content), f"{got['received']} bytes that are no beginning of the content")
    test.check(got["received"] == (len(content) if got["result"] == 0 else SENT), f"{got['received']} bytes")
    test.check(got["result"] in (0, 18), f"result {got['result']}")


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
