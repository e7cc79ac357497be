# SPDX-License-Identifier: MIT
"""Which failures count for the breaker of a host. A client's own mistake must not harm other callers of the host."""

import json
import os
import shutil
import socket
import ssl
import subprocess

from harness import REBOUND, Skip, TlsFront, cases, network_space
from listener import Listener, reset

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


def plain(test, **options):
    return test.opened(Plain(**options))


def cells(test):
    """What the processes of the test share about each host. A host may have several cells, for several routes."""
    env = dict(os.environ, REBOUND_STATE=os.path.join(test.dir, "state"))
    out = subprocess.run([REBOUND, "status", "--json"], env=env, stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)["hosts"]


def call(test, command, env=None):
    """Runs a client under a policy whose breakers open easily."""
    return test.rebound(command, test.policy(TOUCHY),
                        env={"REBOUND_STATE": os.path.join(test.dir, "state"), **(env or {})})


def states(test):
    found = {}
    for cell in cells(test):
        found.setdefault(cell["host"], []).append(cell["state"])
    return found


def erring(test, command, env=None):
    """Runs a client that errs, several times. Returns the states of the breakers afterwards, by host."""
    alone = test.alone(command, env=env)
    test.check(alone.code != 0, f"alone: {alone}")
    for _ in range(TIMES):
        call(test, command, env)
    return states(test)


def check_well(test, server, command, **options):
    """A client that errs leaves the breaker of the living server closed."""
    found = erring(test, command, **options)
    label = f"127.0.0.1:{server.port}"
    test.check(set(found.get(label, [])) <= {"closed"}, f"the breaker of {label} is {found.get(label)}")


def check_apart(test, server, command, host="127.0.0.1", **options):
    """A client that errs on a way of its own has breakers of its own: those who call the server directly share one."""
    innocent = [*CURL, "-f", server.url(host=host)]
    test.good(call(test, innocent), b"")
    found = erring(test, command, **options)
    label = f"{host}:{server.port}"
    test.check(found[label].count("closed") >= 1, f"the breakers of {label} are {found[label]}")
    test.good(call(test, innocent), b"")
    test.equal(sorted(states(test)[label]), sorted(found[label]), "breakers after one more direct call")


# --- what counts


def test_refusals_count(test):
    server = test.closed_port()
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
    front = test.opened(Picky(test.dir))
    check_well(test, front, [*CURL, front.url("")])


def test_no_descriptor_left(test):
    """curl may have the standard streams and one descriptor that it opens itself, and no more."""
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
    other = test.closed_port()
    server = plain(test, answer=f"HTTP/1.1 302 x\r\nLocation: {other.url()}\r\n\r\n")
    check_well(test, server, [*CURL, "-L", server.url()])


def test_redirect_to_a_failing_host(test):
    """Retry-After of the other host does not delay callers of the first one."""
    other = plain(test, answer="HTTP/1.1 503 x\r\nRetry-After: 30\r\n\r\n")
    server = plain(test, answer=f"HTTP/1.1 302 x\r\nLocation: {other.url()}\r\n\r\n")
    check_well(test, server, [*CURL, "-fL", server.url()])
    first = [cell for cell in cells(test) if cell["host"] == f"127.0.0.1:{server.port}"]
    test.equal([cell["not_before_ms"] for cell in first], [None], "what the first host asked for")


def test_no_network(test):
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([*network_space(), "true"], stderr=subprocess.DEVNULL).returncode:
        raise Skip("no network namespaces")
    server = plain(test)
    check_well(test, server, [*network_space(), *CURL, server.url()])


# --- another way


class Proxy(Listener):
    """Answers each connection's first bytes: by a status, by closing, by bytes that are no SOCKS, or not at all."""

    def __init__(self, answer):
        self.answer = answer
        super().__init__()

    def _serve(self, peer, _):
        data = peer.recv(65536)
        if self.answer == "silence":
            while data:
                data = peer.recv(65536)
        elif self.answer == "reset":
            reset(peer)
        elif self.answer:
            peer.sendall(self.answer)
            peer.shutdown(socket.SHUT_WR)
            peer.recv(65536)


def proxy_url(test, kind, scheme):
    answers = {"closes": b"", "resets": "reset", "silent": "silence", "no_socks": b"\0\1\2\3",
               "502": b"HTTP/1.1 502 x\r\nContent-Length: 0\r\n\r\n",
               "503": b"HTTP/1.1 503 x\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n",
               "407": b"HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n"}
    if kind == "dead":
        return test.closed_port().url(scheme)
    if kind == "unknown":
        return f"{scheme}://nobody.invalid:3128"
    return f"{scheme}://127.0.0.1:{test.opened(Proxy(answers[kind])).port}"


@cases("dead", "unknown", "closes", "resets", "silent", "502", "503", "407")
def test_proxy(test, kind):
    server = plain(test)
    check_apart(test, server, [*CURL, "-f", "-m", "1", "-x", proxy_url(test, kind, "http"), server.url()])
    first = [cell["not_before_ms"] for cell in cells(test) if cell["state"] == "closed"]
    test.check(None in first, f"what the hosts asked for: {first}")


@cases("dead", "unknown", "closes", "resets", "silent", "502", "503", "407")
def test_tunnel(test, kind):
    """If a proxy does not reach the host, nothing is counted for the host."""
    server = plain(test)
    check_apart(test, server, [*CURL, "-m", "1", "-p", "-x", proxy_url(test, kind, "http"), server.url()])
    test.equal(set(states(test)[f"127.0.0.1:{server.port}"]), {"closed"}, "breakers")


