# SPDX-License-Identifier: MIT
"""Programs on asyncio that speak HTTP over TLS: OpenSSL has no descriptor there, and the program moves the bytes."""

import json
import os
import ssl
import subprocess

from harness import REBOUND, cases
from wire_server import SecureFront, certificate

CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wire", "client.py")
VERSIONS = {"tls1.2": ssl.TLSVersion.TLSv1_2, "tls1.3": ssl.TLSVersion.TLSv1_3}
ENV = {"SSL_CERT_FILE": certificate()[0]}
WAYS = {f"{way}/{version}": (way, version) for way in ("asyncio", "aiohttp", "httpx_async") for version in VERSIONS}


def program(test, script, version="tls1.3", way="asyncio", method="GET"):
    """A faulty server, and the command that asks it twice."""
    server = test.server("--script", script)
    front = test.opened(SecureFront(server, VERSIONS[version]))
    return server, ["/usr/bin/python3", CLIENT, way, method, f"https://127.0.0.1:{front.port}/k"]


def hosts(test, env):
    """What the processes of the user share about hosts."""
    environment = dict(os.environ, **env)
    out = subprocess.run([REBOUND, "status", "--json"], env=environment, stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)["hosts"]


@cases(**WAYS)
def test_counts_statuses(test, case):
    way, version = case
    server, command = program(test, "s503;after=17,s429", version, way)
    env = {**ENV, "REBOUND_STATE": os.path.join(test.dir, "state")}
    alone = test.alone(command, env=ENV)
    server.reset()
    test.same(test.rebound(command, {"breaker": "on"}, env=env), alone)
    events = [event for event in test.events() if event["api"] == "http"]
    test.equal([(event["decision"], event["reason"], event["cause"]) for event in events],
               [("stop", "stack", "503"), ("stop", "stack", "429")], "events")
    test.equal({event["way"] for event in events}, {"bio"}, "ways")
    test.equal(server.count("k"), 2, "requests")
    known = [host for host in hosts(test, env) if host["failed"]]
    test.equal([host["failed"] for host in known], [1], "failures in the window of the breaker")
    test.check(0 < (known[0]["not_before_ms"] or 0) <= 17000, f"the time of Retry-After: {known}")


# --- http.async

HOLDS = {"http.hold": "5s", "http.async": "on"}


def outcome(result, server):
    return result.code, result.out, result.err, server.count("k")


FAULTS = {
    "503": ("GET", "s503x2,ok", "ok", 2),
    "429": ("GET", "s429;after=1,ok", "ok", 1),
    "chunked": ("GET", "s503;chunked;size=5000,ok;chunked;size=3000", "ok;chunked;size=3000", 1),
    "large_ok": ("GET", "s503,ok;size=100000", "ok;size=100000", 1),
    "post_429": ("POST", "s429,ok", "ok", 1),
    "head": ("HEAD", "s503,ok", "ok", 1),
    "slow": ("GET", "s503;size=200;piece=40;trickle=10,ok;size=300;piece=40;trickle=10", "ok;size=300;piece=40;trickle=10", 1),
}


@cases(**{f"{fault}/{case}": (*FAULTS[fault], *way) for fault in FAULTS for case, way in WAYS.items()})
def test_repeats(test, case):
    method, script, good, extra, way, version = case
    server, command = program(test, good, version, way, method)
    wanted = outcome(test.alone(command, env=ENV), server)
    server, command = program(test, script, version, way, method)
    got = outcome(test.rebound(command, HOLDS, env=ENV), server)
    test.equal(got, (*wanted[:3], wanted[3] + extra), "exit status, output, errors, requests")
    test.equal(len(test.events("retry")), extra, "retries")


PASSED = {
    "close": ("GET", "s503;last,ok"),
    "post_503": ("POST", "s503,ok"),
    "large": ("GET", "s503;size=100000,ok"),
    "late_hint": ("GET", "s503;after=9,ok"),
}


@cases(**{f"{fault}/{case}": (*PASSED[fault], *way) for fault in PASSED for case, way in WAYS.items()})
def test_passes(test, case):
    method, script, way, version = case
    server, command = program(test, script, version, way, method)
    wanted = outcome(test.alone(command, env=ENV), server)
    server, command = program(test, script, version, way, method)
    test.equal(outcome(test.rebound(command, HOLDS, env=ENV), server), wanted, "exit status, output, errors, requests")
    test.equal(test.events("retry"), [], "retries")


# The server never answers the repeated request: the program gets the response before it. Its next request is on a new
# connection, because this one is used up; asyncio's streams have no other one.
ENDS = {"hang_up": "close", "reset": "reset", "late": "ok;delay=20000"}


@cases(**{f"{fault}/{way}/{version}": (ENDS[fault], way, version) for fault in ENDS for way in ("aiohttp", "httpx_async")
          for version in VERSIONS})
def test_gives_what_it_holds(test, case):
    end, way, version = case
    server, command = program(test, f"s503,{end},ok", version, way)
    result = test.rebound(command, {**HOLDS, "http.hold": "1s", "retry.attempts": "2"}, env=ENV)
    test.equal(outcome(result, server), (0, b"503 11\nstatus 503\n200 7\ngood k\n", b"", 3), "exit status, output, errors, requests")
    test.equal(len(test.events("retry")), 1, "retries")


