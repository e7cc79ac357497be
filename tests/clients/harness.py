# SPDX-License-Identifier: MIT
"""What the client tests share: the faulty server, policy files, programs run alone and under rebound, the runner."""

import concurrent.futures
import functools
import http.client
import importlib
import itertools
import json
import os
import random
import re
import shutil
import ssl
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from listener import ClosedPort, Listener, relay

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("REBOUND_BUILD") or os.path.join(ROOT, "build")
REBOUND = os.path.join(BUILD, "rebound")
LIBRARY = os.path.join(BUILD, "librebound.so")
FAULTD = os.path.join(BUILD, "faultd")
TRANSFER = os.path.join(BUILD, "clients", "transfer")
LOOP = os.path.join(BUILD, "clients", "loop")

COMMAND_LIMIT_S = 30  # a program that takes longer hangs
POLL_S = 0.005

# Short delays, no randomness, no breaker: what a test does not say otherwise.
QUICK = {
    "retry.attempts": "3",
    "retry.backoff": "fixed",
    "retry.base": "20ms",
    "retry.jitter": "none",
    "breaker": "off",
}
# Long enough for a server that begins to listen 0.7 s late: 19 waits of 100 ms.
PATIENT = dict(QUICK, **{"retry.attempts": "20", "retry.base": "100ms"})
LATE_MS = 700

REASONS = set(
    "done attempts cause permanent method time retry-after budget breaker upload delivered next-candidate interrupted "
    "changed overflow resource unknown-options shared bypassed failover sandbox sweep quota hint stack".split()
)
WAYS = ("socket", "openssl", "bio", "gnutls")  # of speaking HTTP
STACKS = ("event-loop", "wait", "closed", "request", "response", "tls")
OTHERS = ("policy", "state", "sandbox", "log")  # lines that are about no call
DECISIONS = ("retry", "stop", "recovered", "refused", "resent", "stale", "waited")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


class Failure(Exception):
    """A test found something that does not hold."""


class Skip(Exception):
    """A test cannot run on this machine."""


def check_gets_through(test, command):
    """A program that uses libcurl gets through two failures. command: a function that makes it for a URL."""
    server = test.server()
    result = test.rebound(command(server.url("k/s503/reset/ok")))
    test.good(result, b"200 1\ngood k\n")
    test.equal(server.count("k"), 3, "requests")
    test.equal({e["api"] for e in test.events()}, {"curl"}, "api in the log")


def check_attempts_exhausted(test, command):
    """After all attempts a program that uses libcurl gets the failure that it gets alone."""
    server = test.server()
    program = command(server.url("k/s503"))
    alone = test.alone(program)
    server.reset()
    test.same(test.rebound(program), alone)
    test.equal(server.count("k"), 3, "requests")


def cases(*names, **named):
    """Runs the test once for each name (given to it as second argument) or each name=value (the value is given)."""
    table = {name: name for name in names}
    table.update(named)

    def mark(function):
        function.cases = table
        return function

    return mark


def sampled(all_cases, sample):
    """Runs the test once for each case of a sample, or for each that a pattern finds.

    all_cases(): the table of cases by name, as for `cases`. sample(seed): names of it.
    """

    def mark(function):
        function.cases, function.sample = all_cases(), sample
        return function

    return mark


def paired(**table):
    """Like `cases`. A sample has each pair of two factors at least once: a name has the factors, with "-" between them."""

    def covers(name):
        factors = enumerate(name.split("-"))
        return set(itertools.combinations(factors, 2))

    def sample(of_seed):
        names = sorted(table)
        random.Random(of_seed).shuffle(names)
        missing, chosen = set().union(*map(covers, names)), []
        while missing:
            chosen.append(max(names, key=lambda name: len(covers(name) & missing)))
            missing -= covers(chosen[-1])
        return chosen

    return sampled(lambda: table, sample)


def shared_out(place, places, table, kind=lambda name: ""):
    """Like `cases`. A sample has one of so many `places` shares of the cases, the one of this place (from 0).

    So each case is in the sample of one of several tests with the same table. Cases of one kind are dealt to the shares in
    turn.
    """

    def sample(of_seed):
        names = sorted(table)
        random.Random(of_seed).shuffle(names)
        return sorted(names, key=kind)[place::places]

    return sampled(lambda: table, sample)


