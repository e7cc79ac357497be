# SPDX-License-Identifier: MIT
"""http.tls_reconnect: a TLS connection that the server has closed is opened again, if its peer is the same."""

import atexit
import functools
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading

from harness import QUICK, cases
from listener import Listener, read_head

PYTHON = "/usr/bin/python3"
POLICY = dict(QUICK, **{"intercept": "connect, http", "http.tls_reconnect": "on"})
OFF = dict(POLICY, **{"http.tls_reconnect": "off"})
VERSIONS = {"tls1.2": ssl.TLSVersion.TLSv1_2, "tls1.3": ssl.TLSVersion.TLSv1_3}


MAKING = threading.Lock()


def certificate(name):
    """The paths of a certificate for the name `host.test` that signs itself, and of its key. Made once for all tests.

    Two names of the same length have certificates of the same length.
    """
    with MAKING:
        return make_certificate(name)


@functools.cache
def make_certificate(name):
    directory = tempfile.mkdtemp(prefix="rebound-test-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    made, key = os.path.join(directory, "tls.crt"), os.path.join(directory, "tls.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "1", "-set_serial", "7", "-subj", f"/CN={name}",
         "-addext", "subjectAltName=DNS:host.test", "-keyout", key, "-out", made],
        check=True, stderr=subprocess.DEVNULL)
    return made, key


def response(status, more="", body="busy\n"):
    return f"HTTP/1.1 {status} Status\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}".encode()


BUSY = response(503, "Connection: close\r\n")
GOOD = response(200, body="good\n")
CLOSES, CUTS, STAYS, SILENT, REFUSES = "closes", "cuts", "stays", "silent", "refuses"


class Peer(Listener):
    """Speaks TLS and HTTP. A script has one entry for each connection; the last one is used again.

    An entry is a pair: the responses to the requests of this connection, and what follows. CLOSES: close_notify and the
    end. CUTS: the end alone. STAYS: the client ends the connection. SILENT: no answer to the handshake. REFUSES: like
    CLOSES, and from then on the port refuses connects. names: the certificate of each connection.
    """

    def __init__(self, script, names=("one",), version=ssl.TLSVersion.TLSv1_3, protocols=None, tickets=True):
        self.script, self.requests, self.hosts, self.resumed, self.stopped = script, [], [], [], False
        self.contexts = []
        for name in names:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = context.maximum_version = version
            context.load_cert_chain(*certificate(name))
            context.sni_callback = lambda _, host, __: self.hosts.append(host)
            if not tickets:
                context.num_tickets = 0
                context.options |= ssl.OP_NO_TICKET
            if protocols:
                context.set_alpn_protocols(protocols)
            self.contexts.append(context)
        super().__init__()

    def stop(self):
        if not self.stopped:
            self.stopped = True
            super().stop()

    def _serve(self, peer, number):
        answers, then = self.script[min(number, len(self.script)) - 1]
        peer.settimeout(20)
        if then == SILENT:
            while peer.recv(4096):
                pass
            return
        context = self.contexts[min(number, len(self.contexts)) - 1]
        with context.wrap_socket(peer, server_side=True, suppress_ragged_eofs=True) as secure:
            self.resumed.append(secure.session_reused)
            for answer in answers:
                if not read_head(secure):
                    return
                self.requests.append(number)
                if then == REFUSES:
                    self.stop()
                secure.sendall(answer)
            if then == STAYS:
                read_head(secure)
            elif then == CUTS:
                secure.shutdown(socket.SHUT_RDWR)
            else:
                secure.settimeout(0)
                try:
                    secure.unwrap()
                except OSError:
                    pass


