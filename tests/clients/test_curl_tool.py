# SPDX-License-Identifier: MIT
"""curl's many ways to fetch and to send, each against a sick server: what it leaves is what one good transfer leaves.

Unlike in test_curl.py the URL has no script in it, so that curl can be asked to show everything it knows: the server
deals the steps of its command line out, first to curl under rebound, and curl alone gets the last one.
"""

import json
import os
import urllib.parse
import zlib

from harness import QUICK, body, cases

CURL = "/usr/bin/curl"
FAST = dict(QUICK, **{"retry.attempts": "100", "budget.floor": "100/s", "timeout.attempt": "600ms"})

RANGE = "range;etag=%22v%22;size=5000;header=X-Kind:%20good"
POISON = "size=3000;header=X-Poison:1"


class Repeated:
    """A command run under rebound while the server is sick, then alone: results, files, requests."""

    def __init__(self, test, options, bad, good="ok", stdin=b"", existing=(), keys=None, before=()):
        late = bad is None
        steps = [good] if late else [*bad, good]
        server = test.server("--script", ",".join(steps), *(["--listen-after", "never"] if late else []))
        command = [*before, CURL, *[option.replace("{u}", server.url()) for option in options]]
        self.server, self.files, self.results, self.counts = server, [], [], []
        policy = test.policy(keys, base=FAST)
        for run in (lambda: test.rebound(command, policy, stdin=stdin, on_retry=server.listen if late else None),
                    lambda: test.alone(command, stdin=stdin)):
            for name, content in existing:
                with open(os.path.join(test.work, name), "wb") as out:
                    out.write(content)
            already = server.count("k")
            self.results.append(run())
            self.files.append(test.left())
            self.counts.append(server.count("k") - already)
        self.under, self.alone = self.results

    def compare(self, test, requests=None, what="under rebound"):
        test.same(self.under, self.alone, what)
        test.equal(sorted(self.files[0]), sorted(self.files[1]), "names of files")
        for name, content in self.files[0].items():
            test.equal(content, self.files[1][name], f"file {name}")
        if requests:
            test.equal(self.counts, [requests, 1], f"{what}: requests under rebound, alone")


FAULTS = {
    "status": [f"s503x2;{POISON}"],
    "throttled": ["s429;after=0;" + POISON],
    "reset": ["resetx2"],
    "close": ["close"],
    "line": ["raw;text=HTTP%2F1.1%20"],
    "cut_status": [f"cut;status=503;{POISON}"],
    "slow": ["ok;delay=4000;text=slow"],
    "late": None,
}
CUTS = {
    "cut": [f"cut;sent=1700;{RANGE}"],
    "cut_thrice": [f"cut;sent=1000;{RANGE}", f"cut;sent=1;{RANGE};rst", f"cut;sent=2000;{RANGE}"],
    "cut_no_range": [f"cut;sent=1700;{RANGE[6:]}"],
    "cut_status_cut": [f"cut;sent=1700;{RANGE}", "s503", "reset", f"cut;sent=1700;{RANGE}"],
}
MODES = {
    "plain": ["-s"], "fail": ["-sSf"], "fail_body": ["-sS", "--fail-with-body"], "include": ["-si"],
    "dump": ["-s", "-D", "heads", "-o", "out"], "dump_out": ["-s", "-D", "-"], "file": ["-s", "-o", "out"],
    "name": ["-s", "-O"], "cookies": ["-s", "-c", "jar", "-b", "a=b"], "raw": ["-s", "--raw", "-i"],
    "compressed": ["-s", "--compressed"], "http10": ["-s0"], "follow": ["-sL"], "etag": ["-s", "--etag-save", "tag"],
    "meter": ["-#", "-o", "out", "--no-progress-meter"], "parallel": ["-sZ", "--no-progress-meter", "-o", "out"],
}


def pairs(names, everywhere, rows, columns):
    """The rows named in `everywhere` with all the columns, the others with two of them: (name, (row, column))."""
    wanted = [(r, c) for r in rows for c in columns if r in everywhere or c in names]
    return {f"{r},{c}": (r, c) for r, c in wanted}


def requests_of(bad):
    return 1 + sum(int(step.split(";")[0].partition("x")[2] or 1) for step in bad or [])


