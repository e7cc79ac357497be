# SPDX-License-Identifier: MIT
"""Parts of CPython's own tests of its sockets and waits, with every host covered: the same results as alone."""

import os

import suites
from harness import LIBRARY, cases


@cases(**{name: name for name in suites.SHORT})
def test_short(test, name):
    directories = [os.path.join(test.dir, who) for who in ("alone", "under")]
    for directory in directories:
        os.mkdir(directory)
    alone = suites.run(suites.SHORT[name], directories[0])
    under, decisions = suites.run_under(suites.SHORT[name], directories[1], LIBRARY)
    test.check("passed" in alone.values(), f"nothing passes alone: {alone}")
    test.equal(suites.differences(alone, under), [], "test, result alone and under rebound")
    if name == "test_socket":
        test.check(decisions > 0, "rebound saw no failing connect")
