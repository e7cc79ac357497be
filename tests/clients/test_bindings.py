# SPDX-License-Identifier: MIT
"""Languages and tools that use libcurl, easy and multi. With a failing server they end as alone with a working one."""

import os
import zlib

from harness import HERE, QUICK, body, cases

BINDINGS = os.path.join(HERE, "bindings")

# Room for a listener that appears late; slow answers end soon.
FAST = dict(QUICK, **{"retry.attempts": "100", "budget.floor": "100/s", "timeout.attempt": "600ms"})
THREE = dict(QUICK, **{"budget.floor": "100/s"})


class Program:
    """How a program is called; whether what it uploads can be rewound (None: it cannot upload); whether it receives
    header lines."""

    def __init__(self, *command, upload=None, multi=False, headers=True):
        self.command, self.upload, self.multi, self.headers = command, upload, multi, headers

    def call(self, mode, file, urls):
        if self.command[0] == "cmake":
            path = os.path.join(BINDINGS, "client.cmake")
            urls = ";".join(url.replace(";", "\\;") for url in urls)
            return ["cmake", f"-DMODE={mode}", f"-DFILE={file}", f"-DURLS={urls}", "-P", path]
        return [*self.command[:-2], os.path.join(BINDINGS, self.command[-2]), self.command[-1], mode, file, *urls]


PROGRAMS = {
    "pycurl": Program("/usr/bin/python3", "client.py", "easy", upload="again"),
    "pycurl_multi": Program("/usr/bin/python3", "client.py", "multi", upload="again", multi=True),
    "pycurl_socket": Program("/usr/bin/python3", "client.py", "socket", upload="again", multi=True),
    "php": Program("php", "client.php", "easy", upload="once"),
    "php_multi": Program("php", "client.php", "multi", upload="once", multi=True),
    "perl": Program("perl", "client.pl", "easy", upload="once"),
    "perl_multi": Program("perl", "client.pl", "multi", upload="once", multi=True),
    "ruby_ethon": Program("ruby", "client.rb", "ethon", upload="once"),
    "ruby_typhoeus": Program("ruby", "client.rb", "typhoeus", upload="once", multi=True),
    "ruby_curb": Program("ruby", "client.rb", "curb", upload="again", multi=True),
    "ruby_curb_multi": Program("ruby", "client.rb", "curb-multi", upload="again", multi=True),
    "tcl": Program("tclsh", "client.tcl", "easy", upload="again"),
    "r": Program("Rscript", "--vanilla", "client.R", "multi", upload="again", multi=True),
    "cmake": Program("cmake", upload="again", headers=False),
}

TWINS = ("ruby_curb",)  # slow to start, and the multi interface is under it, too

RANGE = "range;etag=%22v%22;size=5000"
WHOLE = "etag=%22v%22;size=5000"

# fault: (what the sick server does before it is well, what it does then, requests that reach it)
FAULTS = {
    "status": ("s503x2;size=3000;header=X-Poison:1", "ok;size=2000", 3),
    "throttled": ("s429;after=0", "ok", 2),
    "reset": ("resetx2", "ok;size=100000;binary", 3),
    "close": ("close", "ok;chunked;size=3000", 2),
    "cut_line": ("raw;text=HTTP%2F1.1%20", "ok", 2),
    "cut_status": ("cut;status=503", "ok;size=0", 2),
    "slow": ("ok;delay=4000;text=slow", "ok", 2),
    "cut": (f"cut;sent=1700;{RANGE}", f"ok;{RANGE}", 2),
    "cut_twice": (f"cut;sent=1000;{RANGE}/cut;sent=1000;{RANGE};rst", f"ok;{RANGE}", 3),
    "cut_whole": (f"cut;sent=1700;{WHOLE}", f"ok;{WHOLE}", 2),
}


# What the program sees stays as it is alone when nothing helps.
LASTING = {
    "lasting_status": ("s503;size=3000;header=X-Poison:1", 3),
    "lasting_reset": ("reset", 3),
    "lasting_close": ("close", 3),
    "lasting_cut_line": ("raw;text=HTTP%2F1.1%20", 3),
    "lasting_cut_head": ("cuthead", 1),  # 3 if the program receives no header lines
    "lasting_cut_status": ("cut;status=503", 3),
    "lasting_missing": ("s404", 1),
    "lasting_cut": ("cut;size=5000;sent=1700", 1),
    "lasting_cut_weak": ("cut;size=5000;sent=1700;etag=W%2F%22v%22;range", 1),
}


def policy_for(test, late):
    """Three attempts, and as many as it takes for the server that appears late."""
    lines = ["[rebound]", f"log = {test.log_path}", "[late]", f"hosts = 127.0.0.1:{late.port}", "retry.attempts = 100"]
    lines += ["[default]", *(f"{key} = {value}" for key, value in {**FAST, "retry.attempts": "3"}.items())]
    return test.file("policy.ini", "\n".join(lines) + "\n")


def counts(server):
    return {key: server.count(key) for key in [*FAULTS, *LASTING]}


def one_code_for_resets(output):
    """A connection that is reset while libcurl drives a socket ends with CURLE_SEND_ERROR (55) or CURLE_RECV_ERROR (56),
    by what libcurl notices first. Without rebound, both occur."""
    return output.replace(b"\n55 0 0 0\n", b"\n56 0 0 0\n")