@cases(**pairs(("status", "line"), ("plain", "parallel"), MODES, FAULTS))
def test_download(test, case):
    mode, fault = case
    repeated = Repeated(test, [*MODES[mode], "{u}k"], FAULTS[fault], "ok;" + RANGE)
    test.equal((repeated.alone.code, repeated.alone.err), (0, b""), "alone: exit status, stderr")
    repeated.compare(test, requests_of(FAULTS[fault]))


def good_after(fault):
    """The whole answer; what a cut connection would have sent says that it is the last one."""
    return "ok;" + (RANGE[6:] if fault == "cut_no_range" else RANGE) + (";last" if fault in CUTS else "")


@cases(**pairs(("cut_thrice",), ("plain", "parallel"), [m for m in MODES if m not in ("http10", "raw")], CUTS))
def test_broken_download(test, case):
    mode, cut = case
    repeated = Repeated(test, [*MODES[mode], "{u}k"], CUTS[cut], good_after(cut))
    test.equal((repeated.alone.code, repeated.alone.err), (0, b""), "alone: exit status, stderr")
    repeated.compare(test, requests_of(CUTS[cut]))


@cases(head=["-sI"], get_head=["-sI", "-X", "GET", "-m", "3"], options=["-s", "-X", "OPTIONS"], delete=["-sX", "DELETE"])
def test_methods(test, options):
    for fault in ("status", "reset", "close", "late"):
        repeated = Repeated(test, [*options, "{u}k"], FAULTS[fault])
        repeated.compare(test, requests_of(FAULTS[fault]), fault)


@cases(head="HEAD", get="GET")
def test_head_is_head(test, listed):
    """curl sets CURLOPT_NOBODY and then options that set the method back: it sends HEAD all the same."""
    server = test.server()
    test.rebound([CURL, "-sI", server.url("k/s503/ok")], {"retry.methods": listed})
    test.equal([entry[1] for entry in server.log("k")], ["HEAD"] * (2 if listed == "HEAD" else 1), "requests")


@cases(put=["-T", "{d}"], get=[], follow=["-L"])
def test_tunnel_that_is_kept(test, options):
    """The second request goes through the tunnel of the first: fewer header blocks come than the program saw."""
    file = test.file("data", body(3000))
    options = [option.replace("{d}", file) for option in options]
    repeated = Repeated(test, ["-si", "-p", "-x", "{u}", *options, "http://host.invalid/k"], ["s503x2"])
    repeated.compare(test, 3)


# What must not be put together: the program gets the original error and the bytes that came before it.
@cases(
    no_validator=(f"cut;size=5000;sent=1700;range", "ok;size=5000;range"),
    weak=("cut;size=5000;sent=1700;range;etag=W%2F%22v%22", "ok;size=5000;range;etag=W%2F%22v%22"),
    changed=(f"cut;sent=1700;{RANGE}", "ok;range;etag=%22w%22;size=5000;seed=7"),
    changed_longer=(f"cut;sent=1700;{RANGE}", "ok;etag=%22v%22;size=5001"),
    changed_bytes=(f"cut;sent=1700;{RANGE[6:]}", "ok;etag=%22v%22;size=5000;seed=7"),
    shifted=(f"cut;sent=1700;{RANGE}", f"ok;{RANGE};shift=1"),
    shorter=(f"cut;sent=1700;{RANGE}", f"ok;{RANGE};upto=3000"),
    gone=(f"cut;sent=1700;{RANGE}", "s404"))
def test_broken_download_that_cannot_go_on(test, case):
    cut, then = case
    server = test.server("--script", f"{cut},{then}")
    command = [CURL, "-sSi", "-w", "%{http_code} %{size_download} %{exitcode}", server.url("k")]
    alone = test.alone(command)
    test.equal(alone.code, 18, "exit status alone")
    server.reset()
    under = test.rebound(command, test.policy(base=FAST))
    test.equal(under.out, alone.out, "stdout")
    test.same(under, alone)


def test_broken_download_of_compressed_content(test):
    texts = (" ".join(str(i * i * seed) for i in range(50)).encode() for seed in range(1000))
    packed = next(p for p in map(zlib.compress, texts) if b"\0" not in p)  # faultd's text has no NUL
    content = zlib.decompress(packed)
    step = f"etag=%22z%22;header=Content-Encoding:deflate;text={urllib.parse.quote(packed, safe='')}"
    bad = [f"ok;sent={len(packed) * 2 // 3};{step}", f"ok;sent={len(packed) - 1};{step}"]
    repeated = Repeated(test, ["-s", "--compressed", "{u}k"], bad, f"ok;{step}")
    test.good(repeated.alone, content)
    repeated.compare(test, 3)


