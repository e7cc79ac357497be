# SPDX-License-Identifier: MIT
"""What status, top, events and metrics show of programs that ran, and what breaker, policy and reset make of others."""

import glob
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys

from harness import (
    ANOTHER_USER, BUILD, closed_port, CONNECT, content, expect, fails, holds, on_terminal, PATIENCE, QUICK, REBOUND, ROOT, same,
    test, wait_until, with_own_shm
)

PROMETHEUS = os.path.join(ROOT, "config", "prometheus")

# Connects once to each address; prints one line with "ok" or the name of the errno for each.
CONNECTS = """
import errno, socket, sys
for word in sys.argv[1:]:
    host, _, port = word.rpartition(":")
    with socket.socket() as s:
        e = s.connect_ex((host, int(port)))
        print(errno.errorcode[e] if e else "ok", flush=True)
"""
POLICY = """[local]
hosts = 127.0.0.0/8
retry.attempts = 2
retry.base = 1ms
retry.jitter = none
breaker.min_calls = 2
breaker.window = 10
breaker.failure_rate = 50%
breaker.refuse = always
breaker.open = 60s
budget.floor = 1000/s
"""
# A process that meets dead targets only makes one attempt at each.
ONE_ATTEMPT = POLICY.replace("breaker.min_calls = 2", "breaker.min_calls = 1")


def connect(place, *addresses, policy=POLICY):
    """The words that a program under rebound prints for these addresses."""
    status, out, err = place.text("run", "--policy", place.file("policy.ini", policy), "--", "/usr/bin/python3", "-c",
                                  CONNECTS, *addresses)
    same((status, err), (0, ""))
    return out.split()


def status_of(place):
    done, out, err = place.text("status", "--json")
    same((done, err), (0, ""))
    return json.loads(out)


def hosts_of(place):
    return {host["host"]: host for host in status_of(place)["hosts"]}


# --- a log that cannot be written


@test
def log_in_trouble(place):
    """One event reports the trouble, and status shows it until a line is written."""
    holder, port = closed_port()
    log = os.path.join(place.path, "logs/log")
    run = ("run", "--policy", place.file("quick.ini", QUICK), "--log", log, "--", sys.executable, "-c", CONNECT,
           "127.0.0.1", str(port))
    same(place.text(*run)[0], 3)
    trouble = status_of(place)["log_trouble"]
    expect(trouble.pop("pid") > 0 and trouble.pop("last").endswith("Z") and trouble.pop("program").startswith("python"))
    same(trouble, {"file": log, "reason": "absent", "uid": os.geteuid()})
    same(status_of(place)["log_lines_lost"], 3)
    line = [line for line in place.text("status")[1].splitlines() if line.startswith("log ")]
    same(len(line), 1)
    holds(line[0], f"log {log} cannot be written by process ")
    holds(line[0], f", user {os.geteuid()}): its directory does not exist; last line lost at 2")
    events = [line for line in place.text("events")[1].splitlines() if " log " in line]
    same(len(events), 1)
    holds(events[0], f"] log {log} cannot be written by user {os.geteuid()}: its directory does not exist")
    events = [json.loads(line) for line in place.text("events", "--json")[1].splitlines()]
    events = [event for event in events if event["decision"] == "log"]
    same([(e["reason"], e["file"], e["uid"]) for e in events], [("absent", log, os.geteuid())])
    holds(place.text("metrics")[1], "rebound_log_lines_lost_total 3\n")
    os.mkdir(os.path.dirname(log))
    same(place.text(*run)[0], 3)
    same((status_of(place)["log_trouble"], status_of(place)["log_lines_lost"]), (None, 3))
    expect("log " + log not in place.text("status")[1])
    same(len(content(log).splitlines()), 3)
    holder.close()


