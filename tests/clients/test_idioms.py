# SPDX-License-Identifier: MIT
"""Unmodified programs that connect without blocking, by the way in which they learn of the result."""

import collections
import concurrent.futures
import os
import re
import subprocess
import threading
import time

from harness import BUILD, HERE, LATE_MS, PATIENT, QUICK, Failure, Test, cases, neutral, node_has_ring, shared_out
from proxies import write_haproxy, write_lighttpd, write_nginx

CLASSES = os.path.join(BUILD, "clients", "classes")
IDIOMS = os.path.join(HERE, "idioms")
GREETING = "hello%20from%20afar%0A"
HELLO = b"hello from afar"
# Greets and goes on reading; greets and ends its side at once.
OPEN, LAST = f"raw;text={GREETING}", f"raw;last;text={GREETING}"

# The ways to learn of the result.
ASKS = "waits, then SO_ERROR"
ASKS_TWICE = "waits, then SO_ERROR and the bits of a second poll"
FIRST = "SO_ERROR before any wait"
AGAIN = "waits, then a second connect"
USES = "waits, then reads, writes or asks for the peer's name"
FAST = "sendto(MSG_FASTOPEN)"


def script(name, *arguments, interpreter, **entry):
    """A program of the directory idioms."""
    return dict(args=[*interpreter, f"{IDIOMS}/{name}", *arguments, "{host}", "{port}"], **entry)


def python(way, idiom=ASKS, **entry):
    entry = {"accept": OPEN, "out": HELLO, **entry}
    return script("client.py", way, interpreter=["/usr/bin/python3"], idiom=idiom, **entry)


def java(way, **entry):
    options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", CLASSES]
    blur = rb"(?<=NioSocketImpl\.java:)\d+"  # before or after its first wait
    return dict(args=["java", *options, "Client", way, "{host}", "{port}"], blur=blur, **entry)


def proxy(*command, **entry):
    return dict(args=[f"{IDIOMS}/proxy.sh", "{dir}/work/proxy.sock", *command], out=b"good k\nstatus 200\n",
                **entry)


HTTP = "http://{host}:{port}/k"
GOOD = b"good k\n"

