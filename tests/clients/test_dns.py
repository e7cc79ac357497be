# SPDX-License-Identifier: MIT
"""Unmodified programs that look names up: a name server that fails for a time, or for good."""

import os
import shutil
import subprocess

from harness import HERE, PATIENT, REBOUND, Skip, cases, shared_out

PYTHON = "/usr/bin/python3"
URL = "http://late.test:8080/"
JAVA = """
public class Lookup {
    public static void main(String[] arguments) throws Exception {
        System.out.println(java.net.InetAddress.getByName("late.test").getHostAddress());
    }
}
"""
NODE = "require('dns').lookup('late.test', (e, a) => { if (e) { console.error(e.code); process.exit(3); } console.log(a) })"
ASYNC = """
import asyncio
async def main():
    return (await asyncio.get_running_loop().getaddrinfo("late.test", 80, family=2, type=1))[0][4][0]
print(asyncio.run(main()))
"""
PERL_INFO = """
my ($e, @r) = Socket::getaddrinfo("late.test", "80", {family => AF_INET, socktype => SOCK_STREAM});
die "$e\\n" if $e;
print inet_ntoa((unpack_sockaddr_in($r[0]{addr}))[1]), "\\n";
"""
MUSL = """
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
        char text[64] = "";
        if (argv[i][0] == '/') {
            unlink(argv[i]);
            continue;
        }
        int error = getaddrinfo(argv[i], "80", &hints, &list);
        if (error)
            return printf("%s\\n", gai_strerror(error)), 3;
        inet_ntop(AF_INET, &((struct sockaddr_in *) list->ai_addr)->sin_addr, text, sizeof text);
        puts(text);
        freeaddrinfo(list);
    }
    return 0;
}
"""

# `args`: the program; `out`: what its output holds when the name was found.
PROGRAMS = {
    "getent_hosts": dict(args=["getent", "hosts", "late.test"], out=b"127.0.0.1"),
    "getent_ahosts": dict(args=["getent", "ahosts", "late.test"], out=b"127.0.0.1"),
    "python_getaddrinfo": dict(args=[PYTHON, "-c", "import socket; print(socket.getaddrinfo('late.test', 80))"],
                               out=b"127.0.0.1"),
    "python_gethostbyname": dict(args=[PYTHON, "-c", "import socket; print(socket.gethostbyname('late.test'))"],
                                 out=b"127.0.0.1\n"),
    "python_asyncio": dict(args=[PYTHON, "-c", ASYNC], out=b"127.0.0.1\n"),
    "python_urllib": dict(args=[PYTHON, "-c", f"import urllib.request as u; print(u.urlopen('{URL}').read())"],
                          out=b"good"),
    "perl_gethostbyname": dict(
        args=["perl", "-MSocket", "-e", 'my $a = gethostbyname("late.test") or die "no: $?\\n"; print inet_ntoa($a)'],
        out=b"127.0.0.1"),
    "perl_getaddrinfo": dict(args=["perl", "-MSocket=:all", "-e", PERL_INFO], out=b"127.0.0.1\n"),
    "ruby": dict(args=["ruby", "-rsocket", "-e", "puts Addrinfo.getaddrinfo('late.test', 80)[0].ip_address"],
                 out=b"127.0.0.1\n"),
    "ruby_tcp": dict(args=["ruby", "-rsocket", "-e", "puts TCPSocket.new('late.test', 7).gets"], out=b"220 good"),
    "php": dict(args=["php", "-r", "$a = gethostbyname('late.test'); echo $a; exit($a == 'late.test' ? 3 : 0);"],
                out=b"127.0.0.1"),
    "node": dict(args=["node", "-e", NODE], out=b"127.0.0.1\n"),
    "java": dict(args=["java", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "{dir}/Lookup.java"], out=b"127.0.0.1\n",
                 file=("Lookup.java", JAVA)),
    "wget": dict(args=["wget", "-qO-", "--tries=1", URL], out=b"good\n"),
    "wget_timeout": dict(args=["wget", "-qO-", "--tries=1", "--timeout=20", URL], out=b"good\n"),
    "busybox_wget": dict(args=["busybox", "wget", "-qO-", URL], out=b"good\n"),
    "w3m": dict(args=["w3m", "-dump", URL], out=b"good\n"),
    "bash": dict(args=["bash", "-c", "exec 3<>/dev/tcp/late.test/7 && cat <&3"], out=b"220 good"),
    "socat": dict(args=["socat", "-u", "TCP4:late.test:7", "-"], out=b"220 good"),
    "gawk": dict(args=["gawk", 'BEGIN { s = "/inet/tcp/0/late.test/7"; if ((s |& getline x) <= 0) exit 1; print x }'],
                 out=b"220 good", env={"GAWK_SOCK_RETRIES": "1", "GAWK_MSEC_SLEEP": "1"}),
    "whois": dict(args=["whois", "-h", "late.test", "-p", "7", "x"], out=b"220 good"),
    "ssh": dict(args=["ssh", "-o", "BatchMode=yes", "-p", "7", "late.test"], code=255, out=b"Connection closed by"),
    "openssl": dict(args=["openssl", "s_client", "-connect", "late.test:7"], code=1, out=b"CONNECTED("),
    "git": dict(args=["git", "ls-remote", "git://late.test:7/x"], code=128, out=b"bad line length"),
    "musl": dict(args=["{dir}/musl", "late.test"], out=b"127.0.0.1\n"),
}
DNS = dict(PATIENT, **{"dns.total": "10s", "retry.attempts": "100", "budget.floor": "1000/s"})


