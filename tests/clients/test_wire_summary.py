# SPDX-License-Identifier: MIT
"""The summary of programs whose way of waiting does not allow a retry."""

import ssl

from wire_server import SecureFront

ASYNC = """
import asyncio, sys, httpx
async def main():
    async with httpx.AsyncClient() as client:
        print((await client.get(sys.argv[1])).status_code)
asyncio.run(main())
"""
FETCH = """
import http.client, ssl, sys
context = ssl._create_unverified_context()
http.client.HTTPConnection(sys.argv[1]).request("GET", "/k")
connection = http.client.HTTPSConnection(sys.argv[2], context=context)
connection.request("GET", "/k")
connection.getresponse().read()
"""
LINE = b"failed calls not repeated, because of the way in which the program speaks HTTP: 1; see 'rebound doctor PROGRAM'\n"


def test_names_an_event_loop(test):
    server = test.server()
    result = test.rebound(["/usr/bin/python3", "-c", ASYNC, server.url("k/s503")], flags=["--summary"])
    test.equal((result.code, result.out, server.count("k")), (0, b"503\n", 1), "exit status, output, requests")
    host = f"rebound: 127.0.0.1:{server.port}: ".encode()
    wanted = LINE + host + b"1 HTTP request by a socket\n" + host + b"1 not repeated: the program waits in an event loop\n"
    test.check(result.err.endswith(wanted), f"no line in {result.err}")
    stops = [(event["way"], event["reason"], event["stack"]) for event in test.events("stop")]
    test.equal(stops, [("socket", "stack", "event-loop")], "reasons")


def test_says_nothing_of_other_failures(test):
    server = test.server()
    result = test.rebound(["wget", "-q", "--tries=1", "-O-", server.url("k/s503")], flags=["--summary"])
    test.check(b" 1 failed\n" in result.err and b"not repeated" not in result.err, f"the summary: {result.err}")


def test_names_the_ways(test):
    server = test.server()
    front = test.opened(SecureFront(server, ssl.TLSVersion.TLSv1_3))
    hosts = [f"127.0.0.1:{server.port}", f"127.0.0.1:{front.port}"]
    result = test.rebound(["/usr/bin/python3", "-c", FETCH, *hosts], flags=["--summary"])
    for host, way in zip(hosts, ("a socket", "OpenSSL")):
        test.check(f"rebound: {host}: 1 HTTP request by {way}\n".encode() in result.err, f"{way}: {result.err}")
    test.check(b"not examined" not in result.err, f"{result.err}")


def test_names_tls_that_is_not_examined(test):
    """node contains an OpenSSL of its own."""
    server = test.server()
    front = test.opened(SecureFront(server, ssl.TLSVersion.TLSv1_3))
    code = f"fetch('https://127.0.0.1:{front.port}/k').then(r => console.log(r.status))"
    env = {"NODE_TLS_REJECT_UNAUTHORIZED": "0", "NODE_NO_WARNINGS": "1"}
    result = test.rebound(["node", "-e", code], flags=["--summary"], env=env)
    test.equal(result.code, 0, f"exit status ({result})")
    line = f"rebound: 127.0.0.1:{front.port}: 1 TLS connection not examined; see 'rebound doctor PROGRAM'\n"
    test.check(result.err.endswith(line.encode()), f"{result.err}")
