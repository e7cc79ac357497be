# SPDX-License-Identifier: MIT
"""Unmodified programs that connect in blocking mode: a server that begins to listen late, or never."""

import os
import shutil
import socket
import subprocess

from harness import LATE_MS, PATIENT, Skip, cases, network_space, shared_out

GREETING = "hello%20from%20afar%0A"
HELLO = b"hello from afar"

JAVA = """
import java.io.*;
import java.net.*;

public class Client {
    public static void main(String[] arguments) throws IOException {
        Socket socket = new Socket(arguments[0], Integer.parseInt(arguments[1]));
        System.out.println(new BufferedReader(new InputStreamReader(socket.getInputStream())).readLine());
    }
}
"""
GAWK = 'BEGIN {{ s = "/inet/tcp/0/{host}/{port}"; if ((s |& getline x) <= 0) exit 1; print x }}'
TCL = "set s [socket [lindex $argv 0] [lindex $argv 1]]; puts [gets $s]"

# Programs whose connect blocks (seen with strace). `args` hold {host}, {port} and {dir}; `connections` says how the
# server treats a connection; `out` is what stdout or stderr holds when the server was reached; `code` the status then
# (None: it depends on which end is the first to close).
# A greeting that ends the connection (last) is for programs that read until its end.
PROGRAMS = {
    "wget": dict(args=["wget", "-nv", "-O-", "--tries=1", "http://{host}:{port}/k"], out=b"good k\n"),
    "busybox_wget": dict(args=["busybox", "wget", "-qO-", "http://{host}:{port}/k"], out=b"good k\n",
                         first_only=True),
    "w3m": dict(args=["w3m", "-dump", "http://{host}:{port}/k"], out=b"good k\n"),
    "python_urllib": dict(
        args=["/usr/bin/python3", "-c",
              "import urllib.request as u; print(u.urlopen('http://{host}:{port}/k').read())"], out=b"good k"),
    "python_smtplib": dict(
        args=["/usr/bin/python3", "-c", "import smtplib; print(smtplib.SMTP('{host}', {port}).sock.getpeername())"],
        accept="raw;last;text=220%20ready%0D%0A250%20fine%0D%0A", out=b"127.0.0.1"),
    "java": dict(args=["java", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "{dir}/Client.java", "{host}", "{port}"],
                 accept=f"raw;text={GREETING}", out=HELLO),
    "ssh": dict(args=["ssh", "-o", "BatchMode=yes", "-p", "{port}", "{host}"],
                accept="raw;last;text=SSH-2.0-faultd%0D%0A", out=b"onnection closed by ", code=255),
    "openssl": dict(args=["openssl", "s_client", "-connect", "{host}:{port}"],
                    accept=f"raw;last;text={GREETING}", out=b"CONNECTED(", code=1),
    "socat": dict(args=["socat", "-", "TCP:{host}:{port}"], accept=f"raw;last;text={GREETING}", out=HELLO),
    "bash": dict(args=["bash", "-c", "exec 3<>/dev/tcp/{host}/{port} && cat <&3"],
                 accept=f"raw;last;text={GREETING}", out=HELLO),
    "ksh": dict(args=["ksh", "-c", "exec 3<>/dev/tcp/{host}/{port} && cat <&3"],
                accept=f"raw;last;text={GREETING}", out=HELLO),
    "zsh": dict(args=["zsh", "-fc", "zmodload zsh/net/tcp && ztcp {host} {port} && cat <&$REPLY"],
                accept=f"raw;last;text={GREETING}", out=HELLO),
    "perl": dict(args=["perl", "-MIO::Socket::INET", "-e",
                       "my $s = IO::Socket::INET->new('{host}:{port}') or die \"no: $@\"; print scalar <$s>"],
                 accept=f"raw;text={GREETING}", out=HELLO),
    "gawk": dict(args=["gawk", GAWK], accept=f"raw;text={GREETING}", out=HELLO,
                 env={"GAWK_SOCK_RETRIES": "1", "GAWK_MSEC_SLEEP": "1"}),
    "tcl": dict(args=["tclsh", "{dir}/client.tcl", "{host}", "{port}"], accept=f"raw;text={GREETING}", out=HELLO),
    "telnet": dict(args=["inetutils-telnet", "{host}", "{port}"], accept=f"raw;last;text={GREETING}",
                   out=b"Connected to", code=None),
    "git": dict(args=["git", "ls-remote", "git://{host}:{port}/x"], accept=f"raw;last;text={GREETING}",
                out=b"protocol error", code=128),
    "logger": dict(args=["logger", "-T", "-n", "{host}", "-P", "{port}", "--socket-errors=on", "hello"],
                   accept="hang", out=b"", raw=1, first_only=True),
    "whois": dict(args=["whois", "-h", "{host}", "-p", "{port}", "hello"], accept=f"raw;last;text={GREETING}",
                  out=HELLO),
}


def prepare(test, program, host, port):
    """The command of a program of the table."""
    test.file("Client.java", JAVA)
    test.file("client.tcl", TCL)
    return [a.format(host=host, port=port, dir=test.dir) for a in PROGRAMS[program]["args"]]


