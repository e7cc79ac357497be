# SPDX-License-Identifier: MIT
"""Helpers for servers in Python: loopback ports, and a thread for each connection."""

import socket
import threading


def read_head(peer):
    """Reads the head of a request. Returns b"" if the connection ends before the head does."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = peer.recv(4096)
        if not piece:
            return b""
        head += piece
    return head


class ClosedPort:
    """A port that refuses every connect. The socket is bound and does not listen, so that nobody else gets the port."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def stop(self):
        self.socket.close()

    def url(self, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.port}/"


class Listener:
    """Has `_serve(peer, number)` called for each connection, number 1 for the first, and closes it afterwards.

    It begins at once: a server calls this constructor when it is ready. An error of the connection only ends it.
    """

    def __init__(self, backlog=None):
        self.accepted = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # or the thread in accept would hold on to the port
        self.listener.close()

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._converse, args=(peer, self.accepted), daemon=True).start()

    def _converse(self, peer, number):
        try:
            with peer:
                self._serve(peer, number)
        except OSError:
            pass
