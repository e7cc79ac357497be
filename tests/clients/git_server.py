# SPDX-License-Identifier: MIT
"""Serves a git repository over HTTP, smart (git http-backend as CGI) and dumb (its files), with faults by script."""

import http.server
import os
import re
import socket
import struct
import subprocess
import threading
import zlib


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def shutdown_request(self, request):
        self.close_request(request)  # a reset must not be a FIN first

    def handle_error(self, request, client_address):
        pass  # clients that went away


class GitServer:
    """/smart/... and /dumb/... of one bare repository.

    `faults` maps a pattern of "METHOD PATH" to a list of faults, one for each request that it finds: "503", "429",
    "reset", "close", "cut" (the real answer, half of its body), "ok". What runs out is answered as it should be.
    """

    def __init__(self, repository, listen=True):
        self.repository, self.faults, self.requests, self.lock = repository, {}, [], threading.Lock()
        handler = type("Bound", (Handler,), {"owner": self})
        self.server = Server(("127.0.0.1", 0), handler, bind_and_activate=False)
        self.server.server_bind()
        self.thread = None
        self.port = self.server.server_address[1]
        if listen:
            self.listen()

    def listen(self):
        self.server.server_activate()
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def script(self, faults):
        with self.lock:
            self.faults = {pattern: list(row) for pattern, row in faults.items()}
            self.requests = []

    def note(self, method, path, body):
        """Counts a request and returns what is to go wrong with it."""
        with self.lock:
            self.requests.append((method, path, len(body), zlib.crc32(body)))
            for pattern, row in self.faults.items():
                if row and re.search(pattern, f"{method} {path}"):
                    return row.pop(0)
        return "ok"

    def count(self, pattern):
        return sum(1 for method, path, *_ in self.requests if re.search(pattern, f"{method} {path}"))

    def url(self, kind):
        return f"http://127.0.0.1:{self.port}/{kind}/r.git"

    def stop(self):
        if self.thread:
            self.server.shutdown()
        self.server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    owner = None
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self._serve()

    do_HEAD = do_POST = do_GET

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _serve(self):
        body = self._body()
        fault = self.owner.note(self.command, self.path, body)
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if fault in ("reset", "close"):
            self.close_connection = True
            return
        if fault in ("503", "429"):
            self._answer(int(fault), [("Retry-After", "0"), ("X-Poison", "1")], b"not now\n")
            return
        self._answer(*(self._cgi(body) if self.path.startswith("/smart/") else self._file()), cut=fault == "cut")

    def _answer(self, status, headers, body, cut=False):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if cut:
            body, self.close_connection = body[:len(body) // 2], True
        if self.command != "HEAD":
            self.wfile.write(body)

    def _file(self):
        name = self.path.split("?")[0].removeprefix("/dumb/r.git/")
        path = os.path.join(self.owner.repository, name)
        if ".." in name or not os.path.isfile(path):
            return 404, [], b"nothing here\n"
        with open(path, "rb") as file:
            data = file.read()
        tag = f'"{zlib.crc32(data):08x}"'
        headers = [("ETag", tag), ("Content-Type", "application/octet-stream"), ("Accept-Ranges", "bytes")]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not asked or self.headers.get("If-Range", tag) != tag:
            return 200, headers, data
        start = int(asked[1])
        if start >= len(data):
            return 416, [("Content-Range", f"bytes */{len(data)}")], b""
        return 206, headers + [("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")], data[start:]

    def _cgi(self, body):
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": "/usr/bin:/bin",
            "GIT_PROJECT_ROOT": os.path.dirname(self.owner.repository),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path.removeprefix("/smart"),
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "tester",
            "REMOTE_ADDR": "127.0.0.1",
        }
        out = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, answer = out.stdout.partition(b"\r\n\r\n")
        headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n") if ": " in line]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        return status, [header for header in headers if header[0] not in ("Status", "Content-Length")], answer