@test
def log_of_a_dropped_worker(place):
    """A daemon starts as root, and its worker as another user: root sees in that user's state that the log is lost."""
    holder, port = closed_port()
    log = os.path.join(place.path, "log")
    place.file("daemon.py", "import os, socket, sys\nhost = sys.argv[1], int(sys.argv[2])\n"
                            "def connect():\n    with socket.socket() as s: return s.connect_ex(host)\n"
                            f"assert connect() == 111\nos.setuid({ANOTHER_USER})\nassert connect() == 111\n")
    os.chmod(place.path, 0o755)
    for name in ("rebound", "librebound.so"):
        shutil.copy(os.path.join(BUILD, name), place.path)
    script = f"""
        ./rebound run --policy {place.file("quick.ini", QUICK)} --log {log} -- {sys.executable} daemon.py 127.0.0.1 {port}
        $REBOUND status --user {ANOTHER_USER}
        $REBOUND events --user {ANOTHER_USER}
        $REBOUND status --all --json"""
    done = with_own_shm(place, script) if os.geteuid() == 0 else None
    if done is None:
        return
    holder.close()
    same((done.returncode, done.stderr), (0, ""))
    piece = f"log {log} cannot be written by "
    lines = [line for line in done.stdout.splitlines() if piece in line]
    same(len(lines), 2)
    holds(lines[0], f", user {ANOTHER_USER}): permission denied; last line lost at 2")
    holds(lines[1], f"] {piece}user {ANOTHER_USER}: permission denied")
    states = json.loads(done.stdout[done.stdout.index("\n[") + 1:])
    same([s["log_trouble"]["reason"] for s in states if s["log_trouble"]], ["denied"])
    same([(line["decision"], line.get("uid")) for line in map(json.loads, content(log).splitlines())],
         [("retry", None), ("retry", None), ("stop", None), ("log", ANOTHER_USER)])


# --- before anything ran


@test
def state_that_does_not_exist(place):
    same(place.text("status"), (0, f"no host has been called yet\n{place.state}: nothing has run under rebound yet\n", ""))
    same(status_of(place)["since"], None)
    same(place.text("events"), (0, "", ""))
    status, out, err = place.text("metrics")
    same((status, err), (0, ""))
    holds(out, "rebound_processes 0\n")
    holds(place.text("top", "--once")[1], "0 hosts: 0 open")
    for words in (("breaker", "open", "a.example"), ("policy", "off", "default")):
        fails(place.text(*words), "rebound: error: n", about=words)
    same(place.text("reset"), (0, "", f"rebound: nothing to reset: {place.state} does not exist\n"))
    expect(not os.path.exists(place.state), "a command made the file")


@test
def state_misuse(place):
    for words, wanted in ((["status", "x"], "unexpected argument 'x'"), (["events", "-n", "-1"], "must be a whole number"),
                          (["metrics", "--listen", "nowhere"], "cannot listen at"), (["metrics", "--listen", "1.2.3:1"], "cannot listen at"),
                          (["metrics", "--listen", "65536"], "cannot listen at"), (["top", "-d", "1ms"], "100ms"), (["top"], "--once"),
                          (["metrics", "--listen", "1", "--textfile", "x"], "either"), (["breaker"], "open, close or reset"),
                          (["breaker", "opne", "x"], "open, close or reset"), (["breaker", "open"], "name a host after 'open'"),
                          (["breaker", "open", "a", "b"], "name only one host"), (["policy", "of", "x"], "off or on"),
                          (["policy", "off"], "name a policy after 'off'"), (["policy", "off", ""], "is empty"),
                          (["policy", "on", ""], "is empty"), (["breaker", "open", ""], "is empty"), (["policy", "off", "x" * 64], "too long"),
                          (["reset", "x"], "rebound breaker reset")):
        fails(place.text(*words), wanted, status=2, about=words)


@test
def state_that_cannot_be_used(place):
    place.file("text", "no state", 0o600)
    place.file("open", b"", 0o644)
    os.symlink("text", os.path.join(place.path, "link"))
    os.mkfifo(os.path.join(place.path, "fifo"), 0o600)
    os.mkdir(os.path.join(place.path, "directory"), 0o700)
    for name in ("text", "open", "link", "fifo", "directory"):
        path = os.path.join(place.path, name)
        for words in (["status"], ["events"], ["metrics"], ["top", "--once"], ["reset"], ["breaker", "open", "x"]):
            fails(place.text(*words, "--state", path), f"rebound: error: {path} ", about=words)
    status, _, err = place.text("status", "--state", "private")
    same(status, 1)
    holds(err, "state is private")


@test
def state_by_the_policy(place):
    """--state wins over REBOUND_STATE, that over the policy in use."""
    del place.env["REBOUND_STATE"]
    named = os.path.join(place.path, "named")
    place.file(".config/rebound/policy.ini", f"[rebound]\nstate = {named}\n")
    holds(place.text("status")[1], f"{named}: nothing")
    holds(place.text("status", env={"REBOUND_STATE": place.state})[1], f"{place.state}: nothing")
    holds(place.text("status", "--state", named, env={"REBOUND_STATE": place.state})[1], f"{named}: nothing")
    _, out, err = place.text("status", env={"REBOUND_STATE": "shared"})  # whatever stands there
    holds(out + err, f"/dev/shm/rebound.{os.getuid()}")


