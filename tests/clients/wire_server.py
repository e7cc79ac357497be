# SPDX-License-Identifier: MIT
"""A TLS endpoint before faultd that ends a connection as faultd does: by close_notify and FIN, or by RST."""

import atexit
import functools
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from listener import Listener, copy, selectors


MAKING = threading.Lock()
ROUND_TRIP_S = 0.02


def certificate():
    """The paths of a certificate for 127.0.0.1, which signs itself, and of its key. Made once for all tests."""
    with MAKING:
        return _make_certificate()


@functools.cache
def _make_certificate():
    directory = tempfile.mkdtemp(prefix="rebound-test-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    made, key = os.path.join(directory, "tls.crt"), os.path.join(directory, "tls.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", made],
        check=True, stderr=subprocess.DEVNULL)
    return made, key


class SecureFront(Listener):
    """Speaks one version of TLS and relays the decrypted bytes to a server on 127.0.0.1."""

    def __init__(self, server, version):
        self.server = server
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = self.context.maximum_version = version
        self.context.load_cert_chain(*certificate())
        super().__init__(backlog=50)

    def _serve(self, peer, number):
        # As over a network, the answer comes after the client has begun to wait. If it is there before, rebound has not
        # seen how the client waits, and repeats nothing.
        peer.recv(1, socket.MSG_PEEK)
        time.sleep(ROUND_TRIP_S)
        with self.context.wrap_socket(peer, server_side=True) as outer:
            with socket.create_connection(("127.0.0.1", self.server.port)) as inner:
                inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._relay(outer, inner):
                    self._say_end(outer)

    @staticmethod
    def _relay(outer, inner):
        """Returns True when the server has ended its direction, False when the client ended the connection first."""
        other = {outer: inner, inner: outer}
        with selectors.DefaultSelector() as ready:
            for each in other:
                ready.register(each, selectors.EVENT_READ)
            while ready.get_map():
                for key, _ in ready.select():
                    source = key.fileobj
                    if copy(source, other[source]):
                        continue
                    if source is inner:
                        return True
                    ready.unregister(outer)
                    inner.shutdown(socket.SHUT_WR)
        return False

    @staticmethod
    def _say_end(outer):
        """Sends close_notify without waiting for that of the client."""
        outer.settimeout(0)
        try:
            outer.unwrap()
        except OSError:
            pass
