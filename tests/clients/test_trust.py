# SPDX-License-Identifier: MIT
"""A policy file that a less privileged user can write: the program runs without rebound, and one line says why."""

import json
import os
import shutil

from harness import BUILD, LIBRARY, Skip, cases

CURL = "/usr/bin/curl"
USER = 65534


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def public(test):
    """The library and the command where every user may read them: a folder of the test."""
    folder = os.path.join(test.dir, "public")
    os.mkdir(folder)
    for name in ("rebound", "librebound.so"):
        shutil.copy(os.path.join(BUILD, name), folder)
    for path in (test.dir, folder, test.work, test.home):
        os.chmod(path, 0o777)
    return folder


def set_owner(path, owner, mode):
    os.chown(path, owner, owner)
    os.chmod(path, mode)


# (owner, mode, word): whose programs ignore it
@cases(
    others=(0, 0o666, b"everybody may write the file"),
    group=(0, 0o664, b"its group may write the file"),
    owner=(1000, 0o644, b"the file belongs to user 1000"),
    owner_alone=(1000, 0o600, b"the file belongs to user 1000"))
def test_run_by_root(test, case):
    need_root()
    owner, mode, word = case
    server, policy = test.server(), test.policy()
    set_owner(policy, owner, mode)
    result = test.rebound([CURL, "-s", server.url("k/s503/ok")], policy)
    test.good(result, b"status 503\n")
    test.equal(server.count("k"), 1, "requests")
    test.check(word in result.err and b"rebound: error: the policy " + policy.encode() in result.err, f"{result}")
    test.check(b"(chown root " in result.err or b"(chmod go-w " in result.err, f"no remedy: {result}")
    test.equal(len(result.err.splitlines()), 2, "lines on stderr")


@cases(preload="preload", attempts="attempts")
def test_preload_by_root(test, how):
    """Without the command: a line of the log, where the environment names one, and nothing on stderr."""
    need_root()
    server, policy = test.server(), test.policy(log="off")
    set_owner(policy, 1000, 0o644)
    env = {"LD_PRELOAD": LIBRARY, "REBOUND_POLICY": policy, "REBOUND_LOG": test.log_path}
    urls = [server.url("k/s503/ok")] * (3 if how == "attempts" else 1)
    result = test.alone([CURL, "-s", *urls], env=env)
    test.check(result.code == 0 and result.out.startswith(b"status 503\n") and result.err == b"", f"{result}")
    with open(test.log_path, encoding="utf-8") as log:
        lines = [json.loads(line) for line in log]
    test.equal([(line["decision"], line["reason"], line["file"]) for line in lines],
               [("policy", "untrusted", policy)], "log")
    test.check("the file belongs to user 1000" in lines[0]["message"] and "line" not in lines[0], f"{lines}")


def as_user(test, command, policy):
    need_root()
    folder = public(test)
    setpriv = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    return test.alone([*setpriv, folder + "/rebound", "run", "--policy", policy, "--", *command])


@cases(
    config_map=(0, 0o644, True),
    own=(USER, 0o600, True),
    own_group=(USER, 0o664, True),
    own_for_all=(USER, 0o666, False),
    root_for_all=(0, 0o666, False),
    another=(1000, 0o644, False))
def test_run_by_another_user(test, case):
    owner, mode, obeyed = case
    server, policy = test.server(), test.policy(log="off")
    if os.geteuid() == 0:
        set_owner(policy, owner, mode)
    result = as_user(test, [CURL, "-s", server.url("k/s503/ok")], policy)
    test.good(result, b"good k\n" if obeyed else b"status 503\n")
    test.equal(server.count("k"), 2 if obeyed else 1, "requests")
    test.equal(b"is ignored" in result.err, not obeyed, f"a word on stderr ({result})")


def test_link_of_a_config_map(test):
    """The file counts, not the links that lead to it."""
    need_root()
    server, policy = test.server(), test.policy(log="off")
    folder = os.path.join(test.dir, "mounted")
    os.makedirs(folder + "/..2026_01_01")
    os.rename(policy, folder + "/..2026_01_01/policy.ini")
    os.symlink("..2026_01_01", folder + "/..data")
    os.symlink("..data/policy.ini", folder + "/policy.ini")
    test.good(as_user(test, [CURL, "-s", server.url("k/s503/ok")], folder + "/policy.ini"), b"good k\n")


def test_seteuid(test):
    """A process of root that acts for a user while it loads its policy never obeys a file of that user."""
    need_root()
    server, policy = test.server(), test.policy(log="off")
    set_owner(policy, USER, 0o644)
    public(test)
    script = test.file("drop.py", (
        "import os, pycurl, sys\n"
        "os.seteuid(int(sys.argv[2]))\n"
        "c = pycurl.Curl(); c.setopt(c.URL, sys.argv[1]); c.perform()\n"
        "os.seteuid(0)\n"
        "c.perform()\n"))
    env = {"LD_PRELOAD": os.path.join(test.dir, "public/librebound.so"), "REBOUND_POLICY": policy}
    result = test.alone(["/usr/bin/python3", script, server.url("k/s503"), str(USER)], env=env)
    test.good(result, b"status 503\n" * 2)
    test.equal(server.count("k"), 2, "requests")
