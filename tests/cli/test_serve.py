# SPDX-License-Identifier: MIT
"""`rebound metrics --listen`: its limits, the hosts that it answers for, and its errors."""

import contextlib
import http.client
import os
import re
import resource
import signal
import socket
import subprocess
import sys

from harness import PATIENCE, REBOUND, expect, holds, same, test, wait_until

CLIENTS = 64


class Server:
    """A running server. `port` is the port that it chose."""

    def __init__(self, place, where="0", **options):
        self.process = subprocess.Popen([REBOUND, "metrics", "--listen", where], env=place.env, stderr=subprocess.PIPE, **options)
        self.said = self.process.stderr.readline().decode()
        if "warning" in self.said:
            self.said += self.process.stderr.readline().decode()
        self.port = int(re.search(r":(\d+)/metrics\n", self.said)[1])

    def connect(self, text=b"", receive=None):
        client = socket.socket()
        if receive:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", self.port))
        client.sendall(text)
        return client

    def ask(self, text):
        """The whole answer to a request."""
        with self.connect(text) as client:
            return answer(client)

    def scrape(self, host=None, path="/metrics"):
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{self.port}'}\r\n\r\n".encode())

    def sockets(self):
        folder = f"/proc/{self.process.pid}/fd"
        count = 0
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                count += os.readlink(os.path.join(folder, name)).startswith("socket:")
        return count

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.end()
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def end(self):
        if self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        same((self.process.wait(timeout=PATIENCE), self.process.stderr.read()), (0, b""))


def answer(client):
    text = b""
    while True:
        with contextlib.suppress(ConnectionResetError):
            piece = client.recv(65536)
            if piece:
                text += piece
                continue
        return text.decode()


@test
def serve_slow_clients(place):
    """A new connection replaces the oldest one, so slow clients keep no scrape out, and there are never more than 64."""
    with Server(place) as server:
        held = [server.connect(b"GET /metrics HTTP/1.1\r\nX: ") for _ in range(CLIENTS + 6)]
        for _ in range(3):
            holds(server.scrape(), "HTTP/1.1 200 OK\r\n")
            expect(server.sockets() <= CLIENTS + 1, server.sockets())
        same(answer(held[0]), "")  # the oldest one


@test
def serve_limits_the_time(place):
    """The head must be complete after some time, although the client goes on sending."""
    with Server(place) as server:
        client = server.connect(b"GET /metrics HTTP/1.1\r\nX: ")
        client.settimeout(0.1)
        got = []

        def answered():
            with contextlib.suppress(OSError):
                client.send(b"x")
            with contextlib.suppress(TimeoutError):
                got.append(client.recv(4096))
            return bool(got)

        wait_until(answered, "no end")
        holds(got[0].decode(), "HTTP/1.1 408 ")


@test
def serve_limits_the_size(place):
    with Server(place) as server:
        holds(server.ask(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 9000), "HTTP/1.1 431 ")
        holds(server.ask(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 8000 + b"\r\n\r\n"), "HTTP/1.1 200 ")
        holds(server.ask(b"x" * 100000), "HTTP/1.1 431 ")


