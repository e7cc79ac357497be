# SPDX-License-Identifier: MIT
"""start.wait: unmodified programs that start before the hosts they need."""

import json
import os

from harness import HERE, LOOP, QUICK, REBOUND, TRANSFER, Skip, cases, node_has_ring
import test_connect as connects
import test_idioms as idioms
from test_dns import stage as dns_stage

PYTHON = "/usr/bin/python3"
NODE_GET = """
require('http').get('http://NAME/', r => r.on('data', d => process.stdout.write(d)))
    .on('error', e => { console.error(e.code); process.exitCode = 3 })
"""
PYTHON_GET = "import urllib.request as u; print(u.urlopen('http://NAME/').read().decode(), end='')"
JAVA_GET = """
public class Get {
    public static void main(String[] words) throws Exception {
        System.out.print(new String(new java.net.URL("http://NAME/").openStream().readAllBytes()));
    }
}
"""

# `args`: the program, where NAME is its host and port; `kind`: what answers there; `out`: what it prints.
PROGRAMS = {
    "psql": dict(args=["psql", "-w", "-At", "-h", "{host}", "-p", "{port}", "-U", "any", "-c", "select 1"],
                 kind="postgres", out=b"1\n"),
    "redis": dict(args=["redis-cli", "-h", "{host}", "-p", "{port}", "ping"], kind="redis", out=b"PONG\n"),
    "curl": dict(args=["curl", "-sS", "http://NAME/"], kind="http", out=b"good\n"),
    "node": dict(args=["node", "-e", NODE_GET], kind="http", out=b"good\n"),
    "python": dict(args=[PYTHON, "-c", PYTHON_GET], kind="http", out=b"good\n"),
    "java": dict(args=["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "{dir}/Get.java"], kind="http",
                 out=b"good\n"),
}
if node_has_ring():  # its connects are bypassed
    del PROGRAMS["node"]
PORTS = {name: 5000 + number for number, name in enumerate(PROGRAMS)}


def section(test, keys, hosts="*"):
    return test.policy(keys, hosts=hosts)


def stage(test, plan, command):
    """The command in a world of its own with these hosts."""
    test.file("plan.json", json.dumps(plan))
    wrapper = dns_stage(test, [])
    return [*wrapper[:wrapper.index(os.path.join(HERE, "resolver.py"))], os.path.join(HERE, "starting.py"), test.dir,
            *command]


def under(policy, command, *flags):
    return [REBOUND, "run", "--policy", policy, *flags, "--", *command]


def command_of(test, name):
    where = {"{host}": name, "{port}": str(PORTS[name]), "NAME": f"{name}:{PORTS[name]}", "{dir}": test.dir}
    if name == "java":
        test.file("Get.java", JAVA_GET.replace("NAME", where["NAME"]))
    words = PROGRAMS[name]["args"]
    for key, value in where.items():
        words = [word.replace(key, value) for word in words]
    return words


def host_of(name, name_s, port_s):
    return dict(port=PORTS[name], kind=PROGRAMS[name]["kind"], name_s=name_s, port_s=port_s)


# Starts each program of a file, waits for all and writes what each one printed and how it ended.
ALL_AT_ONCE = """
import json, subprocess, sys
programs = json.load(open(sys.argv[1]))
running = {n: subprocess.Popen(c, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for n, c in programs.items()}
ends = {n: [*map(bytes.decode, p.communicate()), p.returncode] for n, p in running.items()}
json.dump(ends, open(sys.argv[2], "w"))
"""


def test_survives_a_late_start(test):
    """A name that appears after 20 s, and a port that opens after 40 s."""
    plan = {name: host_of(name, 20, 40) for name in PROGRAMS}
    commands = test.file("commands.json", json.dumps({name: command_of(test, name) for name in PROGRAMS}))
    results = os.path.join(test.dir, "results.json")
    command = under("builtin:patient", [PYTHON, "-c", ALL_AT_ONCE, commands, results], "--log", test.log_path, "--summary")
    summary = test.alone(stage(test, plan, command), limit_s=150)
    test.equal(summary.code, 0, f"exit status ({summary})")
    with open(results, encoding="utf-8") as file:
        ends = json.load(file)
    for name, program in PROGRAMS.items():
        test.equal(ends[name], [program["out"].decode(), "", 0], f"stdout, stderr and status of {name}")
        waits = [e for e in test.events("waited") if e["host"] == f"{name}:{PORTS[name]}"]
        test.equal(len(waits), 1, f"lines about {name}")
        test.check(40000 <= waits[0]["waited_ms"] < 60000 and "cause" not in waits[0], f"{waits}")
        said = f"rebound: waited {(waits[0]['waited_ms'] + 500) // 1000} s for {name}:{PORTS[name]}\n"
        test.check(said in summary.err.decode(), f"{said} in {summary.err}")
    test.equal(len(test.events()), len(PROGRAMS), f"events ({test.events()})")


# --- in each way in which programs learn of the end of a connect

WAITING = {"retry.attempts": "1", "start.wait": "20s", "breaker": "off"}
LATER_MS = (1500, 6000)  # on a busy machine a program may come after the server; then a later one


def waits_alone(test, run):
    """Runs a program before a server that comes late, with a part of the test. Its only event is the wait."""
    for after_ms in LATER_MS:
        part = test.part()
        run(part, after_ms)
        if part.events():
            break
    test.equal([e["decision"] for e in part.events()], ["waited"], f"{part.events()}")
    return part.events()[0]


@cases("psql", "nginx", "python_timeout", "python_select", "python_poll", "python_epoll", "python_one_shot", "asyncio",
       "php_fsockopen", "node_net", "java_nio", "ruby_tcp", "haproxy", "perl_timeout", "lua_timeout", "python_fast_open")
def test_idiom(test, program):
    if idioms.is_bypassed(program):
        raise Skip("the connects of this node are bypassed")

    def run(part, after_ms):
        found, _ = idioms.run(part, program, after_ms, WAITING)
        idioms.same(test, found, idioms.live(test, program), "under rebound, late server")

    waits_alone(test, run)


@cases("wget", "w3m", "python_urllib", "ssh", "bash", "perl", "git", "busybox_wget")
def test_blocking(test, program):
    entry = connects.PROGRAMS[program]

    def run(part, after_ms):
        server = part.server("--listen-after", str(after_ms), "--accept", entry.get("accept", "http"))
        command = connects.prepare(part, program, "127.0.0.1", server.port)
        result = part.rebound(command, section(part, WAITING, f"127.0.0.1:{server.port}"))
        test.equal(result.code, entry.get("code", 0), f"exit status ({result})")
        test.check(entry["out"] in result.out + result.err, f"{result}")

    waits_alone(test, run)


@cases("easy", "poll", "socket", "wait", "fdset")
def test_libcurl(test, mode):
    """No attempt but one counts, and the program sees no trace of the others."""
    def run(part, after_ms):
        server = part.server("--listen-after", str(after_ms))
        command = [TRANSFER, "--mode", mode, "--count", "2", server.url("k{n}")]
        result = part.rebound(command, section(part, WAITING))
        test.equal(result.code, 0, f"exit status ({result})")
        test.equal([server.count(key) for key in ("k0", "k1")], [1, 1], "requests")

    test.equal(waits_alone(test, run)["api"], "curl", "api in the log")


@cases(epoll="epoll", edge="edge", poll="poll", select="select")
def test_loop(test, way):
    """The wait costs a loop nothing, and its timer ticks on."""
    def run(part, after_ms):
        server = part.server("--listen-after", str(after_ms), "--accept", "raw;text=hello")
        result = part.rebound([LOOP, way, "127.0.0.1", str(server.port), "50", "15000"], section(part, WAITING))
        test.check(result.out.startswith(b"connected "), f"{result}")
        test.check(result.cpu_ms < 500, f"{result.cpu_ms} ms of CPU")

    waits_alone(test, run)


def test_unix_socket(test):
    def run(part, after_ms):
        path = os.path.join(part.dir, "late.sock")
        part.server("--host", path, "--listen-after", str(after_ms), "--accept", "raw;last;text=hello")
        policy = section(part, WAITING, f"unix:{part.dir}/*.sock")
        test.good(part.rebound(["socat", "-", f"UNIX-CONNECT:{path}"], policy), b"hello")

    waits_alone(test, run)


def test_pattern_with_port(test):
    def run(part, after_ms):
        server = part.server("--listen-after", str(after_ms))
        test.good(part.rebound(["curl", "-sS", server.url("k")], section(part, WAITING, f"*:{server.port}")), b"good k\n")

    waits_alone(test, run)


# --- limits


def dead(test, keys, command, env=None, flags=()):
    """Runs the command alone and under rebound before a port that refuses. The results must be the same."""
    alone = test.alone(command, env=env)
    test.check(alone.code != 0, f"no failure alone: {alone}")
    test.same(test.rebound(command, section(test, keys), flags, env=env), alone)


@cases(connect=["--connect-timeout", "2"], total=["-m", "2"])
def test_limit_of_curl(test, limit):
    """The result comes before the program's own limit, and not as a timeout."""
    dead(test, {"start.wait": "2m"}, ["curl", "-s", *limit, test.closed_port().url()])
    waits = test.events("waited")
    test.check(len(waits) == 1 and 0 < waits[0]["waited_ms"] <= 2000 and waits[0]["cause"] == "refused", f"{waits}")


SEND_LIMIT = """
import socket, struct, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 2, 0))
sys.exit(s.connect_ex(("127.0.0.1", int(sys.argv[1]))))
"""


def test_send_limit(test):
    dead(test, {"start.wait": "2m"}, [PYTHON, "-c", SEND_LIMIT, str(test.closed_port().port)])
    waits = test.events("waited")
    test.check(len(waits) == 1 and 0 < waits[0]["waited_ms"] <= 2000, f"{waits}")


def test_wait_extends_the_total_time(test):
    keys = {**WAITING, "timeout.total": "300ms"}

    def run(part, after_ms):
        server = part.server("--listen-after", str(after_ms))
        test.good(part.rebound(["curl", "-sS", server.url("k")], section(part, keys)), b"good k\n")
        policy = section(part, keys)
        if part.events():
            os.unlink(part.log_path)
        server = part.server("--listen-after", str(after_ms))
        test.good(part.rebound(["wget", "-qO-", "--tries=1", server.url("k")], policy), b"good k\n")

    waits_alone(test, run)


MANY = """
import socket, sys, threading
def dial(port):
    try: socket.create_connection(("127.0.0.1", int(port)))
    except ConnectionRefusedError: print("refused")
threads = [threading.Thread(target=dial, args=(p,)) for p in sys.argv[1:]]
for t in threads: t.start()
for t in threads: t.join()
"""


def test_many_dead_hosts(test):
    """Twelve targets that refuse are not taken for a port scan, and each has its own line."""
    ports = [test.closed_port().port for _ in range(12)]
    keys = {**WAITING, "start.wait": "3s", "retry.attempts": "2"}
    test.good(test.rebound([PYTHON, "-c", MANY, *map(str, ports)], section(test, keys)), 12 * b"refused\n")
    test.equal(sorted(e["host"] for e in test.events("waited")), sorted(f"127.0.0.1:{p}" for p in ports), "hosts")
    test.check(all(e["waited_ms"] >= 1000 for e in test.events("waited")), f"{test.events('waited')}")
    # The ordinary attempts after the wait count for the detection of a scan: the first eight are repeated.
    test.equal(len(test.events("retry")) + test.reasons().count("sweep"), 12, f"{test.events()}")


def test_threads_share_a_wait(test):
    def run(part, after_ms):
        server = part.server("--listen-after", str(after_ms), "--accept", "raw;last;text=hello")
        test.good(part.rebound([PYTHON, "-c", MANY, *2 * [str(server.port)]], section(part, WAITING)), b"")
        test.equal(server.connections(), 2, "connections")

    waits_alone(test, run)


FORKS = """
import os, socket, sys
if os.fork() == 0:
    print(socket.create_connection(("127.0.0.1", int(sys.argv[1]))).recv(9).decode(), flush=True)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_forked_child(test):
    def run(part, after_ms):
        server = part.server("--listen-after", str(after_ms), "--accept", "raw;last;text=hello")
        test.good(part.rebound([PYTHON, "-c", FORKS, str(server.port)], section(part, WAITING)), b"hello\n")

    waits_alone(test, run)


ONCE = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
socket.create_connection(("127.0.0.1", port)).close()
server.close()
print(socket.socket().connect_ex(("127.0.0.1", port)))
"""
# The connect of a datagram socket sends nothing, so it is no success.
DATAGRAM = """
import socket, sys
port = int(sys.argv[1])
socket.getaddrinfo("localhost", port)  # the first call that a policy concerns
socket.socket(type=socket.SOCK_DGRAM).connect(("127.0.0.1", port))
peer = socket.socket()
peer.connect(("127.0.0.1", port))
print(peer.recv(9).decode())
"""


def test_a_success_ends_the_wait_for_good(test):
    test.good(test.rebound([PYTHON, "-c", ONCE], section(test, {"start.wait": "2m"})), b"111\n")
    test.equal([e["decision"] for e in test.events()], ["retry", "retry", "stop"], "log")


def test_a_datagram_is_no_success(test):
    def run(part, after_ms):
        server = part.server("--listen-after", str(after_ms), "--accept", "raw;last;text=hello")
        test.good(part.rebound([PYTHON, "-c", DATAGRAM, str(server.port)], section(part, WAITING)), b"hello\n")

    waits_alone(test, run)


def test_tries_leave_no_trace(test):
    """They count for no breaker and no budget. Two failures would open this breaker for an hour."""
    keys = {"start.wait": "20s", "retry.attempts": "2", "breaker": "on", "breaker.window": "4", "breaker.min_calls": "2",
            "breaker.failure_rate": "50%", "breaker.open": "1h", "breaker.open_max": "1h", "breaker.refuse": "always",
            "budget.ratio": "0%", "budget.floor": "1/s"}

    def run(part, after_ms):
        state = {"REBOUND_STATE": os.path.join(part.dir, "state")}
        server = part.server("--listen-after", str(after_ms), "--accept", "raw;last;text=hello")
        command = ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{server.port} && cat <&3"]
        test.good(part.rebound(command, part.policy(keys, hosts="*", base={"breaker": "on"}), env=state), b"hello")
        metrics = part.alone([REBOUND, "metrics"], env=state).out.decode().splitlines()
        kept = [line for line in metrics if not line.startswith("#") and float(line.split()[-1]) != 0]
        counts = {line.split("{")[0]: line.split()[-1] for line in kept if "_total{" in line}
        wanted = {"rebound_calls_total": "1", "rebound_attempts_total": "1", "rebound_host_calls_total": "1",
                  "rebound_host_attempts_total": "1"}
        test.equal(counts, wanted, "metrics")
        test.check(any(line.startswith("rebound_breaker_state{") and 'state="closed"' in line for line in kept), f"{kept}")

    waits_alone(test, run)


# --- signals and ends

INTERRUPTED = """
import os, signal, socket, threading, time
def press():
    while True:  # a signal in the middle of a try does not end the wait
        time.sleep(2)
        os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=press, daemon=True).start()
try:
    try: WHAT
    except Exception: pass
    while True: time.sleep(0.01)  # Python's handler runs after the call
except KeyboardInterrupt:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("interrupted")
"""
CALLS = {
    "lookup": "socket.getaddrinfo('nobody', 80)",
    "connect": "socket.create_connection(('127.0.0.1', 9))",
    "timeout": "socket.create_connection(('127.0.0.1', 9), timeout=60)",
    "transfer": "import pycurl; c = pycurl.Curl(); c.setopt(c.URL, 'http://127.0.0.1:9/'); c.perform()",
    "unknown": "import pycurl; c = pycurl.Curl(); c.setopt(c.URL, 'http://nobody/'); c.perform()",
}


@cases(**CALLS)
def test_interrupt(test, call):
    """Control-C ends the wait, although it would last for two minutes more."""
    command = under(section(test, {"start.wait": "2m"}), [PYTHON, "-c", INTERRUPTED.replace("WHAT", call)])
    test.good(test.alone(stage(test, {}, command)), b"interrupted\n")


NODE_ENDS = """
require('dns').lookup('nobody', () => console.log('answered'))
require('dns').lookup('noone', () => console.log('answered'))
setTimeout(() => process.exit(5), 500)
"""
NODE_WORKER = """
const { Worker } = require('worker_threads')
require('dns').lookup('web', (error, address) => console.log(error ? error.code : address))
setTimeout(() => new Worker('0', { eval: true }).on('exit', () => console.log('worker ended')), 500)
"""


def test_node_exits_during_a_lookup(test):
    command = under(section(test, {"start.wait": "2m"}), ["node", "-e", NODE_ENDS])
    test.good(test.alone(stage(test, {}, command)), b"", code=5)


def test_node_waits_on_when_a_worker_ends(test):
    plan = {"web": dict(port=8000, kind="http", name_s=4, port_s=None)}
    command = under(section(test, {"start.wait": "2m"}), ["node", "-e", NODE_WORKER])
    test.good(test.alone(stage(test, plan, command)), b"worker ended\n127.0.0.1\n")


# --- what must fail as fast as alone


def asked(test):
    """The queries that the name server got since the last call."""
    path = os.path.join(test.dir, "queries")
    with open(path, "a+", encoding="ascii") as log:
        log.seek(0)
        found = log.read().splitlines()
    os.unlink(path)
    return found


def as_alone(test, plan, command, env=None, extra=()):
    """The command fails or succeeds as alone, and nothing waits. Only ordinary attempts are in the log."""
    alone = test.alone(stage(test, plan, command), env=env)
    questions = asked(test)
    policy = section(test, {"start.wait": "2m"})
    test.same(test.alone(stage(test, plan, under(policy, command)), env=env), alone)
    test.equal(test.events("waited"), [], "waits")
    return alone, [questions, asked(test)]


def getaddrinfo(*words):
    return [PYTHON, "-c", f"import socket; print(socket.getaddrinfo({', '.join(map(repr, words))}))"]


UNKNOWN = {
    "python": getaddrinfo("wrong.example", 80),
    "psql": ["psql", "-w", "-h", "wrong.example", "-c", "select 1"],
    "redis": ["redis-cli", "-h", "wrong.example", "ping"],
    "node": ["node", "-e", NODE_GET.replace("NAME", "wrong.example")],
    "service": getaddrinfo("nobody", "no-such-service"),
    "numeric": getaddrinfo("nobody", 80, 0, 0, 0, 4),
}


@cases(**UNKNOWN)
def test_unknown_public_name(test, command):
    alone, questions = as_alone(test, {}, command)
    test.check(alone.code != 0, f"{alone}")
    test.equal(questions[1], questions[0], "queries")
    test.equal(test.events("retry"), [], "retries")


def test_unknown_public_name_in_curl(test):
    """An unknown name is an ordinary cause for transfers."""
    alone, _ = as_alone(test, {}, ["curl", "-sS", "http://wrong.example/"])
    test.check(alone.code == 6 and len(test.events("retry")) == 2, f"{alone}, {test.events()}")


def live(name, kind, **keys):
    return {name: dict(port=7000, kind=kind, name_s=0, port_s=0, **keys)}


def test_wrong_password(test):
    command = ["psql", "-w", "-h", "db", "-p", "7000", "-U", "guest", "-c", "select 1"]
    alone, _ = as_alone(test, live("db", "postgres"), command, env={"PGPASSWORD": "wrong"})
    test.check(alone.code == 2 and b"password authentication failed" in alone.err, f"{alone}")
    test.equal(test.events(), [], "log")


def test_wrong_password_of_redis(test):
    command = ["redis-cli", "-h", "db", "-p", "7000", "-a", "wrong", "--no-auth-warning", "ping"]
    alone, _ = as_alone(test, live("db", "redis"), command)
    test.check(b"WRONGPASS" in alone.out + alone.err, f"{alone}")
    test.equal(test.events(), [], "log")


def test_not_found(test):
    alone, _ = as_alone(test, live("web", "missing"), ["curl", "-sS", "-f", "http://web:7000/"])
    test.check(alone.code == 22, f"{alone}")
    test.equal(test.events(), [], "log")


PUBLIC = "ip address add 203.0.113.1/32 dev lo && exec \"$@\""


@cases(refused=["203.0.113.1"], unreachable=["203.0.113.2"])
def test_public_address(test, address):
    dial = f"import socket; print(socket.socket().connect_ex(('{address[0]}', 9)))"
    command = ["sh", "-c", PUBLIC, "sh", PYTHON, "-c", dial]
    as_alone(test, {}, command)
    test.equal([e["decision"] for e in test.events()], ["retry", "retry", "stop"], "log")


def test_without_the_key(test):
    """The default: an unknown name without a dot and a private address fail as ever."""
    policy = test.policy(base=QUICK)
    command = [PYTHON, "-c", "import socket; print(socket.socket().connect_ex(('127.0.0.1', 9)))"]
    for each in (getaddrinfo("nobody", 80), command):
        alone = test.alone(stage(test, {}, each))
        test.same(test.alone(stage(test, {}, under(policy, each))), alone)
    test.equal([e["decision"] for e in test.events()], ["stop", "retry", "retry", "stop"], "log")


# Programs that ask for one family of addresses after the other.
FAMILIES = {
    "redis": ["redis-cli", "-h", "db", "-p", "7000", "ping"],
    "python": getaddrinfo("db", 80, 2),
    "perl": ["perl", "-MSocket", "-e", "print gethostbyname('six') ? 'found' : 'none', \"\\n\""],
    "getent": ["getent", "hosts", "localhost"],
}


@cases(**FAMILIES)
def test_host_without_this_family(test, command):
    """A host with an IPv6 address has started, so nobody waits for its IPv4 address."""
    as_alone(test, live("db", "redis", family=6), command)


def test_own_name(test):
    """Programs look up the name of the machine, and live without an answer."""
    command = ["unshare", "--uts", "sh", "-c", "hostname lonely; exec hostname -f"]
    alone, _ = as_alone(test, {}, command)
    test.check(alone.code != 0, f"{alone}")


@cases("127.0.0.1", "::1")
def test_one_address_of_two_works(test, address):
    """The name `both` has the addresses ::1 and 127.0.0.1, and the service has one of them."""
    plan = live("db", "http", **({"family": 6} if ":" in address else {}))
    for command in (["wget", "-qO-", "--tries=1", "http://both:7000/"], ["curl", "-sS", "http://both:7000/"],
                    [PYTHON, "-c", PYTHON_GET.replace("NAME", "both:7000")]):
        alone, _ = as_alone(test, plan, command)
        test.equal(alone.out, b"good\n", f"{alone}")


# The name `both`: libcurl tries all addresses in one transfer. Others wait for the last one.
LATE = {
    "python": ([PYTHON, "-c", PYTHON_GET.replace("NAME", "both:7000")], 4),
    "wget": (["wget", "-qO-", "--tries=1", "http://both:7000/"], 4),
    "curl_first": (["curl", "-sS", "http://both:7000/"], 6),
    "curl_second": (["curl", "-sS", "http://both:7000/"], 4),
}


@cases(**LATE)
def test_address_late(test, entry):
    command, family = entry
    plan = {"db": dict(port=7000, kind="http", name_s=0, port_s=3, family=family)}
    ask = ["sh", "-c", "getent hosts db >/dev/null; exec \"$@\"", "sh", *command]
    test.good(test.alone(stage(test, plan, under(section(test, WAITING), ask))), b"good\n")
    test.equal([e["host"] for e in test.events("waited")], ["both:7000"], "log")
