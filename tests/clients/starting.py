#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A small world in which hosts start late: runs a command with a name server and servers on its loopback.

    unshare --mount --net starting.py DIR COMMAND...

DIR/plan.json has an entry for each name: {"db": {"port": 5432, "kind": "postgres", "name_s": 20, "port_s": 40}}. The
name server does not know a name before its time, and the port of a name refuses before its time. Both times are counted
from the moment at which every name of the plan has been asked for. A time of 0 is that of the start, and null never
comes. "family": 6 gives the
name an IPv6 address only. Each query is a line of DIR/queries. There are the kinds postgres, redis, http and missing,
which answers every request with 404.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import time

from listener import read_head
from resolver import A, AAAA, ANSWER, NXDOMAIN, loopback_up, question_of, replace, serve, start

MISSING = b"HTTP/1.0 404 Not Found\r\nContent-Length: 5\r\n\r\nnone\n"
SSL_REQUEST, GSS_REQUEST = 80877103, 80877104  # the codes by which a client of PostgreSQL asks for encryption


def exactly(peer, size):
    data = b""
    while len(data) < size:
        piece = peer.recv(size - len(data))
        if not piece:
            raise OSError("the client has gone")
        data += piece
    return data


def message(kind, body=b""):
    return kind + struct.pack(">I", len(body) + 4) + body


def talk_postgres(peer):
    """Enough of PostgreSQL's protocol for one SELECT: a row with the text 1. The password is `right`."""
    code = SSL_REQUEST
    while code in (SSL_REQUEST, GSS_REQUEST):
        length, code = struct.unpack(">II", exactly(peer, 8))
        startup = exactly(peer, length - 8)
        if code in (SSL_REQUEST, GSS_REQUEST):
            peer.sendall(b"N")
    if b"guest" in startup:
        peer.sendall(message(b"R", struct.pack(">I", 3)))
        if b"right" not in exactly(peer, struct.unpack(">I", exactly(peer, 5)[1:])[0] - 4):
            peer.sendall(message(b"E", b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0"))
            return
    ready = message(b"Z", b"I")
    peer.sendall(message(b"R", struct.pack(">I", 0)) + message(b"S", b"server_version\x0015.0\0") + ready)
    head = exactly(peer, 5)
    exactly(peer, struct.unpack(">I", head[1:])[0] - 4)
    if head[:1] != b"Q":
        return
    column = b"one\0" + struct.pack(">IhIhih", 0, 0, 23, 4, -1, 0)
    row = message(b"T", struct.pack(">h", 1) + column) + message(b"D", struct.pack(">hI", 1, 1) + b"1")
    peer.sendall(row + message(b"C", b"SELECT 1\0") + ready)
    peer.recv(1)


def talk_redis(peer):
    while data := peer.recv(4096):
        if b"AUTH" in data or b"HELLO" in data:
            peer.sendall(b"-WRONGPASS invalid username-password pair or user is disabled.\r\n")
        else:
            peer.sendall(b"+PONG\r\n" if b"ping" in data.lower() else b"-ERR unknown command\r\n")


def talk_http(peer):
    if read_head(peer):
        peer.sendall(ANSWER)


def talk_missing(peer):
    if read_head(peer):
        peer.sendall(MISSING)


TALKS = {"postgres": talk_postgres, "redis": talk_redis, "http": talk_http, "missing": talk_missing}


class World:
    def __init__(self, directory):
        self.directory, self.began, self.asked = directory, None, set()
        with open(os.path.join(directory, "plan.json"), encoding="ascii") as plan:
            self.plan = json.load(plan)

    def is_time(self, seconds):
        return seconds == 0 or seconds is not None and self.began is not None and time.monotonic() >= self.began + seconds

    def ask(self, name):
        self.asked.add(name)
        if self.began is None and self.asked >= set(self.plan):
            self.began = time.monotonic()

    def reply(self, query):
        name, kind, end = question_of(query)
        self.ask(name)
        with open(os.path.join(self.directory, "queries"), "a", encoding="ascii") as log:
            log.write(f"{name} {kind}\n")
        host = self.plan.get(name, {})
        known, six = self.is_time(host.get("name_s")), host.get("family") == 6
        record = b""
        if known and kind == A and not six:
            record = struct.pack(">HHHIH4B", 0xC00C, A, 1, 0, 4, 127, 0, 0, 1)
        elif known and kind == AAAA and six:
            record = struct.pack(">HHHIH15xB", 0xC00C, AAAA, 1, 0, 16, 1)
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else NXDOMAIN), 1, int(bool(record)), 0, 0)
        return head + query[12:end] + record

    def serve_names(self, server):
        while True:
            query, peer = server.recvfrom(4096)
            server.sendto(self.reply(query), peer)

    def serve_port(self, host):
        while not self.is_time(host["port_s"]):
            time.sleep(0.01)
        serve(listen(host), TALKS[host["kind"]])


def listen(host):
    address, family = ("::1", socket.AF_INET6) if host.get("family") == 6 else ("127.0.0.1", socket.AF_INET)
    return socket.create_server((address, host["port"]), family=family)


def main():
    directory, command = sys.argv[1], sys.argv[2:]
    loopback_up()
    replace(directory, "/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\nsearch .\n")
    replace(directory, "/etc/nsswitch.conf", "hosts: files dns\nservices: files\nnetworks: files\n")
    replace(directory, "/etc/hosts", "127.0.0.1 localhost\nfd00::6 six\n127.0.0.1 both\n::1 both\n")
    world = World(directory)
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 53))
    start(world.serve_names, names)
    for host in world.plan.values():
        if host["port_s"] == 0:
            start(serve, listen(host), TALKS[host["kind"]])
        elif host["port_s"] is not None:
            start(world.serve_port, host)
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