@test
def status_names_files_of_other_versions(place):
    me = os.getuid()
    names = [f"rebound.{me}", f"rebound.{me}.v2", f"rebound.{me}.v2.1", f"rebound.{me}.v31"]
    others = [f"rebound.{me}1", f"rebound.{me}.v2x", f"rebound.{me}.v", f"rebound.{me}.v2.1.new.5", "rebound-abcdef"]
    script = "".join(f"install -m 600 /dev/null /dev/shm/{name}\n" for name in names + others)
    script += f"ln -s /etc/passwd /dev/shm/rebound.{me}.v1\n$REBOUND status\n$REBOUND status --state /dev/shm/x\n"
    done = with_own_shm(place, script)
    if done is None:
        return
    same((done.returncode, done.stderr), (0, ""))
    lines = done.stdout.splitlines()
    found = sorted(line.split()[0] for line in lines if "is of another version" in line)
    same(found, sorted(f"/dev/shm/{name}" for name in names))


@test
def commands_agree_with_programs_on_the_name(place):
    """Where another user has taken the name, programs and commands use the same next one."""
    holder, port = closed_port()
    policy = place.file("quick.ini", QUICK)
    place.file("connect.py", CONNECT)
    script = f"""
        name=$($REBOUND status | sed -n 's/: nothing.*//p')
        install -m 600 -o {ANOTHER_USER} /dev/null $name
        $REBOUND run --policy {policy} -- {sys.executable} connect.py 127.0.0.1 {port} || test $? = 3
        for command in status top\\ --once; do $REBOUND $command; done
        $REBOUND events -n 1
        $REBOUND metrics | grep ^rebound_attempts_total
        $REBOUND breaker open 127.0.0.1:{port}
        $REBOUND policy off quick
        $REBOUND status | grep off
        $REBOUND reset
        ls /dev/shm"""
    done = with_own_shm(place, script)
    if done is None:
        return
    holder.close()
    same(done.returncode, 0)
    for piece in (".1: 1 host,", f"127.0.0.1:{port}", "rebound_attempts_total", "quick: off"):
        holds(done.stdout, piece)
    same(len(done.stdout.split("\nrebound.")), 3)


# --- after programs ran


@test
def status_shows_hosts_and_policies(place):
    holder, port = closed_port()
    same(connect(place, f"127.0.0.1:{port}"), ["ECONNREFUSED"])
    same(connect(place, f"127.0.0.1:{port}"), ["ECONNREFUSED"])
    found = status_of(place)
    host = found["hosts"][0]
    same((host["policy"], host["host"], host["state"], host["forced"]), ("local", f"127.0.0.1:{port}", "open", None))
    expect(0 < host["next_probe_ms"] <= 66000, host)
    policy = found["policies"][0]
    same([policy[key] for key in ("policy", "off", "calls", "attempts", "retries", "refused", "failed", "recovered")],
         ["local", False, 2, 2, 1, 1, 1, 0])
    same((found["state"], found["reload_succeeded"], found["processes"]), (place.state, True, []))
    expect(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["since"]), found["since"])
    status, out, err = place.text("status")
    same((status, err), (0, ""))
    lines = out.splitlines()
    same(lines[0], "HOST                     POLICY     STATE     CALLS FAILED SLOW NOTE")
    expect(re.fullmatch(rf"127\.0\.0\.1:{port} +local +open +0 +- +- refuses for \d+s", lines[1]), lines[1])
    same(lines[2:], ["local: 2 calls, 1 retry, 0 recovered, 1 refused, 1 failed", f"{place.state}: 1 host, 0 processes"])
    holds(place.text("status", env={"COLUMNS": "120"})[1], "RETRIES REFUSED  USED NOTE")
    expect("\x1b[" in on_terminal(place, {"TERM": "xterm"}, "status"), "no colour on a terminal")
    expect("\x1b[" not in on_terminal(place, {"TERM": "xterm", "NO_COLOR": "1"}, "status"), "colour with NO_COLOR")
    holder.close()


