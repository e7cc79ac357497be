# SPDX-License-Identifier: MIT
"""Values that override a policy: `rebound run --set` and REBOUND_SET."""
import json
import os

from harness import LIBRARY, QUICK, cases

CURL = "/usr/bin/curl"


@cases(option=(["--set", "retry.attempts=2"], {}), variable=([], {"REBOUND_SET": "retry.attempts=2"}),
       both=(["--set", "retry.attempts=2"], {"REBOUND_SET": "retry.attempts=7"}))
def test_overrides_a_section(test, case):
    flags, env = case
    server = test.server()
    policy = test.policy({"retry.attempts": "4"}, hosts="127.0.0.1")
    result = test.rebound([CURL, "-s", server.url("k/s503")], policy, flags=flags, env=env)
    test.good(result, b"status 503\n")
    test.equal(server.count("k"), 2, "requests")


@cases("builtin:default", "builtin:api")
def test_overrides_a_builtin_policy(test, policy):
    server = test.server()
    flags = ["--set", "retry.attempts=2", "--set", "retry.base=10ms", "--log", test.log_path]
    test.good(test.rebound([CURL, "-s", server.url("k/s503")], policy, flags=flags), b"status 503\n")
    test.equal(server.count("k"), 2, "requests")
    test.check(all(event["delay_ms"] <= 10 for event in test.events("retry")), "a delay of the policy")


def test_leaves_other_hosts_alone(test):
    server = test.server()
    policy = test.policy(hosts="localhost")
    flags = ["--set", "retry.attempts=2", "--set", "retry.on=+404"]
    result = test.rebound([CURL, "-s", server.url("a/s503"), server.url("b/s404"), server.url("c/s404", host="localhost")],
                          policy, flags=flags)
    test.good(result, b"status 503\nstatus 404\nstatus 404\n")
    test.equal([server.count(key) for key in "abc"], [1, 1, 2], "requests")
    test.equal({event["host"] for event in test.events()}, {f"localhost:{server.port}"}, "hosts in the log")


RELOAD = """
import os, pycurl, sys, time
url, policy, text = sys.argv[1:]
def status(key, steps):
    c = pycurl.Curl(); c.setopt(c.URL, url + key + steps); c.setopt(c.WRITEFUNCTION, lambda d: None)
    c.perform(); return c.getinfo(c.RESPONSE_CODE)
first = status('a', '/s503/ok')
open(policy + '.new', 'w').write(text); os.rename(policy + '.new', policy)
limit = time.monotonic() + 10; i = 0
while status('b%d' % i, '/s503/ok') != 200 and time.monotonic() < limit: time.sleep(0.05); i += 1
print(first, i > 0, status('c', '/s503'))
"""


def test_survives_a_reload(test):
    """The new file has another value for the key, and its other keys are seen."""
    server = test.server()
    lines = ["[rebound]", f"log = {test.log_path}", "[default]"]
    lines += [f"{key} = {value}" for key, value in dict(QUICK, **{"retry.attempts": "5"}).items()]
    program = test.file("reload.py", RELOAD)
    policy = test.policy({"retry.on": "none"})
    result = test.rebound(["/usr/bin/python3", program, server.url(), policy, "\n".join(lines) + "\n"], policy,
                          flags=["--set", "retry.attempts=2"])
    test.good(result, b"503 True 503\n")
    test.equal((server.count("a"), server.count("c")), (1, 2), "requests")


@cases(unknown=("retry.atempts=2", "unknown key retry.atempts"), combined=("retry.base=1h", "retry.base (1h) is over"))
def test_wrong_variable_without_run(test, case):
    """The library alone treats a wrong REBOUND_SET as a wrong policy: the program runs untouched, and the log says why."""
    pairs, piece = case
    server = test.server()
    for policy in (test.policy(), "builtin:default"):
        server.reset()
        env = {"LD_PRELOAD": LIBRARY, "REBOUND_POLICY": policy, "REBOUND_LOG": test.log_path, "REBOUND_SET": pairs}
        test.good(test.alone([CURL, "-s", server.url("k/s503/ok")], env=env), b"status 503\n")
        test.equal(server.count("k"), 1, "requests")
        with open(test.log_path, encoding="utf-8") as log:
            events = [json.loads(line) for line in log]
        test.equal([(event["decision"], event["reason"], event["file"]) for event in events],
                   [("policy", "invalid", "REBOUND_SET")], "the log")
        test.check(piece in events[0]["message"], f"the message in {events[0]}")
        env["REBOUND_SET"] = "retry.attempts=2 retry.base=10ms"
        test.good(test.alone([CURL, "-s", server.url("g/s503/ok")], env=env), b"good g\n")
        os.unlink(test.log_path)


def test_wrong_option_starts_nothing(test):
    server = test.server()
    result = test.rebound([CURL, "-s", server.url("k/ok")], test.policy(), flags=["--set", "retry.attempts=0"])
    test.equal((result.code, result.out, server.count("k")), (125, b"", 0), "exit status, output, requests")
    test.check(b"--set: error: retry.attempts: out of range" in result.err, f"stderr {result.err}")
