# SPDX-License-Identifier: MIT
"""What the servers that tests write in Python share: a loopback port, and a thread for each connection."""

import socket
import threading


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
