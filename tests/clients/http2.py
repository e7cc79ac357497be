# SPDX-License-Identifier: MIT
"""A small HTTP/2 server without TLS (prior knowledge) that fails as it is told, and counts what reached it.

Header blocks are not decoded: what is asked for is known to the test. Flow control is opened wide at the start.
"""

import socket
import struct
import threading
import zlib

from listener import Listener

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 4, 5
INTERNAL_ERROR, REFUSED_STREAM = 2, 7
WIDE, LARGE = 2**31 - 1, 2**24 - 1


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


class Request:
    """One stream as it was received; `whole` once its end was seen."""

    def __init__(self, fault):
        self.fault, self.size, self.crc, self.whole = fault, 0, 0, False


class Http2Server(Listener):
    """The first requests, whatever their connection, get the faults of the list in turn, the others a good answer.

    refused    RST_STREAM with REFUSED_STREAM as soon as the header block is there: nothing was processed
    goaway     GOAWAY that excludes the stream, likewise; then the connection ends
    processed  GOAWAY that includes the stream, after the whole request; then the connection ends without an answer
    broken     RST_STREAM with INTERNAL_ERROR after the whole request
    closed     the connection ends after the whole request
    503        an answer
    """

    AT_ONCE = ("refused", "goaway")

    def __init__(self, *faults, head=False):
        self.faults, self.head = list(faults), head
        self.requests = []
        self.lock = threading.Lock()
        super().__init__()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"

    def _serve(self, peer, _):
        with peer.makefile("rb", 1 << 20) as source:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if source.read(len(PREFACE)) == PREFACE:
                self._read_frames(peer, source)
                peer.shutdown(socket.SHUT_WR)
            while source.read(1 << 16):  # closing with unread data would send RST
                pass

    def _read_frames(self, peer, source):
        """Reads frames until the peer, or a fault, ends the connection."""
        settings = struct.pack(">HIHI", INITIAL_WINDOW_SIZE, WIDE, MAX_FRAME_SIZE, LARGE)
        peer.sendall(frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", WIDE - 65535)))
        streams = {}
        while len(head := source.read(9)) == 9:
            payload = source.read(int.from_bytes(head[:3], "big"))
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            if kind == SETTINGS and not flags & ACK:
                peer.sendall(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                peer.sendall(frame(PING, ACK, 0, payload))
            elif kind in (HEADERS, DATA, CONTINUATION) and not self._take(peer, streams, kind, flags, stream, payload):
                return

    def _take(self, peer, streams, kind, flags, stream, payload):
        """A part of a request. Returns False when the connection is to end."""
        if kind == HEADERS and stream not in streams:
            streams[stream] = self._begin()
        request = streams.get(stream)
        if kind == DATA:
            content = payload[1:len(payload) - payload[0]] if flags & PADDED else payload
            request.crc = zlib.crc32(content, request.crc)
            request.size += len(content)
        request.whole = request.whole or (kind != CONTINUATION and bool(flags & END_STREAM))
        if request.fault in self.AT_ONCE and kind == HEADERS:
            return self._fail(peer, stream, request.fault)
        if request.whole and request.fault not in self.AT_ONCE and (kind == DATA or flags & END_HEADERS):
            return self._answer(peer, stream, request.fault)
        return True

    def _begin(self):
        with self.lock:
            request = Request(self.faults.pop(0) if self.faults else None)
            self.requests.append(request)
        return request

    @staticmethod
    def _fail(peer, stream, fault):
        if fault in ("refused", "broken"):
            error = REFUSED_STREAM if fault == "refused" else INTERNAL_ERROR
            peer.sendall(frame(RST_STREAM, 0, stream, struct.pack(">I", error)))
            return True
        if fault != "closed":
            last = 0 if fault == "goaway" else stream
            peer.sendall(frame(GOAWAY, 0, 0, struct.pack(">II", last, 0)))
        return False

    def _answer(self, peer, stream, fault):
        if fault not in (None, "503"):
            return self._fail(peer, stream, fault)
        content = b"status 503\n" if fault else b"good h2\n"
        status = b"\x08\x03503" if fault else b"\x88"  # static table: 8 is ":status: 200"
        length = str(len(content)).encode()
        block = status + b"\x0f\x0d" + bytes([len(length)]) + length  # 28 is content-length
        flags = END_HEADERS | (END_STREAM if self.head else 0)
        answer = frame(HEADERS, flags, stream, block)
        peer.sendall(answer if self.head else answer + frame(DATA, END_STREAM, stream, content))
        return True