@test
def status_shows_processes(place):
    """A process that uses the state is counted while it lives."""
    holder, port = closed_port()
    script = CONNECTS + "sys.stdin.read()\n"
    child = subprocess.Popen([REBOUND, "run", "--policy", place.file("policy.ini", POLICY), "--", "/usr/bin/python3", "-c",
                              script, f"127.0.0.1:{port}"], env=place.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()
    name = os.path.basename(os.path.realpath("/usr/bin/python3"))  # as in the log, not as in /proc/PID/comm
    same(status_of(place)["processes"], [{"pid": child.pid, "program": name}])
    holds(place.text("metrics")[1], "rebound_processes 1\n")
    child.kill()
    child.communicate()
    same(status_of(place)["processes"], [])
    holder.close()


@test
def breaker_whose_probe_is_due(place):
    """No program calls the host any more. status does not show its breaker as open for ever."""
    holder, port = closed_port()
    host = f"127.0.0.1:{port}"
    connect(place, host, host, policy=POLICY.replace("breaker.open = 60s", "breaker.open = 100ms"))
    wait_until(lambda: hosts_of(place)[host]["state"] != "open", "the breaker stays open")
    found = hosts_of(place)[host]
    same((found["state"], found["forced"], found["next_probe_ms"], found["probes"]), ("half-open", None, 0, []))
    expect(re.search(rf"{host} +local +half-open .* probe due\n", place.text("status")[1]), place.text("status"))
    holds(place.text("top", "--once")[1], "1 host: 0 open, 1 half-open, 0 closed")
    metrics = place.text("metrics")[1]
    for state, value in (("closed", 0), ("open", 0), ("half-open", 1)):
        holds(metrics, f'rebound_breaker_state{{policy="local",host="{host}",state="{state}"}} {value}\n')
    place.text("breaker", "open", host)
    same((hosts_of(place)[host]["state"], hosts_of(place)[host]["next_probe_ms"]), ("open", None))
    holder.close()


@test
def events_of_programs_that_are_gone(place):
    holder, port = closed_port()
    connect(place, f"127.0.0.1:{port}")
    connect(place, f"127.0.0.1:{port}")
    status, out, err = place.text("events", "--json")
    same((status, err), (0, ""))
    found = [json.loads(line) for line in out.splitlines()]
    same([(e["decision"], e.get("cause"), e["attempt"], e.get("reason")) for e in found],
         [("retry", "refused", 1, None), ("stop", "refused", 2, "attempts"), ("refused", None, 0, "breaker")])
    same({(e["policy"], e["host"], e["api"]) for e in found}, {("local", f"127.0.0.1:{port}", "connect")})
    lines = place.text("events")[1].splitlines()
    expect(re.fullmatch(r"\S+Z python3\S*\[\d+\] local \S+ attempt 1, refused: retry in 1ms", lines[0]), lines[0])
    expect(re.fullmatch(r"\S+Z python3\S*\[\d+\] local \S+ no attempt: refused \(breaker\)", lines[2]), lines[2])
    same(place.text("events", "-n", "1")[1].splitlines(), lines[-1:])
    same(place.text("events", "-n", "0")[1], "")
    holder.close()


@test
def events_follow(place):
    """`events -f` waits until the state exists, shows events, and ends with its reader."""
    holder, port = closed_port()
    follower = subprocess.Popen([REBOUND, "events", "-f", "--json"], env=place.env, stdout=subprocess.PIPE)
    connect(place, f"127.0.0.1:{port}")
    same([json.loads(follower.stdout.readline())["decision"] for _ in range(2)], ["retry", "stop"])
    os.unlink(place.state)
    connect(place, f"127.0.0.2:{port}")
    same(json.loads(follower.stdout.readline())["host"], f"127.0.0.2:{port}")
    follower.stdout.close()
    same(follower.wait(timeout=PATIENCE), 0)
    holder.close()


# --- the controls


@test
def breaker_is_forced(place):
    holder, port = closed_port()
    host = f"127.0.0.1:{port}"
    calm = POLICY + "breaker.min_calls = 10\n".replace("breaker.min_calls", "breaker.slow_rate").replace("10", "100%")
    connect(place, host, policy=calm)
    status, out, err = place.text("breaker", "open", "127.0.0.1")
    same((status, out), (0, ""))
    holds(err, "1 breaker of 127.0.0.1 forced open")
    same((hosts_of(place)[host]["state"], hosts_of(place)[host]["forced"]), ("open", "open"))
    holder.listen()
    same(connect(place, host), ["ECONNREFUSED"])  # although it listens
    place.text("breaker", "close", host)
    same(connect(place, host), ["ok"])
    holder.close()
    same(connect(place, host, host, host), ["ECONNREFUSED"] * 3)
    same((hosts_of(place)[host]["state"], hosts_of(place)[host]["forced"]), ("closed", "closed"))
    place.text("breaker", "reset", host)
    same((hosts_of(place)[host]["state"], hosts_of(place)[host]["forced"]), ("closed", None))
    status, _, err = place.text("breaker", "open", "127.9.9.9")
    same(status, 1)
    holds(err, "no breaker for '127.9.9.9'")


@test
def policy_is_switched(place):
    holder, port = closed_port()
    host = f"127.0.0.1:{port}"
    connect(place, f"127.0.0.2:{port}")
    same(place.text("policy", "off", "local"), (0, "", "rebound: policy local is off: calls to its hosts pass through\n"))
    same(status_of(place)["policies"][0]["off"], True)
    same(connect(place, host), ["ECONNREFUSED"])
    expect(host not in hosts_of(place), "a host of a policy that is off was counted")
    same(place.text("policy", "on", "local")[0], 0)
    connect(place, host)
    same(hosts_of(place)[host]["state"], "open")
    holder.close()


@test
def unknown_policies_are_refused(place):
    """A policy is known if the state or the policy file has it. A mistyped name is an error."""
    rules = place.file("rules.ini", "[default]\n[llm]\nhosts = llm.example\n[Payments]\nhosts = pay.example\n")
    env = {"REBOUND_POLICY": rules}
    connect(place, "127.0.0.1:9")  # by another policy
    for action in ("off", "on"):
        for name, wanted in (("lmm", "; did you mean 'llm'?"), ("payments", "; did you mean 'Payments'?"),
                             ("loca", "; did you mean 'local'?"), ("something else", ""), ("llm ", "; did you mean 'llm'?")):
            status, out, err = place.text("policy", action, name, env=env)
            same((name, status, out), (name, 1, ""))
            same(err.splitlines(), [f"rebound: error: there is no policy '{name}'{wanted}",
                                    "rebound: known policies: Payments, default, llm, local",
                                    f"rebound: searched in {rules} and in the policies that programs have used"])
    same([policy["policy"] for policy in status_of(place)["policies"]], ["local"])
    for name in ("llm", "local", "default"):
        same(place.text("policy", "off", name, env=env)[0], 0)
        same(place.text("policy", "on", name, env=env)[0], 0)
    same(place.text("policy", "off", "nothing")[0], 1)
    same(place.text("policy", "off", "llm")[0], 0)  # known from now on, whatever the file says
    many_sections = "".join(f"[s{i}]\nhosts = h{i}.example\n" for i in range(20))
    err = place.text("policy", "off", "x", env={"REBOUND_POLICY": place.file("many.ini", many_sections)})[2]
    expect("known policies" not in err, err)
    wrong = place.file("wrong.ini", "[llm2]\nhosts = x.example\nretry.attempts = many\n")
    for path in (wrong, "/no/where.ini"):
        status, _, err = place.text("policy", "off", "llm2", env={"REBOUND_POLICY": path})
        same(status, 1)
        holds(err, f"rebound: {path} cannot be used, so its sections are not known; see 'rebound check'\n")
    status, _, err = place.text("policy", "off", "local\x1b[31m")
    expect(status == 1 and "\x1b" not in err, status, err)


@test
def unknown_hosts_are_refused(place):
    connect(place, "127.0.0.1:9", "127.0.0.2:9")
    for action in ("open", "close", "reset"):
        for host, wanted in (("127.0.0.11:9", "; did you mean '127.0.0.1:9'?"), ("127.0.0.22", "; did you mean '127.0.0.2'?"),
                             ("api.example", "")):
            status, out, err = place.text("breaker", action, host)
            same((host, status, out), (host, 1, ""))
            same(err.splitlines(), [f"rebound: error: no breaker for '{host}': no program has called this host yet{wanted}",
                                    "rebound: hosts that were called: 127.0.0.1:9, 127.0.0.2:9",
                                    "rebound: a host gets a breaker at its first call under rebound"])
    status, _, err = place.text("breaker", "open", "http://127.0.0.1:9/x")
    same((status, err.splitlines()[0]),
         (1, "rebound: error: 'http://127.0.0.1:9/x' is a URL, not a host; did you mean '127.0.0.1:9'?"))
    same({host["forced"] for host in status_of(place)["hosts"]}, {None})
    many(place, 20)
    holds(place.text("breaker", "open", "x")[2], "rebound: 'rebound status' shows the 20 hosts that were called\n")


@test
def breaker_of_a_policy_is_forced_by_its_name(place):
    connect(place, "127.0.0.1:9", policy=POLICY + "breaker.scope = policy\n")
    same(place.text("breaker", "open", "other")[0], 1)
    holds(place.text("breaker", "open", "loca")[2], "did you mean 'local'?")
    same(place.text("breaker", "open", "local")[0], 0)
    same([host["forced"] for host in status_of(place)["hosts"]], ["open"])


@test
def names_are_completed(place):
    """bash offers the policies and hosts that the state knows."""
    connect(place, "127.0.0.1:9")
    script = os.path.join(ROOT, "config", "completion", "rebound.bash")
    for words, wanted in ((("policy", "off", "lo"), "local"), (("breaker", "open", ""), "127.0.0.1:9")):
        line = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=3; _rebound; printf "%s\\n" "${COMPREPLY[@]}"'
        env = {**place.env, "PATH": os.path.dirname(REBOUND) + ":" + place.env["PATH"]}
        done = subprocess.run(["bash", "-c", line, "bash", script, "rebound", *words], env=env, capture_output=True, check=True)
        same((words, done.stdout.decode().split()), (words, [wanted]))


@test
def reset_forgets(place):
    holder, port = closed_port()
    connect(place, f"127.0.0.1:{port}")
    same(place.text("reset"), (0, "", f"rebound: {place.state}: all state cleared\n"))
    found = status_of(place)
    same((found["hosts"], [p for p in found["policies"] if p["calls"]]), ([], []))
    same(place.text("events")[1], "")
    holder.close()


# --- metrics


@test
def metrics_for_prometheus(place):
    holder, port = closed_port()
    connect(place, f"127.0.0.1:{port}", f"127.0.0.1:{port}")
    text = place.text("metrics")[1]
    for line in ('rebound_calls_total{policy="local",api="connect",outcome="failed"} 1',
                 'rebound_calls_total{policy="local",api="connect",outcome="refused"} 1',
                 'rebound_attempts_total{policy="local"} 2', 'rebound_retries_total{policy="local",reason="refused"} 1',
                 'rebound_retries_suppressed_total{policy="local",reason="attempts"} 1',
                 'rebound_backoff_seconds_total{policy="local"} 0.001',
                 f'rebound_breaker_state{{policy="local",host="127.0.0.1:{port}",state="open"}} 1',
                 'rebound_breaker_transitions_total{policy="local",state="open"} 1',
                 'rebound_breaker_rejected_total{policy="local"} 1',
                 'rebound_call_duration_seconds_count{policy="local"} 1'):
        holds(text, line + "\n")
    checked = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, check=False)
    same((checked.returncode, checked.stdout, checked.stderr), (0, b"", b""))
    holder.close()


