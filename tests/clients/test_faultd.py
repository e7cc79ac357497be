# SPDX-License-Identifier: MIT
"""The faulty server itself: its steps and its counts."""

import gzip
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


RANGED = "ok;range;size=1000;etag=%22a%22"


@cases(
    open_end=(RANGED, "300-", None, 206, "bytes 300-999/1000", body(1000)[300:]),
    closed=(RANGED, "300-309", None, 206, "bytes 300-309/1000", body(1000)[300:310]),
    past_the_end=(RANGED, "300-5000", None, 206, "bytes 300-999/1000", body(1000)[300:]),
    tail=(RANGED, "-10", None, 206, "bytes 990-999/1000", body(1000)[990:]),
    beyond=(RANGED, "1000-", None, 416, "bytes */1000", b""),
    several=(RANGED, "0-1,5-6", None, 200, None, body(1000)),
    same_content=(RANGED, "300-", '"a"', 206, "bytes 300-999/1000", body(1000)[300:]),
    other_content=(RANGED, "300-", '"b"', 200, None, body(1000)),
    weak=("ok;range;size=1000;etag=W%2F%22a%22", "300-", 'W/"a"', 200, None, body(1000)),
    no_etag=("ok;range;size=1000", "300-", '"a"', 200, None, body(1000)),
    not_seen=("ok;size=1000", "300-", None, 200, None, body(1000)),
    text=("ok;range;text=hello", "1-", None, 206, "bytes 1-4/5", b"ello"),
    chunked=(RANGED + ";chunked", "300-", None, 206, "bytes 300-999/1000", body(1000)[300:]),
    shifted=(RANGED + ";shift=7", "300-", None, 206, "bytes 307-999/1000", body(1000)[307:]),
    short=(RANGED + ";upto=400", "300-", None, 206, "bytes 300-399/1000", body(1000)[300:400]),
    seed=(RANGED + ";seed=3", "300-", None, 206, "bytes 300-999/1000", body(1000, seed=3)[300:]),
    error=("s503;range;size=1000", "300-", None, 503, None, body(1000)))
def test_ranges(test, case):
    script, wanted, condition, status, extent, content = case
    server = test.server()
    options = ["-H", f"Range: bytes={wanted}", "-D", "head"] + (["-H", f"If-Range: {condition}"] if condition else [])
    result = get(test, server, script, *options)
    test.good(result, content)
    with open(os.path.join(test.work, "head"), encoding="ascii") as file:
        head = file.read().splitlines()
    fields = dict(line.split(": ", 1) for line in head[1:] if line)
    test.equal(int(head[0].split()[1]), status, "status")
    test.equal(fields.get("Content-Range"), extent, "Content-Range")
    test.equal(fields.get("Accept-Ranges"), "bytes" if "range" in script else None, "Accept-Ranges")
    test.equal("ETag" in fields, "etag" in script, "an ETag is there")
    if "chunked" not in script:
        test.equal(int(fields["Content-Length"]), len(content), "Content-Length")
    test.equal(server.ranges("k"), [(f"bytes={wanted}", condition or "-")], "what the server noted")


@cases(head=["-I"], put=["-T", "/dev/null"])
def test_only_get_has_ranges(test, options):
    server = test.server()
    result = get(test, server, RANGED, "-H", "Range: bytes=300-", "-w", "%{http_code}", "-o", "out", *options)
    test.good(result, b"200")


def test_a_part_that_is_cut(test):
    server = test.server()
    result = get(test, server, "cut;range;size=1000;sent=50", "-r", "300-")
    test.good(result, body(1000)[300:350], 18)


def test_scattered_cuts_cover_a_body(test):
    server = test.server()
    step = "cut;range;size=100000;binary;sent=2000;spread=3000"
    pieces = []
    while sum(map(len, pieces)) < 100000:
        pieces.append(get(test, server, step, "-r", f"{sum(map(len, pieces))}-").out)
        test.check(2000 <= len(pieces[-1]) < 5000 or sum(map(len, pieces)) == 100000, f"{len(pieces[-1])} bytes sent")
    test.check(b"".join(pieces) == body(100000, binary=True), "the pieces are not the body")
    test.check(20 < len(pieces) < 50 and len(set(map(len, pieces))) > 15, f"pieces of {[len(p) for p in pieces]}")


@cases("ok", "ok;binary", "ok;seed=5", "ok;binary;seed=200", "ok;binary;chunked;piece=50001")
def test_large_bodies(test, step):
    seed = int(step.partition("seed=")[2] or 0)
    server = test.server()
    result = get(test, server, f"{step};size=1000000")
    test.check(result.out == body(1000000, binary="binary" in step, seed=seed), "the body differs")


@cases("1", "1000", "65535", "200000")
def test_encoded_bodies(test, size):
    server = test.server()
    test.good(get(test, server, f"ok;gzip;size={size}", "--compressed"), body(int(size)))
    encoded = get(test, server, f"ok;gzip;size={size}").out
    test.equal(gzip.decompress(encoded), body(int(size)), "what another decoder makes of it")
    test.good(get(test, server, f"ok;gzip;range;size={size}", "-r", "9-"), encoded[9:])


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
