# SPDX-License-Identifier: MIT
"""Programs whose exchange must pass through unchanged, or whose limits must hold. Most run wire/odd.c."""

import os
import socket
import ssl
import threading

from harness import HERE, QUICK, built_once, cases
from listener import Listener
from wire_server import SecureFront

SOURCE = os.path.join(HERE, "wire", "odd.c")
HTTP = {"intercept": "curl, connect, dns, http"}
POLICY = dict(QUICK, **HTTP)
NEVER = dict(POLICY, **{"retry.base": "5m", "retry.cap": "5m", "timeout.total": "10m"})  # due long after the test
POST_TOO = dict(POLICY, **{"retry.methods": "all"})


def http_events(test):
    return [event for event in test.events() if event["api"] == "http"]


def odd(test, way, script, policy=POLICY, more=()):
    """Runs a way under rebound against a server with the script. Returns the result and the number of requests."""
    server = test.server("--script", script)
    program = built_once(SOURCE, "odd", "cc", "-O1", "-D_GNU_SOURCE", "-pthread", "-o", "{target}")
    command = [program, way, str(server.port), *more]
    if policy is None:
        return test.alone(command), server.count("k")
    return test.rebound(command, test.policy(policy, hosts="127.0.0.1", base={})), server.count("k")


def check_passed(test, way, script, policy=POLICY, more=()):
    """The program and the server see the same as without rebound."""
    alone, alone_count = odd(test, way, script, None, more=more)
    under, count = odd(test, way, script, policy, more=more)
    test.same(under, alone)
    test.equal(count, alone_count, "requests")
    test.check(b"503" in alone.out or b"429" in alone.out, f"the program saw no fault: {alone}")


def check_retried(test, way):
    """The program sees what it sees from a live server."""
    live, _ = odd(test, way, "ok", None)
    under, count = odd(test, way, "s503,ok")
    test.same(under, live)
    test.equal(count, 2, "requests")


# Waits that the library does not see. Without the guard the program would wait for ever.

@cases("raw_ppoll", "raw_epoll", "raw_epoll_wait", "mixed", "sigio")
def test_hidden_wait(test, way):
    check_passed(test, way, "s503,ok")


@cases("raw_ppoll", "raw_epoll", "raw_epoll_wait", "mixed", "sigio")
def test_hidden_wait_for_a_late_response(test, way):
    """The response comes while the program waits."""
    check_passed(test, way, "s503;delay=200,ok")


# Reads and writes that the library does not see

@cases("fdopen", "fdopen_after", "splice", "recvmmsg", "raw_read")
def test_hidden_read(test, way):
    check_passed(test, way, "s503,ok")


@cases("sendfile", "splice_out", "raw_write", "sendmmsg")
def test_hidden_write(test, way):
    check_passed(test, way, "s503,ok", POST_TOO)


# Connections that others have, too

@cases("fork", "fork_asks", "dup", "dup_close", "rights", "exec")
def test_shared(test, way):
    check_passed(test, way, "s503,ok")


def test_shell(test):
    """bash writes to the connection, and cat reads from it."""
    server = test.server("--script", "s503,ok")
    command = ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{server.port}; "
               "printf 'GET /k HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3"]
    alone = test.alone(command)
    server.reset()
    under = test.rebound(command, test.policy(POLICY, hosts="127.0.0.1", base={}))
    test.same(under, alone)
    test.equal(server.count("k"), 1, "requests")


# The program's own limits

LIMITS = ("receive_limit", "poll_limit", "select_limit", "epoll_limit")


@cases(*LIMITS)
def test_limit_before_the_retry(test, way):
    """The retry is due after the program's limit: the program gets the response in time."""
    check_passed(test, way, "s503,ok", NEVER)


@cases("receive_limit", "poll_limit", "select_limit")
def test_limit_during_the_retry(test, way):
    """The repeated request is not answered within the program's limit: the program gets the first response."""
    alone, _ = odd(test, way, "s503,hang", None)
    under, count = odd(test, way, "s503,hang")
    test.same(under, alone)
    test.equal(count, 2, "requests")


@cases("receive_limit", "poll_limit", "select_limit")
def test_limit_of_a_hang(test, way):
    """A server that does not answer at all: the limit ends the wait as it does alone."""
    alone, _ = odd(test, way, "hang", None)
    under, count = odd(test, way, "hang")
    test.same(under, alone)
    test.equal(count, 1, "requests")


# Signals during a hold act as during a wait for a server that does not answer.

