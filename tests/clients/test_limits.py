# SPDX-License-Identifier: MIT
"""Resource limits of the program (setrlimit(2)): what rebound uses does not make the program reach them."""

import os

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


def test_address_space(test):
    """Where the limit leaves little to the program, rebound maps little. Its library itself takes about one MiB."""
    server = test.server()
    curl = ["curl", "-s", server.url("k/ok")]
    step, own = 64 << 10, 1 << 20
    least = next(limit for limit in range(8 << 20, 1 << 30, step)
                 if test.alone(["prlimit", f"--as={limit}", *curl]).code == 0)
    for limit in range(least, least + (4 << 20), 4 * step):
        test.good(test.rebound(["prlimit", f"--as={limit + own}", *curl]), b"good k\n")
