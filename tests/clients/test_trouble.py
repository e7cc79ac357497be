# SPDX-License-Identifier: MIT
"""Bad input, a bad log, a program that cannot be intercepted: one line says so, and the program runs without us."""

import json
import os
import subprocess

from harness import BUILD, LIBRARY, QUICK, REBOUND, Skip, cases, clean_environment

CURL = "/usr/bin/curl"


def untouched(test, result, server, words=()):
    """The program ran without rebound, and one line of the command says why."""
    test.good(result, b"status 503\n")
    test.equal(server.count("k"), 1, "requests")
    text = result.err.decode(errors="replace")
    test.check(all(c.isprintable() or c in "\n\t\ufffd" for c in text), f"control bytes: {text!r}")
    lines = text.splitlines()
    for word in words:
        test.check(any(word in line for line in lines), f"{word!r} is missing on stderr: {lines}")
    test.check(any(line.startswith("rebound:") for line in lines), f"no line by rebound on stderr: {lines}")


@cases(
    unknown_key=("[default]\nretry.attemps = 3\n", ["p.ini:2:1", "retry.attempts"]),
    bad_value=("[default]\nretry.attempts = many\n", ["p.ini:2:18"]),
    no_unit=("[default]\nretry.base = 2\n", ["p.ini:2:14", "unit"]),
    no_equals=("[default]\nretry.attempts 3\n", ["p.ini:2"]),
    no_section=("retry.attempts = 3\n", ["p.ini:1"]),
    two_errors=("[default]\nnope = 1\nretry.on = 99\n", ["p.ini:2", "p.ini:3"]),
    nul=("[default]\nretry.attempts = 3\0\n", ["p.ini:2"]),
    binary=(bytes(range(256)), ["p.ini:1"]))
def test_broken_policy(test, case):
    content, words = case
    server = test.server()
    policy = test.file("p.ini", content)
    untouched(test, test.rebound([CURL, "-s", server.url("k/s503/ok")], policy), server, words)


def test_missing_policy(test):
    server = test.server()
    result = test.rebound([CURL, "-s", server.url("k/s503/ok")], "/no/such/policy.ini")
    untouched(test, result, server, ["/no/such/policy.ini"])


def test_policy_is_a_directory(test):
    server = test.server()
    untouched(test, test.rebound([CURL, "-s", server.url("k/s503/ok")], test.dir), server, [test.dir])


def as_nobody(test, command, policy):
    """Runs a copy of the command as a user who is not root. The copy is needed where ours cannot be read by others."""
    copies = os.path.join(test.dir, "copies")
    os.mkdir(copies)
    for name in ("rebound", "librebound.so"):
        subprocess.run(["cp", os.path.join(BUILD, name), copies], check=True)
    for path in (test.dir, copies, test.work, test.home):
        os.chmod(path, 0o777)
    setpriv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    return test.alone([*setpriv, copies + "/rebound", "run", "--policy", policy, "--", *command])


def test_unreadable_policy(test):
    server = test.server()
    policy = test.file("p.ini", "[default]\n", mode=0)
    result = as_nobody(test, [CURL, "-s", server.url("k/s503/ok")], policy)
    untouched(test, result, server, ["p.ini"])


def test_set_uid_program(test):
    policy = test.policy()
    result = as_nobody(test, ["/bin/mount", "--version"], policy)
    test.check(result.code == 0 and result.out.startswith(b"mount from"), f"{result}")
    test.check(b"rebound: warning:" in result.err and result.err.count(b"\n") == 1, f"{result}")


def test_static_program(test):
    source = test.file("static.c", '#include <stdio.h>\nint main(void)\n{\n    puts("static");\n    return 3;\n}\n')
    program = os.path.join(test.dir, "static")
    subprocess.run(["gcc", "-static", "-o", program, source], check=True)
    result = test.rebound([program])
    test.good(result, b"static\n", 3)
    test.check(b"rebound: warning:" in result.err and result.err.count(b"\n") == 1, f"{result}")


def test_command_not_found(test):
    result = test.rebound(["no-such-command"])
    test.equal(result.code, 127, f"exit status ({result})")
    test.check(b"no-such-command" in result.err and result.out == b"", f"{result}")


@cases(plain="work/plain", directory="work")
def test_command_not_executable(test, name):
    test.file("work/plain", "echo no\n", mode=0o644)
    result = test.rebound([os.path.join(test.dir, name)])
    test.equal(result.code, 126, f"exit status ({result})")
    test.check(name.encode() in result.err and result.out == b"", f"{result}")


@cases(no_command=["run"], no_option=["run", "--nope", "--", "true"])
def test_misuse_of_run(test, arguments):
    result = test.alone([REBOUND, *arguments])
    test.equal(result.code, 125, f"exit status ({result})")
    test.check(result.out == b"" and result.err.startswith(b"rebound"), f"{result}")


