# SPDX-License-Identifier: MIT
"""Many parked connects: what they cost, and whether ten times as many cost ten times as much. For scripts/bench."""

import os
import statistics
import subprocess

# Each connect is repeated once a second: all at the same time, or spread evenly. A budget starts with ten seconds of its
# floor.
COMMON = ("[rebound]\nlog = off\n[here]\nhosts = 127.0.0.0/8\nbreaker = off\nbudget.floor = 1000/s\n"
          "retry.attempts = 100\nretry.backoff = fixed\ntimeout.total = 100s\n")
POLICIES = {
    "at once": COMMON + "retry.base = 1s\nretry.jitter = none\n",
    "spread": COMMON + "retry.base = 2s\nretry.jitter = full\n",
}
COUNTS = (1000, 10000)
ROUNDS = 3
RATIO_AIM = 12  # ten times as many, and a fifth more for noise

# (figure, unit, policy, index in a line of bench_parked). The time until all are connected is not measured with the first
# policy: it would depend on when the server starts.
FIGURES = [
    ("private memory", "KiB", "at once", 1),
    ("processor time of the calls of connect", "ms", "at once", 2),
    ("processor time while parked, each second, repeated at once", "ms", "at once", 3),
    ("processor time while parked, each second, spread", "ms", "spread", 3),
    ("processor time until all are connected, spread", "ms", "spread", 4),
    ("time until all are connected, spread", "ms", "spread", 5),
]


def run(build, count, environment, *arguments):
    command = [os.path.join(build, "bench", "bench_parked"), str(count), *arguments]
    output = subprocess.run(command, env={"PATH": os.environ["PATH"], **environment}, check=True,
                            stdout=subprocess.PIPE, text=True).stdout
    return [float(word) for word in output.split()]


def medians(build, count, environment, *arguments):
    rounds = [run(build, count, environment, *arguments) for _ in range(ROUNDS)]
    return [statistics.median(numbers) for numbers in zip(*rounds)]


def measure(build, rebound):
    """Returns a row for each figure. `alone`: the most connects to a server that listens, without the library.

    rebound: returns the environment for a policy
    """
    alone = medians(build, COUNTS[-1], {}, "alive")
    ours = {}
    for name, policy in POLICIES.items():
        environment = rebound(policy)
        ours[name] = [medians(build, count, environment) for count in COUNTS]
    rows = []
    for figure, unit, policy, index in FIGURES:
        few, many = (numbers[index] for numbers in ours[policy])
        rows.append({"parked": figure, "unit": unit, "numbers": dict(zip(COUNTS, (few, many))), "alone": alone[index],
                     "ratio": round(many / few, 1), "aim": RATIO_AIM, "met": many / few <= RATIO_AIM})
    return rows