@cases(**PROGRAMS)
def test_downloads(test, program):
    """All faults in one run: those that pass end as if they had not been, those that last as they end alone."""
    server = test.server()
    late, dead = test.server("--listen-after", "never"), test.server("--listen-after", "never")
    lasting = [dead.url("dead")] + [server.url(f"{key}/{script}") for key, (script, _) in LASTING.items()]
    sick = [late.url("late")] + [server.url(f"{key}/{bad}/{good}") for key, (bad, good, _) in FAULTS.items()]
    sound = [late.url("late")] + [server.url(f"{key}/{good}") for key, (_, good, _) in FAULTS.items()]
    under = test.rebound(program.call("get", "-", sick + lasting), policy_for(test, late), on_retry=late.listen)
    got, sent = test.left(), counts(server)
    server.reset()
    alone = test.alone(program.call("get", "-", sound + lasting))
    for result in under, alone:
        result.out = one_code_for_resets(result.out)
    test.same(under, alone)
    test.equal(got, test.left(), "files")
    once = counts(server)
    test.check(alone.out or alone.err, "nothing was shown")
    test.check(any(e["host"].endswith(f":{late.port}") for e in test.events("retry")), "the late one was not waited for")
    for key, requests in {k: row[-1] for k, row in {**FAULTS, **LASTING}.items()}.items():
        if key == "lasting_cut_head" and not program.headers:
            test.equal(sent[key], 3, f"requests for {key}")
        elif requests == 1:
            test.equal(sent[key], once[key], f"requests for {key}")
        else:  # libcurl itself sends once more where a connection that it used again breaks
            shared = program.multi and key in LASTING
            test.check(sent[key] == requests or (shared and sent[key] > requests), f"{sent[key]} requests for {key}")


# (before it is well, requests that reach the server when the upload can be repeated)
UPLOAD_FAULTS = {
    "status": ("s503x2;text=poison", 3),
    "reset": ("reset", 2),
    "close": ("closex2", 3),
    "cut_line": ("raw;text=HTTP%2F1.1%20", 2),
    "cut_status": ("cut;status=503", 2),
    "slow": ("ok;delay=4000;text=slow", 2),
}


def whole(test, server, key, data):
    """How many times the upload arrived; each time all of it."""
    log = server.log(key)
    arrived = (str(len(data)), f"{zlib.crc32(data):08x}")
    test.equal([entry[3:5] for entry in log], [arrived] * len(log), f"bodies that arrived at {key}")
    return len(log)


@cases(**{name: program for name, program in PROGRAMS.items() if program.upload == "again" and name not in TWINS})
def test_uploads(test, program):
    check_uploads(test, program, 100000)


@cases(**{name: program for name, program in PROGRAMS.items() if program.upload == "once"})
def test_small_uploads(test, program):
    """Uploads that cannot be rewound. 64 KiB are kept."""
    check_uploads(test, program, 60000)


def check_uploads(test, program, size):
    data = body(size, binary=True).replace(b"\0", b"\1")
    file = test.file("data", data)
    server, late = test.server(), test.server("--listen-after", "never")
    sick = [late.url("late")] + [server.url(f"{key}/{bad}/ok") for key, (bad, _) in UPLOAD_FAULTS.items()]
    under = test.rebound(program.call("put", file, sick), test.policy(base=FAST), on_retry=late.listen)
    counts = {key: whole(test, server, key, data) for key in UPLOAD_FAULTS}
    test.equal(whole(test, late, "late", data), 1, "requests to the late one")
    server.reset()
    sound = [late.url("late")] + [server.url(f"{key}/ok") for key in UPLOAD_FAULTS]
    test.same(under, test.alone(program.call("put", file, sound)))
    test.equal(counts, {key: requests for key, (_, requests) in UPLOAD_FAULTS.items()}, "requests")


def sent_once(test, program, mode, reason, size=3000):
    """The upload reaches the server as often as alone, the program sees what it sees alone, the log says why."""
    data = body(size)
    file = test.file("data", data)
    server, late = test.server(), test.server("--listen-after", "never")
    scripts = {"status": "s503;text=poison", "close": "close", "line": "raw;text=HTTP%2F1.1%20", "reset": "reset"}
    urls = [server.url(f"{key}/{script}") for key, script in scripts.items()]
    alone = test.alone(program.call(mode, file, urls))
    once = {key: server.count(key) for key in scripts}
    server.reset()
    under = test.rebound(program.call(mode, file, urls), test.policy(base=THREE))
    test.same(under, alone)
    test.equal({key: whole(test, server, key, data) for key in scripts}, once, "requests")
    test.equal([e["reason"] for e in test.events("stop")], [reason] * len(scripts), f"reasons in {test.events()}")
    command = program.call(mode, file, [late.url("late")])
    under = test.rebound(command, test.policy(base=FAST), on_retry=late.listen)
    test.equal(whole(test, late, "late", data), 1, "requests to the late one")
    test.same(under, test.alone(command))


@cases(**{name: program for name, program in PROGRAMS.items() if program.upload == "once"})
def test_uploads_that_cannot_be_read_again(test, program):
    sent_once(test, program, "put", "upload", 100000)


@cases(**{name: program for name, program in PROGRAMS.items() if name not in ("cmake", *TWINS)})
def test_posts(test, program):
    sent_once(test, program, "post", "method")
