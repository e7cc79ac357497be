# SPDX-License-Identifier: MIT
"""Names from outside in every output: no control characters, valid UTF-8, different names stay different."""

import json
import os
import re
import subprocess
import sys

from harness import ROOT, expect, holds, same, test
from test_state import Terminal

POLICY = """[default]
retry.attempts = 2
retry.base = 1ms
dns.total = 100ms
[sockets]
hosts = unix:/*
"""
# Looks up names and connects to sockets, in hexadecimal.
CALLS = """
import socket, sys
for word in sys.argv[1:]:
    name = bytes.fromhex(word)
    if name[:1] == b"/":
        socket.socket(socket.AF_UNIX).connect_ex(name)
        continue
    try:
        socket.getaddrinfo(name, 80)
    except OSError:
        pass
"""
# What a name is, and how a terminal and the metrics show it.
NAMES = [(b"escape\x1b[31m.test", r"escape\x1b[31m.test"), (b"line\n.test", r"line\x0a.test"), (b"del\x7f.test", r"del\x7f.test"),
         ("csi\u009b31m.test".encode(), r"csi\u009b31m.test"), (b"byte\x9b31m.test", r"byte\x9b31m.test"),
         ("moc\u202e.test".encode(), r"moc\u202e.test"), ("iso\u2066\u2069.test".encode(), r"iso\u2066\u2069.test"),
         ("alm\u061c\u200e\u200f.test".encode(), r"alm\u061c\u200e\u200f.test"), ("zero\u200b\ufeff.test".encode(), r"zero\u200b\ufeff.test"),
         ("sep\u2028.test".encode(), r"sep\u2028.test"), ("tag\U000e0041.test".encode(), r"tag\U000e0041.test"),
         (b"bad\xff\xfe.test", r"bad\xff\xfe.test"), (b"long\xc0\xaf.test", r"long\xc0\xaf.test"), (b"sur\xed\xa0\x80.test", r"sur\xed\xa0\x80.test"),
         (b"text\\xff.test", r"text\\xff.test"), ('quo"te.test'.encode(), 'quo"te.test'), ("b\u00fccher.\u4f8b\u3048".encode(), "b\u00fccher.\u4f8b\u3048"),
         (("x" * 120 + "\u20ac" * 4).encode(), "x" * 120 + "\u20ac" * 2),  # cut in the state, between two characters
         (b"/run/\xff\x1b.sock", r"unix:/run/\xff\x1b.sock")]


def hidden(text):
    """The characters of a text that must not reach a terminal."""
    return [hex(ord(c)) for c in text if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 or 0x200b <= ord(c) <= 0x200f or
            0x2028 <= ord(c) <= 0x202e or 0x2066 <= ord(c) <= 0x2069 or ord(c) in (0x61c, 0xfeff) or ord(c) > 0xe0000]


def call(place, names):
    program = place.file("calls.py", CALLS)
    log = os.path.join(place.path, "log")
    done = place.rebound("run", "--policy", place.file("policy.ini", POLICY), "--log", log, "--", sys.executable, program,
                         *(name.hex() for name in names))
    same((done.returncode, done.stderr), (0, b""))
    with open(log, "rb") as file:
        return file.read().decode()  # the log is valid UTF-8


@test
def names_in_every_output(place):
    outputs = {"log": call(place, [name for name, _ in NAMES])}
    for words in (["status"], ["status", "--json"], ["events"], ["events", "--json"], ["metrics"], ["top", "--once"]):
        outputs[" ".join(words)] = place.rebound(*words, env={"COLUMNS": "400"}).stdout.decode()
    for name, text in outputs.items():
        expect(text.count("\n") > 5, name, text)
        same((name, hidden(text)), (name, []))
    for _, shown in NAMES:
        holds(outputs["status"], f"{shown} ")
        holds(outputs["top --once"], f"{shown} ")
        holds(outputs["events"], shown)
        label = shown.replace("\\", "\\\\").replace('"', '\\"')
        same(outputs["metrics"].count(f'host="{label}",state="closed"'), 1)
    # In JSON, the value is the name itself, with U+FFFD for each byte that is no UTF-8.
    hosts = {host["host"] for host in json.loads(outputs["status --json"])["hosts"]}
    events = {json.loads(line)["host"] for line in outputs["events --json"].splitlines()}
    logged = {json.loads(line)["host"] for line in outputs["log"].splitlines()}
    for name, _ in NAMES:
        text = re.sub("[\udc80-\udcff]", "\ufffd", name.decode("utf-8", "surrogateescape"))
        text = "unix:" + text if text[0] == "/" else text
        logged_text = text if text.startswith("unix:") else text + ":80"
        expect(logged_text in logged, logged_text, logged)
        if len(name) < 100:
            expect(text in hosts and logged_text in events, text, hosts, events)
    done = subprocess.run(["promtool", "check", "metrics"], input=outputs["metrics"].encode(), capture_output=True, check=False)
    same((done.returncode, done.stdout), (0, b""))