@cases("dead", "unknown", "closes", "no_socks")
def test_socks(test, kind):
    server = plain(test)
    check_apart(test, server, [*CURL, "-m", "1", "-x", proxy_url(test, kind, "socks5h"), server.url()])
    check_apart(test, server, [*CURL, "-m", "1", "--preproxy", proxy_url(test, kind, "socks4"), server.url()])
    test.equal(set(states(test)[f"127.0.0.1:{server.port}"]), {"closed"}, "breakers")


@cases("http_proxy", "all_proxy", "ALL_PROXY")
def test_proxy_of_the_environment(test, name):
    server = plain(test)
    check_apart(test, server, [*CURL, server.url()], env={name: test.closed_port().url()})


def test_proxy_of_the_environment_for_https(test):
    server = plain(test)
    check_apart(test, server, [*CURL, server.url("https")], env={"HTTPS_PROXY": test.closed_port().url()})


def test_host_that_needs_no_proxy(test):
    """The environment names a proxy and excludes this host. The route is the direct one."""
    server = plain(test)
    test.good(call(test, [*CURL, server.url()]), b"")
    for no_proxy in ("127.0.0.1", "127.0.0.0/8", "*"):
        test.good(call(test, [*CURL, server.url()], {"http_proxy": test.closed_port().url(), "no_proxy": no_proxy}), b"")
    test.good(call(test, [*CURL, "-x", test.closed_port().url(), "--noproxy", "127.0.0.1", server.url()]), b"")
    test.equal(states(test), {f"127.0.0.1:{server.port}": ["closed"]}, "breakers")


def test_connect_shares_the_direct_way(test):
    """A socket and libcurl that go to the same host directly share its breaker."""
    server = plain(test)
    test.good(call(test, [*CURL, server.url()]), b"")
    test.good(call(test, ["/bin/bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{server.port}"]), b"")
    test.equal(states(test), {f"127.0.0.1:{server.port}": ["closed"]}, "breakers")


@cases(connect_to=["--connect-to", "::127.0.0.1:{dead}"], connect_to_name=["--connect-to", "::nobody.invalid:80"],
       unix_socket=["--unix-socket", "{dir}/none"], abstract=["--abstract-unix-socket", "rebound-nobody-{dead}"])
def test_led_elsewhere(test, options):
    server = plain(test)
    fill = {"dead": test.closed_port().port, "dir": test.dir}
    check_apart(test, server, [*CURL, "-m", "1", *(option.format(**fill) for option in options), server.url()])


def test_resolve(test):
    """Other addresses than the host's own: one where nobody listens, and one that is of another family."""
    server = plain(test)
    check_apart(test, server, [*CURL, "--resolve", f"localhost:{server.port}:127.0.0.9", server.url(host="localhost")],
                host="localhost")
    check_apart(test, server, [*CURL, "-6", server.url(host="localhost")], host="localhost")


def test_interface(test):
    """Another interface, by which the host cannot be reached: that is no route, or no answer."""
    server = plain(test)
    found = subprocess.run(["ip", "-o", "link"], stdout=subprocess.PIPE, check=True).stdout.decode()
    others = [line.split()[1].split("@")[0].rstrip(":") for line in found.splitlines() if ": lo:" not in line]
    command = [*CURL, "-m", "1", "--interface", f"if!{others[0] if others else 'none0'}", server.url()]
    if test.alone(command).code == 0:
        raise Skip("the host is reached by every interface")
    check_apart(test, server, command)


def test_protocol_that_is_not_understood(test):
    server = plain(test, other="close")
    check_apart(test, server, [*CURL, "-m", "1", "--http2-prior-knowledge", server.url()])


# --- another network


NAMESPACES = """
import ctypes, fcntl, os, socket, struct, sys, threading
libc, port = ctypes.CDLL(None, use_errno=True), int(sys.argv[1])
NEWNET, NEWUSER, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x10000000, 0x8914, 1

def call():
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port))

def leave():
    if libc.unshare(NEWNET | (NEWUSER if os.geteuid() else 0)):
        sys.exit(77)
    with socket.socket() as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))

def refused():
    return [call() == 111 for _ in range(4)]

outside = call()
"""
WAYS = {
    # The whole process moves, and back by setns.
    "process": """
home = os.open("/proc/self/ns/net", os.O_RDONLY)
leave()
inside = refused()
if libc.setns(home, NEWNET):
    sys.exit(77)
back = call()
""",
    # One thread moves. The others stay.
    "thread": """
inside = []
def other():
    leave()
    inside.extend(refused())
thread = threading.Thread(target=other)
thread.start()
thread.join()
back = call()
""",
    # A child moves.
    "child": """
child = os.fork()
if child == 0:
    leave()
    os._exit(0 if all(refused()) else 1)
inside = [os.waitpid(child, 0)[1] == 0]
back = call()
""",
}


@cases(**WAYS)
def test_moved_to_another_network(test, code):
    """Nothing listens in the other network namespace. The breaker that opens there is not that of the server here."""
    if os.geteuid() and code != WAYS["child"]:
        raise Skip("needs root")
    server = plain(test)
    command = ["/usr/bin/python3", "-c", NAMESPACES + code + "sys.exit(outside or not all(inside) or back)",
               str(server.port)]
    result = call(test, command)
    if result.code == 77:
        raise Skip("no network namespaces")
    test.good(result, b"")
    test.equal(sorted(states(test)[f"127.0.0.1:{server.port}"]), ["closed", "open"], "breakers")


def test_started_in_another_network(test):
    unshare, ip = shutil.which("unshare"), shutil.which("ip")
    if not unshare or not ip or subprocess.run([*network_space(), "true"], stderr=subprocess.DEVNULL).returncode:
        raise Skip("no network namespaces")
    server = plain(test)
    script = 'ip link set lo up && exec "$@"'
    check_apart(test, server, [*network_space(), "sh", "-c", script, "-", *CURL, server.url()])
