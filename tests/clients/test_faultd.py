# SPDX-License-Identifier: MIT
"""The faulty server itself: what it is told to do, and what it counts."""

import os
import socket
import subprocess
import zlib

from harness import FAULTD, body, cases

CURL = "/usr/bin/curl"


def get(test, server, script, *options):
    return test.alone([CURL, "-sS", *options, server.url("k/" + script)])


def test_steps_are_dealt_out_in_turn(test):
    server = test.server()
    seen = [get(test, server, "s503x2/s404;text=x/ok").out for _ in range(5)]
    test.equal(seen, [b"status 503\n", b"status 503\n", b"x", b"good k\n", b"good k\n"], "bodies")
    test.equal((server.count("k"), server.connections()), (5, 5), "requests, connections")


def test_script_of_the_command_line(test):
    server = test.server("--script", "s500,ok;size=100")
    seen = [test.alone([CURL, "-s", server.url("a")]).out for _ in range(2)]
    test.equal(seen, [b"status 500\n", body(100)], "bodies")


@cases(reset=("reset", 56), close=("close", 52), cut=("cut", 18), chunks=("cut;chunked", 18), hang=("hang", 28))
def test_faults(test, case):
    script, code = case
    server = test.server()
    test.equal(get(test, server, script, "-m", "0.3").code, code, "curl's exit status")
    test.equal(server.count("k"), 1, "requests")


@cases(
    length=["-d", "@{file}", "-H", "Expect:"], chunks=["-T", "-"],
    expect=["-T", "{file}", "-H", "Expect: 100-continue"])
def test_bodies_are_read_whole(test, options):
    data = body(70000)
    file = test.file("data", data)
    server = test.server()
    options = [option.format(file=file) for option in options]
    if "-d" in options:
        options[0] = "--data-binary"
    result = test.alone([CURL, "-s", *options, server.url("k")], stdin=data)
    test.good(result, b"good k\n")
    test.equal(server.log("k")[0][3:5], ("70000", f"{zlib.crc32(data):08x}"), "bytes and CRC")
    test.equal(server.ask("bytes/k"), "70000\n", "bytes")


def test_one_connection_for_many_requests(test):
    server = test.server()
    test.alone([CURL, "-s", *[server.url("k")] * 3])
    test.equal((server.count("k"), server.connections()), (3, 1), "requests, connections")


def test_late_listen(test):
    server = test.server("--listen-after", "never")
    command = [CURL, "-s", server.url("k")]
    test.equal(test.alone(command).code, 7, "exit status before")
    server.listen()
    test.good(test.alone(command), b"good k\n")
    test.equal(server.connections(), 1, "connections")


def test_raw_connections(test):
    server = test.server("--accept", "reset,raw;last;text=hello,http")
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        try:
            test.equal(peer.recv(10), "a reset", "first connection")
        except ConnectionResetError:
            pass
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        test.equal(peer.recv(10), b"hello", "greeting")
        peer.sendall(b"abc")
    test.good(test.alone([CURL, "-s", server.url("k")]), b"good k\n")
    test.equal(server.log("raw")[0][1:4], ("RAW", "-", "3"), "what came in")


@cases("nonsense", "s503x0", "s99", "ok;size", "ok;size=x", "ok;nope=1", "ok;header=x", "ok;text=%0", "")
def test_bad_scripts_are_refused(test, script):
    result = subprocess.run([FAULTD, "--script", script], capture_output=True, check=False, timeout=5)
    test.equal((result.returncode, result.stdout), (2, b""), f"exit status, stdout ({result.stderr})")
    if script:
        server = test.server()
        test.check(b"no such step" in get(test, server, script).out, "bad step in a path")


def test_unix_socket(test):
    path = os.path.join(test.dir, "s.sock")
    test.server("--host", path)
    test.good(test.alone([CURL, "-s", "--unix-socket", path, "http://x/k"]), b"good k\n")
