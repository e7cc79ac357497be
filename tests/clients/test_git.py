# SPDX-License-Identifier: MIT
"""git over HTTP, dumb and smart: clones and pushes against a sick server end as they do alone against a sound one."""

import atexit
import os
import random
import re
import shutil
import subprocess
import tempfile
import threading

from git_server import GitServer
from harness import QUICK, cases, clean_environment

PATIENT = dict(QUICK, **{"retry.attempts": "100", "budget.floor": "100/s"})
IDENTITY = ["-c", "user.name=T", "-c", "user.email=t@example.invalid", "-c", "init.defaultBranch=main"]


MADE = threading.Lock()
MODEL = {}  # the repository that every test gets a copy of


def git(home, *arguments, check=True):
    """Runs git for the test itself."""
    dates = {"GIT_AUTHOR_DATE": "1700000000 +0000", "GIT_COMMITTER_DATE": "1700000000 +0000"}
    done = subprocess.run(["git", *IDENTITY, *arguments], env={**clean_environment(home), **dates}, cwd=home,
                          capture_output=True, check=check)
    return done.stdout.decode().strip()


def commit(tree, number, size):
    """A commit with a file that cannot be compressed."""
    with open(os.path.join(tree, f"file{number}"), "wb") as out:
        out.write(random.Random(number).randbytes(size))
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", f"Commit {number}")


def model():
    """A directory with a bare repository, a pack and loose objects in it, and the work tree that it comes from."""
    with MADE:
        if not MODEL:
            MODEL["dir"] = top = tempfile.mkdtemp(prefix="rebound-git-")
            atexit.register(shutil.rmtree, top)
            tree, bare = os.path.join(top, "tree"), os.path.join(top, "r.git")
            git(top, "init", "-q", tree)
            commit(tree, 1, 30000)
            git(top, "clone", "-q", "--bare", tree, bare)
            git(bare, "repack", "-qad")
            commit(tree, 2, 3000)
            commit(tree, 3, 3000)
            git(tree, "push", "-q", bare, "main")
            git(bare, "config", "http.receivepack", "true")
            git(bare, "config", "receive.autogc", "false")
            git(bare, "update-server-info")
            commit(tree, 4, 1000)
        return MODEL["dir"]


def serve(test, listen=True):
    """A copy of the model and its server."""
    for name in ("tree", "r.git"):
        shutil.rmtree(os.path.join(test.dir, name), ignore_errors=True)
        shutil.copytree(os.path.join(model(), name), os.path.join(test.dir, name))
    return test.opened(GitServer(os.path.join(test.dir, "r.git"), listen))


def head(repository, name="HEAD"):
    return git(repository, "rev-parse", name, check=False)


def cloned(test):
    """What a clone has left, which is then removed."""
    path = os.path.join(test.work, "clone")
    if not os.path.exists(path):
        return None
    left = head(path), git(path, "fsck", check=False), git(path, "status", "--porcelain", check=False)
    shutil.rmtree(path)
    return left


def clone(server, kind, *options):
    return ["git", *options, "clone", server.url(kind), "clone"]


REFS = "GET .*/info/refs"
HEAD, LOOSE, PACKS, PACK, INDEX = (
    "GET .*/HEAD", "GET .*/objects/[0-9a-f]{2}/", "GET .*/info/packs", "GET .*\\.pack$", "GET .*\\.idx$")
EVERYWHERE = (REFS, HEAD, LOOSE, PACKS, PACK, INDEX)
DUMB = {
    "status": dict.fromkeys(EVERYWHERE, ["503", "503"]),
    "throttled": dict.fromkeys(EVERYWHERE, ["429"]),
    "reset": {REFS: ["reset"] * 2, LOOSE: ["reset"] * 12, PACK: ["reset"] * 4},
    "close": {**dict.fromkeys(EVERYWHERE, ["close"] * 4), LOOSE: ["close"] * 12},
    "cut": dict.fromkeys(EVERYWHERE, ["cut"]),
    "cut_often": {LOOSE: ["cut"] * 5, PACK: ["cut", "503", "cut", "reset", "cut"]},
}


def clones(test, server, kind, under):
    """Compares a clone under rebound with one made alone now that the server is well."""
    got = cloned(test)
    test.same(under, test.alone(clone(server, kind)))
    test.equal(got, (head(server.repository), "", ""), "the clone")
    test.equal(got, cloned(test), "the clone made alone")