@test
def names_on_the_screen(place):
    """The screen of top: escapes for what is hidden, other characters as they are, and columns below each other."""
    call(place, [name for name, _ in NAMES])
    terminal = Terminal(place, 100, 40)
    try:
        for _, shown in NAMES:
            terminal.shows(shown[:30])
        (row,) = [line for line in terminal.screen() if "\u4f8b" in line]
        holds(row, "b\u00fccher.\u4f8b\u3048 ")
        (head,) = [line for line in terminal.screen() if line.startswith("HOST")]
        same(row.index("default") + 2, head.index("POLICY"))  # two characters take two columns each
    finally:
        terminal.close()


@test
def names_in_messages(place):
    """Arguments, paths and texts of policy files."""
    odd = "x\u009b\u202e\x1b[31m"
    path = place.file(odd + ".ini", f"[default]\nretry.{odd[:-5]}x = 3\nretry.attempts = {odd[:2]}\n")
    rows = [["breaker", "open", odd], ["policy", "off", odd], [odd], ["status", "--" + odd], ["status", odd], ["events", "-n", odd],
            ["explain", "--method", odd, "a"], ["explain", "http://[" + odd], ["explain", "--policy", path, "a"], ["check", path],
            ["check", "--json", path], ["run", "--policy", path, "--", "/bin/" + odd], ["doctor", odd], ["doctor", "--policy", path, "true"],
            ["run", "--log", os.path.join(place.path, odd, "log"), "true"], ["metrics", "--listen", odd], ["metrics", "--textfile", odd + "/x"],
            ["help", odd], ["wait", odd], ["wait", "unix:" + odd, "--timeout", "100ms"], ["status", "--state", path], ["events", "--user", odd]]
    for words in rows:
        done = place.rebound(*words)
        text = done.stdout.decode() + done.stderr.decode()
        same((words, hidden(text)), (words, []))
        expect(r"\u009b" in text, words, text)
    explained = place.file("good.ini", f"[default]\n[rebound]\nlog = ./{odd[:3]}\n[s]\nhosts = a{odd[:3]}*.test, *{odd[1:3]}.test\n")
    text = place.text("explain", "--policy", explained, f"x.{odd[1:3]}.test")
    same((hidden(text[1]), hidden(text[2])), ([], []))
    name = place.file("bad", b"#!/bin/nowhere\xff\xc2\x9b\n", mode=0o755)
    for words in (["doctor", name], ["run", name]):
        done = place.rebound(*words)
        same(hidden(done.stderr.decode()), [])


@test
def names_as_shown_are_accepted(place):
    """A host of `rebound breaker` may be written as the other commands show it."""
    call(place, [name for name, _ in NAMES])
    for shown in (r"csi\u009b31m.test", r"bad\xff\xfe.test", r"unix:/run/\xff\x1b.sock", "b\u00fccher.\u4f8b\u3048"):
        status, _, err = place.text("breaker", "open", shown)
        same((status, err.startswith("rebound: 1 breaker of ")), (0, True))
    hosts = [host["host"] for host in json.loads(place.text("status", "--json")[1])["hosts"] if host["forced"]]
    same(sorted(hosts), sorted(["csi\u009b31m.test", "bad\ufffd\ufffd.test", "unix:/run/\ufffd\x1b.sock", "b\u00fccher.\u4f8b\u3048"]))


@test
def completion_runs_no_name(place):
    """A host name that a program looked up is text for the completion, not a command."""
    mark = os.path.join(place.path, "mark")
    call(place, [b"good.test", f"$(touch${{IFS}}{mark}).test".encode(), f"`touch {mark}`".encode(), b"two words.test", b"a\x1b.test"])
    script = os.path.join(ROOT, "config", "completion", "rebound.bash")
    code = 'source "$1"; COMP_WORDS=(rebound breaker open ""); COMP_CWORD=3; _rebound; printf "%s\\n" "${COMPREPLY[@]}"'
    place.file("rebound", f'#!/bin/sh\nexec {os.environ.get("REBOUND_BUILD", ROOT + "/build")}/rebound "$@"\n', mode=0o755)
    env = {**place.env, "PATH": place.path + ":" + os.environ["PATH"]}
    done = subprocess.run(["bash", "-c", code, "bash", script], env=env, capture_output=True, check=True, text=True)
    expect(not os.path.exists(mark), done.stdout)
    same(done.stdout.split(), ["good.test"])
