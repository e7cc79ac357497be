# SPDX-License-Identifier: MIT
"""The test suites of other people, each run alone and under rebound: results test by test."""

import glob
import os
import shutil
import subprocess
import xml.etree.ElementTree

PYTHON = "/usr/bin/python3"  # Debian's, whose packages bring the suites
SUITE_LIMIT_S = 1200

# Every host is covered, and what fails is repeated twice within a fraction of a second.
POLICY = "[rebound]\nlog = {log}\n[default]\nretry.attempts = 3\nretry.base = 20ms\n"

WORST_FIRST = ("failed", "skipped", "passed")  # of several entries for one test


class NoResults(Exception):
    """A suite did not finish."""


def cpython(*arguments):
    return [PYTHON, "-m", "test", *arguments, "--junit-xml", "RESULTS"]


def pytest(package):  # base classes of tests are no tests
    return [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors", "-k", "not Mixin",
            "--pyargs", package, "--junit-xml=RESULTS"]


# RESULTS becomes the file that the suite writes, as JUnit does.
SUITES = {
    "CPython test_select": cpython("test_select"),
    "CPython test_poll": cpython("test_poll"),
    "CPython test_epoll": cpython("test_epoll"),
    "CPython test_selectors": cpython("test_selectors"),
    # One waits for ever in some virtual machines.
    "CPython test_socket": cpython("test_socket", "-i", "ThreadedVSOCKSocketStreamTest"),
    "CPython test_asyncio": cpython("test_asyncio"),
    "CPython test_ssl": cpython("test_ssl"),
    "CPython clients": cpython(
        "test_asyncore", "test_asynchat", "test_telnetlib", "test_ftplib", "test_httplib", "test_imaplib",
        "test_poplib", "test_smtplib", "test_socketserver", "test_urllib2_localnet"),
    "Tornado": pytest("tornado.test"),
    "Twisted internet": pytest("twisted.internet.test"),
    "Twisted test": pytest("twisted.test"),
    "Twisted web": pytest("twisted.web.test"),
}

# Parts that take a second or three, for every day: what waits, connects and learns of the result.
SHORT = {
    "test_select": cpython("test_select"),
    "test_epoll": cpython("test_epoll"),
    "test_poll": cpython("test_poll", "-i", "test_poll2"),  # which sleeps for ten seconds
    "test_socket": cpython(
        "test_socket", "-m", "*Connect*", "-m", "*NonBlock*", "-m", "*Unix*", "-m", "*BasicTCPTest*",
        "-i", "test*sideTimeout"),
    "test_httplib": cpython("test_httplib"),
    "test_urllib2_localnet": cpython("test_urllib2_localnet"),
}

# Suites that only Debian's source packages have; `apt-get source NAME` unpacks one. For each: the directory of the source,
# and the files that the tests need, of which the first has the tests. The installed package is tested, not the source.
SOURCES = {
    "urllib3": ("python-urllib3-*", ["test", "dummyserver", "setup.cfg"]),
    "requests": ("requests-*", ["tests", "pyproject.toml", "requirements-dev.txt"]),
    "httpx": ("httpx-*", ["tests", "setup.cfg"]),
    "aiohttp": ("python-aiohttp-*", ["tests", "setup.cfg"]),
}
# Without the options of the project, which ask for plugins and make warnings of newer packages errors.
SOURCE_TESTS = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors", "-o", "addopts=",
                "-o", "filterwarnings=", "--junit-xml=RESULTS"]

# These tests see what the library is for: their server answers with 429, and the library repeats the request.
RETRIED = {
    "urllib3": {
        "test.with_dummyserver.test_connectionpool.TestRetryAfter.test_retry_after",
        "test.with_dummyserver.test_chunked_transfer.TestChunkedTransfer.test_preserve_chunked_on_retry_after",
    },
}

# A network where 10.255.255.1 and 240.0.0.0 do not answer, as some tests expect, and no name can be looked up.
SILENT = """
mount --bind /dev/null /etc/resolv.conf
ip link set lo up
ip link add near type veth peer name far
ip address add 10.255.255.254/24 dev near
ip link set near arp off up
ip link set far up
ip route add 240.0.0.0/4 dev near
exec "$@"
"""


def source_command(name, sources, directory):
    """Copies the tests of a source package to the directory; returns the command that runs them there."""
    pattern, parts = SOURCES[name]
    found = sorted(path for path in glob.glob(os.path.join(sources, pattern)) if os.path.isdir(path))
    if not found:
        raise NoResults(f"no directory {pattern} in {sources}")
    for part in parts:
        path = os.path.join(found[-1], part)
        copy = shutil.copytree if os.path.isdir(path) else shutil.copy
        copy(path, os.path.join(directory, part))
    space = ["unshare", "--mount", "--net", "sh", "-ec", SILENT, "sh"] if os.geteuid() == 0 else []
    return [*space, *SOURCE_TESTS, parts[0]]


def results(path):
    """Returns {test: "passed" | "skipped" | "failed"}."""
    found = {}
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        kinds = {child.tag for child in case}
        result = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        found[name] = min(found.get(name, "passed"), result, key=WORST_FIRST.index)
    return found


def run(command, directory, environment=None):
    """Runs a suite in a directory of its own; returns its results. NoResults where it writes none."""
    path = os.path.join(directory, "results.xml")
    command = [word.replace("RESULTS", path) for word in command]
    own = {"PATH": "/usr/bin:/bin", "HOME": directory, "LANG": "C.UTF-8", "REBOUND_STATE": "private", **(environment or {})}
    with open(os.path.join(directory, "output"), "w+b") as output:
        try:
            status = subprocess.run(command, cwd=directory, env=own, stdin=subprocess.DEVNULL, stdout=output,
                                    stderr=subprocess.STDOUT, timeout=SUITE_LIMIT_S, check=False).returncode
        except subprocess.TimeoutExpired:
            status = f"none within {SUITE_LIMIT_S} s"
        output.seek(0)
        if not os.path.exists(path):
            raise NoResults(f"no results, exit status {status}: {output.read()[-400:].decode(errors='replace')}")
    return results(path)


def run_under(command, directory, library):
    """The same under rebound; returns the results, and how many decisions were logged."""
    log, policy = os.path.join(directory, "log.jsonl"), os.path.join(directory, "policy.ini")
    with open(policy, "w", encoding="utf-8") as file:
        file.write(POLICY.format(log=log))
    found = run(command, directory, {"LD_PRELOAD": library, "REBOUND_POLICY": policy})
    if not os.path.exists(log):
        return found, 0
    with open(log, "rb") as file:
        return found, sum(b'"host":' in line for line in file)


def differences(alone, beneath):
    """[(test, result alone, result under rebound)]"""
    names = sorted(alone.keys() | beneath.keys())
    pairs = [(name, alone.get(name, "absent"), beneath.get(name, "absent")) for name in names]
    return [pair for pair in pairs if pair[1] != pair[2]]
