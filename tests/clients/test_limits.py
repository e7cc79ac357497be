# SPDX-License-Identifier: MIT
"""Resource limits of the program (setrlimit(2)): what rebound uses does not make the program reach them."""

import os
import re

from harness import HERE, cases, compiled

LOCK_LIMITS_KIB = (2300, 2700, 3000, 4096, 6000)


@cases("lock", "connect", "both")
def test_locked_memory(test, order):
    """Under each limit, the program can lock and map as much memory as alone: before, after and between its calls."""
    program = compiled(test, os.path.join(HERE, "tools", "locked.c"))
    port = str(test.closed_port().port)
    policy = test.policy(log="off")
    os.chmod(test.dir, 0o777)  # the program becomes another user, who makes the state
    os.chmod(policy, 0o644)
    locked = 0
    for state in ("private", os.path.join(test.dir, "state")):
        for limit in LOCK_LIMITS_KIB:
            command = [program, order, port, str(limit)]
            alone = test.alone(command)
            test.equal(alone.code, 0, "exit status alone")
            test.same(test.rebound(command, policy, env={"REBOUND_STATE": state}), alone, f"{limit} KiB, {state}")
            locked += alone.out.count(b"mlockall: done")
    test.check(locked > 0 and os.path.exists(os.path.join(test.dir, "state")), "the test tests nothing")


def size_kib(result):
    return int(re.search(rb"VmSize:\s+(\d+) kB", result.out)[1])


def test_address_space(test):
    """Where the limit leaves little to the program, rebound maps nothing but its library."""
    server = test.server()
    curl, show = ["curl", "-s", server.url("k/ok")], ["cat", "/proc/self/status"]
    library = size_kib(test.rebound(show)) - size_kib(test.alone(show))
    limits = range(12 << 10, 1 << 20, 64)

    def limited(run, kib):
        return run(["prlimit", f"--as={kib << 10}", *curl])

    least = next(kib for kib in limits if all(limited(test.alone, kib + more).code == 0 for more in range(0, 640, 64)))
    for kib in range(least, least + (4 << 10), 256):
        test.good(limited(test.rebound, kib + library), b"good k\n")
