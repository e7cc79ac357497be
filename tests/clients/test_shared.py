# SPDX-License-Identifier: MIT
"""Processes that share a state have one breaker, one budget and one Retry-After. A state may be unusable."""

import os
import random
import subprocess
import sys
import threading
import time

from harness import LIBRARY, REBOUND, Skip, cases, clean_environment
from listener import Listener, read_head

CURL = "/usr/bin/curl"
WORKERS = 64
CALLS = 100


class Counter(Listener):
    """An HTTP server that counts its requests, and how many it handled at the same time."""

    def __init__(self, delay_s=0.0, status=503, header=""):
        self.delay_s, self.status, self.header = delay_s, status, header
        self.requests = self.inside = self.most = 0
        self.times = []
        self.lock = threading.Lock()
        super().__init__(backlog=256)

    def _serve(self, peer, _):
        while read_head(peer):
            self._answer(peer)

    def _answer(self, peer):
        with self.lock:
            self.requests += 1
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.times.append(time.monotonic())
        try:
            if self.delay_s:
                time.sleep(self.delay_s)
            peer.sendall(f"HTTP/1.1 {self.status} x\r\n{self.header}Content-Length: 2\r\n\r\nhi".encode())
        finally:
            with self.lock:
                self.inside -= 1

    def url(self, path=""):
        return f"http://127.0.0.1:{self.port}/{path}"


class Workers:
    """Processes of one environment that share a state."""

    def __init__(self, test, policy, state=None):
        self.test, self.processes = test, []
        self.env = dict(clean_environment(test.home), LD_PRELOAD=LIBRARY, REBOUND_POLICY=policy,
                        REBOUND_STATE=state or state_path(test))
        test.open.append(self)

    def start(self, command, env=None):
        process = subprocess.Popen(command, env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.test.work)
        self.processes.append(process)
        return process

    def wait(self, limit_s=100):
        end = time.monotonic() + limit_s
        for process in self.processes:
            process.wait(max(end - time.monotonic(), 0.1))
        self.processes.clear()

    def kill(self, process):
        process.kill()
        process.wait()
        self.processes.remove(process)

    def stop(self):
        for process in list(self.processes):
            self.kill(process)


def state_path(test):
    return os.path.join(test.dir, "state")


def counter(test, **options):
    return test.opened(Counter(**options))


def policy(test, keys):
    return test.policy({"breaker": "on", "budget.floor": "1000/s", **keys})


# --- one breaker

BREAKER = {"breaker.window": "20", "breaker.min_calls": "10", "breaker.failure_rate": "50%",
           "breaker.refuse": "always", "breaker.open": "400ms", "breaker.open_max": "400ms",
           "breaker.open_multiplier": "1"}


REFUSES_AT_5 = {"breaker.min_calls": "5", "breaker.refuse": "always", "breaker.open": "30s", "retry.attempts": "1"}


def test_workers_share_a_breaker(test):
    """The server sees min_calls, what was in flight when the breaker opened, and one probe for each open period."""
    server = counter(test, delay_s=0.005)
    workers = Workers(test, policy(test, BREAKER))
    begun = time.monotonic()
    for _ in range(WORKERS):
        workers.start([CURL, "-s", server.url(f"?[1-{CALLS}]")])
    workers.wait()
    periods = int((time.monotonic() - begun) / 0.4) + 1
    test.check(10 <= server.requests <= 10 + WORKERS + periods,
               f"{server.requests} requests of {WORKERS * CALLS} calls in {periods} periods")