# Asks once, and prints what the connection gives and how it ends. The keys of `options` are optional:
#   trusts: the certificates that are accepted; verifies: false: no certificate is checked; limit_s: the timeout of the socket;
#   waits: the socket is non-blocking, and select waits for so many seconds each time; the last number counts for all
#   further waits;
#   own: certificate and key of the client; protocols: ALPN; later: a further certificate that is accepted after the handshake;
#   times: how many requests; ends: calls SSL_shutdown at the end
ASK = r"""
import json, select, socket, ssl, sys
port, options = int(sys.argv[1]), json.loads(sys.argv[2])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
if options.get("verifies", True) is False:
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
for each in options.get("trusts", ()):
    context.load_verify_locations(each)
if "own" in options:
    context.load_cert_chain(*options["own"])
if "protocols" in options:
    context.set_alpn_protocols(options["protocols"])
peer = socket.create_connection(("127.0.0.1", port))
peer.settimeout(options.get("limit_s", 10 if "waits" in options else None))
peer = context.wrap_socket(peer, server_hostname="host.test", suppress_ragged_eofs=False)
if "later" in options:
    context.load_verify_locations(options["later"])
waits = options.get("waits", [])
if waits:
    peer.settimeout(0)
if "waits" in options or "limit_s" in options:
    select.select([peer], [], [], 0)  # shows how the program waits, also if the response is faster than its first wait
def read():
    while True:
        try:
            return peer.recv(65536)
        except ssl.SSLZeroReturnError:  # not an end without close_notify
            return b""
        except ssl.SSLWantReadError:
            select.select([peer], [], [], waits.pop(0) if len(waits) > 1 else waits[0])
for _ in range(options.get("times", 1)):
    peer.sendall(b"GET / HTTP/1.1\r\nHost: host.test\r\n\r\n")
    data = b""
    while not data.endswith(b"good\n") and (piece := read()):
        data += piece
    sys.stdout.write(data.decode())
if not data.endswith(b"good\n"):
    print("the end")
if options.get("ends"):
    try:
        peer.unwrap()
    except (OSError, ValueError) as error:
        print(type(error).__name__)
"""


def ask(test, server, policy=POLICY, **options):
    options.setdefault("trusts", [certificate("one")[0]])
    command = [PYTHON, "-c", ASK, str(server.port), json.dumps(options)]
    if policy is None:
        return test.alone(command)
    return test.rebound(command, test.policy(policy, hosts="127.0.0.1", base={}))


def check_reopened(test, server, **options):
    test.good(ask(test, server, **options), GOOD)
    test.equal(server.requests, [1, 2], "requests of each connection")


def check_held(test, server, accepted, answer=BUSY, policy=POLICY, **options):
    """The program gets the response, and then a proper end. No request was sent twice."""
    test.good(ask(test, server, policy, **options), answer + b"the end\n")
    test.equal(server.requests, [1], "requests of each connection")
    test.equal(server.accepted, accepted, "connections")


WAYS = {"blocking": {}, "limit": {"limit_s": 10}, "select": {"waits": [10]}}


@cases(**{f"{way}/{version}": (way, version) for way in WAYS for version in VERSIONS})
def test_reopened(test, case):
    way, version = case
    for then in (CLOSES, CUTS):
        server = test.opened(Peer([([BUSY], then), ([GOOD], STAYS)], version=VERSIONS[version]))
        check_reopened(test, server, **WAYS[way])
        test.equal(server.hosts, ["host.test"] * 2, "server names")
        test.equal(server.resumed, [False, True], "sessions resumed")


@cases(**WAYS)
def test_end_of_body(test, way):
    """The end of the connection is the end of the response."""
    for then in (CLOSES, CUTS):
        busy = b"HTTP/1.0 503 Busy\r\n\r\nbusy\n"
        check_reopened(test, test.opened(Peer([([busy], then), ([GOOD], STAYS)])), **way)


@cases(**WAYS)
def test_unannounced_end(test, way):
    """The server closes the connection while the request waits."""
    for then in (CLOSES, CUTS):
        server = test.opened(Peer([([response(503)], then), ([GOOD], STAYS)]))
        check_reopened(test, server, **way)


@cases(**WAYS)
def test_hang_up_on_the_repetition(test, way):
    """The second request gets no answer. The third one does, on a new connection."""
    for then in (CLOSES, CUTS):
        server = test.opened(Peer([([response(503), b""], then), ([GOOD], STAYS)]))
        test.good(ask(test, server, **way), GOOD)
        test.equal(server.requests, [1, 1, 2], "requests of each connection")


def test_off(test):
    check_held(test, test.opened(Peer([([BUSY], CLOSES), ([GOOD], STAYS)])), 1, policy=OFF)


# The new connection is not one to the peer that the program has accepted.

@cases(**WAYS)
def test_other_certificate(test, way):
    server = test.opened(Peer([([BUSY], CLOSES), ([GOOD], STAYS)], ("one", "two")))
    check_held(test, server, 2, trusts=[certificate("one")[0], certificate("two")[0]], **way)


@cases(**WAYS)
def test_untrusted_certificate(test, way):
    server = test.opened(Peer([([BUSY], CLOSES), ([GOOD], STAYS)], ("one", "two")))
    check_held(test, server, 2, **way)


def test_other_verification(test):
    """The certificate is the same, but its verification has another result."""
    server = test.opened(Peer([([BUSY], CLOSES), ([GOOD], STAYS)], tickets=False))
    check_held(test, server, 2, trusts=[], verifies=False, later=certificate("one")[0])