def run_late(test, program, host, hosts):
    entry = PROGRAMS[program]
    server = test.server("--listen-after", "never", "--accept", entry.get("accept", "http"))
    policy = test.policy(hosts=hosts.format(port=server.port), base=PATIENT)
    command = prepare(test, program, host, server.port)
    result = test.rebound(command, policy, on_retry=lambda: server.listen(LATE_MS), env=entry.get("env"))
    if entry.get("code", 0) is not None:
        test.equal(result.code, entry.get("code", 0), f"exit status ({result})")
    test.check(entry["out"] in result.out + result.err, f"{result}")
    test.equal(server.arrived(server.connections, 1), 1, "connections")
    if entry.get("raw"):
        test.equal(server.arrived(lambda: server.count("raw"), entry["raw"]), entry["raw"], "connections that sent data")
    retries, recovered = test.events("retry"), test.events("recovered")
    test.check(5 <= len(retries) <= 19, f"{len(retries)} retries")
    test.equal({(e["api"], e["cause"], e["policy"]) for e in retries}, {("connect", "refused", "tested")}, "retries")
    test.equal(len(recovered), 1, "recoveries in the log")


def each_program(place):
    """Runs the test once for each program. A sample has each program in one of two tests."""
    return shared_out(place, 2, {name: name for name in PROGRAMS})


@each_program(0)
def test_late_by_address(test, program):
    run_late(test, program, "127.0.0.1", "127.0.0.1:{port}")


# Not for programs that use the first address of a lookup only (first_only): where localhost is ::1 and 127.0.0.1, the
# first is not the last candidate and so is not repeated.
@cases(*(program for program, entry in PROGRAMS.items() if not entry.get("first_only")))
def test_late_by_name(test, program):
    run_late(test, program, "localhost", "localhost:{port}")


@each_program(1)
def test_dead_server(test, program):
    entry = PROGRAMS[program]
    server = test.server("--listen-after", "never")
    command = prepare(test, program, "127.0.0.1", server.port)
    alone = test.alone(command, env=entry.get("env"))
    under = test.rebound(command, env=entry.get("env"))
    test.check(alone.code != 0 or b"Can't load" in alone.err, f"no failure alone: {alone}")
    test.same(under, alone)
    stops = test.events("stop")
    test.check(len(test.events("retry")) >= 2 and stops and stops[-1]["reason"] == "attempts", f"{test.events()}")


def test_other_hosts_are_left_alone(test):
    server = test.server("--listen-after", "never")
    policy = test.policy(hosts="other.example, 10.0.0.0/8, 127.0.0.1:1", base=PATIENT)
    command = ["wget", "-qO-", "--tries=1", server.url("k")]
    alone = test.alone(command)
    test.same(test.rebound(command, policy), alone)
    test.equal(test.events(), [], "log")


def test_programs_that_are_named(test):
    server = test.server("--listen-after", "never")
    policy = test.file("p.ini", f"[rebound]\nlog = {test.log_path}\nskip = wget, cu*\n[default]\nretry.base = 20ms\n")
    test.rebound(["wget", "-qO-", "--tries=1", server.url("k")], policy)
    test.rebound(["curl", "-s", server.url("k")], policy)
    test.equal(test.events(), [], "log")


# A name with two addresses needs a hosts file of its own, in a mount namespace.


