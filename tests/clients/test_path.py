# SPDX-License-Identifier: MIT
"""http.path: the path of a request in the log, and never what may be a credential."""

from harness import QUICK, REBOUND

FETCH = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1])
connection.request(sys.argv[2], sys.argv[3])
print(connection.getresponse().status)
"""
EVERY = dict(QUICK, intercept="curl, connect, http")


def exchange(test, target, command=None, **keys):
    """Returns the log lines of a request that is answered with 503 and then with 200."""
    server = test.server("--script", "s503,ok")
    policy = test.policy({**EVERY, **keys}, hosts="127.0.0.1", base={})
    command = command or ["/usr/bin/python3", "-c", FETCH, f"127.0.0.1:{server.port}", "GET", target]
    command = [word.replace("{port}", str(server.port)) for word in command]
    result = test.rebound(command, policy, env={"REBOUND_STATE": f"{test.dir}/state"})
    test.equal(result.code, 0, f"exit status ({result.err})")
    return test.events()


def test_is_absent_by_default(test):
    events = exchange(test, "/k?token=secret")
    test.equal([event["method"] for event in events], ["GET", "GET"], "methods")
    test.check(all("path" not in event for event in events), f"a path: {events}")
    with open(test.log_path, encoding="utf-8") as log:
        test.check("secret" not in log.read(), "the log has the path")


def test_has_no_query(test):
    events = exchange(test, "/k?token=secret", **{"http.path": "on"})
    test.equal([event["path"] for event in events], ["/k", "/k"], "paths")
    with open(test.log_path, encoding="utf-8") as log:
        test.check("secret" not in log.read(), "the log has a parameter")
    for flags, wanted in (["--json"], b'"method":"GET","path":"/k"'), ([], b" GET /k attempt 1, 503: retry in "):
        shown = test.alone([REBOUND, "events", "--state", f"{test.dir}/state", *flags]).out
        test.check(wanted in shown and b"secret" not in shown, f"events: {shown}")


def test_of_libcurl(test):
    curl = ["curl", "-s", "http://user:secret@127.0.0.1:{port}/k?token=secret"]
    events = exchange(test, None, curl, **{"http.path": "on"})
    test.equal([(event["api"], event["path"]) for event in events], [("curl", "/k")] * 2, "paths")
    with open(test.log_path, encoding="utf-8") as log:
        test.check("secret" not in log.read(), "the log has a parameter")