def test_no_verification(test):
    """The program accepts any certificate. It must still be the same one."""
    server = test.opened(Peer([([BUSY], CLOSES), ([GOOD], STAYS)], tickets=False))
    check_reopened(test, server, trusts=[], verifies=False)
    server = test.opened(Peer([([BUSY], CLOSES), ([GOOD], STAYS)], ("one", "two")))
    check_held(test, server, 2, trusts=[], verifies=False)


@cases(**WAYS)
def test_next_request(test, way):
    """The connection was used up. The next request goes to the same peer on a new connection, and to no other peer."""
    script, policy = [([response(503), b""], CLOSES), ([GOOD], STAYS)], dict(POLICY, **{"retry.attempts": "2"})
    server = test.opened(Peer(script))
    test.good(ask(test, server, policy, times=2, **way), response(503) + GOOD)
    test.equal(server.requests, [1, 1, 2], "requests of each connection")
    server = test.opened(Peer(script, ("one", "two")))
    test.good(ask(test, server, policy, times=2, **way), response(503) + b"the end\n")
    test.equal((server.requests, server.accepted), ([1, 1], 2), "requests of each connection, and connections")


# Connections that are not opened again.

def test_own_certificate(test):
    server = test.opened(Peer([([BUSY], CLOSES), ([GOOD], STAYS)]))
    check_held(test, server, 1, own=certificate("two"))


def test_protocol(test):
    server = test.opened(Peer([([BUSY], CLOSES), ([GOOD], STAYS)], protocols=["http/1.1"]))
    check_reopened(test, server, protocols=["http/1.1"])
    server = test.opened(Peer([([BUSY], CLOSES), ([GOOD], STAYS)], protocols=["spdy/1"]))
    check_held(test, server, 1, protocols=["spdy/1"])


def test_stale(test):
    """The server closes a kept connection. The program finds that itself."""
    script = [([GOOD], CLOSES), ([GOOD], STAYS)]
    server, other = (test.opened(Peer(script)) for _ in range(2))
    alone = ask(test, server, None, times=2)
    test.same(ask(test, other, times=2), alone)
    test.equal((other.accepted, other.requests), (server.accepted, server.requests), "connections and requests")


# The new connection fails.

def check_given_up_early(test):
    """Without a limit, a handshake ends after 5 s."""
    test.check(all(event["times_ms"]["total"] < 4500 for event in test.events("stop")), f"too late: {test.events()}")


@cases(**WAYS)
def test_refused(test, way):
    check_held(test, test.opened(Peer([([BUSY], REFUSES)])), 1, **way)


@cases(**WAYS)
def test_silent(test, way):
    """The handshake gets no answer before the end of the call."""
    server = test.opened(Peer([([BUSY], CLOSES), ([], SILENT)]))
    check_held(test, server, 2, policy=dict(POLICY, **{"timeout.total": "1s"}), **way)
    check_given_up_early(test)


@cases(limit={"limit_s": 1}, select={"waits": [1]})
def test_silent_until_the_limit(test, way):
    """The handshake gets no answer before the program's own limit: without the response it would get an error."""
    server = test.opened(Peer([([BUSY], CLOSES), ([], SILENT)]))
    check_held(test, server, 2, policy=dict(POLICY, **{"timeout.total": "unset"}), **way)
    check_given_up_early(test)


@cases(**{name: then for name, then in (("closes", CLOSES), ("refuses", REFUSES))})
def test_goodbye(test, then):
    """SSL_shutdown writes nothing on a socket that is not connected, where it would raise SIGPIPE."""
    server = test.opened(Peer([([BUSY], then), ([GOOD], STAYS)], ("one", "two")))
    result = ask(test, server, ends=True)
    test.equal(result.code, 0, "exit status")
    test.equal(result.out[:len(BUSY)], BUSY, "response")


def test_given_up(test):
    """The program's wait ends before the request is due: it gets the response, and the end as the server has said it."""
    server = test.opened(Peer([([BUSY], CLOSES), ([GOOD], STAYS)]))
    check_held(test, server, 1, policy=dict(POLICY, **{"retry.base": "5s", "retry.cap": "5s"}), waits=[0.4])


def test_given_up_after_the_end(test):
    """The same, and the library has seen the end: it shows the end after all."""
    server = test.opened(Peer([([response(503)], CLOSES), ([GOOD], STAYS)]))
    check_held(test, server, 1, response(503), dict(POLICY, **{"retry.base": "5s", "retry.cap": "5s"}),
               waits=[0.1, 0.1, 0.1, 1])
