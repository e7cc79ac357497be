# SPDX-License-Identifier: MIT
"""Helpers for the tests of the command: a directory for each test, comparisons, the list of tests."""

import fcntl
import os
import pty
import re
import select
import socket
import struct
import subprocess
import termios
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("REBOUND_BUILD", os.path.join(ROOT, "build")))
REBOUND = os.path.join(BUILD, "rebound")
LIBRARY = os.path.join(BUILD, "librebound.so")
PRELOADED = os.path.join(BUILD, "classes", "$LIB", "librebound.so")  # as `rebound run` names it
PRELOADED = PRELOADED if os.path.exists(PRELOADED) else LIBRARY
EXAMPLES = os.path.join(ROOT, "config", "examples")
PATIENCE = 20  # seconds until a condition that must come true counts as failed
ANOTHER_USER = 65534  # nobody


class Failure(Exception):
    pass


def expect(condition, *details):
    if not condition:
        raise Failure(" | ".join(str(detail) for detail in details) or "not as expected")


def same(found, wanted):
    expect(found == wanted, f"found {found!r}", f"wanted {wanted!r}")


def holds(text, piece):
    expect(piece in text, f"no {piece!r} in {text!r}")


def fails(result, piece, status=1, about=None):
    """A command ended with an error that holds the piece, and wrote nothing to stdout. `about` names the case."""
    same((about, *result[:2]), (about, status, ""))
    holds(result[2], piece)


def wait_until(condition, complaint):
    end = time.monotonic() + PATIENCE
    while not condition():
        expect(time.monotonic() < end, complaint)
        time.sleep(0.01)


class Place:
    """A directory of its own for a test, with an environment that no user's policy or state reaches into."""

    def __init__(self, directory):
        self.path = directory
        self.state = os.path.join(directory, "state")
        self.env = {"PATH": os.environ["PATH"], "HOME": directory, "LC_ALL": "C.UTF-8", "REBOUND_STATE": self.state}

    def file(self, name, text, mode=0o644):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(text.encode() if isinstance(text, str) else text)
        os.chmod(path, mode)
        return path

    def rebound(self, *words, env=None, **options):
        options.setdefault("capture_output", True)
        return subprocess.run([REBOUND, *words], env={**self.env, **(env or {})}, cwd=self.path, timeout=60,
                              stdin=subprocess.DEVNULL, **options)

    def text(self, *words, **options):
        """Exit status, stdout and stderr."""
        done = self.rebound(*words, **options)
        return done.returncode, (done.stdout or b"").decode(), (done.stderr or b"").decode()

    def environment(self, *words, **options):
        """The environment that a program gets from `rebound run WORDS -- env`."""
        status, out, err = self.text("run", *words, "--", "env", **options)
        same(status, 0)
        return dict(line.split("=", 1) for line in out.splitlines()), err


TESTS = []


def test(function):
    TESTS.append(function)
    return function


def closed_port():
    """A port of loopback that refuses: bound, never listening. Returns the socket, which keeps it, and the number."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder, holder.getsockname()[1]


# Connects once by a name of the program's own choice; exits 3 when refused.
CONNECT = """
import socket, sys
s = socket.socket()
try:
    s.connect((sys.argv[1], int(sys.argv[2])))
except ConnectionRefusedError:
    sys.exit(3)
"""

QUICK = "[quick]\nhosts = 127.0.0.1\nretry.attempts = 3\nretry.base = 1ms\nretry.jitter = none\nbudget.floor = 100/s\n"


def with_own_shm(place, script):
    """Runs a script in a mount namespace with an empty /dev/shm; None where that is not allowed."""
    words = ["unshare", "-m", "sh", "-ec"]
    mount = "mount -t tmpfs -o mode=1777 tmpfs /dev/shm\n"
    if subprocess.run([*words, mount], capture_output=True, check=False).returncode != 0:
        return None
    env = {**place.env, "REBOUND_STATE": "shared", "REBOUND": REBOUND}
    return subprocess.run([*words, mount + script], env=env, cwd=place.path, capture_output=True, text=True, check=False,
                          timeout=60)


def content(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def in_front():
    """The functions that the library intercepts."""
    return set(re.findall(r"^ +(\w+);$", content(os.path.join(BUILD, "gen", "librebound.map")), re.MULTILINE))


def build_static(place):
    source = place.file("static.c", "int main(void) { return 7; }\n")
    program = os.path.join(place.path, "static")
    subprocess.run(["gcc", "-static", "-o", program, source], check=True)
    return program


def on_terminal(place, env, *words, end=None):
    """What the command prints with a terminal for stdout and stderr.

    end: a text and a signal that the command gets when it has printed the text; the signal must end it
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
    child = subprocess.Popen([REBOUND, *words], stdout=theirs, stderr=theirs, env={**place.env, **env}, cwd=place.path)
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], PATIENCE)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # EIO: the other side is closed
            break
        if not piece:
            break
        shown += piece
        if end and end[0] in shown.decode():
            child.send_signal(end[1])
            same(child.wait(timeout=PATIENCE), -end[1])
            end = None
    child.wait(timeout=PATIENCE)
    os.close(ours)
    return shown.decode()