@cases(
    status=[f"s503x2;{POISON}"], reset=["reset"], cut=[f"cut;sent=1700;{RANGE}"],
    cut_twice=[f"cut;sent=1700;{RANGE}", f"cut;sent=100;{RANGE}"])
def test_resume_of_the_program(test, bad):
    """curl -C - asks for a range itself. What was there before stays, and the rest is right."""
    whole = body(5000)
    for options, wanted in ((["-C", "-"], whole), (["-C", "900"], whole), (["-r", "900-"], whole[900:]),
                            (["-r", "10-1999"], whole[10:2000]), (["-H", "Range: bytes=10-1999"], whole[10:2000])):
        repeated = Repeated(test, ["-sS", *options, "-o", "out", "{u}k"], bad, f"ok;{RANGE}",
                            existing=[("out", body(900))])
        test.equal(repeated.files[0]["out"], wanted, f"{options}: the file ({repeated.under})")
        test.equal(repeated.under.code, 0, f"{options}: exit status")
        test.equal(repeated.counts[0], requests_of(bad), f"{options}: requests")


# What differs between two good transfers, too.
OWN = {"local_port", "speed_download", "speed_upload"}
TIMES = ["time_namelookup", "time_pretransfer", "time_starttransfer", "time_total"]
SHOWN = ["-o", "out", "-w", "%{json}\\n%{header_json}\\n%{certs}|%header{etag}|%header{x-poison}|%{onerror}failed\\n"]


SHOWERS = {
    "get": ["-s"], "parallel": ["-sZ", "--no-progress-meter"], "include": ["-si"], "proxy": ["-s", "-x", "{u}"],
    "error": ["-sf"], "compressed": ["-s", "--compressed"], "range": ["-s", "-r", "10-4899"],
    "range_line": ["-s", "-H", "Range: bytes=-4800"],
}
SENDERS = {
    "put": ["-sT", "{d}"], "head": ["-sI"], "put_fields": ["-sX", "PUT", "-dx=1"],
    "key": ["-sd", "x=1", "-H", "Idempotency-Key: 1"], "form": ["-sF", "a=b", "-H", "Idempotency-Key: 1"],
}


@cases(**pairs(("status", "cut_status_cut"), ("get", "parallel", "range", "range_line"), SHOWERS, [*FAULTS, *CUTS]),
       **pairs(("status", "reset"), ("put",), SENDERS, FAULTS))
def test_write_out(test, case):
    name, fault = case
    options = SHOWERS.get(name) or SENDERS[name]
    bad = FAULTS.get(fault, CUTS.get(fault))
    file = test.file("data", body(20000))
    repeated = Repeated(test, [*(o.replace("{d}", file) for o in options), *SHOWN, "{u}k"], bad, good_after(fault))
    shown = []
    for result in repeated.results:
        test.check(result.code == 0 and result.err == b"", f"{result}")
        first, _, rest = result.out.partition(b"\n")
        values = json.loads(first)
        times = [values[name] for name in TIMES]
        test.check(times == sorted(times) and times[0] >= 0, f"times: {times}")
        test.check(values["time_total"] * 1.02 + 0.02 <= result.seconds + 0.05, f"{times} of {result.seconds} s")
        kept = {k: v for k, v in values.items() if k not in OWN and not k.startswith("time_")}
        shown.append((kept, rest))
    (under, under_rest), (alone, alone_rest) = shown
    wrong = {key: (value, alone[key]) for key, value in under.items() if value != alone[key]}
    test.equal(wrong, {}, "variables with (under rebound, alone)")
    test.equal(under_rest, alone_rest, "headers and the like")
    test.equal(repeated.files[0], repeated.files[1], "files")


