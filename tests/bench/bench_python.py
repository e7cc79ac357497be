# SPDX-License-Identifier: MIT
"""The time that Python programs and wget take for HTTP, against a server without a preloaded library.

    bench_python.py session     one small GET of a requests session, in ns
    bench_python.py wget        1 GiB by wget, in ns
    bench_python.py tls         1 GiB by http.client through TLS, in ns

Measures a batch for each line of stdin, as the programs of bench.h do.
"""

import os
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

SAMPLES = 50
GIB = 1 << 30
PIECE = bytes(1 << 20)
SMALL = b"good\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"


def make_context(directory):
    path = os.path.join(directory, "both.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "1", "-subj", "/CN=127.0.0.1", "-keyout", path, "-out", path + ".crt"], check=True,
                   stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path + ".crt", path)
    return context


def answer(connection):
    while request := connection.recv(65536):
        if request.startswith(b"GET /small "):
            connection.sendall(HEAD % len(SMALL) + SMALL)
            continue
        connection.sendall(HEAD % GIB)
        for _ in range(GIB // len(PIECE)):
            connection.sendall(PIECE)


def serve(kind):
    """Prints its port, and answers one connection after the other."""
    with tempfile.TemporaryDirectory() as directory:
        context = make_context(directory) if kind == "tls" else None
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            with context.wrap_socket(connection, server_side=True) if context else connection as line:
                answer(line)


def session(port):
    import requests  # only Debian's Python has it
    with requests.Session() as one:
        one.trust_env = False
        while True:
            samples = []
            for _ in range(SAMPLES):
                begun = time.perf_counter_ns()
                assert one.get(f"http://127.0.0.1:{port}/small", timeout=30).content == SMALL
                samples.append(time.perf_counter_ns() - begun)
            yield statistics.median(samples)


def wget(port):
    while True:
        begun = time.perf_counter_ns()
        subprocess.run(["wget", "-q", "-O", "/dev/null", "--no-proxy", f"http://127.0.0.1:{port}/large"], check=True)
        yield time.perf_counter_ns() - begun


def tls(port):
    import http.client
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    buffer = bytearray(1 << 16)
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=trusting, timeout=30)
    while True:
        begun = time.perf_counter_ns()
        connection.request("GET", "/large")
        response, left = connection.getresponse(), GIB
        while got := response.readinto(buffer):
            left -= got
        assert left == 0
        yield time.perf_counter_ns() - begun


def main():
    kind = sys.argv[1]
    if kind == "serve":
        serve(sys.argv[2])
    bare = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    server = subprocess.Popen([sys.executable, __file__, "serve", kind], env=bare, stdout=subprocess.PIPE)
    try:
        batches = {"session": session, "wget": wget, "tls": tls}[kind](int(server.stdout.readline()))
        for _ in sys.stdin:
            print(f"{next(batches):.1f}", flush=True)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


main()
