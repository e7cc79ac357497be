# SPDX-License-Identifier: MIT
"""`rebound wait` and `rebound run --wait`: what counts as ready, the deadline, and the program that follows."""

import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading

from harness import (
    build_static, closed_port, CONNECT, content, expect, fails, holds, LIBRARY, on_terminal, PATIENCE, QUICK, REBOUND,
    same, test, wait_until
)

FORMS = "a target is HOST:PORT, http://HOST[:PORT][/PATH][=STATUS] or unix:PATH"
OK = b"HTTP/1.1 200 OK\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"


class Server:
    """Answers each request with the next item of the list for its path; the last item repeats. None: no answer."""

    def __init__(self, answers, family=socket.AF_INET, host="127.0.0.1"):
        self.answers, self.requests, self.peers = answers, [], []
        self.listener = socket.create_server((host, 0), family=family)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                self.peers.append(peer)
                threading.Thread(target=self.answer, args=(peer,), daemon=True).start()

    def answer(self, peer):
        request = b""
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in request:
                piece = peer.recv(65536)
                if not piece:
                    return
                request += piece
            path = request.split()[1].decode()
            answers = self.answers[path]
            self.requests.append(request.decode())
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if callable(answer):
                answer(peer)
            elif answer is not None:
                peer.sendall(answer)
                peer.shutdown(socket.SHUT_RDWR)

    def url(self, rest=""):
        return f"http://127.0.0.1:{self.port}{rest}"

    def paths(self):
        return [request.split()[1] for request in self.requests]


def late(answers=(BUSY, BUSY, OK)):
    """A server that is not ready at the first two tests."""
    return Server({"/": list(answers)})


