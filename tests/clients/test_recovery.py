# SPDX-License-Identifier: MIT
"""A server fails and works again. The default policy must not keep programs from reaching it."""

import concurrent.futures
import json
import os
import socket
import subprocess
import threading
import time
from urllib.parse import quote

from harness import REBOUND, clean_environment
from listener import ClosedPort

PYTHON = "/usr/bin/python3"
MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
NGINX = """
load_module {module};
daemon off;
master_process off;
pid {dir}/work/nginx.pid;
error_log /dev/null;
events {{ }}
stream {{
    upstream pair {{
        server 127.0.0.1:{first} max_fails=0;
        server 127.0.0.1:{second} max_fails=0;
    }}
    server {{
        listen unix:{dir}/work/front.sock;
        proxy_pass pair;
    }}
}}
"""


class Backend(ClosedPort):
    """A port that refuses until it is told to listen, and then sends its name to each connection."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def listen(self):
        self.socket.listen(128)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            with peer:
                peer.sendall(self.name)

    def stop(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it never listened
        super().stop()


class Program:
    """A command that runs until the test ends."""

    def __init__(self, test, command, env):
        self.process = subprocess.Popen(command, cwd=test.work, env=dict(clean_environment(test.home), **env),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def answer(path):
    """What one connection to nginx brings; b"" when it brings nothing."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(path)
        data = b""
        while part := client.recv(100):
            data += part
        return data


def wait_for(path):
    end = time.monotonic() + 20
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                return client.connect(path)
        except OSError:
            assert time.monotonic() < end, f"nobody listens at {path}"
            time.sleep(0.01)


def shares(test, prefix, env):
    """Four connections while the first upstream refuses, then thirty while both listen: who answered how often."""
    part = test.part()
    first, second = Backend(b"first"), Backend(b"second")
    part.open += [first, second]
    second.listen()
    config = part.file("nginx.conf", NGINX.format(module=MODULE, dir=part.dir, first=first.port, second=second.port))
    part.open.append(Program(part, [*prefix, "nginx", "-e", "/dev/null", "-c", config], env))
    front = os.path.join(part.work, "front.sock")
    wait_for(front)
    away = [answer(front) for _ in range(4)]
    first.listen()
    back = [answer(front) for _ in range(30)]
    return away, back.count(b"first"), back.count(b"second")


# The situation "recovery" of nginx's own test stream_upstream.t.
def test_nginx_upstream_recovers(test):
    """After two refused connects a server that works again gets its half of the connections."""
    alone = shares(test, [], {})
    test.equal(alone[0], [b"second"] * 4, "answers while one is away, alone")
    test.check(min(alone[1:]) >= 14, f"shares alone: {alone[1:]}")
    under = shares(test, [REBOUND, "run", "--policy", "builtin:default", "--"],
                   {"REBOUND_STATE": os.path.join(test.dir, "state")})
    test.equal(under[0], alone[0], "answers while one is away")
    test.check(min(under[1:]) >= 14 and sum(under[1:]) == 30, f"shares under rebound: {under[1:]}")


TWO_REFUSED = """
import socket
l = socket.socket()
l.bind(("127.0.0.1", 0))
def connect():
    with socket.socket() as s:
        return "refused" if s.connect_ex(l.getsockname()) else "ok"
away = [connect() for _ in range({times})]
l.listen(128)
print(*away, *[connect() for _ in range(30)])
"""


def run_default(test, program):
    return test._run([REBOUND, "run", "--policy", "builtin:default", "--", PYTHON, "-c", program],
                     env={"REBOUND_STATE": os.path.join(test.dir, "state")})


def test_two_refused_connects(test):
    result = run_default(test, TWO_REFUSED.format(times=2))
    test.good(result, b"refused " * 2 + b"ok " * 29 + b"ok\n")


def test_first_success_after_an_open_breaker(test):
    """Thirty refused connects open the breaker. It lets the next one pass, which sees that the server is back."""
    result = run_default(test, TWO_REFUSED.format(times=30))
    test.good(result, b"refused " * 30 + b"ok " * 29 + b"ok\n")


def test_breaker_stops_retries_only(test):
    """A server that answers 503 for good gets each call once when the breaker is open: none is refused, none repeated."""
    server = test.server()
    keys = {"breaker": "on", "breaker.min_calls": "4", "breaker.window": "4", "breaker.open": "60s", "budget.floor": "1000/s"}
    result = test.rebound(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} ", server.url("k/s503?[1-10]")], keys)
    test.good(result, b"503 " * 10)
    test.equal(test.events("refused"), [], "refusals")
    # Three attempts of the first call, one of the second, which opens the breaker, and one of each call after that.
    test.equal(server.count("k"), 3 + 9, "requests")
    test.equal(test.reasons().count("breaker"), 9, "calls whose retries the breaker stopped")


def test_policy_of_an_earlier_version_is_valid(test):
    """Keys that were valid with earlier defaults are still valid: open above open_max, a window below min_calls."""
    path = test.file("old.ini", "[default]\nbreaker.open = 30s\nbreaker.window = 15\n[slow]\nhosts = a.example\n"
                     "breaker.open = 1m\n")
    done = subprocess.run([REBOUND, "check", path], capture_output=True, text=True, check=False)
    test.equal(done.returncode, 0, f"rebound check: {done.stdout}{done.stderr}")


def test_host_that_redirects_elsewhere_has_answered(test):
    """A host whose answers are redirects to another one is well: single failures between them do not open its breaker."""
    first, second = test.server(), test.server()
    location = quote(second.url("other/ok"), safe="")
    url = first.url("k/" + f"s503/s302;header=Location:{location}/" * 6)
    keys = {"breaker": "on", "breaker.min_calls": "4", "breaker.window": "4", "budget.floor": "1000/s"}
    result = test.rebound(["curl", "-sL", "-o", "/dev/null", "-w", "%{http_code} ", url + "?[1-6]"], keys)
    test.good(result, b"200 " * 6)
    test.equal(second.count("other"), 6, "requests that were led to the other host")


def breaker(state):
    """The state of the only breaker, once no open time is left."""
    end = time.monotonic() + 20
    while True:
        done = subprocess.run([REBOUND, "status", "--json", "--state", state], capture_output=True, check=True)
        (cell,) = json.loads(done.stdout)["hosts"]
        if cell["state"] != "open" or cell["next_probe_ms"] == 0:
            return cell["state"]
        assert time.monotonic() < end, "the open time does not end"
        time.sleep(0.01)


def test_header_of_a_long_download_closes_the_breaker(test):
    """Failures of a second each open the breaker. The next call gets a long body. The others need not wait for its end."""
    server, state = test.server(), os.path.join(test.dir, "state")
    policy = test.policy({"breaker": "on", "breaker.min_calls": "2", "breaker.window": "2", "breaker.open": "100ms",
                          "retry.attempts": "1"})

    def curl(*arguments):
        return test.rebound(["curl", "-sf", *arguments], policy, env={"REBOUND_STATE": state})

    sick = server.url("sick/s503;delay=1000")
    test.equal(curl(sick, sick).code, 22, "exit status of the failures")
    test.equal(breaker(state), "half-open", "breaker after them")
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        long = beside.submit(curl, "-o", "/dev/null", server.url("long/ok;size=400;trickle=10"))
        server.arrived(lambda: server.count("long"), 1)
        while breaker(state) != "closed":
            time.sleep(0.01)
        test.check(not long.done(), "the download has ended before the breaker closed")
        test.good(curl(server.url("short/ok")), b"good short\n")
        test.good(long.result(), b"")