# `args` may hold {host}, {port}, {dir}; `accept` says how the server treats a connection (HTTP unless told otherwise);
# `out` is what stdout or stderr holds when the server was reached; `file` is where the program puts what it got;
# `blur` says what else differs between two runs.
PROGRAMS = {
    # waits, then SO_ERROR
    "psql": dict(idiom=ASKS, args=["psql", "-w", "-h", "{host}", "-p", "{port}", "-c", "select 1"], accept=LAST,
                 env={"PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}, out=b"expected"),
    "mariadb": dict(idiom=ASKS, args=["mariadb", "--no-defaults", "-h", "{host}", "-P", "{port}", "-e", "select 1"],
                    accept=LAST, out=b"Lost connection", blur=rb"(?<=system error: )\d+"),
    "rsync": dict(idiom=ASKS, args=["rsync", "--contimeout=10", "rsync://{host}:{port}/"],
                  accept="raw;last;text=@RSYNCD:%2031.0%0A@ERROR:%20hello%20from%20afar%0A", out=HELLO),
    "nginx": proxy("nginx", "-e", "stderr", "-c", "{dir}/nginx.conf", idiom=ASKS),
    "lighttpd": proxy("lighttpd", "-D", "-f", "{dir}/lighttpd.conf", idiom=ASKS),
    "apt": dict(idiom=ASKS, args=["/usr/lib/apt/apt-helper", "-qq", "-oAPT::Sandbox::User=root", "-oAcquire::Retries=0",
                                  "download-file", HTTP, "{dir}/work/got"], file="got", out=GOOD),
    "aria2c": dict(idiom=ASKS, args=["aria2c", "-q", "--max-tries=1", "-d", "{dir}/work", "-o", "got", HTTP],
                   file="got", out=GOOD),
    "node_net": script("client.js", "net", interpreter=["node"], idiom=ASKS, accept=OPEN, out=HELLO),
    "node_fetch": script("client.js", "fetch", interpreter=["node"], idiom=ASKS, out=GOOD),
    "python_timeout": python("timeout"),
    "python_select": python("select"),
    "python_poll": python("poll"),
    "python_epoll": python("epoll"),
    "python_one_shot": python("one_shot"),
    "asyncio": python("asyncio"),
    "aiohttp": python("aiohttp", accept="http", out=GOOD),
    "trio": python("trio"),
    "gevent": python("gevent"),
    "twisted": python("twisted"),
    "gio": python("gio"),
    "php_fsockopen": script("client.php", "fsockopen", interpreter=["php"], idiom=ASKS, accept=OPEN, out=HELLO),
    "php_http": script("client.php", "http", interpreter=["php"], idiom=ASKS, out=GOOD),
    "tcl": script("client.tcl", interpreter=["tclsh"], idiom=ASKS, accept=OPEN, out=HELLO),
    "erlang": dict(idiom=ASKS, args=[
        "erl", "-noinput", "-eval",
        "case gen_tcp:connect(\"{host}\", {port}, [{{active, false}}]) of {{ok, S}} -> {{ok, L}} = gen_tcp:recv(S, 0), "
        "io:put_chars(L), halt(0); E -> io:format(\"~p~n\", [E]), halt(1) end."], accept=OPEN, out=HELLO),
    "guile": script("client.scm", interpreter=["guile", "--no-auto-compile"], idiom=ASKS, accept=OPEN, out=HELLO),
    "socat": dict(idiom=ASKS, args=["socat", "-", "TCP:{host}:{port},connect-timeout=10"], accept=LAST, out=HELLO),
    "nc": dict(idiom=ASKS, args=["nc", "-w", "10", "{host}", "{port}"], accept=LAST, out=HELLO),
    "ncat": dict(idiom=ASKS, args=["ncat", "--recv-only", "{host}", "{port}"], accept=LAST, out=HELLO),
    "links": dict(idiom=ASKS, args=["links", "-source", HTTP], out=GOOD),
    "perl_ip": script("client.pl", "ip", interpreter=["perl"], idiom=ASKS, accept=OPEN, out=HELLO),
    "mojo": script("client.pl", "mojo", interpreter=["perl"], idiom=ASKS, accept=OPEN, out=HELLO),
    "tsql": dict(idiom=ASKS, args=["tsql", "-H", "{host}", "-p", "{port}", "-U", "x", "-P", "x"], accept=LAST,
                 out=b"Unexpected EOF"),
    "amqp": dict(idiom=ASKS, args=["amqp-get", "-u", "amqp://{host}:{port}", "-q", "x"], accept=LAST,
                 out=b"logging in"),
    "memcping": dict(idiom=ASKS, args=["memcping", "--servers={host}:{port}"],
                     accept="raw;text=VERSION%201.6.18%0D%0A", out=b""),
    # waits, then SO_ERROR and the bits of a second poll
    "java_nio": java("nio", idiom=ASKS_TWICE, accept=OPEN, out=HELLO),
    "java_timeout": java("timeout", idiom=ASKS_TWICE, accept=OPEN, out=HELLO),
    "lftp": dict(idiom=ASKS_TWICE, args=["lftp", "-c", "set net:max-retries 1; cat " + HTTP], out=GOOD),
    # SO_ERROR before any wait
    "ruby_tcp": script("client.rb", "tcp", interpreter=["ruby"], idiom=FIRST, accept=OPEN, out=HELLO),
    "ruby_socket": script("client.rb", "socket", interpreter=["ruby"], idiom=FIRST, accept=OPEN, out=HELLO),
    "ruby_async": script("client.rb", "async", interpreter=["ruby"], idiom=FIRST, accept=OPEN, out=HELLO),
    # waits, then a second connect
    "haproxy": proxy("haproxy", "-f", "{dir}/haproxy.cfg", idiom=AGAIN),
    "redis_cli": dict(idiom=AGAIN, args=["redis-cli", "-h", "{host}", "-p", "{port}", "ping"],
                      accept="raw;text=%2BPONG%0D%0A", out=b"PONG"),
    "lynx": dict(idiom=AGAIN, args=["lynx", "-source", HTTP], out=GOOD),
    "perl_timeout": script("client.pl", "timeout", interpreter=["perl"], idiom=AGAIN, accept=OPEN, out=HELLO),
    "ruby_timeout": script("client.rb", "timeout", interpreter=["ruby"], idiom=AGAIN, accept=OPEN, out=HELLO),
    "ruby_http": script("client.rb", "http", interpreter=["ruby"], idiom=AGAIN, out=GOOD),
    # waits, then reads, writes or asks for the peer's name
    "lua_timeout": script("client.lua", "timeout", interpreter=["lua5.1"], idiom=USES, accept=OPEN, out=HELLO),
    "lua_select": script("client.lua", "select", interpreter=["lua5.1"], idiom=USES, accept=OPEN, out=HELLO),
    "ab": dict(idiom=USES, args=["ab", "-q", "-n1", HTTP], blur=rb" *\d[\d.]*", out=b"Complete requests"),
    "ldapsearch": dict(idiom=USES, args=["ldapsearch", "-x", "-H", "ldap://{host}:{port}", "-o", "nettimeout=10"],
                       accept=LAST, out=b"server"),
    "php_async": script("client.php", "async", interpreter=["php"], idiom=USES, accept=OPEN, out=HELLO),
    "anyevent": script("client.pl", "anyevent", interpreter=["perl"], idiom=USES, accept=OPEN, out=HELLO),
    "python_recv": python("recv", idiom=USES),
    # sendto(MSG_FASTOPEN), except wget2 from version 2.2
    "wget2": dict(idiom=FAST, args=["wget2", "-nv", "-O-", "--tries=1", HTTP], out=GOOD),
    "python_fast_open": python("fast_open", idiom=FAST),
}


HANG_S = 25  # far more than any policy here allows

found_alone = {}
once = threading.Lock()


def prepare(test, program, port):
    """The command of a program of the table."""
    places = {"host": "127.0.0.1", "port": port, "dir": test.dir}
    write_nginx(test, places["host"], port)
    write_haproxy(test, f"server one {places['host']}:{port}")
    write_lighttpd(test, places["host"], port)
    if program.startswith("java"):
        compile_java()
    return [a.format(**places) for a in PROGRAMS[program]["args"]]


def compile_java():
    source, target = f"{IDIOMS}/Client.java", f"{CLASSES}/Client.class"
    with once:
        if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
            subprocess.run(["javac", "-d", CLASSES, source], check=True)


def seen(test, program, port, result):
    """What the program did (status, stdout, stderr, file), without what differs between any two runs."""
    entry = PROGRAMS[program]
    texts = [result.out, result.err, got(test, entry)]
    for pattern, word in ((str(port).encode(), b"PORT"), (test.dir.encode(), b"DIRECTORY"), *VOLATILE,
                          (entry.get("blur", b"(?!)"), b"N")):
        texts = [re.sub(pattern, word, neutral(text)) for text in texts]
    return result.code, *texts


VOLATILE = ((rb"\b\d+#\d+:", b"PID:"), (rb"PID = \d+", b"PID"), (rb"\[ *\d+\.\d+\]", b"SECONDS"))


def got(test, entry):
    try:
        with open(os.path.join(test.work, entry["file"]), "rb") as file:
            return file.read()
    except (KeyError, FileNotFoundError):
        return b""


def run(test, program, when, policy=None, **options):
    """Runs a program before a server that listens `when` (--listen-after); returns what was seen, and the server."""
    entry = PROGRAMS[program]
    server = test.server("--listen-after", str(when), "--accept", entry.get("accept", "http"))
    command = prepare(test, program, server.port)
    options["env"] = entry.get("env")
    if options.pop("late", False):
        options["on_retry"] = lambda: server.listen(LATE_MS)
    if policy is None:
        result = test.alone(command, **options)
    else:
        result = test.rebound(command, test.policy(hosts=f"127.0.0.1:{server.port}", base=policy), **options)
    return seen(test, program, server.port, result), server


def alone(test, program, when):
    """What the program does without rebound; it is found out once."""
    key = program, when
    if key not in found_alone:
        found_alone[key] = run(test.part(), program, when)[0]
    return found_alone[key]


def live(test, program):
    found = alone(test, program, 0)
    test.check(any(PROGRAMS[program]["out"] in each for each in found[1:]), f"before a live server: {found}")
    return found


def late(test, program):
    """What it does before a late server. On a busy machine a program may come after the server; then a later one."""
    for after in (LATE_MS, 4 * LATE_MS, 16 * LATE_MS):
        found = alone(test, program, after)
        if found != live(test, program):
            return found
    raise Failure(f"does not fail alone: {found}")


def same(test, found, wanted, what):
    for name, each, other in zip(("exit status", "stdout", "stderr", "file"), found, wanted):
        test.equal(each, other, f"{what}: {name} ({found})")


def is_bypassed(program):
    """Programs whose non-blocking connects the library gives up: they get what they get alone."""
    return program.startswith("node_") and node_has_ring()


def check_bypassed(test, found, program):
    same(test, found, late(test, program), "under rebound, io_uring")
    test.equal(test.events("retry"), [], "retries")


def each_program(place):
    """Runs the test once for each program. A sample has each program in one of three tests, and each idiom in all."""
    return shared_out(place, 3, {name: name for name in PROGRAMS}, lambda name: PROGRAMS[name]["idiom"])


@each_program(0)
def test_late(test, program):
    if is_bypassed(program):
        check_bypassed(test, run(test, program, "never", PATIENT)[0], program)
        return
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        under = beside.submit(run, test, program, "never", PATIENT, late=True)
        reference = live(test, program)
        late(test, program)
    found, server = under.result()
    same(test, found, reference, "under rebound, late server")
    test.check(len(test.events("retry")) >= 5, f"retries: {test.events()}")
    test.equal(len(test.events("recovered")), 1, "recoveries in the log")
    test.check(server.connections() >= 1, "no connection")


@each_program(1)
def test_dead(test, program):
    start = time.monotonic()
    found, _ = run(test, program, "never", QUICK)
    test.check(time.monotonic() - start < HANG_S, "it took too long")
    if is_bypassed(program):
        check_bypassed(test, found, program)
        return
    same(test, found, late(test, program), "under rebound, dead server")
    stops = test.events("stop")
    test.check(len(test.events("retry")) >= 2 and stops and stops[-1]["reason"] == "attempts", f"{test.events()}")


@cases("psql", "node_net", "haproxy", "perl_timeout")
def test_total_time(test, program):
    found, _ = run(test, program, "never", dict(PATIENT, **{"retry.attempts": "100", "timeout.total": "500ms"}))
    if is_bypassed(program):
        check_bypassed(test, found, program)
        return
    same(test, found, late(test, program), "under rebound, dead server")
    retries, stops = test.events("retry"), test.events("stop")
    test.check(2 <= len(retries) <= 5 and [e["reason"] for e in stops] == ["time"], f"{test.events()}")


# Waiting in the call suits what asks for the result and believes the answer.
@cases("psql", "python_select", "nc", "redis_cli", "perl_timeout", "ruby_tcp", "ldapsearch")
def test_settle(test, program):
    found, _ = run(test, program, "never", dict(PATIENT, **{"connect.nonblocking": "settle"}), late=True)
    same(test, found, live(test, program), "settled, late server")


@cases("psql", "asyncio", "nginx", "node_net", "java_nio", "haproxy", "ruby_tcp", "python_fast_open")
def test_off(test, program):
    found, _ = run(test, program, "never", dict(PATIENT, **{"connect.nonblocking": "off"}))
    same(test, found, late(test, program), "off, dead server")
    test.equal(test.events(), [], "log")


# One failure opens the breaker, and then no call is let through.
REFUSING = {"breaker": "on", "breaker.window": "1", "breaker.min_calls": "1", "breaker.refuse": "always",
            "breaker.open": "1h", "breaker.open_max": "1h", "retry.attempts": "2", "retry.base": "20ms"}


@each_program(2)
def test_refused_by_the_breaker(test, program):
    """The server listens again, but the breaker is open. The program gets what a dead server gives it."""
    entry = PROGRAMS[program]
    server = test.server("--listen-after", "never", "--accept", entry.get("accept", "http"))
    policy = test.policy(hosts=f"127.0.0.1:{server.port}", base=REFUSING)
    env = {**entry.get("env", {}), "REBOUND_STATE": os.path.join(test.dir, "state")}
    test.rebound(["/bin/bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{server.port}"], policy, env=env)
    server.listen()
    test.left()
    found = seen(test, program, server.port, test.rebound(prepare(test, program, server.port), policy, env=env))
    same(test, found, late(test, program), "refused by the breaker")
    test.check(len(test.events("refused")) >= 1, f"{test.events()}")
    test.equal(server.connections(), 0, "connections")


def test_each_idiom_has_its_programs(test):
    counts = collections.Counter(entry["idiom"] for entry in PROGRAMS.values())
    test.check(len(PROGRAMS) >= 30 and min(counts.values()) >= 2 and len(counts) == 6, f"{counts}")