def full_listener():
    """A socket that listens and drops each further SYN, because its queue is full. Returns all sockets that keep it so."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    kept = [listener]
    while True:
        peer = socket.socket()
        peer.settimeout(0.5)
        kept.append(peer)
        try:
            peer.connect(listener.getsockname())
        except TimeoutError:
            return kept, listener.getsockname()[1]


def results(place, *words, env=None, status=0):
    """The results of `rebound wait --json` by target: ready and error."""
    done = place.text("wait", "--json", *words, env=env)
    same(done[0], status)
    found = json.loads(done[1])
    same(found["ready"], status == 0)
    return {item["target"]: (item["ready"], item["error"]) for item in found["targets"]}


# --- what is ready


@test
def wait_for_open_ports(place):
    """Connects to a name and to both kinds of addresses. A proxy of the environment is not used."""
    holder, closed = closed_port()
    server, other = Server({"/": [OK]}), Server({"/": [OK]}, socket.AF_INET6, "::1")
    env = {"http_proxy": f"http://127.0.0.1:{closed}", "HTTP_PROXY": f"http://127.0.0.1:{closed}", "ALL_PROXY": "http://127.0.0.1:9"}
    for target in (f"127.0.0.1:{server.port}", f"localhost:{server.port}", f"[::1]:{other.port}", server.url(), server.url("/=200"),
                   f"http://[::1]:{other.port}/", f"HTTP://localhost:{server.port}=200"):
        same((target, *place.text("wait", target, env=env)), (target, 0, "", ""))
    same(place.text("wait", f"[::1]:{other.port}", f"127.0.0.1:{server.port}", server.url("#")), (0, "", ""))
    request = server.requests[0].split("\r\n")
    same(request[:2] + request[4:], ["GET / HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Connection: close", "", ""])
    holder.close()


def endless(piece):
    def answer(peer):
        while True:
            peer.sendall(piece)
    return answer


def byte_by_byte(peer):
    """Sends the beginning of an interim response that never ends."""
    for byte in EARLY[:-4] + b"x" * 1000:
        peer.sendall(bytes([byte]))
        threading.Event().wait(0.1)


@test
def wait_for_http_statuses(place):
    """All targets are tested at the same time, so one that never answers delays no other."""
    rows = [("/ok", [OK], "", None), ("/no-content", [b"HTTP/1.1 204 \r\n"], "", None), ("/moved", [b"HTTP/1.1 301 M\r\n"], "", None),
            ("/old", [b"HTTP/1.0 200 OK\n"], "", None), ("/bare", [b"HTTP/1.1 399\r\n"], "", None),
            ("/lost", [b"HTTP/1.1 404 Lost\r\n"], "", "status 404"), ("/busy", [BUSY], "", "status 503"),
            ("/odd", [b"HTTP/1.1 999 Odd\r\n"], "", "status 999"),
            ("/want", [b"HTTP/1.1 404 Lost\r\n"], "=404", None), ("/want-other", [OK], "=204", "status 200 in place of 204"),
            ("/early", [EARLY + EARLY + OK], "", None), ("/early-busy", [EARLY + BUSY], "", "status 503"), ("/early-want", [EARLY], "=103", None),
            ("/early-alone", [EARLY], "", "the answer is not HTTP"), ("/?a=200", [BUSY], "#", "status 503"), ("/?b", [OK], "=200", None),
            ("/ssh", [b"SSH-2.0-x\r\n"], "", "the answer is not HTTP"), ("/html", [endless(b"<html>")], "", "the answer is not HTTP"),
            ("/cut", [b"HTTP/1.1 20"], "", "the answer is not HTTP"), ("/letters", [b"HTTP/1.1 2x0 OK\r\n"], "", "the answer is not HTTP"),
            ("/four", [b"HTTP/1.1 2000 OK\r\n"], "", "the answer is not HTTP"), ("/close", [b""], "", "the connection was closed without an answer"),
            ("/long", [endless(EARLY[:-2] + b"X: y\r\n")], "", "the answer is not HTTP"),
            ("/silent", [None], "", "no answer to the HTTP request"), ("/slow", [byte_by_byte], "", "no answer to the HTTP request"),
            ("/twice", [BUSY, OK], "", "status 503")]
    server = Server({path: answers for path, answers, _, _ in rows})
    found = results(place, "--timeout", "3s", *(server.url(path + end) for path, _, end, _ in rows), status=124)
    for path, _, end, why in rows:
        same((path, found[server.url(path + end)]), (path, (why is None or path == "/twice", why)))
    expect(server.paths().count("/busy") > 1 and server.paths().count("/ok") == 1, server.paths())


@test
def wait_for_sockets(place):
    kinds = {"stream": socket.SOCK_STREAM, "seqpacket": socket.SOCK_SEQPACKET, "datagram": socket.SOCK_DGRAM}
    kept = []
    for name, kind in kinds.items():
        kept.append(socket.socket(socket.AF_UNIX, kind))
        kept[-1].bind(os.path.join(place.path, name))
        if kind != socket.SOCK_DGRAM:
            kept[-1].listen()
    same(place.text("wait", "unix:stream", f"unix:{place.path}/seqpacket", "unix:./datagram"), (0, "", ""))
    full = socket.socket(socket.AF_UNIX)
    full.bind(os.path.join(place.path, "full"))
    full.listen(0)
    kept.append(socket.socket(socket.AF_UNIX))
    kept[-1].connect(os.path.join(place.path, "full"))
    place.file("file", "")
    kept[0].close()
    same(results(place, "--timeout", "1s", "unix:missing", "unix:file", "unix:stream", "unix:full", status=124),
         {"unix:missing": (False, "no such file or directory"), "unix:file": (False, "connection refused"),
          "unix:stream": (False, "connection refused"), "unix:full": (False, "no answer to the connect")})


@test
def wait_for_a_socket_that_appears(place):
    server, path = late([BUSY, OK]), os.path.join(place.path, "late")
    child = subprocess.Popen([REBOUND, "wait", "unix:late", server.url("/")], env=place.env, cwd=place.path, stderr=subprocess.PIPE)
    wait_until(lambda: server.requests, "no test")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    _, err = child.communicate(timeout=PATIENCE)
    same(child.returncode, 0)
    holds(err.decode(), "rebound: waited ")


@test
def wait_tests_once_a_second(place):
    """The seconds of the note are at least the number of pauses between the tests."""
    server = late()
    status, out, err = place.text("wait", server.url("/"))
    same((status, out, len(server.requests)), (0, "", 3))
    note = re.fullmatch(rf"rebound: waited (\d+) s for {re.escape(server.url('/'))}\n", err)
    expect(note and int(note[1]) >= 2, err)


@test
def wait_tests_again_after_no_answer(place):
    """A test has a limit of its own, so that one lost answer does not take the whole time."""
    server = Server({"/": [None, OK]})
    status, out, err = place.text("wait", "--timeout", "10m", server.url("/"))
    same((status, out, len(server.requests)), (0, "", 2))
    holds(err, "rebound: waited ")


IN_NAMESPACES = ["unshare", "--mount", "--net", "sh", "-ec", "trap 'kill $!' EXIT; ip link set lo up; eval \"$0\""]
# Listens at an address, opens the FIFO `ready`, and ends when the FIFO `end` has no writer any more.
LISTEN = """
import socket, sys
s = socket.socket(type=int(sys.argv[1]))
s.bind((sys.argv[2], int(sys.argv[3])))
if s.type == socket.SOCK_STREAM:
    s.listen()
