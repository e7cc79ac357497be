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
    test.equal(server.count("k"), 2, "requests")
    known = [host for host in hosts(test, env) if host["calls"] == 2]
    test.equal([host["failed"] for host in known], [1], "failures in the window of the breaker")
    test.check(0 < (known[0]["not_before_ms"] or 0) <= 17000, f"the time of Retry-After: {known}")
