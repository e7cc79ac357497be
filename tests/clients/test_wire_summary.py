# SPDX-License-Identifier: MIT
"""The summary of programs whose way of waiting does not allow a retry."""

ASYNC = """
import asyncio, sys, httpx
async def main():
    async with httpx.AsyncClient() as client:
        print((await client.get(sys.argv[1])).status_code)
asyncio.run(main())
"""
LINE = b"failed calls not repeated, because of the way in which the program speaks HTTP: 1; see 'rebound doctor PROGRAM'\n"


def test_names_an_event_loop(test):
    server = test.server()
    result = test.rebound(["/usr/bin/python3", "-c", ASYNC, server.url("k/s503")], flags=["--summary"])
    test.equal((result.code, result.out, server.count("k")), (0, b"503\n", 1), "exit status, output, requests")
    test.check(result.err.endswith(LINE), f"no line in {result.err}")
    stops = [(event["way"], event["reason"], event["stack"]) for event in test.events("stop")]
    test.equal(stops, [("socket", "stack", "event-loop")], "reasons")


def test_says_nothing_of_other_failures(test):
    server = test.server()
    result = test.rebound(["wget", "-q", "--tries=1", "-O-", server.url("k/s503")], flags=["--summary"])
    test.check(b" 1 failed\n" in result.err and b"not repeated" not in result.err, f"the summary: {result.err}")
