# SPDX-License-Identifier: MIT
"""A name with two addresses, of which the first refuses: only the last candidate of a lookup is tried again."""

import os

from harness import HERE, LATE_MS, PATIENT, REBOUND, cases, node_has_ring
from proxies import write_haproxy, write_nginx
from test_connect import TWO, with_hosts

IDIOMS = os.path.join(HERE, "idioms")
GOOD = b"good k\n"
URL = "http://two.test:{port}/k"
PYTHON = "/usr/bin/python3"
PROXY = [f"{IDIOMS}/proxy.sh", "{dir}/work/proxy.sock"]
CLIENTS = {
    "curl": ["curl", "-s", URL],
    "wget": ["wget", "-qO-", "--tries=1", URL],
    "urllib": [PYTHON, "-c", f"import urllib.request as u; print(u.urlopen('{URL}').read().decode(), end='')"],
    "urllib_timeout": [PYTHON, "-c",
                       f"import urllib.request as u; print(u.urlopen('{URL}', timeout=10).read().decode(), end='')"],
    "aiohttp": [PYTHON, f"{IDIOMS}/client.py", "aiohttp", "two.test", "{port}"],
    "ruby": ["ruby", f"{IDIOMS}/client.rb", "http", "two.test", "{port}"],
    # Before version 20 it tries the first address only, unless it is told to.
    "node": ["node", "--enable-network-family-autoselection", f"{IDIOMS}/client.js", "http", "two.test", "{port}"],
    "php": ["php", f"{IDIOMS}/client.php", "http", "two.test", "{port}"],
    "perl": ["perl", f"{IDIOMS}/client.pl", "http", "two.test", "{port}"],
    "lftp": ["lftp", "-c", "set net:max-retries 1; cat " + URL],
    "aria2c": ["sh", "-c", "aria2c -q --max-tries=1 -o got " + URL + " && cat got"],
    "links": ["links", "-source", URL],
    "nginx": [*PROXY, "nginx", "-e", "stderr", "-c", "{dir}/nginx.conf"],
    "haproxy": [*PROXY, "haproxy", "-f", "{dir}/haproxy.cfg"],
}

# Nothing tells its sockets from those of a single address: the lookup is made without libc.
UNSEEN = {"aria2c"}
# libcurl's own connects are left to the hooks of its transfers.
LATE = [client for client in CLIENTS if client != "curl"]


def fill(test, client, port):
    places = {"port": port, "dir": test.dir}
    write_nginx(test, "two.test", port, level="crit")
    # It takes the first address of a name and goes on to another server by itself.
    write_haproxy(test, "balance first", f"server one two.test:{port}", f"server two 127.0.0.1:{port}",
                  retries="retries 3\n    option redispatch 1")
    return [word.format(**places) for word in CLIENTS[client]]


def under(test, client, server, **options):
    policy = test.policy({"intercept": "connect"}, hosts="two.test, 127.0.0.1, [::1]", base=PATIENT)
    command = [REBOUND, "run", "--policy", policy, "--", *fill(test, client, server.port)]
    return test.alone(with_hosts(test, TWO, command), **options)


# A repeated attempt on ::1 is what would take time; so attempts are counted.
@cases(*(client for client in CLIENTS if client not in UNSEEN))
def test_first_refuses_second_alive(test, client):
    server = test.server()
    alone = test.alone(with_hosts(test, TWO, fill(test, client, server.port)))
    test.check(alone.code == 0 and alone.out.startswith(GOOD), f"{alone}")
    connections = server.connections()
    test.same(under(test, client, server), alone)
    test.equal(server.connections(), 2 * connections, "connections, alone and under rebound")
    test.equal(test.events("retry"), [], "retries")


# node gives the first address 250 ms. In this time its connect is parked, the first time only.
def test_own_resolver(test):
    server = test.server("--accept", "raw;last;text=hello")
    program = ["node", f"{IDIOMS}/client.js", "resolver", "own.test", str(server.port)]
    alone = test.alone(program)
    test.good(alone, b"hellohello")
    policy = test.policy({"intercept": "connect"}, hosts="127.0.0.1, [::1]", base=PATIENT)
    test.same(test.rebound(program, policy), alone)
    if node_has_ring():
        test.equal(test.events("retry"), [], "retries")
        return
    test.check(len(test.events("retry")) > 0, f"{test.events()}")
    test.check("next-candidate" in test.reasons(), f"the second ::1: {test.events()}")


@cases(*LATE)
def test_first_refuses_second_late(test, client):
    server = test.server("--listen-after", "never")
    if client == "node" and node_has_ring():
        alone = test.alone(with_hosts(test, TWO, fill(test, client, server.port)))
        test.same(under(test, client, server), alone)
        return
    result = under(test, client, server, on_retry=lambda: server.listen(LATE_MS))
    test.check(result.code == 0 and result.out.startswith(GOOD), f"{result}")
    test.check(len(test.events("retry")) >= 5, f"{test.events()}")
