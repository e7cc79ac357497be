# SPDX-License-Identifier: MIT
"""What counts as a failure of the host: a client's own mistake harms itself only, never the host's other callers."""

import json
import os
import shutil
import socket
import ssl
import struct
import subprocess

from harness import REBOUND, Skip, TlsFront, cases
from listener import Listener

CURL = ["/usr/bin/curl", "-s", "-k", "-o", "/dev/null"]
# Two failures open it, and it stays open for longer than any test takes.
TOUCHY = {"breaker": "on", "breaker.window": "4", "breaker.min_calls": "2", "breaker.failure_rate": "50%",
          "breaker.open": "60s", "breaker.open_max": "60s", "budget.floor": "1000/s", "retry.attempts": "2"}
TIMES = 3


class Plain(Listener):
    """A server on one port that answers HTTP by `answer`, and what is no HTTP by `other`: close, reset or silence."""

    def __init__(self, answer="HTTP/1.1 200 x\r\n\r\n", other="close"):
        self.answer, self.other = answer, other
        super().__init__()

    def _serve(self, peer, _):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = peer.recv(4096)
            head += piece
            if not piece:
                return
            if head[:1] == b"\x16" and self.other != "silence":
                if self.other == "reset":
                    reset(peer)
                return
        if self.answer == "reset":
            reset(peer)
        else:
            peer.sendall(self.answer.replace("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n").encode())
            peer.shutdown(socket.SHUT_WR)

    def url(self, scheme="http", host="127.0.0.1"):
        return f"{scheme}://{host}:{self.port}/"


class Picky(TlsFront):
    """A TLS server that wants a certificate of its clients. It lets a client read the alert before it hangs up."""

    def __init__(self, directory):
        super().__init__(directory, None)
        self.context.verify_mode = ssl.CERT_REQUIRED

    def _serve(self, peer, number):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(incoming, outgoing, server_side=True)
        while piece := peer.recv(65536):
            incoming.write(piece)
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                peer.sendall(outgoing.read())
                peer.shutdown(socket.SHUT_WR)
                continue
            peer.sendall(outgoing.read())


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def opened(test, thing):
    test.open.append(thing)
    return thing


def plain(test, **options):
    return opened(test, Plain(**options))


class Dead:
    """A port where every connect is refused as long as the test runs."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def stop(self):
        self.socket.close()

    def url(self, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.port}/"


def dead(test):
    return opened(test, Dead())


def cells(test):
    """What the processes of the test share about each host. A host may have several cells, for several routes."""
    env = dict(os.environ, REBOUND_STATE=os.path.join(test.dir, "state"))
    out = subprocess.run([REBOUND, "status", "--json"], env=env, stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)["hosts"]


def erring(test, command, env=None):
    """Runs a client that errs, several times. Returns the states of the breakers afterwards, by host."""
    policy = test.policy(TOUCHY)
    alone = test.alone(command, env=env)
    test.check(alone.code != 0, f"alone: {alone}")
    for _ in range(TIMES):
        test.rebound(command, policy, env={"REBOUND_STATE": os.path.join(test.dir, "state"), **(env or {})})
    found = {}
    for cell in cells(test):
        found.setdefault(cell["host"], []).append(cell["state"])
    return found


def check_well(test, server, command, **options):
    """A client that errs leaves the breaker of the living server closed."""
    found = erring(test, command, **options)
    label = f"127.0.0.1:{server.port}"
    test.check(set(found.get(label, [])) <= {"closed"}, f"the breaker of {label} is {found.get(label)}")


# --- what counts


def test_refusals_count(test):
    server = dead(test)
    found = erring(test, [*CURL, server.url()])
    test.equal(found, {f"127.0.0.1:{server.port}": ["open"]}, "breakers")


@cases(status="HTTP/1.1 503 x\r\n\r\n", reset="reset")
def test_failing_servers_count(test, answer):
    server = plain(test, answer=answer)
    found = erring(test, [*CURL, "-f", server.url()])
    test.equal(found, {f"127.0.0.1:{server.port}": ["open"]}, "breakers")


# --- what does not


@cases("close", "reset", "silence")
def test_tls_to_a_plain_port(test, other):
    server = plain(test, other=other)
    check_well(test, server, [*CURL, "-m", "1", server.url("https")])


def test_no_client_certificate(test):
    front = opened(test, Picky(test.dir))
    check_well(test, front, [*CURL, front.url("")])


def test_no_descriptor_left(test):
    """The standard streams, and one descriptor that curl opens for itself, are all that it may have."""
    server = plain(test)
    for limit in range(4, 12):
        command = ["/bin/bash", "-c", f"ulimit -n {limit} && exec \"$@\"", "-", *CURL, server.url()]
        if test.alone(command).code == 7:
            return check_well(test, server, command)
    raise Skip("curl has a descriptor to spare, or none to start with")


def test_no_such_interface(test):
    server = plain(test)
    check_well(test, server, [*CURL, "--interface", "nobody0", server.url()])


def test_name_that_is_not_found(test):
    found = erring(test, [*CURL, "http://nobody.invalid:81/"])
    test.check(set(found.get("nobody.invalid:81", [])) <= {"closed"}, f"breakers: {found}")


def test_redirect_to_a_dead_host(test):
    other = dead(test)
    server = plain(test, answer=f"HTTP/1.1 302 x\r\nLocation: {other.url()}\r\n\r\n")
    check_well(test, server, [*CURL, "-L", server.url()])


def test_redirect_to_a_failing_host(test):
    """What the other host asks for holds back nobody who calls the first one."""
    other = plain(test, answer="HTTP/1.1 503 x\r\nRetry-After: 30\r\n\r\n")
    server = plain(test, answer=f"HTTP/1.1 302 x\r\nLocation: {other.url()}\r\n\r\n")
    check_well(test, server, [*CURL, "-fL", server.url()])
    first = [cell for cell in cells(test) if cell["host"] == f"127.0.0.1:{server.port}"]
    test.equal([cell["not_before_ms"] for cell in first], [None], "what the first host asked for")


def test_no_network(test):
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-rn", "true"], stderr=subprocess.DEVNULL).returncode:
        raise Skip("no network namespaces")
    server = plain(test)
    check_well(test, server, [unshare, "-rn", *CURL, server.url()])