@cases(full="/dev/full", no_directory="/no/such/directory/log", directory="/tmp", device="/dev/null/x")
def test_log_that_cannot_be_written(test, log):
    server = test.server()
    result = test.rebound([CURL, "-s", server.url("k/s503/ok")], test.policy(log=log))
    test.good(result, b"good k\n")
    test.equal(server.count("k"), 2, "requests")
    test.check(all(l.startswith(b"rebound:") for l in result.err.splitlines()), f"{result}")


def test_log_to_a_full_pipe(test):
    """A full pipe without a reader must not stop the program."""
    server = test.server()
    fifo = os.path.join(test.dir, "fifo")
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        pass
    result = test.rebound([CURL, "-s", server.url("k/s503/ok")], test.policy(log=fifo))
    os.close(reader)
    os.close(writer)
    test.good(result, b"good k\n")


def test_log_on_stderr(test):
    server = test.server()
    result = test.rebound([CURL, "-s", server.url("k/s503/ok")], test.policy(log="stderr"))
    test.good(result, b"good k\n")
    lines = result.err.decode().splitlines()
    decisions = [test.parse_event(line)["decision"] for line in lines]
    test.equal([d for d in decisions if d != "policy"], ["retry", "recovered"], "decisions")


def test_log_option(test):
    server = test.server()
    log = os.path.join(test.dir, "other.jsonl")
    result = test.rebound([CURL, "-s", server.url("k/s503/ok")], test.policy(), ["--log", log])
    test.good(result, b"good k\n")
    test.equal(test.events(), [], "the policy's own log")
    test.log_path = log
    test.equal([e["decision"] for e in test.events()], ["retry", "recovered"], "the log of --log")


@cases(
    stderr="2>&-", stdin="<&-", stdout=">&-", all="<&- >&- 2>&-", stdin_and_stderr="<&- 2>&-")
def test_closed_descriptors(test, redirections):
    """The log must not land where the program's own output would have gone, nor the reverse."""
    server = test.server()
    shell = ["sh", "-c", f'exec "$@" {redirections}', "sh"]
    curl = [CURL, "-sS", server.url("k/s503/ok"), server.url("missing/s404")]
    alone = test.alone([*shell, CURL, "-sS", server.url("alone"), server.url("missing/s404")])
    under = test.alone([*shell, REBOUND, "run", "--policy", test.policy(), "--", *curl])
    test.equal(under.code, alone.code, f"exit status ({under})")
    test.equal(under.out, alone.out.replace(b"good alone", b"good k"), "stdout")
    test.equal(under.err, alone.err, "stderr")
    test.events()  # each line of the log is checked


@cases(full_out=">/dev/full", full_err="2>/dev/full")
def test_full_outputs(test, redirection):
    server = test.server()
    shell = ["sh", "-c", f'exec "$@" {redirection}', "sh"]
    alone = test.alone([*shell, CURL, "-sS", server.url("k/ok")])
    under = test.alone([*shell, REBOUND, "run", "--policy", test.policy(), "--", CURL, "-sS", server.url("k/ok")])
    test.same(under, alone)


def test_kill_switch(test):
    server = test.server()
    result = test.rebound([CURL, "-s", server.url("k/s503/ok")], env={"REBOUND_DISABLE": "1"})
    test.check(result.code == 0 and result.out == b"status 503\n", f"{result}")
    test.equal(server.count("k"), 1, "requests")
    test.equal(test.events(), [], "log")


def test_preload_without_policy(test):
    if os.path.exists("/etc/rebound/policy.ini"):
        raise Skip("this machine has a policy of its own")
    server = test.server()
    alone = test.alone([CURL, "-sv", server.url("k/s503")])
    before = sorted(os.listdir(test.home)), sorted(os.listdir(test.dir))
    server.reset()
    under = test.alone([CURL, "-sv", server.url("k/s503")], env={"LD_PRELOAD": LIBRARY})
    test.same(under, alone)
    test.equal(server.count("k"), 1, "requests")
    test.equal((sorted(os.listdir(test.home)), sorted(os.listdir(test.dir))), before, "files")


@cases(variable="variable", home="home", xdg="xdg")
def test_preload_with_policy(test, where):
    server = test.server()
    env = {"LD_PRELOAD": LIBRARY}
    policy = test.policy()
    if where == "variable":
        env["REBOUND_POLICY"] = policy
    else:
        config = os.path.join(test.home, ".config" if where == "home" else "xdg")
        os.makedirs(os.path.join(config, "rebound"))
        os.rename(policy, os.path.join(config, "rebound", "policy.ini"))
        if where == "xdg":
            env["XDG_CONFIG_HOME"] = config
    test.good(test.alone([CURL, "-s", server.url("k/s503x2/ok")], env=env), b"good k\n")
    test.equal(server.count("k"), 3, "requests")