def with_hosts(test, lines, command):
    hosts = test.file("hosts", lines)
    root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    wrapper = ["unshare", *root, "--mount", "sh", "-c", f'mount --bind "{hosts}" /etc/hosts && exec "$@"', "sh"]
    if subprocess.run([*wrapper, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise Skip("no mount namespace")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        raise Skip("no IPv6") from None
    return [*wrapper, *command]


TWO = "::1 two.test\n127.0.0.1 two.test\n127.0.0.1 localhost\n"
TWO_CLIENTS = dict(
    wget=["wget", "-qO-", "--tries=1", "http://two.test:{port}/k"],
    python=["/usr/bin/python3", "-c",
            "import urllib.request as u; print(u.urlopen('http://two.test:{port}/k').read().decode(), end='')"],
    bash=["bash", "-c", "exec 3<>/dev/tcp/two.test/{port}; printf 'GET /k HTTP/1.0\\r\\n\\r\\n' >&3; tail -n1 <&3"])


def run_two(test, client, server, on_retry=None):
    from harness import REBOUND

    policy = test.policy(hosts="two.test", base=PATIENT)
    inner = [a.format(port=server.port) for a in client]
    command = with_hosts(test, TWO, [REBOUND, "run", "--policy", policy, "--", *inner])
    result = test.alone(command, on_retry=on_retry)
    test.check(result.code == 0 and result.out == b"good k\n", f"{result}")
    test.equal(server.connections(), 1, "connections")


@cases(**TWO_CLIENTS)
def test_first_address_refused_second_alive(test, client):
    server = test.server()
    run_two(test, client, server)
    test.equal(test.events("retry"), [], "retries")
    test.check("next-candidate" in test.reasons(), f"reasons: {test.reasons()}")


@cases(**TWO_CLIENTS)
def test_first_address_refused_second_late(test, client):
    server = test.server("--listen-after", "never")
    run_two(test, client, server, on_retry=lambda: server.listen(LATE_MS))
    test.check(len(test.events("retry")) >= 5, f"{test.events()}")


UNIX = dict(
    socat=["socat", "-", "UNIX-CONNECT:{path}"],
    python=["/usr/bin/python3", "-c",
            "import socket; s = socket.socket(socket.AF_UNIX); s.connect('{path}'); print(s.recv(99).decode())"])


@cases(**UNIX)
def test_late_unix_socket(test, client):
    path = os.path.join(test.dir, "late.sock")
    server = test.server("--host", path, "--listen-after", "never", "--accept", f"raw;last;text={GREETING}")
    policy = test.policy(hosts=f"unix:{test.dir}/*.sock", base=PATIENT)
    command = [a.format(path=path) for a in client]
    result = test.rebound(command, policy, on_retry=lambda: server.listen(LATE_MS))
    test.check(result.code == 0 and HELLO in result.out, f"{result}")
    test.equal(server.connections(), 1, "connections")


def test_http_statuses_are_not_the_business_of_connect(test):
    server = test.server()
    command = ["wget", "-qO-", "--tries=1", server.url("k/s503/ok")]
    alone = test.alone(command)
    server.reset()
    test.same(test.rebound(command, {"intercept": "curl, connect, dns"}), alone)
    test.equal(server.count("k"), 1, "requests")


def test_breaker_of_a_dead_port(test):
    server = test.server("--listen-after", "never")
    keys = {"breaker": "on", "breaker.window": "4", "breaker.min_calls": "2", "breaker.refuse": "always", "retry.attempts": "1"}
    program = (
        "import socket, errno, sys\n"
        "def attempt():\n"
        "    try: socket.create_connection(('127.0.0.1', int(sys.argv[1]))).close()\n"
        "    except OSError as e: return errno.errorcode[e.errno]\n"
        "print(*[attempt() for _ in range(5)])\n")
    result = test.rebound(["/usr/bin/python3", "-c", program, str(server.port)], keys)
    test.good(result, b"ECONNREFUSED ECONNREFUSED ECONNREFUSED ECONNREFUSED ECONNREFUSED\n")
    test.equal(len(test.events("refused")), 3, f"refusals in {test.events()}")


# In a network namespace of its own, 10.9.0.2 is on a link where nobody answers for it.
NOBODY_ANSWERS = """
ip link set lo up
ip link add near type veth peer name far
ip addr add 10.9.0.1/24 dev near
ip ntable change name arp_cache dev near retrans 30
ip link set near up && ip link set far up && exec "$@"
"""
POLLER = """
import errno, os, select, socket, subprocess
s = socket.socket()
s.setblocking({blocking})
try:
    s.connect(("10.9.0.2", 81))
except BlockingIOError:
    pass
except OSError as e:
    raise SystemExit(os.strerror(e.errno))
poll = select.poll()
poll.register(s, select.POLLOUT)
poll.poll()
error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
if error:
    raise SystemExit(os.strerror(error))
print(s.getpeername(), "POLLERR" if poll.poll()[0][1] & select.POLLERR else "no error")
"""
# The address is there from the first retry on.
COMER = """
import socket, subprocess, sys, time
while b'"retry"' not in open(sys.argv[1], "rb").read():
    time.sleep(0.01)
l = socket.create_server(("0.0.0.0", 81))
subprocess.run(["ip", "addr", "add", "10.9.0.2/32", "dev", "lo"], check=True)
time.sleep(30)
"""


@cases("blocking", "nonblocking")
def test_host_that_does_not_answer_on_the_link(test, kind):
    """EHOSTUNREACH leaves a queued error on the socket. It is no success of the next attempt, nor its failure."""
    unshare = shutil.which("unshare")
    space = [*network_space(), "sh", "-c", NOBODY_ANSWERS, "sh"]
    if not unshare or subprocess.run([*space, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        raise Skip("no network namespaces, or no ip")
    poller = ["/usr/bin/python3", "-c", POLLER.format(blocking=kind == "blocking")]
    alone = test.alone([*space, *poller])
    test.equal((alone.code, alone.out, alone.err), (1, b"", b"No route to host\n"), "alone")
    test.same(test.rebound([*space, *poller]), alone)
    test.equal(len(test.events("retry")), 2, "retries")
    open(test.log_path, "w", encoding="utf-8").close()
    back = ["sh", "-c", '"$0" -c "$1" "$2" & shift 2; "$@"; code=$?; kill $!; exit $code', "/usr/bin/python3", COMER,
            test.log_path, *poller]
    found = test.rebound([*space, *back], {"retry.base": "300ms", "retry.attempts": "30", "timeout.total": "20s"})
    test.good(found, b"('10.9.0.2', 81) no error\n")
