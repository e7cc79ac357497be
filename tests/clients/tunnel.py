# SPDX-License-Identifier: MIT
"""Proxies that open tunnels (CONNECT): one that fails as its script says, and real ones."""

import random
import socket
import subprocess
import threading
import time

from listener import Listener, read_head, relay, reset

GRANTED = b"HTTP/1.1 200 Connection established\r\nProxy-Agent: tunnel\r\n\r\n"
START_LIMIT_S = 10

TINYPROXY = """
Port {port}
Listen {host}
Timeout 20
MaxClients 20
Allow 127.0.0.0/8
LogLevel Critical
"""
TINYPROXY_LOGIN = TINYPROXY + "BasicAuth user secret\n"
SQUID = """
http_port {host}:{port}
pid_filename none
cache_log stdio:/dev/null
access_log none
cache deny all
cache_mem 8 MB
coredump_dir {dir}
shutdown_lifetime 1 second
pinger_enable off
"""
SQUID_ALL = SQUID + "http_access allow all\n"
SQUID_LOGIN = SQUID + """
auth_param basic program /usr/lib/squid/basic_fake_auth
acl known proxy_auth REQUIRED
http_access allow known
"""


def refusal(status, *fields, body=b""):
    """An answer to CONNECT, other than 200."""
    lines = [f"HTTP/1.1 {status} Refused", f"Content-Length: {len(body)}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Tunnel(Listener):
    """Each CONNECT takes the next step of the script. After the last step, every CONNECT is granted.

    bytes       this answer in place of a tunnel; the connection stays open
    "reset"     RST in place of an answer
    "close"     FIN in place of an answer
    "half"      a part of the granting answer, then FIN
    "hang"      no answer until the client goes away
    "cut"       granted; RST at the first bytes inside the tunnel
    "end"       granted; FIN at the first bytes inside the tunnel
    "granted"   granted
    """

    def __init__(self, *script):
        self.script, self.heads, self.lock = list(script), [], threading.Lock()
        super().__init__()

    def url(self, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.port}"

    def connects(self):
        return len(self.heads)

    def _serve(self, peer, _):
        while head := read_head(peer):
            with self.lock:
                self.heads.append(head)
                step = self.script.pop(0) if self.script else "granted"
            if isinstance(step, bytes):
                peer.sendall(step)
            else:
                self._carry_out(peer, head, step)
                return

    @staticmethod
    def _carry_out(peer, head, step):
        if step == "reset":
            reset(peer)
        elif step == "half":
            peer.sendall(GRANTED[:-10])
        elif step == "hang":
            peer.recv(1)
        elif step in ("cut", "end"):
            peer.sendall(GRANTED)
            peer.recv(65536)
            if step == "cut":
                reset(peer)
        elif step == "granted":
            host, port = head.split()[1].decode().rsplit(":", 1)
            with socket.create_connection((host, int(port))) as inner:
                peer.sendall(GRANTED)
                relay(peer, inner)


class Counter(Listener):
    """Passes connections on to an address, and counts those on which a request came."""

    def __init__(self, address):
        self.address, self.requested = address, 0
        super().__init__()

    def _serve(self, peer, _):
        head = read_head(peer)
        self.requested += head != b""
        with socket.create_connection(self.address) as inner:
            inner.sendall(head)
            relay(peer, inner)


def free_address():
    """An address and port of the loopback interface. Nobody else takes the port, because nobody else has the address."""
    host = ".".join(str(number) for number in (127, *(random.randint(1, 254) for _ in range(3))))
    with socket.create_server((host, 0)) as probe:
        return probe.getsockname()


class RealProxy:
    """tinyproxy or squid on a port of its own, behind a Counter."""

    COMMANDS = {"tinyproxy": ["tinyproxy", "-d", "-c"], "squid": ["/usr/sbin/squid", "-N", "-f"]}
    CONFIGURATIONS = {"tinyproxy": (TINYPROXY, TINYPROXY_LOGIN), "squid": (SQUID_ALL, SQUID_LOGIN)}

    def __init__(self, test, name, login=False):
        address = free_address()
        path = test.file(f"{name}.conf", self.CONFIGURATIONS[name][login].format(host=address[0], port=address[1], dir=test.dir))
        self.process = subprocess.Popen(
            [*self.COMMANDS[name], path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + START_LIMIT_S
        while not self._listens(address):
            if self.process.poll() is not None or time.monotonic() > limit:
                raise OSError(f"{name} does not listen")
            time.sleep(0.02)
        self.counter = Counter(address)

    @staticmethod
    def _listens(address):
        try:
            socket.create_connection(address).close()
            return True
        except OSError:
            return False

    def url(self, login=""):
        return f"http://{login}127.0.0.1:{self.counter.port}"

    def connects(self):
        return self.counter.requested

    def stop(self):
        self.counter.stop()
        self.process.kill()
        self.process.wait()