def test_preload_with_broken_policy(test):
    server = test.server()
    policy = test.file("p.ini", f"[rebound]\nlog = {test.log_path}\n[default]\nnope = 1\n")
    env = {"LD_PRELOAD": LIBRARY, "REBOUND_POLICY": policy}
    result = test.alone([CURL, "-sS", server.url("k/s503/ok")], env=env)
    test.good(result, b"status 503\n")
    test.equal(result.err, b"", "stderr")


def test_preload_with_unknown_builtin(test):
    """A built-in policy that does not exist is a wrong policy: the program runs untouched, and the log says why."""
    server = test.server()
    env = {"LD_PRELOAD": LIBRARY, "REBOUND_POLICY": "builtin:apt", "REBOUND_LOG": test.log_path}
    result = test.alone([CURL, "-sS", server.url("k/s503/ok")], env=env)
    test.good(result, b"status 503\n")
    test.equal((server.count("k"), result.err), (1, b""), "requests and stderr")
    with open(test.log_path, encoding="utf-8") as log:
        events = [json.loads(line) for line in log]
    test.equal([(event["decision"], event["reason"], event["file"]) for event in events], [("policy", "invalid", "builtin:apt")],
               "the log")
    test.check("builtin:api" in events[0]["message"], f"the message in {events[0]}")


def test_builtin_policy(test):
    if os.path.exists("/etc/rebound/policy.ini"):
        raise Skip("this machine has a policy of its own")
    server = test.server()
    result = test.alone([REBOUND, "run", "--", CURL, "-s", server.url("k/s503/ok")])
    test.good(result, b"good k\n")
    test.equal(server.count("k"), 2, "requests")


def test_summary(test):
    server = test.server()
    urls = [server.url("a/s503x2/ok"), server.url("b/ok"), server.url("c/s503")]
    result = test.rebound([CURL, "-s", *urls], flags=["--summary"])
    test.good(result, b"good a\ngood b\nstatus 503\n")
    lines = result.err.decode().splitlines()
    test.equal(lines[1:], [f"rebound: 127.0.0.1:{server.port}: 3 HTTP requests by libcurl"], "lines of the summary")
    test.check("rebound: default: 3 calls, 4 retries, 1 recovered" in lines[0], f"summary: {lines}")


def test_summary_of_nothing(test):
    result = test.rebound(["true"], flags=["--summary"])
    test.check(result.code == 0 and result.err.startswith(b"rebound: ") and result.err.count(b"\n") == 1, f"{result}")


def test_same_process(test):
    """The command replaces itself: same pid, an existing LD_PRELOAD is kept, ours is added once."""
    script = 'echo $$; echo "$LD_PRELOAD"; exec "$@"'
    policy = test.policy()
    rebound = [REBOUND, "run", "--policy", policy, "--"]
    process = subprocess.Popen(
        [*rebound, *rebound, "sh", "-c", script, "sh", "true"], stdout=subprocess.PIPE,
        env=clean_environment(test.home))
    out = process.communicate(timeout=20)[0].decode().splitlines()
    test.equal(out[0], str(process.pid), "pid")
    test.equal(out[1].count("librebound.so"), 1, f"entries in LD_PRELOAD ({out[1]})")


def test_policy_is_reloaded(test):
    """A program that runs on sees a new policy within two seconds."""
    server = test.server()
    policy = test.policy({"retry.attempts": "1"})
    changed = "\n".join(["[rebound]", f"log = {test.log_path}", "[default]"]
                        + [f"{key} = {value}" for key, value in QUICK.items()]) + "\n"
    script = (
        "import os, pycurl, sys, time\n"
        "url, policy, text = sys.argv[1:]\n"
        "def status(i):\n"
        "    c = pycurl.Curl(); c.setopt(c.URL, url.replace('KEY', i)); c.setopt(c.WRITEFUNCTION, lambda d: None)\n"
        "    c.perform(); return c.getinfo(c.RESPONSE_CODE)\n"
        "first = status('a')\n"
        "open(policy + '.new', 'w').write(text); os.rename(policy + '.new', policy)\n"
        "limit = time.monotonic() + 5; i = 0\n"
        "while status('b%d' % i) != 200 and time.monotonic() < limit: time.sleep(0.05); i += 1\n"
        "print(first, i > 0, time.monotonic() < limit)\n")
    program = test.file("reload.py", script)
    result = test.rebound(["/usr/bin/python3", program, server.url("KEY/s503/ok"), policy, changed], policy)
    test.good(result, b"503 True True\n")