@functools.cache
def seed():
    """The seed of all samples: REBOUND_SEED, or a random one. The first call prints it."""
    chosen = int(os.environ.get("REBOUND_SEED") or random.randrange(2**32))
    print(f"REBOUND_SEED={chosen}", file=sys.stderr, flush=True)
    return chosen


def compiled(test, source, *flags, compiler="cc"):
    """Compiles a C program into the directory of the test. Returns its path."""
    program = os.path.join(test.dir, os.path.basename(source)[:-2])
    command = [compiler, "-g", "-O1", "-D_GNU_SOURCE", "-o", program, source, *flags]
    done = subprocess.run(command, capture_output=True)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {done.stderr.decode(errors='replace')}")
    return program


BUILDING = threading.Lock()


def built_once(source, name, *command):
    """Has a compiler make build/clients/wire/NAME from a source if that is newer. Returns the path.

    In the command, {target} stands for the path and {directory} for its directory. The source comes last.
    """
    directory = os.path.join(BUILD, "clients", "wire")
    target = os.path.join(directory, name)
    with BUILDING:
        if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
            os.makedirs(directory, exist_ok=True)
            words = [word.format(target=target, directory=directory) for word in command]
            subprocess.run([*words, source], check=True)
    return target


@functools.cache
def pattern(binary, seed):
    """One period of the bytes that faultd sends for size=N (the formula stands in tests/server/pattern.c)."""
    if binary:
        return bytes((i * 31 + i // 256 + seed) & 255 for i in range(65536))
    return bytes(10 if i % 64 == 63 else 65 + (i * 7 + i // 64 + seed) % 26 for i in range(1664))


def body(size, binary=False, seed=0):
    """The bytes that faultd sends for size=N, perhaps with `binary` and seed=N."""
    block = pattern(binary, seed)
    return (block * (size // len(block) + 1))[:size]


@functools.cache
def node_has_ring():
    """From libuv 1.50, node registers its sockets by io_uring, which the library cannot see."""
    script = """const fs = require('fs'), links = fs.readdirSync('/proc/self/fd').map(fd => {
        try { return fs.readlinkSync('/proc/self/fd/' + fd) } catch (e) { return '' } });
        console.log(links.some(link => link.includes('io_uring')))"""
    told = subprocess.run(["node", "-e", script], capture_output=True, check=True).stdout
    return told == b"true\n"


def network_space():
    """A command prefix for a network namespace. Root needs no user namespace, which a chroot cannot have."""
    return ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]


def clean_environment(home):
    """An environment without variables about policies, proxies or languages."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": home,
        "TMPDIR": home,
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "REBOUND_STATE": "private",  # a test of what processes share names a file of its own
    }


class Server:
    """One faultd. Its control port answers also while the main port still refuses."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [FAULTD, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        self.control = self._port("control")
        self.port = self._port("listening")

    def _port(self, word):
        line = self.process.stdout.readline().decode().split()
        if len(line) != 2 or line[0] != word:
            self.stop()
            raise Failure(f"faultd did not start: {line}")
        return int(line[1])

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.control, timeout=10)
        connection.request("GET", "/_/" + path, headers={"Connection": "close"})
        answer = connection.getresponse().read().decode()
        connection.close()
        return answer

    def count(self, key):
        return int(self.ask("count/" + key))

    def connections(self):
        return int(self.ask("connections"))

    def arrived(self, figure, least):
        """A figure once it is at least so large: a client that only writes may be gone before the server has read."""
        end = time.monotonic() + 10
        while figure() < least and time.monotonic() < end:
            time.sleep(0.01)
        return figure()

    def log(self, key):
        """One tuple per request: milliseconds, method, path, bytes of the body, CRC of the body, CRC of the head."""
        return [tuple(line.split(" ")) for line in self.ask("log/" + key).splitlines()]

    def ranges(self, key):
        """One pair per request: the values of Range and If-Range, "-" without."""
        return [tuple(line.split(" ", 1)) for line in self.ask("ranges/" + key).splitlines()]

    def reset(self):
        self.ask("reset")

    def listen(self, after_ms=0):
        self.ask(f"listen/{after_ms}")

    def url(self, path="", host="127.0.0.1"):
        return f"http://{host}:{self.port}/{path}"

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class TlsFront(Listener):
    """A TLS endpoint before a server. The first `cut` connections are closed before the handshake."""

    def __init__(self, directory, server, cut=0):
        self.server, self.cut = server, cut
        certificate = os.path.join(directory, "tls.pem")
        if not os.path.exists(certificate + ".crt"):
            self._make(certificate)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate + ".crt", certificate)
        super().__init__()

    @staticmethod
    def _make(certificate):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
             "-subj", "/CN=localhost", "-keyout", certificate, "-out", certificate + ".crt"],
            check=True, stderr=subprocess.DEVNULL)

    def _serve(self, peer, number):
        if number <= self.cut:
            return
        with self.context.wrap_socket(peer, server_side=True) as outer:
            with socket.create_connection(("127.0.0.1", self.server.port)) as inner:
                relay(outer, inner)

    def url(self, path):
        return f"https://127.0.0.1:{self.port}/{path}"


class Result:
    """The result of a program: exit status, output, duration, largest resident size in KiB, CPU time."""

    def __init__(self, code, out, err, seconds, usage):
        self.code, self.out, self.err, self.seconds, self.resident = code, out, err, seconds, usage.ru_maxrss
        self.cpu_ms = round((usage.ru_utime + usage.ru_stime) * 1000)

    def __repr__(self):
        return f"exit {self.code}, stdout {self.out[:200]!r}, stderr {self.err[:400]!r}"


class Test:
    """One test's own directory, servers and programs."""

    def __init__(self, name):
        self.name = name
        self.dir = tempfile.mkdtemp(prefix="rebound-test-")
        self.home = os.path.join(self.dir, "home")
        self.work = os.path.join(self.dir, "work")
        self.log_path = os.path.join(self.dir, "log.jsonl")
        self.open = []
        os.mkdir(self.home)
        os.mkdir(self.work)

    def close(self):
        for thing in self.open:
            thing.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    stop = close

    # Things to test with

    def opened(self, thing):
        """Has something stopped at the end of the test. Returns the thing."""
        self.open.append(thing)
        return thing

    def server(self, *arguments):
        return self.opened(Server(*arguments))

    def part(self):
        """A test within this one that ends with it, with directories, servers and a log of its own."""
        return self.opened(Test(self.name))

    def tls_front(self, server, cut=0):
        return self.opened(TlsFront(self.dir, server, cut))

    def closed_port(self):
        return self.opened(ClosedPort())

    def file(self, name, content, mode=0o644):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as out:
            out.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    def left(self):
        """The files in the program's directory, by name, which are then removed."""
        found = {}
        for name in sorted(os.listdir(self.work)):
            path = os.path.join(self.work, name)
            with open(path, "rb") as file:
                found[name] = file.read()
            os.unlink(path)
        return found

    def policy(self, keys=None, hosts=None, log=None, base=None):
        """A policy file: one section for `hosts`, or [default] for all; `keys` beside the quick ones."""
        lines = ["[rebound]", f"log = {log or self.log_path}", "[tested]" if hosts else "[default]"]
        if hosts:
            lines.append(f"hosts = {hosts}")
        lines += [f"{key} = {value}" for key, value in {**(base or QUICK), **(keys or {})}.items()]
        return self.file("policy.ini", "\n".join(lines) + "\n")

    # Programs

    def alone(self, command, **options):
        return self._run(list(command), **options)

    def rebound(self, command, policy=None, flags=(), **options):
        """The same command under rebound; policy is a path, or a dict of keys for [default] beside the quick ones."""
        if policy is None or isinstance(policy, dict):
            policy = self.policy(policy)
        return self._run([REBOUND, "run", "--policy", policy, *flags, "--", *command], **options)

    def _run(self, command, stdin=b"", env=None, on_retry=None, limit_s=COMMAND_LIMIT_S):
        """Runs to the end. on_retry is called once, when the log shows the first retry."""
        environment = dict(clean_environment(self.home), **(env or {}))
        out_file, err_file = tempfile.TemporaryFile(dir=self.dir), tempfile.TemporaryFile(dir=self.dir)
        in_file = tempfile.TemporaryFile(dir=self.dir)
        in_file.write(stdin)
        in_file.seek(0)
        start = time.monotonic()
        process = subprocess.Popen(
            command, stdin=in_file, stdout=out_file, stderr=err_file, env=environment, cwd=self.work)
        code, usage = self._wait(process, command, on_retry, limit_s)
        seconds = time.monotonic() - start
        out_file.seek(0)
        err_file.seek(0)
        result = Result(code, out_file.read(), err_file.read(), seconds, usage)
        for each in (in_file, out_file, err_file):
            each.close()
        return result

    def _wait(self, process, command, on_retry, limit_s):
        limit = time.monotonic() + limit_s
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                return process.returncode, usage
            if time.monotonic() > limit:
                process.kill()
                process.wait()
                raise Failure(f"still running after {limit_s} s: {' '.join(command)}")
            if on_retry and self._has_retried():
                on_retry()
                on_retry = None
            time.sleep(POLL_S)

    def _has_retried(self):
        try:
            with open(self.log_path, encoding="utf-8") as log:
                return '"retry"' in log.read()
        except FileNotFoundError:
            return False

    # What was seen

    def events(self, decision=None):
        """The log's decisions, each line checked against the format; those about policy and state are left out."""
        try:
            with open(self.log_path, encoding="utf-8") as log:
                lines = log.read().splitlines()
        except FileNotFoundError:
            return []
        events = [self.parse_event(line) for line in lines]
        return [e for e in events if e["decision"] not in OTHERS and decision in (None, e["decision"])]

    def parse_event(self, line):
        try:
            event = json.loads(line)
        except ValueError:
            raise Failure(f"no JSON in the log: {line!r}") from None
        wanted = {"time": str, "pid": int, "program": str, "decision": str}
        if event.get("decision") not in OTHERS:
            wanted.update(policy=str, host=str, api=str, attempt=int)
        if event.get("decision") == "retry":
            wanted.update(cause=str, delay_ms=int)
        if event.get("decision") == "waited":
            wanted.update(waited_ms=int)
        if event.get("decision") in ("stop", "refused"):
            wanted.update(reason=str)
        if event.get("api") == "http" and event.get("decision") != "waited":
            wanted.update(way=str)
            wanted.update({} if event["decision"] in OTHERS else {"times_ms": dict})
        for key, kind in wanted.items():
            self.check(isinstance(event.get(key), kind), f"log: {key} is missing or of the wrong type in {line}")
        self.check(TIME.match(event["time"]), f"log: no RFC 3339 time in {line}")
        if event["decision"] not in OTHERS:
            self.check(event["decision"] in DECISIONS, f"log: decision in {line}")
            self.check(event["api"] in ("curl", "connect", "dns", "http"), f"log: api in {line}")
            self.check(event.get("reason", "done") in REASONS, f"log: reason in {line}")
            self.check(event.get("way", "socket") in WAYS, f"log: way in {line}")
            self.check((event.get("reason") == "stack") == (event.get("stack", "") in STACKS), f"log: stack in {line}")
        return event

    def reasons(self):
        return [e.get("reason") for e in self.events()]

    def check(self, condition, message):
        if not condition:
            raise Failure(message)

    def equal(self, got, wanted, what):
        if got != wanted:
            got, wanted, where = differing(got, wanted)
            raise Failure(f"{what}: got {shorten(got)}, not {shorten(wanted)}{where}")

    def good(self, result, out, code=0):
        self.check(result.code == code and result.out == out, f"{result}; expected exit {code}, stdout {out[:200]!r}")

    def same(self, under, alone, what="under rebound"):
        """Status, stdout and stderr as alone; times and ports of this end are left out of the comparison."""
        self.equal(under.code, alone.code, f"{what}: exit status (stderr {shorten(under.err)})")
        self.equal(neutral(under.out), neutral(alone.out), f"{what}: stdout")
        self.equal(neutral(under.err), neutral(alone.err), f"{what}: stderr")


def differing(got, wanted):
    """Cuts long bytes to the place where they begin to differ."""
    if not isinstance(got, bytes) or not isinstance(wanted, bytes) or max(len(got), len(wanted)) <= 400:
        return got, wanted, ""
    at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
    start = max(at - 60, 0)
    return got[start:at + 100], wanted[start:at + 100], f" (at byte {at} of {len(got)} and {len(wanted)})"


def shorten(value):
    text = repr(value)
    return text if len(text) <= 600 else text[:400] + " ... " + text[-200:]


def neutral(data):
    """Removes what differs between two runs of a program without rebound, too."""
    for pattern, replacement in (
        (rb"after \d+ (ms|milliseconds)", rb"after N \1"),
        (rb"(?m)^(== Info:|\*) Request completely sent off\n", b""),  # not if the response is there already
        (rb"\b\d{4}[/-]\d\d[/-]\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?", b"TIME"),
        (rb"\b\d\d:\d\d:\d\d(\.\d+)?\b", b"TIME"),
        (rb"(socat|bash|sh)\[\d+\]", rb"\1[PID]"),
        (rb"\b[0-9A-F]{16}:error", b"THREAD:error"),
        (rb"\b0x[0-9a-f]{6,16}\b", b"POINTER"),
        (rb"-{20,}[0-9a-f]{16}", b"BOUNDARY"),
    ):
        data = re.sub(pattern, replacement, data)
    return data


# The runner


def collect(pattern, sampled_in_full=False):
    """The tests of all test_*.py files, as (name, function, arguments).

    Without a pattern these are all tests, with a sample of the cases of some; or all cases of those with a sample.
    """
    found = []
    for file in sorted(os.listdir(HERE)):
        if not re.fullmatch(r"test_\w+\.py", file):
            continue
        module = importlib.import_module(file[:-3])
        for name, function in vars(module).items():
            if not name.startswith("test_") or not callable(function):
                continue
            table = getattr(function, "cases", None)
            if sampled_in_full and not hasattr(function, "sample"):
                continue
            if hasattr(function, "sample") and not pattern and not sampled_in_full:
                table = {case: table[case] for case in function.sample(seed())}
            for case, value in (table or {"": None}).items():
                full = f"{file[5:-3]}.{name[5:]}" + (f"[{case}]" if table else "")
                arguments = (value,) if table else ()
                if not pattern or re.search(pattern, full):
                    found.append((full, function, arguments))
    return found


def run_one(name, function, arguments):
    """Returns (name, "passed" | "failed" | "skipped", message, seconds)."""
    start = time.monotonic()
    test = Test(name)
    try:
        function(test, *arguments)
        verdict, message = "passed", ""
    except Skip as reason:
        verdict, message = "skipped", str(reason)
    except Failure as failure:
        verdict, message = "failed", str(failure)
    except Exception:  # a mistake in the test is a failure of the test, not the end of the run
        verdict, message = "failed", traceback.format_exc()
    finally:
        test.close()
    return name, verdict, message, time.monotonic() - start


def run_all(tests, jobs, verbose):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for future in concurrent.futures.as_completed([pool.submit(run_one, *test) for test in tests]):
            name, verdict, message, seconds = future.result()
            counts[verdict] += 1
            if verbose or verdict != "passed":
                print(f"{verdict}: {name} ({seconds:.1f} s)" + (f"\n    {message}" if message else ""), flush=True)
    print(f"{counts['passed']} passed, {counts['failed']} failed"
          + (f", {counts['skipped']} skipped" if counts["skipped"] else ""), flush=True)
    return 1 if counts["failed"] else 0


PRODUCTS = (REBOUND, LIBRARY, FAULTD)  # all that `make demo` builds


def fail_without_builds(*needed):
    missing = [path for path in needed if not os.path.exists(path)]
    if missing:
        sys.exit(f"not built: {', '.join(missing)} (run make first)")