def host_samples(place, family):
    found = re.findall(rf'^rebound_host_{family}_total{{policy="local",host="(.*)"}} (\d+)$', place.text("metrics")[1], re.MULTILINE)
    samples = {host: int(value) for host, value in found}
    same(len(found), len(samples))
    return samples


@test
def metrics_of_many_hosts(place):
    """100 hosts are named. The sums are complete, also where hosts lose their cells, or find none."""
    wanted = {"calls": 132, "attempts": 120, "failures": 120, "refused": 12}
    for extra in ("", "breaker = off\n[rebound]\nstate.cells = 16\n", "[rebound]\nstate.cells = 16\n"):
        addresses = [f"127.0.0.{i}:9" for i in range(1, 121)]
        connect(place, *addresses, policy=ONE_ATTEMPT + extra)
        connect(place, *addresses[:12], policy=ONE_ATTEMPT + extra)  # refused where a breaker is open
        totals = status_of(place)["policies"][0]
        same(totals["calls"], 132)
        for family in ("calls", "attempts", "failures", "refused"):
            samples = host_samples(place, family)
            expect(len(samples) <= 101, family, samples)
            same((family, sum(samples.values())), (family, totals[{"failures": "failed"}.get(family, family)]))
        if not extra:
            same({family: sum(host_samples(place, family).values()) for family in wanted}, wanted)
            same(len(host_samples(place, "calls")), 101)
            same((host_samples(place, "calls")["127.0.0.1:9"], host_samples(place, "calls")["other"]), (2, 20))
            host = hosts_of(place)["127.0.0.1:9"]
            same([host[key] for key in ("calls_total", "attempts_total", "failures_total", "refused")], [2, 1, 1, 1])
        os.unlink(place.state)


