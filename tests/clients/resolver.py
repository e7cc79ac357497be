#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A small world without a network: runs a command with a name server and a web server on its loopback.

    unshare --mount --net resolver.py DIR COMMAND...

The name server fails every query until there is a file DIR/up: by SERVFAIL, or not answering at all where there is a
file DIR/silent. Then names below .test have the address 127.0.0.1, and others do not exist. Each query is a line of
DIR/queries. The web server on port 8080 says "good"; port 7 greets every connection.
"""

import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import sys
import threading

HTTP_PORT, GREETING_PORT = 8080, 7
ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\ngood\n"
A, AAAA, SERVFAIL, NXDOMAIN = 1, 28, 2, 3


def loopback_up():
    interface = struct.pack("16sh14x", b"lo", 0x41)  # UP and RUNNING
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, interface)  # SIOCSIFFLAGS


def replace(directory, target, text):
    path = os.path.join(directory, os.path.basename(target))
    with open(path, "w", encoding="ascii") as out:
        out.write(text)
    subprocess.run(["mount", "--bind", path, target], check=True)


def question_of(query):
    """The name and the type that are asked for, and where they end."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels), struct.unpack(">H", query[at + 1:at + 3])[0], at + 5


def reply(query, up):
    name, kind, end = question_of(query)
    known = name.lower().endswith(".test")
    code = (0 if known else NXDOMAIN) if up else SERVFAIL
    address = up and known and kind == A
    head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, int(address), 0, 0)
    record = struct.pack(">HHHIH4B", 0xC00C, A, 1, 0, 4, 127, 0, 0, 1) if address else b""
    return head + query[12:end] + record


def serve_names(server, directory):
    while True:
        query, peer = server.recvfrom(4096)
        up = os.path.exists(os.path.join(directory, "up"))
        with open(os.path.join(directory, "queries"), "a", encoding="ascii") as log:
            name, kind, _ = question_of(query)
            log.write(f"{name} {kind}\n")
        if up or not os.path.exists(os.path.join(directory, "silent")):
            server.sendto(reply(query, up), peer)


def serve(listener, talk):
    while True:
        peer, _ = listener.accept()
        with peer, contextlib.suppress(OSError):
            talk(peer)


def talk_http(peer):
    peer.recv(65536)
    peer.sendall(ANSWER)


def talk_greeting(peer):
    """Ends when the other side does: what it has sent and nobody read would reset the connection."""
    peer.sendall(b"220 good\r\n")
    peer.shutdown(socket.SHUT_WR)
    while peer.recv(65536):
        pass


def start(work, *arguments):
    threading.Thread(target=work, args=arguments, daemon=True).start()


def main():
    directory, command = sys.argv[1], sys.argv[2:]
    loopback_up()
    replace(directory, "/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\nsearch .\n")
    replace(directory, "/etc/nsswitch.conf", "hosts: files dns\nservices: files\nnetworks: files\n")
    replace(directory, "/etc/hosts", "127.0.0.1 localhost\n")
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 53))
    start(serve_names, names, directory)
    start(serve, socket.create_server(("127.0.0.1", HTTP_PORT)), talk_http)
    start(serve, socket.create_server(("127.0.0.1", GREETING_PORT)), talk_greeting)
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
