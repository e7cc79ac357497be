# SPDX-License-Identifier: MIT
"""Proxies that open tunnels (CONNECT): one that fails as its script says, and real ones."""

import socket
import subprocess
import threading
import time

from listener import Listener, read_head, relay, reset

GRANTED = b"HTTP/1.1 200 Connection established\r\nProxy-Agent: tunnel\r\n\r\n"
START_LIMIT_S = 10

TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 20
MaxClients 20
Allow 127.0.0.1
LogLevel Critical
"""
TINYPROXY_LOGIN = TINYPROXY + "BasicAuth user secret\n"
SQUID = """
http_port 127.0.0.1:{port}
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
    """Passes connections on to a port of this machine, and counts those on which a request came."""

    def __init__(self, port):
        self.target, self.requested = port, 0
        super().__init__()

    def _serve(self, peer, _):
        head = read_head(peer)
        self.requested += head != b""
        with socket.create_connection(("127.0.0.1", self.target)) as inner:
            inner.sendall(head)
            relay(peer, inner)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RealProxy:
    """tinyproxy or squid on a port of its own, behind a Counter."""

    COMMANDS = {"tinyproxy": ["tinyproxy", "-d", "-c"], "squid": ["/usr/sbin/squid", "-N", "-f"]}
    CONFIGURATIONS = {"tinyproxy": (TINYPROXY, TINYPROXY_LOGIN), "squid": (SQUID_ALL, SQUID_LOGIN)}

    def __init__(self, test, name, login=False):
        inner = free_port()
        path = test.file(f"{name}.conf", self.CONFIGURATIONS[name][login].format(port=inner, dir=test.dir))
        self.process = subprocess.Popen(
            [*self.COMMANDS[name], path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + START_LIMIT_S
        while not self._listens(inner):
            if self.process.poll() is not None or time.monotonic() > limit:
                raise OSError(f"{name} does not listen")
            time.sleep(0.02)
        self.counter = Counter(inner)

    @staticmethod
    def _listens(port):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
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
