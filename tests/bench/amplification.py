# SPDX-License-Identifier: MIT
"""How many requests a host gets for each call of 64 workers while it answers 503: for scripts/bench.

Under rebound by default (an open breaker stops retries), with breaker.refuse = always and the shared state or a breaker in
each process, with curl's own --retry.
"""

import os
import subprocess
import threading

from listener import Listener

WORKERS, CALLS = 64, 20
ANSWER = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
POLICY = ("[here]\nhosts = 127.0.0.0/8\nretry.attempts = 3\nretry.base = 20ms\nbreaker.open = 60s\n")
REFUSING = POLICY + "breaker.refuse = always\n"


class Sick(Listener):
    """Counts requests and answers each with 503."""

    def __init__(self):
        self.requests = 0
        self.lock = threading.Lock()
        super().__init__(backlog=512)

    def _serve(self, peer, _):
        peer.settimeout(5)
        if peer.recv(4096):
            with self.lock:
                self.requests += 1
            peer.sendall(ANSWER)


def requests_of(environment, *options):
    sick = Sick()
    try:
        url = f"http://127.0.0.1:{sick.port}/[1-{CALLS}]"
        workers = [subprocess.Popen(["curl", "-s", "-o", "/dev/null", *options, url],
                                    env={"PATH": os.environ["PATH"], **environment}) for _ in range(WORKERS)]
        for worker in workers:
            worker.wait()
        return sick.requests
    finally:
        sick.stop()


def measure(ours):
    """ours: a function that makes the environment for a policy. Returns {who: requests for each call}."""
    by_default = requests_of(ours(POLICY))
    shared = ours(REFUSING)  # takes the place of the policy before it
    figures = {
        "by default": by_default,
        "a shared breaker": requests_of(shared),
        "a breaker each": requests_of({**shared, "REBOUND_STATE": "private"}),
        "curl --retry 2": requests_of({}, "--retry", "2", "--retry-delay", "1"),
        "curl": requests_of({}),
    }
    return {who: count / (WORKERS * CALLS) for who, count in figures.items()}