@test
def serve_limits_slow_readers(place):
    """A client that reads a byte now and then does not keep its place."""
    # Enough hosts for an answer that is larger than the buffers of the sockets.
    connects = """
import socket
for i in range(300):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect_ex(f"/nowhere/{i}.a-long-name-of-a-socket.with-many-letters.so-that.the-answer.is-larger-than.the-buffers")
"""
    policy = place.file("policy.ini", "[sockets]\nhosts = unix:/*\nretry.attempts = 1\n")
    same(place.text("run", "--policy", policy, "--", sys.executable, "-c", connects)[0], 0)
    with Server(place) as server:
        client = server.connect(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", receive=1024)

        got = []

        def dropped():
            got.append(client.recv(1).decode())
            return server.sockets() == 1

        wait_until(lambda: server.sockets() == 2, "not connected")
        wait_until(dropped, "the slow reader stays")
        expect(len("".join(got) + answer(client)) < len(server.scrape()), "the answer was not too large for a slow reader")


@test
def serve_checks_the_host(place):
    """At a loopback address: a name that somebody points there gets nothing, for a web page of that name could read it."""
    with Server(place) as server:
        for host in ("localhost", f"localhost:{server.port}", "127.0.0.1", "127.0.0.9:1", "[::1]:80", "LOCALHOST."):
            same((host, server.scrape(host)[:15]), (host, "HTTP/1.1 200 OK"))
        for host in ("rebind.example", f"rebind.example:{server.port}", "localhost.example", "127.0.0.1.example", "10.0.0.1"):
            text = server.scrape(host)
            same((host, text[:13]), (host, "HTTP/1.1 403 "))
            holds(text, "Host header")
            expect("rebound_" not in text, text)
        holds(server.ask(b"GET /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 ")
        holds(server.ask(b"GET /metrics HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 ")
        holds(server.ask(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"), "HTTP/1.1 400 ")
    with Server(place, "0.0.0.0:0") as server:
        holds(server.said, "warning: anyone who can connect to 0.0.0.0 can read")
        holds(server.scrape("metrics.example"), "HTTP/1.1 200 OK\r\n")
    if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6"):
        with Server(place, "[::1]:0") as server:
            holds(server.said, "http://[::1]:")
            client = http.client.HTTPConnection("::1", server.port, timeout=PATIENCE)
            client.request("GET", "/metrics")
            same(client.getresponse().status, 200)
            client.request("GET", "/metrics", headers={"Host": "rebind.example"})
            same(client.getresponse().status, 403)


@test
def serve_answers(place):
    with Server(place) as server:
        head, _, body = server.scrape().partition("\r\n\r\n")
        holds(head, f"\r\nContent-Length: {len(body)}\r\n")
        holds(head, "\r\nConnection: close")
        holds(head, "\r\nDate: ")
        other = server.ask(b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        same(re.sub("Date: .*", "", other), re.sub("Date: .*", "", head) + "\r\n\r\n")
        holds(server.ask(b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"), "\r\nAllow: GET, HEAD\r\n")
        holds(server.scrape(path="/"), "HTTP/1.1 404 ")
        holds(server.scrape(path="/metrics?x"), "HTTP/1.1 200 ")
        held = server.connect(b"GET /metrics HTTP/1.1\r\nX: ")  # does not delay the end
        server.end()
    with Server(place, str(server.port)) as again:
        holds(again.scrape(), "HTTP/1.1 200 ")
    held.close()


@test
def serve_with_few_descriptors(place):
    with Server(place, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))) as server:
        held = [server.connect(b"GET /metrics HTTP/1.1\r\nX: ") for _ in range(40)]
        for _ in range(3):
            holds(server.scrape(), "HTTP/1.1 200 OK\r\n")
        expect(answer(held[0]) == "", "the oldest one stays")


# A close() that changes errno although it succeeds, as it may.
SPOIL = """
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
int close(int fd)
{
    int result = (int) syscall(SYS_close, fd);
    errno = EBADF;
    return result;
}
"""


@test
def serve_says_why_not(place):
    """The error of the call that failed, not that of a later one."""
    library = os.path.join(place.path, "spoil.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, place.file("spoil.c", SPOIL)], check=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        rows = [(f"{taken.getsockname()[1]}", "Address already in use"), ("203.0.113.1:0", "Cannot assign requested address")]
        for where, why in rows:
            for env in ({}, {"LD_PRELOAD": library}):
                status, out, err = place.text("metrics", "--listen", where, env=env)
                same((status, out, err), (1, "", f"rebound: error: cannot listen at {where}: {why}\n"))
    for where in ("", ":", "127.0.0.1", "localhost:1", "[::1]", "[127.0.0.1]:1", "::1:1", "-1", "1 ", "0x1"):
        same((where, place.text("metrics", "--listen=" + where)[0]), (where, 2))