# method, options, whether it is sent again
UPLOADS = {
    "file": ("PUT", ["-T", "{d}"], True),
    "file_chunked": ("PUT", ["-T", "{d}", "-H", "Transfer-Encoding: chunked"], True),
    "file_no_expect": ("PUT", ["-T", "{d}", "-H", "Expect:"], True),
    "file_http10": ("PUT", ["-0T", "{d}"], True),
    "stdin": ("PUT", ["-T", "-"], True),
    "pipe": ("PUT", ["-T", "-"], False),
    "pipe_now": ("PUT", ["-T", "."], False),
    "put_fields": ("PUT", ["-X", "PUT", "--data-binary", "@{d}"], True),
    "put_form": ("PUT", ["-X", "PUT", "-F", "f=@{d}", "-F", "a=b"], True),
    "post_fields": ("POST", ["--data-binary", "@{d}"], False),
    "post_form": ("POST", ["-F", "f=@{d}"], False),
    "key_fields": ("POST", ["--data-binary", "@-", "-H", "Idempotency-Key: 7"], True),
    "key_form": ("POST", ["-F", "f=@{d};type=text/plain", "-F", "g=<{d}", "-H", "Idempotency-Key: 7"], True),
    "key_file": ("POST", ["-X", "POST", "-T", "{d}", "-H", "Idempotency-Key: 7"], True),
    "parallel": ("PUT", ["-Z", "-T", "{d}"], True),
}
SLOW = {"timeout.attempt": "20s"}  # what the policy's limit ends is not what ends it alone


@cases(**pairs(("status", "close"), ("file", "key_form", "parallel"), UPLOADS, FAULTS),
       **{f"{name},late": (name, "late") for name in ("pipe", "post_fields", "post_form")})
def test_upload(test, case):
    name, fault = case
    method, options, again = UPLOADS[name]
    data = body(150000)
    file = test.file("data", data)
    bad = FAULTS[fault]
    if not again and bad:  # alone it gets the same, as nothing is tried a second time
        bad = [bad[0].replace("x2", "")] * 2
    command = ["-sS", "--no-progress-meter", *[option.replace("{d}", file) for option in options], "{u}k"]
    before = ["sh", "-c", 'cat "$0" | "$@"', file] if "pipe" in name else []
    repeated = Repeated(test, command, bad, stdin=data, keys=None if again else SLOW, before=before)
    log = [entry[1:5] for entry in repeated.server.log("k")]
    test.equal({entry[0] for entry in log}, {method}, "method")
    if "form" not in name:
        arrived = (str(len(data)), f"{zlib.crc32(data):08x}")
        test.equal({entry[2:] for entry in log}, {arrived}, "bytes and CRC of each body")
    else:  # the boundary is another one in each process
        test.check(len({entry[3] for entry in log}) <= 2, f"the form was sent again with other bytes: {log}")
    repeated.compare(test, requests_of(bad) if again or fault == "late" else 1)


@cases("exhausted", "good")
def test_parallel(test, how):
    """Twelve at a time: each file as alone, whatever the order."""
    server, dead = test.server(), test.server("--listen-after", "never")
    scripts = {"a": "s503x2", "b": "reset", "c": "close", "d": f"cut;sent=1700;{RANGE}", "e": "s429;after=0",
               "f": "raw;text=HTTP%2F1.1%20", "g": "s404", "h": "s302;header=Location:%2Fk", "i": "ok;trickle=1;size=50",
               "j": "s503;size=3000", "l": "ok;chunked;size=9000"}
    found = []
    for run in ("rebound", "alone"):
        server.reset()
        urls = []
        for key, bad in scripts.items():
            if how == "exhausted":
                script = bad.split("/")[0].replace("x2", "").replace(RANGE, "size=5000")
            else:
                script = f"ok;{RANGE}" if run == "alone" or key in "ghil" else f"{bad}/ok;{RANGE}"
            urls += ["-o", key, server.url(f"{key}/{script}")]
        if how == "exhausted":
            urls += ["-o", "z", dead.url("z")]
        command = [CURL, "-sSZ", "--no-progress-meter", "--parallel-max", "12", "-w", "%{filename_effective} %{http_code} %{exitcode}\\n", *urls]
        result = test.alone(command) if run == "alone" else test.rebound(command, test.policy(base=QUICK))
        for name in ("out", "err"):  # the order is that of the ends
            setattr(result, name, b"\n".join(sorted(getattr(result, name).splitlines())))
        found.append((result, test.left()))
    (under, under_files), (alone, alone_files) = found
    test.check((under.code == 0) == (alone.code == 0), f"exit status {under.code}, alone {alone.code}")
    under.code = alone.code  # that of whichever failed last
    test.same(under, alone)
    test.equal(sorted(under_files), sorted(alone_files), "names of files")
    for name, content in under_files.items():
        test.equal(content, alone_files[name], f"file {name}")
    test.equal(server.count("a"), 1, "requests alone")