@cases("interrupted", "interrupted_poll")
def test_interrupted(test, way):
    """The wait ends at once, by EINTR as alone, or because the program gets the response that was hidden."""
    alone, _ = odd(test, way, "s503;delay=1500", None)
    under, count = odd(test, way, "s503,ok", dict(POLICY, **{"retry.base": "1500ms"}))
    test.check(alone.out.startswith(b"[signal]\n[EINTR]\n"), f"{alone}")
    test.check(under.out.startswith(b"[signal]\n"), f"{under}")
    check_whole(test, under.out.removeprefix(b"[signal]\n").removeprefix(b"[EINTR]\n"), count)


def test_restarted(test):
    alone, _ = odd(test, "restarted", "ok;delay=1500", None)
    under, count = odd(test, "restarted", "s503,ok", dict(POLICY, **{"retry.base": "1500ms"}))
    test.same(under, alone)
    test.equal(count, 2, "requests")


def test_killed(test):
    alone, _ = odd(test, "killed", "hang", None)
    under, count = odd(test, "killed", "s503,ok", NEVER)
    test.same(under, alone)
    test.equal(count, 1, "requests")


def check_whole(test, out, count):
    """The output is one whole response: the first one, or that of the repeated request."""
    wanted = {1: (b"HTTP/1.1 503 ", b"status 503\n"), 2: (b"HTTP/1.1 200 ", b"good k\n")}
    start, end = wanted[1] if count == 1 or out.startswith(wanted[1][0]) else wanted[2]
    test.check(out.startswith(start) and out.endswith(end) and out.count(b"HTTP/1.1") == 1, f"after {count}: {out!r}")


@cases("reader_first")
def test_threads(test, way):
    under, count = odd(test, way, "s503,ok")
    check_whole(test, under.out, count)


def test_shut_by_other_thread(test):
    """Another thread ends the connection during the hold. The read must end."""
    under, count = odd(test, "shut_by_other", "s503,ok", NEVER)
    test.equal(under.code, 0, "exit status")
    test.equal(count, 1, "requests")


# Unusual calls that a retry goes with

@cases("byte_by_byte", "write_in_pieces", "vectors", "messages", "peek_first", "all_at_once")
def test_retried(test, way):
    check_retried(test, way)


@cases("count_first", "low_water", "three_descriptors")
def test_whole(test, way):
    """Each of the two responses is right, but not a part of either."""
    under, count = odd(test, way, "s503,ok")
    alone, _ = odd(test, way, "s503,ok", None)
    live, _ = odd(test, way, "ok", None)
    test.same(under, live if count == 2 else alone)


# Sizes

@cases(small=1000, limit=65536 - 200, over=65536, large=200000, huge=3000000)
def test_request_size(test, size):
    """A request of more than 64 KiB is not kept."""
    more = [str(size)]
    script = "s429,ok"
    live, _ = odd(test, "post", "ok" if size < 65536 else script, None, more=more)
    under, count = odd(test, "post", script, more=more)
    test.same(under, live)
    test.equal(count, 2 if size < 65536 else 1, "requests")


# Other protocols. The server plays a script: bytes that it reads, bytes that it writes.

class Player(Listener):
    """For each connection: reads as many bytes as the program is said to send, answers, and so on. Keeps what it read."""

    def __init__(self, *turns, gap_s=0):
        self.turns, self.gap_s, self.heard, self.done = turns, gap_s, [], threading.Event()
        super().__init__()

    def _serve(self, peer, number):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for asks, answer in self.turns:
            heard = b""
            while len(heard) < len(asks):
                got = peer.recv(65536)
                if not got:
                    break
                heard += got
            self.heard.append(heard)
            for piece in [bytes([byte]) for byte in answer] if self.gap_s else [answer]:
                peer.sendall(piece)
                if self.gap_s:
                    threading.Event().wait(self.gap_s)


TALK = """
import socket, sys
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
if sys.argv[2] == "timeout":
    peer.settimeout(20)
for text in sys.argv[3:]:
    peer.sendall(bytes.fromhex(text))
    if text != sys.argv[-1]:
        sys.stdout.buffer.write(peer.recv(65536))
while data := peer.recv(65536):
    sys.stdout.buffer.write(data)
"""

