# SPDX-License-Identifier: MIT
"""Event loops with a parked connect: their timers stay punctual, and nothing spins."""

import concurrent.futures
import os
import socket

from harness import HERE, LOOP, QUICK, Failure, cases, node_has_ring

IDIOMS = os.path.join(HERE, "idioms")
LOOPS = {
    "node": ["node", f"{IDIOMS}/loop.js"],
    "asyncio": ["/usr/bin/python3", f"{IDIOMS}/loop.py"],
    "epoll": [LOOP, "epoll"],
    "edge": [LOOP, "edge"],
    "poll": [LOOP, "poll"],
    "select": [LOOP, "select"],
}
# Programs that take little CPU themselves and give up after {wait} seconds.
WHOLE = {
    "nc": ["nc", "-w", "{wait}", "127.0.0.1", "{port}"],
    "ldapsearch": ["ldapsearch", "-x", "-H", "ldap://127.0.0.1:{port}", "-o", "nettimeout={wait}"],
    "lftp": ["lftp", "-c", "set net:max-retries 1; set net:timeout {wait}; cat http://127.0.0.1:{port}/k"],
}

PARKED_MS = 2000
PARKED = dict(QUICK, **{"retry.attempts": "21", "retry.base": "100ms"})
PERIOD_MS = 20
GAP_MS = 40
CPU_MS = 20
TRIES = 3  # a busy machine may spoil one


class Silent:
    """A port that answers no SYN, since its queue of connections is full."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self.listener.getsockname()[1]
        self.fill = [socket.socket() for _ in range(8)]
        for each in self.fill:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", self.port))

    def stop(self):
        for each in (*self.fill, self.listener):
            each.close()


def silent(test):
    return test.opened(Silent()).port


def report(test, result):
    """How the connect ended, its ms, the largest gap, CPU."""
    words = result.out.decode().split()
    test.check(result.code == 0 and len(words) == 4, f"{result}")
    return words[0], *map(int, words[1:])


def run_both(test, command, period):
    """A loop with a connect that is parked, under rebound; beside it the same loop with one that is not answered."""
    server, quiet = test.server("--listen-after", "never"), silent(test)
    policy = test.policy(hosts=f"127.0.0.1:{server.port}", base=PARKED)
    loop = [*LOOPS[command], "127.0.0.1"]
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        alone = beside.submit(test.alone, [*loop, str(quiet), str(period), str(PARKED_MS)])
        under = report(test, test.rebound([*loop, str(server.port), str(period), "10000"], policy))
    test.check(under[0] == "ECONNREFUSED" and under[1] >= PARKED_MS * 9 // 10, f"not parked: {under}")
    test.equal(report(test, alone.result())[0], "limit", "end of the other")
    return under, report(test, alone.result())


def best_of(measure, good, what):
    seen = []
    for _ in range(TRIES):
        seen.append(measure())
        if good(*seen[-1]):
            return
    raise Failure(f"{what} in ms: {seen}")


# On a machine so busy that the loop alone has longer gaps, rebound may add no more than one period.
def timers_are_punctual(test, command):
    best_of(lambda: [each[2] for each in run_both(test.part(), command, PERIOD_MS)],
            lambda under, alone: under < max(GAP_MS, alone + PERIOD_MS), "largest gap, under rebound and alone,")


def nothing_spins(test, command):
    best_of(lambda: [each[3] for each in run_both(test.part(), command, 0)],
            lambda under, alone: under <= alone + CPU_MS, "CPU time, under rebound and alone,")


def is_not_parked(test, command):
    port = test.server("--listen-after", "never").port
    loop = [*LOOPS[command], "127.0.0.1", str(port), str(PERIOD_MS), "10000"]
    under = report(test, test.rebound(loop, test.policy(base=PARKED)))
    test.equal(under[0], report(test, test.alone(loop))[0], "end")
    test.equal(test.events("retry"), [], "retries")


@cases(*LOOPS)
def test_loops_stay_live(test, command):
    if command == "node" and node_has_ring():
        is_not_parked(test, command)
        return
    with concurrent.futures.ThreadPoolExecutor(2) as beside:
        for each in [beside.submit(check, test, command) for check in (timers_are_punctual, nothing_spins)]:
            each.result()


# The other port is in no policy: both begin alike, which on a busy machine costs more than all else.
@cases(*WHOLE)
def test_programs_do_not_spin(test, program):
    def command(port, wait):
        return [text.format(port=port, wait=wait) for text in WHOLE[program]]

    def measure():
        server, quiet = test.server("--listen-after", "never"), silent(test)
        policy = test.policy(hosts=f"127.0.0.1:{server.port}", base=PARKED)
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            asleep = beside.submit(test.rebound, command(quiet, PARKED_MS // 1000), policy)
            parked = test.rebound(command(server.port, 10), policy)
        test.check(parked.seconds >= PARKED_MS * 0.9e-3, f"not parked: {parked}")
        return parked.cpu_ms, asleep.result().cpu_ms

    best_of(measure, lambda parked, asleep: parked <= asleep + CPU_MS, "CPU time, parked and asleep,")