@test
def metrics_of_a_host_in_two_networks(place):
    """Each network has a cell of its own for the host. Prometheus drops a scrape with two samples of one name."""
    connect(place, "127.0.0.1:9")
    script = f"{REBOUND} run -- {sys.executable} -c '{CONNECTS}' 127.0.0.1:9"
    done = subprocess.run(["unshare", "-rn", "sh", "-c", script], env={**place.env, "REBOUND_POLICY": place.file("p.ini", POLICY)},
                          capture_output=True, check=False)
    if b"ENETUNREACH" not in done.stdout:
        return  # new networks are not allowed here
    same([host["host"] for host in status_of(place)["hosts"]], ["127.0.0.1:9"] * 2)
    text = place.text("metrics")[1]
    same(text.count('rebound_breaker_state{policy="local",host="127.0.0.1:9",state="open"}'), 1)
    same(host_samples(place, "calls"), {"127.0.0.1:9": 2, "other": 0})
    checked = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, check=False)
    same((checked.returncode, checked.stdout, checked.stderr), (0, b"", b""))


@test
def metrics_in_a_file(place):
    path = os.path.join(place.path, "rebound.prom")
    place.file("rebound.prom", "old")
    same(place.text("metrics", "--textfile", path), (0, "", ""))
    with open(path, encoding="utf-8") as file:
        same(file.read(), place.text("metrics")[1])
    same(os.stat(path).st_mode & 0o777, 0o644)
    status, _, err = place.text("metrics", "--textfile", os.path.join(place.path, "no", "where"))
    same(status, 1)
    holds(err, "No such file or directory")
    same(glob.glob(path + ".*"), [])
    os.mkdir(os.path.join(place.path, "taken"))
    same(place.text("metrics", "--textfile", os.path.join(place.path, "taken"))[0], 1)
    same(glob.glob(os.path.join(place.path, "taken.*")), [])