# --- what a program does meanwhile

PROGRAM = """
import asyncio, ssl, sys, time
port = int(sys.argv[1])
context = ssl.create_default_context()
GET = b"GET /k HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"

async def connect():
    return await asyncio.open_connection("127.0.0.1", port, ssl=context)

async def response(reader):
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\\r\\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)
"""


def ask(test, script, text, keys=None, alone=False):
    """Runs a program on asyncio against a faulty server. Returns what the program prints, and the server."""
    server, command = program(test, script)
    port = command[-1].rsplit(":", 1)[1].split("/")[0]
    command = ["/usr/bin/python3", "-c", f"{PROGRAM}\n{text}", port]
    result = test.alone(command, env=ENV) if alone else test.rebound(command, {**HOLDS, **(keys or {})}, env=ENV)
    test.equal((result.code, result.err), (0, b""), "exit status and errors")
    return result.out.decode().split(), server


LIMIT = """
async def main():
    reader, writer = await connect()
    writer.write(GET)
    try:
        print(await asyncio.wait_for(response(reader), 0.5))
    except asyncio.TimeoutError:
        print("timeout")
    writer.close()
    await writer.wait_closed()
    print("closed")
asyncio.run(main())
"""


def test_limit_of_the_program(test):
    """The program's own time limit ends while the response is hidden, and it closes the connection."""
    out, server = ask(test, "s503;after=4,ok", LIMIT)
    test.equal((out, server.count("k")), (["timeout", "closed"], 1), "output, requests")
    test.equal(len(test.events("retry")), 1, "retries")


MANY = """
async def one(number):
    reader, writer = await connect()
    found = []
    for _ in range(3):
        writer.write(GET)
        found.append((await response(reader))[0])
    writer.close()
    await writer.wait_closed()
    return found

async def main():
    print(*sum(await asyncio.gather(*(one(number) for number in range(20))), []))
asyncio.run(main())
"""


def test_many_connections(test):
    out, server = ask(test, ",".join(["ok", "s503", "s429"] * 30 + ["ok"]), MANY, {"budget.floor": "1000/s", "retry.attempts": "9"})
    test.equal(out, ["200"] * 60, "statuses")
    test.equal(server.count("k"), 60 + len(test.events("retry")), "requests")


TICKS = """
async def tick(times):
    while True:
        times.append(time.monotonic())
        await asyncio.sleep(0.01)

async def main():
    times = []
    ticker = asyncio.create_task(tick(times))
    reader, writer = await connect()
    writer.write(GET)
    before = len(times)
    print((await response(reader))[0])
    print("ticks" if len(times) - before > 20 else f"only {len(times) - before} ticks")
    ticker.cancel()
asyncio.run(main())
"""


def test_loop_goes_on(test):
    """The loop serves its timers during a hold of a second."""
    out, _ = ask(test, "s503;after=1,ok", TICKS)
    test.equal(out, ["200", "ticks"], "output")


PIPELINE = """
async def main():
    reader, writer = await connect()
    writer.write(GET)
    await asyncio.sleep(0.3)
    writer.write(GET)
    for _ in range(2):
        print((await response(reader))[0])
asyncio.run(main())
"""


def test_second_request_during_a_hold(test):
    """The program sends its next request before the response: the hidden response becomes visible at once."""
    out, server = ask(test, "s503;after=3,ok", PIPELINE)
    test.equal((out, server.count("k")), (["503", "200"], 2), "output, requests")
    test.equal(len(test.events("retry")), 1, "retries")


PAUSE = """
async def main():
    reader, writer = await connect()
    writer.write(GET)
    await asyncio.sleep(0.3)
    transport = writer.transport
    transport.pause_reading()
    await asyncio.sleep(1.5)
    transport.resume_reading()
    print((await response(reader))[0])
asyncio.run(main())
"""


@cases(answered=("s503;after=1,ok", "200"), unanswered=("s503,ok;delay=20000", "503"))
def test_pause_during_a_hold(test, case):
    """The program takes the socket from its epoll while the response is hidden."""
    script, status = case
    out, server = ask(test, script, PAUSE, {"http.hold": "2s"})
    test.equal((out, server.count("k")), ([status], 2), "output, requests")


BREAKER = """
async def main():
    first, second = await connect(), await connect()
    first[1].write(GET)
    await asyncio.sleep(0.3)
    for _ in range(3):
        second[1].write(GET)
        print((await response(second[0]))[0])
    print((await response(first[0]))[0])
    first[1].write(GET)
    print((await response(first[0]))[0])
asyncio.run(main())
"""


def test_breaker_opens_during_a_hold(test):
    """The breaker refuses the repetition: the program gets the response, and the connection goes on."""
    keys = {"breaker": "on", "breaker.min_calls": "2", "breaker.window": "4", "breaker.failure_rate": "50%", "breaker.open": "60s",
            "breaker.open_max": "60s", "retry.on": "503, 500", "retry.attempts": "2", "retry.base": "1s", "breaker.refuse": "never"}
    out, server = ask(test, "s503,s501x3,ok", BREAKER, keys)
    test.equal(out, ["501", "501", "501", "503", "200"], "output")
    test.equal(server.count("k"), 5, "requests")
    test.equal([event["reason"] for event in test.events("stop")], ["breaker"], "reasons")
