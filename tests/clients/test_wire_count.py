# SPDX-License-Identifier: MIT
"""What programs that speak HTTP themselves add to breakers and counters: a connect and its first request are one call."""

import contextlib
import json
import os
import subprocess
import time

import wire_table as table
from harness import LIBRARY, POLL_S, QUICK, REBOUND, cases, clean_environment
from listener import Listener
from test_wire import Target
from wire_server import certificate

PYTHON = "/usr/bin/python3"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"
# Half of four calls open the breaker, and refuse every call for a moment.
TOUCHY = {**QUICK, "retry.attempts": "1", "breaker": "on", "breaker.window": "4", "breaker.min_calls": "4",
          "breaker.failure_rate": "50%", "breaker.open": "50ms", "breaker.open_max": "50ms", "breaker.refuse": "always"}


class Web(Listener):
    """An HTTP server whose answer can be changed. Other protocols get their first line back."""

    def __init__(self, answer=OK, banner=b""):
        self.answer, self.banner, self.requests = answer, banner, 0
        super().__init__(backlog=50)

    def _serve(self, peer, number):
        peer.sendall(self.banner)
        text = b""
        while piece := peer.recv(4096):
            text += piece
            while b"\r\n\r\n" in text:
                text = text.partition(b"\r\n\r\n")[2]
                self.requests += 1
                peer.sendall(self.answer)
            if text.startswith(b"PING\r\n"):
                peer.sendall(text)
                text = b""


# A program that connects as soon as the breaker lets it, does one thing, says so, and waits.
ACTOR = r"""
import os, socket, sys
way, port = sys.argv[1], int(sys.argv[2])
GET = b"GET / HTTP/1.1\r\nHost: a\r\n%s\r\n" % b"".join(field.encode() + b"\r\n" for field in sys.argv[3:])

def dial():
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            pass

def ask(peer):
    peer.sendall(GET)
    text = b""
    while text[-4:] not in (b"good", b"busy"):
        text += peer.recv(100)

if way.startswith("fail"):
    for _ in range(4):
        peer = dial() if way == "fail_apart" or _ == 0 else peer
        ask(peer)
    sys.exit()
if way == "until_refused":
    for _ in range(20):
        try:
            ask(socket.create_connection(("127.0.0.1", port)))
        except ConnectionRefusedError:
            print("refused", flush=True)
            sys.exit()
    sys.exit()
if way == "retries":
    import urllib3
    retry = urllib3.Retry(total=3, status_forcelist=[503], backoff_factor=0, raise_on_status=False)
    print(urllib3.PoolManager(retries=retry).request("GET", f"http://127.0.0.1:{port}/").status)
    sys.exit()
peer = dial()
if way == "http":
    ask(peer)
elif way == "other":
    peer.sendall(b"PING\r\n")
    peer.recv(100)
elif way == "banner":
    peer.recv(100)
elif way.startswith("tls"):
    hello, finished, data = b"\x16\x03\x01\x00\x05abcde", b"\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x03abc", b"\x17\x03\x03\x00\x02ab"
    old = b"\x16\x03\x03\x00\x02ab\x14\x03\x03\x00\x01\x01\x16\x03\x03\x00\x03abc"
    peer.sendall(hello)
    if way == "tls":
        peer.sendall(finished)
        peer.sendall(data)
    elif way == "tls_joined":
        peer.sendmsg([finished[:7], finished[7:] + data[:2], data[2:]])
    elif way == "tls_old":
        peer.sendall(old + data)
    else:
        peer.sendall(finished)
elif way == "unused":
    peer.close()
elif way == "half_closed":
    peer.sendall(GET)
    peer.shutdown(socket.SHUT_WR)
    peer.recv(100)
elif way == "unanswered":
    peer.sendall(GET)
    peer.close()
elif way == "left":
    peer.detach()
    sys.exit()
elif way == "replaced":
    os.execv("/bin/echo", ["echo", "done"])
elif way == "forks" and os.fork() == 0:
    os._exit(0)
print("done", flush=True)
sys.stdin.read()
"""


