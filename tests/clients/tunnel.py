# SPDX-License-Identifier: MIT
"""A proxy that opens tunnels (CONNECT) and fails as its script says."""

import socket
import threading

from listener import Listener, read_head, relay, reset

GRANTED = b"HTTP/1.1 200 Connection established\r\nProxy-Agent: tunnel\r\n\r\n"


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