def test_workers_share_a_budget(test):
    """Retries: a fifth of the calls, and the floor. Each call of each process is counted once."""
    calls = 20
    server = counter(test)
    keys = {"breaker": "off", "retry.attempts": "5", "retry.base": "10ms", "budget.ratio": "20%", "budget.floor": "3/s"}
    workers = Workers(test, test.policy(keys))
    begun = time.monotonic()
    for _ in range(WORKERS):
        workers.start([CURL, "-s", server.url(f"?[1-{calls}]")])
    workers.wait()
    retries = server.requests - WORKERS * calls
    most = WORKERS * calls // 5 + 3 * (10 + time.monotonic() - begun)
    test.check(WORKERS * calls // 5 - 3 <= retries <= most, f"{retries} retries, {most} at most")


def test_one_at_a_time_when_half_open(test):
    """16 workers are killed at random while the server fails. The server has one probe at once, and for a moment also the
    request of a worker that was just killed."""
    server = counter(test, delay_s=0.02)
    keys = {**BREAKER, "breaker.open": "20ms", "breaker.open_max": "20ms", "breaker.probe_lease": "2s",
            "retry.attempts": "1"}
    workers = Workers(test, policy(test, keys))
    command = [CURL, "-s", server.url("?[1-1000000]")]
    for _ in range(16):
        workers.start(command)
    while server.requests < 40 or server.inside:
        time.sleep(0.005)
    server.most = 0
    chance = random.Random(1)
    for _ in range(20):
        time.sleep(chance.uniform(0, 0.03))
        workers.kill(chance.choice(workers.processes))
        workers.start(command)
    before = server.requests
    while server.requests < before + 5:
        time.sleep(0.005)
    test.check(server.most <= 2, f"{server.most} probes at once")


def test_kills_leave_it_usable(test):
    """Workers that succeed and fail in turns are killed at random: afterwards the breaker closes, and calls get through."""
    kills = int(os.environ.get("REBOUND_KILLS", "100"))
    server = counter(test, delay_s=0.002)
    keys = {**BREAKER, "breaker.open": "100ms", "breaker.open_max": "100ms", "breaker.probe_lease": "500ms",
            "retry.base": "5ms"}
    workers = Workers(test, policy(test, keys))
    command = [CURL, "-s", "-m", "20", server.url("?[1-1000000]")]
    chance = random.Random(2)
    for _ in range(16):
        workers.start(command)
    for number in range(kills):
        server.status = 200 if number // 10 % 2 else 503
        time.sleep(chance.uniform(0, 0.03))
        workers.kill(chance.choice(workers.processes))
        workers.start(command)
    workers.stop()
    server.status = 200
    end = time.monotonic() + 10  # one lease and one open period, on a machine that does other things
    while workers.start([CURL, "-sf", server.url()]).wait(20) != 0:
        test.check(time.monotonic() < end, "the breaker did not close")
        time.sleep(0.05)
    for _ in range(10):
        test.equal(workers.start([CURL, "-sf", server.url()]).wait(20), 0, "a call after the recovery")


# --- all kinds of process

CONNECT = r"""
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < atoi(argv[2]); i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *) &address, sizeof address) == 0 || errno != ECONNREFUSED)
            return 1;
        close(fd);
    }
    return 0;
}
"""


def connector(test, compiler):
    binary = os.path.join(test.dir, compiler)
    subprocess.run([compiler, "-O1", "-o", binary, test.file(compiler + ".c", CONNECT)], check=True)
    return binary


@cases(musl_first=("musl-gcc", "gcc"), glibc_first=("gcc", "musl-gcc"))
def test_c_libraries_share_a_breaker(test, compilers):
    first, second = (connector(test, compiler) for compiler in compilers)
    port = str(test.closed_port().port)
    workers = Workers(test, policy(test, REFUSES_AT_5))
    test.equal(workers.start([first, port, "5"]).wait(20), 0, compilers[0])
    test.equal(len(test.events("refused")), 0, "refused calls of the first")
    test.equal(workers.start([second, port, "3"]).wait(20), 0, compilers[1])
    test.equal(len(test.events("refused")), 3, "refused calls of the second")


def test_under_a_false_clock(test):
    """libfaketime tells a process that it is tomorrow: the breaker is as open for it as for the others."""
    fake = [f"/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1" for machine in ("x86_64", "aarch64")]
    fake = next(path for path in fake if os.path.exists(path))
    binary, port = connector(test, "gcc"), str(test.closed_port().port)
    workers = Workers(test, policy(test, REFUSES_AT_5))
    env = {"LD_PRELOAD": f"{LIBRARY}:{fake}", "FAKETIME": "+1d"}
    test.equal(workers.start([binary, port, "5"]).wait(20), 0, "the first")
    test.equal(workers.start([binary, port, "3"], env).wait(20), 0, "tomorrow")
    test.equal(len(test.events("refused")), 3, "refused calls")
    other = str(test.closed_port().port)
    test.equal(workers.start([binary, other, "5"], env).wait(20), 0, "tomorrow")
    test.equal(workers.start([binary, other, "3"]).wait(20), 0, "today")
    test.equal(len(test.events("refused")), 6, "refused calls")


def in_time_namespace(offset_s):
    """The words before a command that run it with another boot time clock."""
    words = ["unshare", "-T", "--boottime", str(offset_s), "--fork"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        raise Skip("a time namespace cannot be made")
    return words


@cases(ahead=8640000, behind=-int(time.clock_gettime(time.CLOCK_BOOTTIME)) + 60)  # the kernel takes no clock below 0
def test_in_a_time_namespace(test, offset_s):
    """A process whose clock is another one spends the same budget and meets the same breaker as the others, and takes
    nothing away from them."""
    elsewhere = in_time_namespace(offset_s)
    binary, port = connector(test, "gcc"), str(test.closed_port().port)
    keys = {"retry.attempts": "2", "breaker": "off", "budget.floor": "0.001/s", "budget.ratio": "0%"}
    workers = Workers(test, test.policy(keys))
    for words, retries in ((elsewhere, 1), ([], 1), (elsewhere, 1)):  # the floor holds one retry
        test.equal(workers.start([*words, binary, port, "2"]).wait(20), 0, "calls")
        test.equal(len(test.events("retry")), retries, "retries")
    keys = {**REFUSES_AT_5, "breaker.open": "3600s", "breaker.open_max": "3600s"}
    workers = Workers(test, policy(test, keys))
    other = str(test.closed_port().port)
    for count, first, then in ((port, elsewhere, []), (other, [], elsewhere)):
        before = len(test.events("refused"))
        test.equal(workers.start([*first, binary, count, "5"]).wait(20), 0, "calls that open the breaker")
        test.equal(workers.start([*then, binary, count, "3"]).wait(20), 0, "calls")
        test.equal(len(test.events("refused")) - before, 3, "refused calls")


@cases(one=("1", 3), two=("2", 0))
def test_quorum(test, case):
    """With a quorum of 2 one process alone does not open the breaker for the others."""
    quorum, refused = case
    binary, port = connector(test, "gcc"), str(test.closed_port().port)
    keys = {**REFUSES_AT_5, "breaker.quorum": quorum}
    workers = Workers(test, policy(test, keys))
    workers.start([binary, port, "5"]).wait(20)
    workers.start([binary, port, "0"]).wait(20)
    test.equal(len(test.events("refused")), 0, "refused calls of the first")
    workers.start([binary, port, "3"]).wait(20)
    test.equal(len(test.events("refused")), refused if quorum == "1" else 2, "refused calls of the second")


# --- Retry-After

@cases(curl=("curl", 429), multi=("multi", 429), unavailable=("curl", 503))
def test_retry_after_holds_the_others_back(test, case):
    """One process hears Retry-After; calls of others, begun long before that is over, come no earlier, and not all at
    once."""
    kind, status = case
    server = counter(test, status=status, header="Retry-After: 3\r\n")
    workers = Workers(test, policy(test, {"retry.attempts": "1"}))
    workers.start([CURL, "-s", server.url()]).wait(20)
    heard = server.times[0]
    server.status, server.header = 200, ""
    for _ in range(10):
        workers.start([CURL, "-s", *(["-Z"] if kind == "multi" else []), server.url()])
    workers.wait(20)
    times = sorted(moment - heard for moment in server.times[1:])
    test.equal(len(times), 10, "calls")
    test.check(times[0] >= 2.98, f"the first came after {times[0]:.3f} s")
    test.check(times[-1] - times[0] >= 0.1, f"all came within {times[-1] - times[0]:.3f} s")


class Throttling(Counter):
    """Counts requests by what they have of one header field; those in `limited` are answered by 429."""

    def __init__(self, field, limited, wait_s):
        self.field, self.limited, self.wait_s, self.heard = field.lower(), limited, wait_s, []
        super().__init__()

    def _serve(self, peer, _):
        head = read_head(peer)
        if not head:
            return
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line)
        value = {name.lower(): text for name, text in fields.items()}.get(self.field, "")
        self.heard.append((value, time.monotonic()))
        status, more = (429, f"Retry-After: {self.wait_s}\r\n") if value in self.limited else (200, "")
        peer.sendall(f"HTTP/1.1 {status} x\r\n{more}Content-Length: 2\r\nConnection: close\r\n\r\nhi".encode())

    def moments(self, value):
        return [moment for each, moment in self.heard if each == value]


def bearer(token):
    return ["-H", f"Authorization: Bearer {token}"] if token else []


CREDENTIALS = {
    "bearer": ("Authorization", "Bearer one", bearer("one"), bearer("two")),
    "option": ("Authorization", "Bearer one", ["--oauth2-bearer", "one"], ["--oauth2-bearer", "two"]),
    "key": ("X-Api-Key", "one", ["-H", "X-Api-Key: one"], ["-H", "X-Api-Key: two"]),
    "user": ("Authorization", "Basic bWU6b25l", ["-u", "me:one"], ["-u", "me:two"]),
    "nobody": ("Authorization", "", [], bearer("two")),
    "somebody": ("Authorization", "Bearer one", bearer("one"), []),
}


@cases(**CREDENTIALS)
def test_throttling_is_for_one_credential(test, case):
    """The caller that was throttled waits, in another process, too; one with another credential is served at once."""
    field, limited, mine, others = case
    server = test.opened(Throttling(field, [limited], wait_s=3))
    workers = Workers(test, policy(test, {"retry.attempts": "1"}))
    workers.start([CURL, "-s", *mine, server.url()]).wait(20)
    heard = server.moments(limited)[0]
    server.limited = []
    workers.start([CURL, "-s", *others, server.url()])
    workers.start([CURL, "-s", *mine, server.url()])
    workers.wait(20)
    test.equal(len(server.heard), 3, "requests")
    test.check(server.moments(limited)[1] >= heard + 2.98, "the throttled caller came too early")
    other = next(moment for value, moment in server.heard if value != limited)
    test.check(other < heard + 2.98, "the other caller waited")


def test_more_credentials_than_slots(test):
    """Four credentials are remembered. A fifth one is not shared and takes no slot from the others."""
    tokens = [f"Bearer {i}" for i in range(5)]
    server = test.opened(Throttling("Authorization", tokens, wait_s=3))
    workers = Workers(test, policy(test, {"retry.attempts": "1"}))
    for token in tokens:
        workers.start([CURL, "-s", "-H", f"Authorization: {token}", server.url()]).wait(20)
    server.limited = []
    for token in tokens:
        workers.start([CURL, "-s", "-H", f"Authorization: {token}", server.url()])
    workers.wait(20)
    early = [token for token in tokens if server.moments(token)[1] < server.moments(token)[0] + 2.98]
    test.equal(early, tokens[4:], "callers that did not wait")


# --- what may stand in its place

def in_place(test, kind):
    """Puts something where the state is to be. Returns the word that the log has for it."""
    path = state_path(test)
    if kind == "directory":
        os.mkdir(path)
    elif kind == "fifo":
        os.mkfifo(path, 0o600)
    elif kind == "link":
        os.symlink("/etc/passwd", path)
    elif kind in ("random", "mode", "short", "version"):
        with open(path, "wb") as out:
            out.write({"short": b"\nRBstate"}.get(kind, random.Random(3).randbytes(1 << 20)))
            if kind == "version":
                out.seek(0)
                out.write(b"\nRBstate" + (99).to_bytes(8, "little"))
        os.chmod(path, 0o644 if kind == "mode" else 0o600)
    return {"random": "damaged", "short": "damaged", "version": "version"}.get(kind, "foreign")


def state_lines(test):
    with open(test.log_path, encoding="utf-8") as log:
        return [test.parse_event(line) for line in log if '"decision":"state"' in line]


def contents(path):
    if os.path.isfile(path) and not os.path.islink(path):
        with open(path, "rb") as file:
            return file.read()
    return os.lstat(path).st_mode


@cases("directory", "fifo", "link", "random", "mode", "short", "version")
def test_bad_files_are_left_alone(test, kind):
    word = in_place(test, kind)
    before = contents(state_path(test))
    server = test.server()
    workers = Workers(test, policy(test, {}))
    done = subprocess.run([CURL, "-s", server.url("k/s503/ok"), server.url("l/s503/ok")], env=workers.env,
                          capture_output=True, check=False, timeout=20)
    test.equal((done.returncode, done.stdout), (0, b"good k\ngood l\n"), "curl")
    lines = state_lines(test)
    test.equal([(line["reason"], line["file"]) for line in lines], [(word, state_path(test))], "lines about the state")
    test.check(contents(state_path(test)) == before, "the file was touched")


@cases(no_directory="/nowhere/state", read_only="/proc/state", full="/dev/full")
def test_no_place_for_it(test, path):
    server = test.server()
    workers = Workers(test, policy(test, {}), path)
    done = subprocess.run([CURL, "-s", server.url("k/s503/ok")], env=workers.env, capture_output=True, check=False,
                          timeout=20)
    test.equal((done.returncode, done.stdout), (0, b"good k\n"), "curl")
    test.equal(len(state_lines(test)), 1, "lines about the state")


@cases(removed="replaced", replaced="foreign", cut="damaged", emptied="damaged")
def test_lost_while_in_use(test, word):
    """The file is removed while a program waits for an answer. The program continues, and one line says so."""
    server = test.server()
    workers = Workers(test, policy(test, {}))
    path, case = state_path(test), test.name
    running = workers.start([CURL, "-s", server.url("k/ok;delay=1500"), server.url("l/s503/ok?[1-5]")])
    server.arrived(lambda: server.count("k"), 1)
    if "removed" in case:
        os.unlink(path)
    elif "replaced" in case:
        os.unlink(path)
        os.mkdir(path)
    elif "cut" in case:
        os.truncate(path, 5000)
    else:
        os.truncate(path, 0)
    test.equal(running.wait(30), 0, "curl")
    test.equal(server.count("l"), 6, "requests")
    test.equal([line["reason"] for line in state_lines(test)], [word], "lines about the state")


# Connects for each line of stdin, and prints a line after that.
ON_DEMAND = """
import socket, sys
for _ in sys.stdin:
    socket.socket().connect_ex(("127.0.0.1", int(sys.argv[1])))
    print("done", flush=True)
"""


def test_controls_reach_a_program_whose_file_was_removed(test):
    """Within a second the program uses the new file at the path; so the operator's commands reach it again."""
    port = str(test.closed_port().port)
    workers = Workers(test, policy(test, {"breaker": "off", "retry.attempts": "2"}))
    running = subprocess.Popen([sys.executable, "-c", ON_DEMAND, port], env=workers.env, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, cwd=test.work)
    workers.processes.append(running)

    def call():
        running.stdin.write(b"\n")
        running.stdin.flush()
        test.equal(running.stdout.readline(), b"done\n", "call")
        return len(test.events("retry"))

    def rebound(*words):
        return subprocess.run([REBOUND, *words], env=workers.env, capture_output=True, check=True, text=True).stdout

    test.equal(call(), 1, "retries")
    os.unlink(state_path(test))
    end = time.monotonic() + 20
    while "1 process" not in (os.path.exists(state_path(test)) and rebound("status") or "") and time.monotonic() < end:
        call()
        time.sleep(0.05)
    rebound("policy", "off", "default")
    before = len(test.events("retry"))
    test.equal(call(), before, "retries after `policy off`")
    rebound("policy", "on", "default")
    test.equal(call(), before + 1, "retries after `policy on`")
    running.stdin.close()
    running.wait(20)


def test_nothing_is_written_before_a_matched_call(test):
    workers = Workers(test, test.policy({}, hosts="host.invalid"))
    server = test.server()
    workers.start([CURL, "-s", server.url("k/ok")]).wait(20)
    test.equal(server.count("k"), 1, "requests")
    test.check(not os.path.exists(state_path(test)), "a state was made")


def test_private_makes_no_file(test):
    server = counter(test)
    workers = Workers(test, policy(test, BREAKER), "private")
    for _ in range(3):
        workers.start([CURL, "-s", server.url("?[1-10]")]).wait(20)
    test.equal(server.requests, 30, "requests: each process has a breaker of its own")