def ask(port, method, path, host="127.0.0.1"):
    client = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    client.request(method, path)
    answer = client.getresponse()
    return answer.status, answer.getheader("Content-Type"), answer.read().decode()


@test
def metrics_over_http(place):
    server = subprocess.Popen([REBOUND, "metrics", "--listen", "0"], env=place.env, stderr=subprocess.PIPE)
    port = int(re.fullmatch(rb"rebound: metrics at http://127\.0\.0\.1:(\d+)/metrics\n", server.stderr.readline())[1])
    status, kind, text = ask(port, "GET", "/metrics")
    same((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"))
    holds(text, "rebound_processes 0\n")
    holder, closed = closed_port()
    connect(place, f"127.0.0.1:{closed}")  # the file came to be after the server
    holds(ask(port, "GET", "/metrics")[2], 'rebound_attempts_total{policy="local"} 2\n')
    same(ask(port, "HEAD", "/metrics")[::2], (200, ""))
    same(ask(port, "GET", "/")[0], 404)
    same(ask(port, "POST", "/metrics")[0], 405)
    os.truncate(place.state, 100)
    same(ask(port, "GET", "/metrics")[0], 500)
    os.unlink(place.state)
    same(ask(port, "GET", "/metrics")[0], 200)
    status, _, err = place.text("metrics", "--listen", str(port))
    same(status, 1)
    holds(err, "Address already in use")
    server.send_signal(signal.SIGTERM)
    same((server.wait(timeout=PATIENCE), server.stderr.read()), (0, b""))
    holder.close()


@test
def alert_rules(place):
    rules = os.path.join(PROMETHEUS, "rebound.rules.yml")
    for words in (("check", "rules", rules), ("test", "rules", os.path.join(ROOT, "tests", "prometheus", "rules_test.yml"))):
        done = subprocess.run(["promtool", *words], capture_output=True, cwd=place.path, check=False)
        same((done.returncode, done.stderr), (0, b""))


def expressions():
    with open(os.path.join(PROMETHEUS, "rebound.dashboard.json"), encoding="utf-8") as file:
        board = json.load(file)
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"][1:]:
        yield variable["name"], re.fullmatch(r"label_values\((.*), \w+\)", variable["query"])[1]


@test
def dashboard_and_rules_use_what_exists(place):
    """promtool understands each expression, and each name in it is one of ours."""
    known = set(re.findall(r"^# TYPE (\w+) ", place.text("metrics")[1], re.MULTILINE))
    expect(len(known) >= 14, known)
    known |= {"rebound_call_duration_seconds_" + suffix for suffix in ("bucket", "sum", "count")}
    with open(os.path.join(PROMETHEUS, "rebound.rules.yml"), encoding="utf-8") as file:
        rules = re.findall(r"\brebound_\w+", re.sub(r"annotations:.*?(?=- alert|$)", "", file.read(), flags=re.DOTALL))
    same([name for name in rules if name not in known], [])
    records = []
    for title, expression in expressions():
        names = re.findall(r"\brebound_\w+", expression)
        expect(names and all(name in known for name in names), title, names)
        filled = re.sub(r"\$__\w+", "5m", expression).replace("$instance", ".*").replace("$policy", ".*")
        records.append({"record": f"panel:{len(records)}", "expr": filled})
    path = place.file("panels.yml", json.dumps({"groups": [{"name": "panels", "rules": records}]}))
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, check=False)
    same(done.returncode, 0)
    holds(done.stdout.decode(), f"{len(records)} rules found")


# --- top


class Terminal:
    """`rebound top` in a tmux of its own."""

    count = 0

    def __init__(self, place, width, height, *words):
        Terminal.count += 1  # the server of the one before may still be about to go
        self.command = ["tmux", "-S", os.path.join(place.path, f"tmux{Terminal.count}"), "-f", "/dev/null"]
        self.env = {**place.env, "TERM": "xterm"}
        shell = f"stty -a > before; {REBOUND} top {' '.join(words)}; status=$?; stty -a > after; echo status $status; cat"
        self.tmux("new-session", "-d", "-x", str(width), "-y", str(height), "-c", place.path, "sh", "-c", shell)

    def tmux(self, *words):
        return subprocess.run([*self.command, *words], env=self.env, capture_output=True, check=True).stdout.decode()

    def screen(self):
        return self.tmux("capture-pane", "-p").splitlines()

    def shows(self, piece):
        wait_until(lambda: any(piece in line for line in self.screen()), f"no {piece!r} on the screen")

    def press(self, key):
        self.tmux("send-keys", key)

    def process(self):
        """The pid of the command, a child of the shell."""
        shell = int(self.tmux("display-message", "-p", "#{pane_pid}"))
        with open(f"/proc/{shell}/task/{shell}/children", encoding="ascii") as file:
            return int(file.read().split()[0])

    def close(self):
        self.tmux("kill-server")


def many(place, count):
    connect(place, *(f"127.0.{i // 200}.{i % 200 + 1}:9" for i in range(count)), policy=ONE_ATTEMPT)


@test
def top_once(place):
    many(place, 3)
    status, out, err = place.text("top", "--once", env={"COLUMNS": "80"})
    same((status, err), (0, ""))
    lines = out.splitlines()
    same(lines[:4], ["rebound top  3 hosts: 3 open, 0 half-open, 0 closed  0 processes",
                     "calls 3  retries 0  recovered 0  refused 0  failed 3", place.state,
                     "HOST                     POLICY     STATE     CALLS FAILED SLOW NOTE"])
    same(len(lines), 7)


@test
def top_on_screens_of_all_sizes(place):
    for count in (0, 1, 500):
        if count:
            many(place, count)
        for width, height in ((80, 24), (160, 50), (40, 10), (20, 3)):
            terminal = Terminal(place, width, height)
            try:
                terminal.shows("rebound top")
                terminal.shows("q quit")
                lines = terminal.screen()
                expect(len(lines) == height and max(map(len, lines)) <= width, count, width, height)
                if height > 10:
                    same(sum(" open " in line for line in lines[4:]), min(count, height - 5))
                terminal.press("q")
                terminal.shows("status 0")
            finally:
                terminal.close()


@test
def top_obeys_keys(place):
    many(place, 100)
    terminal = Terminal(place, 80, 24, "-d", "100ms")
    try:
        terminal.shows("127.0.0.1:9 ")
        terminal.press("NPage")
        terminal.shows("127.0.0.25:9")
        terminal.press("End")
        terminal.shows("127.0.0.100:9")
        terminal.press("Home")
        terminal.shows("127.0.0.1:9 ")
        terminal.press("s")
        terminal.shows("by failures")
        terminal.press("Space")
        terminal.shows("PAUSED")
        terminal.press("Space")
        terminal.shows("space pause")
        place.text("reset")
        terminal.shows("0 hosts")
        os.truncate(place.state, 0)
        terminal.shows("damaged")
    finally:
        terminal.close()


@test
def top_leaves_the_terminal_as_it_was(place):
    """The terminal is restored after the key q, after signals, and after a crash."""
    for ending in ("q", signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV):
        terminal = Terminal(place, 80, 24)
        try:
            terminal.shows("q quit")
            if ending == "q":
                terminal.press("q")
            else:
                os.kill(terminal.process(), ending)
            terminal.shows("status " + ("0" if ending == "q" else str(128 + ending)))
            expect(not any("q quit" in line for line in terminal.screen()), "the screen was left", ending)
            before, after = (open(os.path.join(place.path, name), encoding="utf-8").read() for name in ("before", "after"))
            same((ending, after), (ending, before))
            same(terminal.tmux("display-message", "-p", "#{cursor_flag} #{alternate_on}").strip(), "1 0")
        finally:
            terminal.close()


@test
def top_on_an_unknown_terminal(place):
    holds(on_terminal_with_stdin(place, {"TERM": "nonsense"}, "top"), "unknown terminal")


def on_terminal_with_stdin(place, env, *words):
    return subprocess.run(["script", "-qec", " ".join([REBOUND, *words]), "/dev/null"], env={**place.env, **env},
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False).stdout.decode()