FAULTY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
PROTOCOLS = {
    "postgresql": [(b"\0\0\0\x21\0\x03\0\0user\0me\0database\0me\0\0\0\0\0\0", b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"),
                   (b"Q\0\0\0\x0dselect 1\0", b"T\0\0\0\x04Z\0\0\0\x05I")],
    "postgresql_tls": [(b"\0\0\0\x08\x04\xd2\x16\x2f", b"N"), (b"x" * 20, b"E")],
    "redis": [(b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"), (b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", b"$-1\r\n")],
    "redis_inline": [(b"GET key\r\n", b"$5\r\nvalue\r\n"), (b"GET /k\r\n", b"$-1\r\n")],
    "ssh": [(b"", b"SSH-2.0-Server_1.0\r\n"), (b"SSH-2.0-Client_1.0\r\n", b"\0\0\x01\x0c\x0a\x14" + bytes(range(256)))],
    "smtp": [(b"", b"220 mail ESMTP\r\n"), (b"EHLO me\r\n", b"250 mail\r\n"), (b"QUIT\r\n", b"221 Bye\r\n")],
    "binary_get": [(b"GET \0\1\2\3\xff\xfe" + bytes(range(200)), FAULTY), (b"GET \0\1\2", FAULTY)],
    "get_later": [(b"\x00\x01 hello", b"\x00\x02 hello"), (b"GET /k HTTP/1.1\r\nHost: x\r\n\r\n", FAULTY)],
    "http_0_9": [(b"GET /k\r\n", b"<html>HTTP/1.1 503 is no status line here</html>")],
    "http_0_9_answer": [(b"GET /k HTTP/1.1\r\nHost: x\r\n\r\n", b"<html>no status line</html>")],
    "unasked": [(b"", FAULTY), (b"GET /k HTTP/1.1\r\nHost: x\r\n\r\n", FAULTY)],
    "http_2": [(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", b"\0\0\0\4\0\0\0\0\0"), (b"\0\0\0\4\1\0\0\0\0", b"\0")],
    "tls_hello": [(b"\x16\x03\x01\0\x05\x01\0\0\x01\0", b"\x15\x03\x01\0\x02\x02\x28")],
    "icy": [(b"GET /k HTTP/1.0\r\nHost: x\r\n\r\n", b"ICY 503 Busy\r\n\r\nmusic")],
    "other_version": [(b"GET /k HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/3.7 503 Busy\r\nContent-Length: 0\r\n\r\n")],
    "rtsp": [(b"GET /k RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"RTSP/1.0 503 Busy\r\nCSeq: 1\r\n\r\n")],
    "two_lengths": [(b"GET /k HTTP/1.1\r\nHost: x\r\n\r\n",
                     b"HTTP/1.1 503 Busy\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")],
}


def talk(test, turns, mode, policy, gap_s=0):
    player = test.opened(Player(*turns, gap_s=gap_s))
    command = ["/usr/bin/python3", "-c", TALK, str(player.port), mode, *(asks.hex() for asks, _ in turns)]
    if policy is None:
        return test.alone(command), player.heard
    return test.rebound(command, test.policy(policy, hosts="127.0.0.1", base={})), player.heard


@cases(**{f"{name}/{mode}": (name, mode) for name in PROTOCOLS for mode in ("blocking", "timeout")})
def test_protocol(test, case):
    name, mode = case
    alone, alone_heard = talk(test, PROTOCOLS[name], mode, None)
    under, heard = talk(test, PROTOCOLS[name], mode, POST_TOO)
    test.same(under, alone)
    test.equal(heard, alone_heard, "bytes at the server")
    test.equal(http_events(test), [], "events about HTTP")
    test.check(alone.code == 0 and len(alone.out) > 0, f"{alone}")


@cases("blocking", "timeout")
def test_status_line_byte_by_byte(test, mode):
    """The program gets each byte once, whether the request is repeated or not."""
    turns = [(b"GET /k HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"HTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\nabc")]
    alone, _ = talk(test, turns, mode, None, gap_s=0.002)
    under, heard = talk(test, turns, mode, POLICY, gap_s=0.002)
    test.same(under, alone)
    test.check(1 <= len(heard) <= 3 and set(heard) == {turns[0][0]}, f"{heard}")


def test_a_tick_ends_a_hold_over_tls(test):
    """links waits for one second at a time. Over TLS it has not begun to wait when the retry is decided."""
    events = {}
    for transport in ("plain", "tls"):
        part = test.part()
        server = part.server("--script", "s429;after=2,ok")
        front = part.opened(SecureFront(server, ssl.TLSVersion.TLSv1_3)) if transport == "tls" else server
        url = f"http{'s' if transport == 'tls' else ''}://127.0.0.1:{front.port}/k"
        command = ["links", "-ssl.certificates", "0", "-retries", "1", "-source", url]
        result = part.rebound(command, part.policy(POLICY, hosts="127.0.0.1", base={}))
        part.check(b"429" in result.out, f"the program saw no fault: {result}")
        part.equal(server.count("k"), 1, "requests")
        events[transport] = [(event["decision"], event.get("reason")) for event in http_events(part)]
    test.equal(events, {"plain": [("stop", "time")], "tls": [("retry", None), ("stop", "time")]}, "decisions")
