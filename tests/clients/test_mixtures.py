# SPDX-License-Identifier: MIT
"""curl with options drawn at random (the same in every run): never worse off than alone, whatever is combined."""

import os
import random

from harness import QUICK, body, cases

CURL = "/usr/bin/curl"
OUTPUTS = [
    "", "-o out", "-i", "-D heads", "-D -", "-I", "-O", "-OJ", "-i -o out", "--output-dir d --create-dirs -O", "-N",
    "--no-clobber -o out", "-C - -o out", "-C 100 -o out", "-r 0-99", "-r -50", "-r 10-20,30-40", "--raw -i",
    "--max-filesize 1000", "-R -o out",
]
REQUESTS = [
    "", "", "", "-d x=1", "-X PUT -d y", "-T {f}", "-T -", "-X DELETE", "--get -d q=1", "--json {}",
    "-H Expect:100-continue -d x", "-X POST -T {f}", "--data-binary @{f}", "-d @-", "-T {f} -C 10", "-X OPTIONS",
]
FURTHER = [
    "", "-L", "-L --post302", "--compressed", "-u a:b", "--anyauth -u a:b", "--digest -u a:b", "-c jar", "-b x=y -c jar",
    "-H X-A:b -H Accept:", "-0", "--http2", "-x {u}", "-p -x {u}", "-m 3", "--connect-timeout 2", "-y 1 -Y 1", "-4",
    "--max-redirs 1 -L", "--etag-save tag", "-z 2020-01-01", "-Z --no-progress-meter", "--tr-encoding",
    "--location-trusted -u a:b", "--expect100-timeout 0.2", "--fail", "--fail-with-body", "--http0.9",
    "-w %{http_code}|%{num_connects}|%{size_header}|%{size_request}|%{size_download}|%{redirect_url}|%{exitcode}",
]
SOUND = [
    "ok", "ok;size=3000;range;etag=%22e%22", "ok;chunked;size=2500;trailer=X-T:1", "ok;size=0", "s204", "s304", "ok;last",
    "ok;interim=103", "s302;header=Location:%2Fj", "s307;header=Location:%2Fj", "s404", "s400;size=70000", "s416",
    "ok;size=200000;binary", "ok;header=Set-Cookie:a=b", "s401;header=WWW-Authenticate:Basic%20realm=x/ok",
    "s417;early/ok", "raw;text=HTTP%2F1.0%20200%20OK%0D%0A%0D%0Aold", "raw;text=junk", "s303;header=Location:%2Fj",
]
SICK = [
    "s503", "s503;size=100000", "s429;after=0", "s503;after=100", "reset", "close", "cuthead", "raw;text=HTTP%2F1.1%20",
    "cut", "cut;chunked", "cut;status=503", "s500;chunked;size=3000;trailer=X-T:1", "s302;header=Location:%2Fk%2Fs503",
    "s503;header=Set-Cookie:a=b", "s503;interim=103", "s503;last", "s503;early", "s502;size=0", "raw;text=junk",
]
POLICIES = {
    "sound": (SOUND, {}),
    "passive": (SOUND + SICK, {"retry.on": "none"}),
    "lasting": (SICK, {"retry.attempts": "2", "retry.base": "5ms"}),
}


def left(test):
    """The files that a run left, which are then removed."""
    found = {}
    for base, _, names in os.walk(test.work):
        for name in names:
            path = os.path.join(base, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, test.work)] = file.read()
            os.unlink(path)
    return found


def seen(test, server, run, command):
    """What a run shows: its result, files, requests."""
    server.reset()
    test.file("work/out", body(50))
    return run(command, stdin=body(500)), left(test), [entry[1:4] for key in "kj" for entry in server.log(key)]


@cases(**{f"{kind}{number}": (kind, number) for kind in POLICIES for number in range(12)})
def test_mixture(test, case):
    kind, number = case
    steps, keys = POLICIES[kind]
    draw = random.Random(f"{kind} {number}")
    server, file = test.server(), test.file("upload", body(draw.choice([5, 3000, 150000])))
    options = " ".join(["-s", draw.choice(OUTPUTS), draw.choice(REQUESTS), draw.choice(FURTHER), draw.choice(FURTHER)])
    command = [CURL, *options.replace("{f}", file).replace("{u}", server.url()).split(), server.url("k/" + draw.choice(steps))]
    policy = test.policy(keys, base=QUICK)
    alone = seen(test, server, test.alone, command)
    under = seen(test, server, lambda *a, **k: test.rebound(*a, policy, **k), command)
    what = " ".join(command[1:])
    test.same(under[0], alone[0], what)
    test.equal(under[1], alone[1], f"{what}: files")
    if kind == "lasting":  # more often, but nothing else
        test.equal(set(under[2]), set(alone[2]), f"{what}: requests")
    else:
        test.equal(under[2], alone[2], f"{what}: requests")