open("ready", "w").close()
open("end").read()
"""


@contextlib.contextmanager
def alone(place, kind, address, port, script, stderr=subprocess.PIPE):
    """Runs a script in namespaces of its own, with the interface lo, where a socket is bound. Yields None where that is not allowed."""
    if subprocess.run([*IN_NAMESPACES[:-1], "ip link set lo up"], capture_output=True, check=False).returncode != 0:
        yield None
        return
    program = place.file("listen.py", LISTEN)
    os.mkfifo(os.path.join(place.path, "ready"))
    os.mkfifo(os.path.join(place.path, "end"))
    begin = f"mount --bind nsswitch.conf /etc/nsswitch.conf\n{sys.executable} {program} {int(kind)} {address} {port} & read line <ready || true\n"
    child = subprocess.Popen([*IN_NAMESPACES, begin + script], env={**place.env, "TERM": "dumb"}, cwd=place.path, stderr=stderr)
    with open(os.path.join(place.path, "end"), "w", encoding="ascii"):
        yield child


@test
def wait_for_a_name_that_appears(place):
    """Each test looks the name up again, and tries each of its addresses."""
    place.file("nsswitch.conf", "hosts: files\n")
    hosts = place.file("hosts", "127.0.0.1 localhost\n")
    ours, theirs = pty.openpty()
    script = f'mount --bind hosts /etc/hosts\n"{REBOUND}" wait db.test:7 -- touch mark'
    with alone(place, socket.SOCK_STREAM, "127.0.0.1", 7, script, stderr=theirs) as child:
        if child is None:
            return
        text = b""
        while b"\n" not in text:
            text += os.read(ours, 65536)
        expect(re.fullmatch(rb"rebound: waiting for db.test:7 \(name or service not known\): \d s of 60 s\r\n", text), text)
        with open(hosts, "a", encoding="ascii") as file:
            file.write("127.0.0.2 db.test\n127.0.0.1 db.test\n")
        same(child.wait(timeout=PATIENCE), 0)
    expect(os.path.exists(os.path.join(place.path, "mark")), "the program was not started")


@test
def wait_says_the_reason_that_helps(place):
    """Of several addresses: an HTTP status, else the error of the first one. An address without a route comes last."""
    server = late([BUSY])
    same(results(place, "--timeout", "800ms", f"http://localhost:{server.port}/", status=124),
         {f"http://localhost:{server.port}/": (False, "status 503")})
    place.file("nsswitch.conf", "hosts: files\n")
    place.file("hosts", "127.0.0.1 db.test\n2001:db8::1 db.test\n")
    script = f'mount --bind hosts /etc/hosts; "{REBOUND}" wait --timeout 800ms db.test:9'
    with alone(place, socket.SOCK_STREAM, "127.0.0.1", 7, script) as child:
        if child is not None:
            same((child.wait(timeout=PATIENCE), child.stderr.readline().decode()),
                 (124, "rebound: error: db.test:9 is not ready after 0.8 s: connection refused\n"))


@test
def wait_is_not_deceived_by_a_self_connect(place):
    """With one port for outgoing connects, the first connect to this port reaches itself."""
    place.file("nsswitch.conf", "hosts: files\n")
    script = f'echo 40000 40000 >/proc/sys/net/ipv4/ip_local_port_range; "{REBOUND}" wait --timeout 800ms 127.0.0.1:40000'
    with alone(place, socket.SOCK_STREAM, "127.0.0.1", 7, script) as child:
        if child is not None:
            same((child.wait(timeout=PATIENCE), child.stderr.readline().decode()),
                 (124, "rebound: error: 127.0.0.1:40000 is not ready after 0.8 s: connection refused\n"))


# --- the end of the time


@test
def wait_ends_in_time(place):
    """One error for each target that is not ready; nothing is started. A packet that is dropped delays no other target."""
    holder, closed = closed_port()
    kept, silent = full_listener()
    server, mark = Server({"/": [OK], "/busy": [BUSY]}), os.path.join(place.path, "mark")
    targets = [f"127.0.0.1:{closed}", f"127.0.0.1:{silent}", server.url("/"), server.url("/busy")]
    wanted = (f"rebound: error: {targets[0]} is not ready after 1.5 s: connection refused\n"
              f"rebound: error: {targets[1]} is not ready after 1.5 s: no answer to the connect\n"
              f"rebound: error: {targets[3]} is not ready after 1.5 s: status 503\n")
    same(place.text("wait", "--timeout", "1500ms", *targets, "--", "touch", mark), (124, "", wanted))
    waits = [word for target in targets for word in ("--wait", target)]
    same(place.text("run", *waits, "--wait-timeout", "1500ms", "--", "touch", mark), (124, "", wanted))
    expect(not os.path.exists(mark), "the program was started")
    for sock in (holder, *kept):
        sock.close()


@test
def wait_ends_while_a_lookup_lasts(place):
    """The resolver waits longer for its server than this test waits for the command."""
    place.file("nsswitch.conf", "hosts: dns\n")
    place.file("resolv.conf", "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n")
    script = f'mount --bind resolv.conf /etc/resolv.conf\n"{REBOUND}" wait --timeout 1s db.test:7 -- touch mark'
    with alone(place, socket.SOCK_DGRAM, "127.0.0.1", 53, script) as child:
        if child is not None:
            same((child.wait(timeout=PATIENCE), child.stderr.readline().decode()),
                 (124, "rebound: error: db.test:7 is not ready after 1 s: the lookup of the name has not ended\n"))
            expect(not os.path.exists(os.path.join(place.path, "mark")), "the program was started")


@test
def wait_without_a_limit(place):
    server = late()
    same(place.text("wait", "--timeout", "off", server.url("/"))[:2], (0, ""))
    server = late()
    same(place.text("run", "--wait", server.url("/"), "--wait-timeout", "off", "echo", "hi")[:2], (0, "hi\n"))


# --- the command line


@test
def wait_misuse(place):
    rows = [(["wait"], "name a target: HOST:PORT"), (["wait", "--", "true"], "name a target"), (["wait", "a:1", "--"], "name the program to run after '--'"),
            (["wait", "--jsno", "a:1"], "did you mean '--json'?"), (["wait", "-x", "a:1"], "unknown option '-x'"),
            (["wait", "--timeout"], "option '--timeout' needs a value"), (["wait", "--timeout=", "a:1"], "the value of '--timeout' is empty"),
            (["wait", "--timeout", "60", "a:1"], "invalid timeout '60': a duration needs a unit: 2s, 250ms"),
            (["wait", "--timeout", "0s", "a:1"], "the shortest timeout is 100ms, and 'off' waits without a limit"),
            (["wait", "--timeout", "never", "a:1"], "invalid timeout 'never'"),
            (["wait", "a:1", "--json", "--", "true"], "'--json' and a program cannot be combined"),
            (["wait", "db"], f"invalid target 'db': the port is missing; {FORMS}"), (["wait", "a:1", "true"], f"invalid target 'true': the port is missing; {FORMS}"),
            (["wait", "https://a/"], f"invalid target 'https://a/': https:// is not supported; wait for HOST:443; {FORMS}"),
            (["wait", *["a:1"] * 65], "at most 64 targets are possible"),
            (["run", "--wait", "db", "--", "true"], f"invalid target 'db': the port is missing; {FORMS}"),
            (["run", "--wait", "a:1", "--wait-timeout", "1", "--", "true"], "invalid timeout '1'"),
            (["run", "--wait-timeout", "1s", "--", "true"], "'--wait-timeout' has no effect without '--wait'"),
            (["run", "--set", "retry.atempts=1", "--wait", "127.0.0.1:9", "--wait-timeout", "off", "true"], "retry.atempts"),
            (["run", "--wait", "a:1"], "name the program to run"), (["run", "--wait", "", "true"], "the value of '--wait' is empty"),
            (["run", *["--wait", "a:1"] * 65, "true"], "'--wait' may be given at most 64 times")]
    for words, piece in rows:
        fails(place.text(*words), piece, 125, about=words)
    for command in ("wait", "run"):
        holds(place.text(command, "--help")[1], "124 ")
    server = Server({})
    with open("/dev/full", "w", encoding="ascii") as full:
        done = place.rebound("wait", f"127.0.0.1:{server.port}", "--json", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    same((done.returncode, b"cannot write to standard output" in done.stderr), (125, True))


@test
def wait_without_memory_for_threads(place):
    """The stacks of 64 threads do not fit. The program is not started."""
    holder, closed = closed_port()
    words = ["prlimit", "--as=60000000", REBOUND, "wait", *[f"127.0.0.1:{closed}"] * 64, "--", "echo", "started"]
    done = subprocess.run(words, env=place.env, cwd=place.path, capture_output=True, check=False, timeout=PATIENCE)
    same((done.returncode, done.stdout, done.stderr), (125, b"", b"rebound: error: cannot make a thread for each target\n"))
    holder.close()


@test
def wait_json(place):
    """Options may follow the targets."""
    holder, closed = closed_port()
    server = late([BUSY, OK])
    status, out, err = place.text("wait", server.url("/"), f"127.0.0.1:{closed}", "--json", "--timeout", "3s")
    found = json.loads(out)
    same((status, sorted(found), found["ready"]), (124, ["ready", "seconds", "targets"], False))
    first, second = found["targets"]
    same((first["target"], first["ready"], first["error"]), (server.url("/"), True, "status 503"))
    same(second, {"target": f"127.0.0.1:{closed}", "ready": False, "seconds": found["seconds"], "error": "connection refused"})
    expect(1 <= first["seconds"] <= found["seconds"] and found["seconds"] >= 3, found)
    same(err, f"rebound: error: 127.0.0.1:{closed} is not ready after 3 s: connection refused\n")
    status, out, err = place.text("wait", "--json", server.url("/"))
    found = json.loads(out)
    same((status, err, found["ready"], found["targets"][0]["error"]), (0, "", True, None))
    holder.close()


# --- the program


def shown(command, place, env=None, ignored=()):
    """What a program sees of its process: signals and threads, descriptors, environment. Checks that the process stays the same."""
    def prepare():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGUSR1})
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    def run(*program):
        child = subprocess.Popen([*command, *program], env={**place.env, **(env or {})}, cwd=place.path, stdout=subprocess.PIPE,
                                 restore_signals=False, preexec_fn=prepare)
        out, _ = child.communicate(timeout=PATIENCE)
        same(child.returncode, 0)
        return child.pid, out.decode().splitlines()

    pid, status = run("cat", "/proc/self/status")
    expect(f"Pid:\t{pid}" in status, pid, status)
    return ([line for line in status if re.match("Sig[^Q]|ShdPnd|Threads|PPid", line)], run("ls", "/proc/self/fd")[1],
            sorted(line for line in run("env")[1] if not line.startswith("_=")))


@test
def wait_leaves_no_trace_in_the_program(place):
    """The process, descriptors, signals, threads and environment are those that the program has without a wait."""
    target = f"127.0.0.1:{Server({}).port}"
    for ignored in ((), (signal.SIGPIPE,), (signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE)):
        same(shown([REBOUND, "wait", target, target, "--"], place, ignored=ignored), shown([], place, ignored=ignored))
        same(shown([REBOUND, "run", "--wait", target, "--"], place, ignored=ignored), shown([REBOUND, "run", "--"], place, ignored=ignored))


@test
def wait_runs_any_program(place):
    static, missing = build_static(place), os.path.join(place.path, "missing")
    target = f"127.0.0.1:{Server({}).port}"
    same(place.text("wait", target, "--", static), (7, "", ""))
    status, _, err = place.text("run", "--wait", target, "--", static)
    same((status, "statically linked" in err), (7, True))
    same(place.text("wait", target, "--", "echo", "--", "--timeout", "x y")[:2], (0, "-- --timeout x y\n"))
    same(place.rebound("wait", target, "--", "sh", "-c", "kill -TERM $$").returncode, -signal.SIGTERM)
    for command in (["wait", target, "--"], ["run", "--wait", target, "--"]):
        same(place.text(*command, missing), (127, "", f"rebound: error: cannot run {missing}: No such file or directory\n"))
        same(place.text(*command, place.path), (126, "", f"rebound: error: cannot run {place.path}: Permission denied\n"))


@test
def run_waits_even_without_the_library(place):
    """The command waits, not the library."""
    bad = place.file("bad.ini", "nonsense\n")
    for words, env in (([], {}), ([], {"REBOUND_DISABLE": "1"}), (["--policy", bad], {})):
        server = late()
        status, out, err = place.text("run", *words, "--wait", server.url("/"), "--", "sh", "-c", "echo ${LD_PRELOAD-none}; exit 5", env=env)
        same((status, out == "none\n", len(server.requests)), (5, bool(words or env), 3))
        holds(err, f" s for {server.url('/')}\n")


# Prints its process id, then connects to a port that refuses.
THEN_CONNECT = f"import os; print(os.getpid(), flush=True)\n{CONNECT}"


@test
def wait_under_a_preloaded_library(place):
    """A container preloads the library into rebound too. It then makes, logs and counts none of the tests."""
    holder, closed = closed_port()
    log, policy = os.path.join(place.path, "log"), place.file("policy.ini", QUICK + "[other]\nhosts = *\n")
    preloaded = {"LD_PRELOAD": LIBRARY, "REBOUND_POLICY": policy, "REBOUND_LOG": log}
    for env in (preloaded, {**preloaded, "REBOUND_DISABLE": "0"}, {**preloaded, "REBOUND_DISABLE": ""}):
        status, out, _ = place.text("wait", "--timeout", "1500ms", f"127.0.0.1:{closed}", "no-such-name.invalid:80", "--", "true", env=env)
        same((status, out, os.path.exists(log), os.path.exists(place.state)), (124, "", False, False))
        target = f"127.0.0.1:{Server({}).port}"
        same(shown([REBOUND, "wait", target, "--"], place, env=env), shown([], place, env=env))
        same(shown([REBOUND, "run", "--wait", target, "--"], place, env=env), shown([REBOUND, "run", "--"], place, env=env))
    program = place.file("connect.py", THEN_CONNECT)
    status, out, _ = place.text("wait", target, "--", sys.executable, program, "127.0.0.1", str(closed), env=preloaded)
    same(status, 3)
    same([(line["pid"], line["attempt"]) for line in map(json.loads, content(log).splitlines())], [(int(out), 1), (int(out), 2), (int(out), 3)])
    holder.close()


# --- the terminal, signals


@test
def wait_shows_its_progress(place):
    holder, closed = closed_port()
    server, target = late(), f"127.0.0.1:{closed}"
    url = server.url("/")
    line = f"rebound: waiting for {url} (status 503): "
    for env in ({"TERM": "xterm"}, {"TERM": "xterm", "NO_COLOR": "1"}):
        text = on_terminal(place, env, "wait", url)
        expect(re.search(rf"\r{re.escape(line)}\d s of 60 s\r", text), text)
        holds(text, "\r" + " " * len(line + "1 s of 60 s") + "\rrebound: ")
        expect(re.search(rf"rebound: \S*waited \d+ s for {re.escape(url)}\r\n$", text), text)
        same("\x1b" in text, False)
        server.answers["/"] = [BUSY, BUSY, OK]
    for term in ("dumb", ""):
        text = on_terminal(place, {"TERM": term}, "wait", url, "--timeout", "off")
        expect(re.fullmatch(rf"{re.escape(line)}\d s", text.splitlines()[0]), text)
        server.answers["/"] = [BUSY, BUSY, OK]
    text = on_terminal(place, {"TERM": "xterm"}, "run", "--wait", url, "--wait", target, "--wait-timeout", "3500ms", "--", "true")
    expect(re.search(rf"\r{re.escape(line[:-2])}, {target} \(connection refused\): \d s of 3.5 s\r", text), text)
    holds(text, f"{target} is not ready after 3.5 s: connection refused\r\n")
    text = on_terminal(place, {"TERM": "xterm"}, "wait", *[target] * 40, "--timeout", "2500ms")
    for shown_line in text.split("\r")[1:3]:
        expect(len(shown_line) < 200 and re.search(r"~: \d s of 2.5 s *$", shown_line), shown_line)
    holder.close()


@test
def wait_clears_its_progress_at_a_signal(place):
    """A shell prints its prompt into an empty line."""
    holder, closed = closed_port()
    line = f"rebound: waiting for 127.0.0.1:{closed} (connection refused): 1 s of 60 s"
    for number in (signal.SIGINT, signal.SIGTERM):
        text = on_terminal(place, {"TERM": "xterm"}, "wait", f"127.0.0.1:{closed}", end=(line, number))
        expect(text.endswith(f"\r{line}\r{' ' * len(line)}\r"), text)
    holder.close()


@test
def wait_ends_by_a_signal(place):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        server = late([BUSY])
        child = subprocess.Popen([REBOUND, "wait", server.url("/"), "--", "touch", "mark"], env=place.env, cwd=place.path)
        wait_until(lambda at=server: at.requests, "no test")
        child.send_signal(number)
        same(child.wait(timeout=PATIENCE), -number)
    expect(not os.path.exists(os.path.join(place.path, "mark")), "the program was started")


@test
def wait_as_init_ends_by_a_signal(place):
    """The kernel discards a signal with its default action if its target is init of a container."""
    words = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        server = late([BUSY])
        child = subprocess.Popen([*words, REBOUND, "run", "--wait", server.url("/"), "--", "true"], env=place.env, cwd=place.path)
        wait_until(lambda at=server: at.requests, "no test")
        init = int(content(f"/proc/{child.pid}/task/{child.pid}/children").split()[0])
        os.kill(init, number)
        same(child.wait(timeout=PATIENCE), 128 + number)
    target = f"127.0.0.1:{Server({}).port}"
    caught = ["sh", "-c", "grep SigCgt /proc/1/status"]
    found = [subprocess.run([*words, *command, *caught], env=place.env, capture_output=True, check=True, timeout=PATIENCE).stdout
             for command in ([], [REBOUND, "wait", target, "--"])]
    same(found[0], found[1])


@test
def wait_survives_a_closed_stderr(place):
    """A message that nobody reads prevents no program."""
    for command in (["wait"], ["run", "--wait"]):
        server = late([BUSY, OK])
        reader, writer = os.pipe()
        os.close(reader)
        done = place.rebound(*command, server.url("/"), "--", "sh", "-c", "echo hi; exit 7", capture_output=False, stdout=subprocess.PIPE,
                             stderr=writer)
        os.close(writer)
        same((done.returncode, done.stdout), (7, b"hi\n"))
