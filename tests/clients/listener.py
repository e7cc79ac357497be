# SPDX-License-Identifier: MIT
"""Helpers for servers in Python: loopback ports, and a thread for each connection."""

import selectors
import socket
import struct
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


def reset(peer):
    """Makes the coming close of a connection send an RST."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def relay(left, right):
    """Copies between two connections until both have ended. An RST of one becomes an RST of the other.

    The end of one ends the other at once if the other is TLS, where Python cannot end one direction alone.
    """
    other = {left: right, right: left}
    with selectors.DefaultSelector() as ready:
        for each in other:
            ready.register(each, selectors.EVENT_READ)
        while ready.get_map():
            for key, _ in ready.select():
                source, sink = key.fileobj, other[key.fileobj]
                if copy(source, sink):
                    continue
                if hasattr(sink, "pending"):
                    return
                ready.unregister(source)
                sink.shutdown(socket.SHUT_WR)


def copy(source, sink):
    """Copies what has arrived. Returns whether more can come."""
    try:
        data = source.recv(65536)
        while data:
            sink.sendall(data)
            if not (hasattr(source, "pending") and source.pending()):  # TLS: decrypted, but not read
                return True
            data = source.recv(65536)
        return False
    except OSError:
        reset(source)
        reset(sink)
        raise


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