@cases(**DUMB)
def test_dumb_clone(test, faults):
    server = serve(test)
    server.script(faults)
    under = test.rebound(clone(server, "dumb"), test.policy(base=PATIENT))
    left = server.faults
    server.script({})
    clones(test, server, "dumb", under)
    test.check(not any(left.values()), f"faults that did not happen: {left}")


@cases(status=["503", "503"], throttled=["429"], reset=["reset", "reset"], close=["close"])
def test_smart_clone(test, row):
    server = serve(test)
    server.script({REFS: row})
    under = test.rebound(clone(server, "smart"), test.policy(base=PATIENT))
    posts = server.count("POST")
    test.equal(server.count(REFS), len(row) + 1, "requests for the references")
    server.script({})
    clones(test, server, "smart", under)
    test.equal(posts, server.count("POST"), "posts")


@cases("dumb", "smart")
def test_clone_from_a_late_listener(test, kind):
    server = serve(test, listen=False)
    under = test.rebound(clone(server, kind), test.policy(base=PATIENT), on_retry=server.listen)
    if not server.thread:
        server.listen()
    clones(test, server, kind, under)


# What ends the clone alone ends it under rebound, with the same words.
LASTING = {
    "dumb_status": ("dumb", {REFS: ["503"] * 9}, 3),
    "dumb_pack": ("dumb", {PACK: ["503"] * 99}, None),
    "smart_status": ("smart", {REFS: ["503"] * 9}, 3),
    "smart_cut": ("smart", {REFS: ["cut"] * 9}, 1),
    "smart_missing": ("smart/none", {}, None),
    "post_status": ("smart", {"POST": ["503"] * 9}, None),
    "post_close": ("smart", {"POST": ["close"] * 9}, None),
    "post_cut": ("smart", {"POST": ["ok", "cut"]}, None),
}


def without_sizes(result):
    """A pack's size varies by some bytes."""
    result.err = re.sub(rb"\d+ bytes", b"N bytes", result.err)
    return result


@cases(**LASTING)
def test_clone_that_fails(test, case):
    kind, faults, references = case
    server = serve(test)
    seen = []
    for run in (test.alone, test.rebound):
        server.script(faults)
        seen.append((without_sizes(run(clone(server, kind))), server.count("POST"), server.count(REFS), cloned(test)))
    alone, under = seen
    test.check(alone[0].code != 0, f"alone: {alone[0]}")
    test.same(under[0], alone[0])
    test.equal(under[1], alone[1], "posts")
    test.equal(under[3], alone[3], "what is left")
    if references:
        test.equal(under[2], references, "requests for the references")


def push(test, run, faults, size):
    """Pushes to a new copy of the repository: (result, posts, the repository's new head, requests)."""
    server = serve(test)
    tree = os.path.join(test.dir, "tree")
    if size:
        commit(tree, 5, size)
    server.script(faults)
    result = run(["git", "-C", tree, "-c", "http.postBuffer=65536", "push", server.url("smart"), "main"])
    result.err = result.err.replace(str(server.port).encode(), b"PORT")
    git(server.repository, "fsck")
    return result, server.count("POST"), head(server.repository, "main"), server


# (faults, bytes of a further file, whether rebound helps): over 64 KiB git sends the pack in chunks from a callback.
PUSHES = {
    "refs_status": ({REFS: ["503", "429"]}, 0, True),
    "refs_large": ({REFS: ["reset", "close"]}, 200000, True),
    "post_status": ({"POST": ["503"]}, 0, False),
    "post_reset": ({"POST": ["reset"] * 9}, 0, False),
    "post_close_large": ({"POST": ["ok", "close"]}, 200000, False),
}


@cases(**PUSHES)
def test_push(test, case):
    faults, size, helps = case
    alone = push(test, test.alone, {} if helps else faults, size)
    test.equal(alone[0].code == 0, helps, f"alone: {alone[0]}")
    policy = test.policy(base=PATIENT)
    under = push(test, lambda command: test.rebound(command, policy), faults, size)
    test.same(under[0], alone[0])
    test.equal(under[1:3], alone[1:3], "posts, head of the repository")


def test_push_repeated_where_the_policy_allows_it(test):
    alone = push(test, test.alone, {}, 0)
    policy = test.policy({"retry.methods": "all"}, base=PATIENT)
    under = push(test, lambda command: test.rebound(command, policy), {"POST": ["503", "reset", "close"]}, 0)
    test.same(under[0], alone[0])
    test.equal(under[2], alone[2], "head of the repository")
    sent, wanted = ([r for r in end[3].requests if r[0] == "POST"] for end in (under, alone))
    test.equal((len(sent), set(sent)), (len(wanted) + 3, set(wanted)), "posts")