def environment(test, policy):
    return dict(clean_environment(test.home), LD_PRELOAD=LIBRARY, REBOUND_POLICY=policy,
                REBOUND_STATE=os.path.join(test.dir, "state"), SSL_CERT_FILE=certificate()[0])


def host(test, port):
    """What the processes share about the server."""
    env = dict(os.environ, REBOUND_STATE=os.path.join(test.dir, "state"))
    out = subprocess.run([REBOUND, "status", "--json"], env=env, stdout=subprocess.PIPE, check=True).stdout
    found = [each for each in json.loads(out)["hosts"] if each["host"] == f"127.0.0.1:{port}"]
    return found[0] if found else {"calls": 0, "state": "none"}


def check_open(test, port, what):
    """An open breaker is called half-open when its time is over."""
    test.check(host(test, port)["state"] in ("open", "half-open"), f"the breaker is closed {what}")


def program(way, port, *fields):
    """A command. fields: of the head of its requests"""
    return [PYTHON, "-c", ACTOR, way, str(port), *fields]


def act(test, policy, way, port, *fields):
    """Runs the program to its end."""
    done = subprocess.run(program(way, port, *fields), env=environment(test, policy), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, timeout=30)
    test.equal(done.returncode, 0, f"exit status of {way}")


@contextlib.contextmanager
def acting(test, policy, way, port):
    """The program after its act, while it waits."""
    with subprocess.Popen(program(way, port), env=environment(test, policy), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield
        process.stdin.close()


# --- the breaker


def test_errors_on_new_connections_open_the_breaker(test):
    server = test.opened(Web(BUSY))
    policy = test.policy({**TOUCHY, "breaker.failure_rate": "100%"}, hosts="127.0.0.1", base={})
    act(test, policy, "fail_apart", server.port)
    check_open(test, server.port, "after four errors on four connections")


WAYS = {
    "http": "closed",         # by the response
    "other": "closed",        # by the first bytes
    "banner": "closed",       # the server speaks first
    "tls": "closed",          # that no library is known to follow
    "tls_joined": "closed",
    "tls_old": "closed",      # TLS 1.2
    "tls_handshake": "half-open",
    "unused": "closed",       # at its end
    "half_closed": "closed",  # the library does not follow the connection
    "unanswered": "half-open",
    "idle": "half-open",
    "left": "closed",         # at the end of the process
    "replaced": "closed",     # before another program runs
    "forks": "closed",        # before another process has the connection
}


@cases(**{name: (name, state) for name, state in WAYS.items()})
def test_probe(test, case):
    way, state = case
    server = test.opened(Web(BUSY))
    policy = test.policy(TOUCHY, hosts="127.0.0.1", base={})
    act(test, policy, "fail", server.port)
    check_open(test, server.port, "before")
    server.answer, server.banner = OK, b"hello\n" if way == "banner" else b""
    with acting(test, policy, way, server.port):
        test.equal(host(test, server.port)["state"], state, "breaker after")


def test_probe_with_an_error(test):
    server = test.opened(Web(BUSY))
    policy = test.policy(TOUCHY, hosts="127.0.0.1", base={})
    act(test, policy, "fail", server.port)
    with acting(test, policy, "http", server.port):
        check_open(test, server.port, "after an error on a new connection")


def test_idle_probe_has_a_lease(test):
    server = test.opened(Web(BUSY))
    policy = test.policy({**TOUCHY, "breaker.probe_lease": "100ms"}, hosts="127.0.0.1", base={})
    act(test, policy, "fail", server.port)
    server.answer = OK
    with acting(test, policy, "idle", server.port):
        act(test, policy, "http", server.port)
        test.equal(host(test, server.port)["state"], "closed", "breaker after another process has asked")


# --- counters

COUNTED = ("http_client", "http_client_timeout", "urllib", "urllib3", "socket_epoll", "php", "lwp", "lwp_keep_alive", "lua",
           "w3m", "links", "lynx", "wget", "nginx")
COUNTED_TLS = ("http_client", "urllib3", "aiohttp", "php", "lwp", "lua", "w3m")


@cases(*COUNTED)
def test_calls_are_requests(test, name):
    check_calls(test, name, table.PLAIN)


@cases(*COUNTED_TLS)
def test_calls_are_requests_over_tls(test, name):
    check_calls(test, name, table.TLS13)


def check_calls(test, name, transport):
    client = Target(test, table.Cell(name, "503", transport), "ok")
    client.run({**QUICK, "breaker": "on"}, env={"REBOUND_STATE": os.path.join(test.dir, "state")})
    found = host(test, client.port)
    test.equal(found["calls"], client.server.count("k"), "calls")


# --- credentials

LIMITED = b"HTTP/1.1 429 Limited\r\nRetry-After: 15\r\nContent-Length: 4\r\n\r\nbusy"
CALLERS = {
    "bearer": (["Authorization: Bearer one"], ["authorization:  bearer one"], ["Authorization: Bearer two"]),
    "key": (["X-Api-Key: one", "X-Request: 1"], ["X-Request: 2", "x-api-key: one"], ["X-Api-Key: two"]),
    "nobody": (["Cookie: one"], ["Cookie: two"], ["Authorization: Basic b25l"]),
}


@cases(**CALLERS)
def test_throttling_is_for_one_credential(test, case):
    """After a 429 in one process, retries of another one wait if it has the same credential."""
    limited, same, other = case
    server = test.opened(Web(LIMITED))
    once = test.policy({"retry.attempts": "1"}, hosts="127.0.0.1")
    act(test, once, "http", server.port, *limited)
    server.answer = BUSY
    twice = test.policy({"retry.attempts": "2", "timeout.total": "60s"}, hosts="127.0.0.1")
    act(test, twice, "http", server.port, *other)
    test.equal([event["delay_ms"] for event in test.events("retry")], [20], "delay of another caller")
    with subprocess.Popen(program("http", server.port, *same), env=environment(test, twice)) as waiting:
        while len(test.events("retry")) < 2:
            time.sleep(POLL_S)
        waiting.kill()
    delay = test.events("retry")[-1]["delay_ms"]
    test.check(20 < delay <= 15500, f"the throttled caller waits {delay} ms")


# --- budget and breaker, exactly

ONE_RETRY = {"budget.ratio": "0%", "budget.floor": "0.001/s"}  # in 1000 seconds


def test_own_retries_are_calls_of_the_budget(test):
    """Retries of urllib3 multiply with ours, but the budget limits ours for all of them together."""
    for keys, requests in (({"intercept": "connect"}, 4), ({}, 12), (ONE_RETRY, 5)):
        server = test.opened(Web(BUSY))
        policy = test.policy({"retry.attempts": "3", "budget.floor": "1000/s", **keys}, hosts="127.0.0.1")
        act(test, policy, "retries", server.port)
        test.equal(server.requests, requests, f"requests with {keys}")


def test_two_processes_have_one_budget(test):
    server = test.opened(Web(BUSY))
    policy = test.policy({"retry.attempts": "3", **ONE_RETRY}, hosts="127.0.0.1")
    both = [subprocess.Popen(program("fail_apart", server.port), env=environment(test, policy)) for _ in range(2)]
    test.equal([each.wait() for each in both], [0, 0], "exit status")
    test.equal(server.requests, 2 * 4 + 1, "requests")
    test.equal(len(test.events("retry")), 1, "retries")


def test_two_processes_have_one_breaker(test):
    server = test.opened(Web(BUSY))
    keys = {**TOUCHY, "breaker.window": "10", "breaker.min_calls": "10", "breaker.failure_rate": "100%",
            "breaker.open": "60s", "breaker.open_max": "60s"}
    policy = test.policy(keys, hosts="127.0.0.1", base={})
    act(test, policy, "fail_apart", server.port)
    act(test, policy, "until_refused", server.port)
    test.equal((server.requests, server.accepted), (10, 10), "requests and connections")
    test.equal(len(test.events("refused")), 1, "refused connects")
