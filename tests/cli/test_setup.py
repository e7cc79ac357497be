# SPDX-License-Identifier: MIT
"""scripts/setup, with stand-ins for the package manager."""

import os
import subprocess

from harness import ROOT, content, holds, same, test

SETUP = os.path.join(ROOT, "scripts", "setup")

LOCKED = """echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1234 (apt-get)" >&2
exit 100"""
OFFLINE = """echo "E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?" >&2
exit 100"""

# apt-get: writes down its arguments. The nth call does what the file `answer.n` says.
APT_GET = """#!/bin/sh
echo "$*" >>{place}/calls
answer={place}/answer.$(wc -l <{place}/calls)
[ ! -e "$answer" ] || . "$answer"
"""


def setup(place, *answers, installed="", user=0):
    """Runs scripts/setup. `answers`: what the calls of apt-get do in turn. Returns status, stderr, the calls, the pauses."""
    programs = {
        "apt-get": APT_GET.format(place=place.path),
        "apt-cache": "#!/bin/sh\necho '  Candidate: 1'\n",
        "dpkg": "#!/bin/sh\necho amd64\n",
        "dpkg-query": "#!/bin/sh\nprintf 'installed %s\\n' " + installed + "\n",
        "id": f"#!/bin/sh\necho {user}\n",
        "sleep": f"#!/bin/sh\necho >>{place.path}/pauses\n",
    }
    for name, text in programs.items():
        place.file("bin/" + name, text, 0o755)
    for number, answer in enumerate(answers, 1):
        if answer:
            place.file(f"answer.{number}", answer)
    for name in ("calls", "pauses"):
        place.file(name, "")
    path = os.path.join(place.path, "bin") + ":/usr/bin:/bin"
    done = subprocess.run([SETUP, "test"], env={"PATH": path, "HOME": place.path}, capture_output=True, text=True,
                          check=False, timeout=60)
    calls = content(os.path.join(place.path, "calls")).splitlines()
    return done.returncode, done.stderr, calls, content(os.path.join(place.path, "pauses")).count("\n")


@test
def setup_installs(place):
    status, err, calls, pauses = setup(place)
    same((status, len(calls), pauses), (0, 2, 0))
    same(calls[0].split()[0], "update")
    same(calls[1].split()[:4], ["install", "-y", "--no-install-recommends", "--no-remove"])
    holds(calls[1], " gcc-aarch64-linux-gnu ")
    holds(calls[1], "DPkg::Lock::Timeout=600")
    holds(err, "scripts/setup: apt-get install -y")


@test
def setup_waits_for_locks(place):
    """The locks of the lists and of the archives, for which apt-get does not wait."""
    status, err, calls, pauses = setup(place, LOCKED, LOCKED, "", LOCKED)
    same((status, pauses), (0, 3))
    same([call.split()[0] for call in calls], ["update"] * 3 + ["install"] * 2)
    holds(err, "waiting for the other package manager to release its lock")


@test
def setup_waits_no_longer_than_its_limit(place):
    status, err, calls, pauses = setup(place, "", *[LOCKED] * 200)
    same((status, pauses, len(calls)), (1, 120, 122))
    holds(err, "the lock was not released within 600 s")


@test
def setup_without_network(place):
    status, err, calls, pauses = setup(place, OFFLINE, OFFLINE)
    same((status, pauses, len(calls)), (1, 0, 2))
    holds(err, "Unable to fetch some archives")
    holds(err, "the packages were not installed")


@test
def setup_keeps_gcc_multilib(place):
    """All cross compilers conflict with it."""
    status, _, calls, _ = setup(place, installed="gcc-multilib")
    same(status, 0)
    same("aarch64" in calls[1], False)