def stage(test, command, *states):
    """The command in a world of its own, with the name server in these states from the beginning."""
    root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    wrapper = ["unshare", *root, "--mount", "--net"]
    if subprocess.run([*wrapper, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise Skip("no namespaces")
    for state in ("up", "silent"):
        if os.path.exists(os.path.join(test.dir, state)):
            os.unlink(os.path.join(test.dir, state))
    for state in states:
        test.file(state, "")
    return [*wrapper, os.path.join(HERE, "resolver.py"), test.dir, *command]


def under(test, command, keys=None, base=None):
    policy = test.policy(keys, hosts="*.test", base=base or DNS)
    return [REBOUND, "run", "--policy", policy, "--", *command]


def musl(test):
    if not shutil.which("musl-gcc"):
        raise Skip("no musl-gcc")
    source = test.file("musl.c", MUSL)
    subprocess.run(["musl-gcc", "-D_GNU_SOURCE", "-o", os.path.join(test.dir, "musl"), source], check=True)


def command_of(test, program):
    if "file" in program:
        test.file(*program["file"])
    if "{dir}/musl" in program["args"]:
        musl(test)
    if not shutil.which(program["args"][0]) and not program["args"][0].startswith("{"):
        raise Skip(f"no {program['args'][0]}")
    return [a.replace("{dir}", test.dir) for a in program["args"]]


@shared_out(0, 3, PROGRAMS)
def test_resolver_late(test, program):
    command, env = command_of(test, program), program.get("env")
    result = test.alone(stage(test, under(test, command)), env=env, on_retry=lambda: test.file("up", ""))
    found = program["out"] in result.out + result.err
    test.check(result.code == program.get("code", 0) and found, f"{result}; {test.events()}")
    test.check(test.events("retry"), "no lookup was repeated")
    test.equal({e["api"] for e in test.events()}, {"dns"}, "api in the log")


@shared_out(1, 3, PROGRAMS)
def test_resolver_down(test, program):
    command, env = command_of(test, program), program.get("env")
    alone = test.alone(stage(test, command), env=env)
    test.check(program["out"] not in alone.out + alone.err, f"alone: {alone}")
    quick = dict(PATIENT, **{"retry.attempts": "3", "retry.base": "50ms", "dns.total": "10s"})
    test.same(test.alone(stage(test, under(test, command, base=quick)), env=env), alone)
    test.check(test.events("retry") and test.events("stop"), f"{test.events()}")
    test.check("recovered" not in {e["decision"] for e in test.events()}, f"{test.events()}")


@shared_out(2, 3, PROGRAMS)
def test_resolver_up(test, program):
    command, env = command_of(test, program), program.get("env")
    alone = test.alone(stage(test, command, "up"), env=env)
    test.same(test.alone(stage(test, under(test, command), "up"), env=env), alone)
    test.equal([e for e in test.events() if e["decision"] not in ("stop", )], [], "decisions")


def queries(test):
    with open(os.path.join(test.dir, "queries"), encoding="ascii") as log:
        return log.read().splitlines()


def test_no_such_name(test):
    """The lookup of a name that does not exist is not repeated."""
    command = [PYTHON, "-c", "import socket; socket.getaddrinfo('no.example', 80, socket.AF_INET)"]
    alone = test.alone(stage(test, command, "up"))
    asked = len(queries(test))
    policy = test.policy(base=DNS)
    test.same(test.alone(stage(test, [REBOUND, "run", "--policy", policy, "--", *command], "up")), alone)
    test.equal(len(queries(test)), 2 * asked, "queries")
    test.equal([(e["decision"], e["reason"]) for e in test.events()], [("stop", "permanent")], "log")


def test_silent_resolver_costs_no_more(test):
    """Each lookup takes a second. A second lookup of that length does not fit into dns.total."""
    command = [PYTHON, "-c", "import socket; socket.getaddrinfo('late.test', 80, socket.AF_INET)"]
    alone = test.alone(stage(test, command, "silent"))
    asked = len(queries(test))
    result = test.alone(stage(test, under(test, command, {"dns.total": "1500ms"}), "silent"))
    test.same(result, alone)
    test.equal(len(queries(test)), 2 * asked, "queries")
    test.equal([(e["decision"], e["reason"]) for e in test.events()], [("stop", "time")], "log")


def test_silent_resolver_late(test):
    command = [PYTHON, "-c", "import socket; print(socket.gethostbyname('late.test'))"]
    result = test.alone(stage(test, under(test, command), "silent"), on_retry=lambda: test.file("up", ""))
    test.good(result, b"127.0.0.1\n")


def test_program_leaves_the_lookup(test):
    """wget ends a lookup by a siglongjmp out of its signal handler. The next lookup works."""
    command = ["wget", "-qO-", "--tries=1", "--dns-timeout=0.3", URL, URL]
    alone = test.alone(stage(test, command, "silent"))
    result = test.alone(stage(test, under(test, command), "silent"))
    test.same(result, alone)
    waiting = under(test, command, {"retry.base": "5s", "retry.attempts": "3"})
    result = test.alone(stage(test, waiting), on_retry=lambda: test.file("up", ""))
    test.good(result, b"good\n", code=4)  # the first URL failed in its wait


# --- libcurl


def test_curl_repeats_the_transfer_alone(test):
    """The lookups of a transfer are not repeated by themselves: 3 attempts, and not 9."""
    command = ["curl", "-s4", URL]
    alone = test.alone(stage(test, command))
    asked = len(queries(test))
    quick = {"retry.attempts": "3", "retry.base": "20ms", "retry.jitter": "none"}
    test.same(test.alone(stage(test, under(test, command, base=quick))), alone)
    test.equal(len(queries(test)), 4 * asked, "queries")
    test.equal({e["api"] for e in test.events()}, {"curl"}, "api in the log")


def test_curl_late(test):
    result = test.alone(stage(test, under(test, ["curl", "-s", URL])), on_retry=lambda: test.file("up", ""))
    test.good(result, b"good\n")
    test.equal({e["api"] for e in test.events()}, {"curl"}, "api in the log")


def test_curl_without_transfers(test):
    """Where the policy leaves transfers alone, the lookup is repeated; then libcurl's result is the resolver's."""
    command, keys = ["curl", "-sS", URL], {"intercept": "connect, dns"}
    alone = test.alone(stage(test, command))
    quick = {"retry.attempts": "3", "retry.base": "20ms", "retry.jitter": "none"}
    test.same(test.alone(stage(test, under(test, command, keys, quick))), alone)
    test.equal([e["decision"] for e in test.events()], ["retry", "retry", "stop"], "log")
    os.unlink(test.log_path)
    result = test.alone(stage(test, under(test, command, keys)), on_retry=lambda: test.file("up", ""))
    test.good(result, b"good\n")
    test.equal({e["api"] for e in test.events()}, {"dns"}, "api in the log")


# --- the last good answer

TWICE = """
import os, socket, sys, urllib.request
directory = sys.argv[1]
def look_up():
    try: return sorted({a[4][0] for a in socket.getaddrinfo("late.test", 80)})
    except socket.gaierror as e: return e.args[0]
def host():
    try: return socket.gethostbyname_ex("late.test")
    except socket.herror as e: return e.args[0]
    except socket.gaierror as e: return e.args[0]
print(look_up(), host())
os.unlink(directory + "/up")
print(look_up(), host())
"""
STALE = {"retry.attempts": "3", "retry.base": "20ms", "retry.jitter": "none", "dns.stale": "5m"}


@cases(on=STALE, off={k: v for k, v in STALE.items() if k != "dns.stale"})
def test_stale(test, base):
    result = test.alone(stage(test, under(test, [PYTHON, "-c", TWICE, test.dir], base=base), "up"))
    good = b"['127.0.0.1'] ('late.test', [], ['127.0.0.1'])\n"
    test.good(result, good + (good if "dns.stale" in base else b"-3 -3\n"))
    last, lookups = ("stale", 3) if "dns.stale" in base else ("stop", 2)  # gethostbyname_ex begins with getaddrinfo
    test.equal([e["decision"] for e in test.events()], ["retry", "retry", last] * lookups, "log")


def test_stale_musl(test):
    """musl frees a list as one block."""
    musl(test)
    command = [os.path.join(test.dir, "musl"), "late.test", test.dir + "/up", "late.test", "late.test"]
    test.good(test.alone(stage(test, under(test, command, base=STALE), "up")), 3 * b"127.0.0.1\n")
    test.equal(len(test.events("stale")), 2, "stale answers")


PYCURL = """
import io, os, pycurl, sys
def fetch():
    c, body = pycurl.Curl(), io.BytesIO()
    c.setopt(c.URL, "http://late.test:8080/")
    c.setopt(c.DNS_CACHE_TIMEOUT, 0)
    c.setopt(c.FRESH_CONNECT, 1)
    c.setopt(c.WRITEFUNCTION, body.write)
    try: c.perform()
    except pycurl.error as e: return e.args[0]
    return body.getvalue()
print(fetch())
os.unlink(sys.argv[1] + "/up")
print(fetch())
"""


def test_stale_for_libcurl(test):
    """The transfer goes on at once."""
    result = test.alone(stage(test, under(test, [PYTHON, "-c", PYCURL, test.dir], base=STALE), "up"))
    test.good(result, b"b'good\\n'\nb'good\\n'\n")
    test.equal([(e["decision"], e["api"]) for e in test.events()], [("stale", "dns")], "log")
