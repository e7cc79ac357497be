# SPDX-License-Identifier: MIT
"""Tools that watch a program: valgrind, gdb, strace, sanitizers. They come to the same result as without rebound."""

import os
import re

from harness import HERE, TRANSFER, compiled, shared_out

SLOW_S = 180  # valgrind takes seconds of processor time
MISTAKE = 9  # the exit status of a program in which valgrind finds an error
GOOD = "blocking fastopen poll ppoll select epoll message name threads fork".split()
FAULTY = "uninitialised freed".split()
MISUSE = re.compile(rb"^==\d+== (?:Thread \d+: )?((?:Syscall param|Invalid|Conditional|Use of|Possible data race|Conflicting)"
                    rb".*)$", re.MULTILINE)


def sparse(test):
    """A program that initialises only what the kernel reads."""
    return compiled(test, os.path.join(HERE, "tools", "sparse.c"), "-pthread")


def valgrind(tool="memcheck"):
    return ["valgrind", f"--tool={tool}", "-q", f"--error-exitcode={MISTAKE}"]


def watched(test, command, tool="memcheck"):
    """Runs the command in valgrind, alone and under rebound."""
    command = [*valgrind(tool), *command]
    return test.alone(command, limit_s=SLOW_S), test.rebound(command, limit_s=SLOW_S)


def check_sparse(test, mode, tool):
    port = test.closed_port().port
    alone, under = watched(test, [sparse(test), mode, str(port)], tool)
    test.good(alone, b"Connection refused\n", 1)
    test.same(under, alone)
    test.check(test.events("retry"), "the connect is not repeated")


def some(count, *names, **named):
    """Runs the test once for each name. A sample has `count` of them: valgrind and compilers take seconds."""
    table = {name: name for name in names} | named
    return shared_out(0, -(-len(table) // count), table)


@some(3, *GOOD)
def test_memcheck(test, mode):
    """No message, and the connects are repeated."""
    check_sparse(test, mode, "memcheck")


@some(1, "helgrind", "drd")
def test_races(test, tool):
    """Four threads share the library's data by atomic operations, which these tools do not know."""
    check_sparse(test, "threads", tool)


def test_memcheck_unix(test):
    """The path of the address ends before the structure does."""
    alone, under = watched(test, [sparse(test), "unix", "0"])
    test.good(alone, b"No such file or directory\n", 1)
    test.same(under, alone)


@some(1, *FAULTY)
def test_memcheck_mistake(test, mode):
    """valgrind reports the mistakes of a program, once each, and no others."""
    port = test.closed_port().port
    alone, under = watched(test, [sparse(test), mode, str(port)])
    test.equal(alone.code, MISTAKE, "exit status alone")
    test.equal((under.code, under.out), (alone.code, alone.out), "exit status and stdout")
    test.equal(MISUSE.findall(under.err), MISUSE.findall(alone.err), "mistakes")


@some(1, "easy", "poll", "socket")
def test_memcheck_transfer(test, mode):
    """Transfers of libcurl that fail and are repeated."""
    server = test.server()
    under = test.rebound([*valgrind(), TRANSFER, "--mode", mode, server.url("k/s503/ok")], limit_s=SLOW_S)
    test.equal((under.code, under.err), (0, b""), "exit status and stderr")
    test.check(b'"status":200' in under.out.replace(b" ", b""), f"no success: {under}")
    test.check(test.events("retry"), "the transfer is not repeated")


def test_strace(test):
    """All system calls of a program and its child are traced. None is refused as invalid."""
    port = test.closed_port().port
    command = ["strace", "-f", "-o", os.path.join(test.dir, "trace"), sparse(test), "fork", str(port)]
    alone, under = test.alone(command), test.rebound(command)
    test.good(alone, b"Connection refused\n", 1)
    test.same(under, alone)
    with open(os.path.join(test.dir, "trace"), encoding="utf-8") as trace:
        refused = [line for line in trace if re.search(r"= -1 (EINVAL|EFAULT|EBADF|ENOSYS)", line)]
    test.equal(refused, [], "refused system calls")


def test_gdb(test):
    """A breakpoint on connect is reached for each call, and no signal stops the program."""
    port = test.closed_port().port
    script = ["-ex", "set breakpoint pending on", "-ex", "break result_of", "-ex", "run", "-ex", "continue"]
    command = ["gdb", "-q", "-nx", "-batch", *script, "--args", sparse(test), "blocking", str(port)]
    alone, under = test.alone(command), test.rebound(command)
    for result in (alone, under):
        test.equal(result.out.count(b"Breakpoint 1, "), 1, f"breakpoints of {result}")
        test.equal(result.out.count(b"received signal"), 0, f"signals of {result}")
        test.check(b"Connection refused" in result.out, f"no result: {result}")
        test.check(b"exited with code 01" in result.out, f"no end: {result}")
    test.check(test.events("retry"), "the connect is not repeated")


# Shells start the sanitized program in a child; the runtime of clang is a part of the program.
SANITIZED = dict(
    address=["-fsanitize=address"], thread=["-fsanitize=thread"], leak=["-fsanitize=leak"],
    undefined=["-fsanitize=undefined", "-fno-sanitize-recover=all"], address_clang=["-fsanitize=address"],
)
# The sanitizers of this compiler generation do not stand the most random address layouts of newer kernels.
FIXED = ["setarch", "-R"]


@some(3, **SANITIZED)
def test_sanitizer(test, flags):
    """Programs with sanitizers start, get their retries and no reports, also as children of a shell."""
    compiler = "clang" if test.name.endswith("clang]") else "cc"
    program = compiled(test, os.path.join(HERE, "tools", "sparse.c"), "-pthread", *flags, compiler=compiler)
    port = str(test.closed_port().port)
    for mode in ("blocking", "epoll", "name", "threads", "fork"):
        alone, under = (run([*FIXED, program, mode, port]) for run in (test.alone, test.rebound))
        test.good(alone, b"Connection refused\n", 1)
        test.same(under, alone, mode)
    command = [*FIXED, "sh", "-c", f"{program} poll {port}; {program} select {port}"]
    test.same(test.rebound(command), test.alone(command), "as a child")
    test.check(len(test.events("retry")) >= 2 * 7, "connects are not repeated")


OVERFLOW = """
#include <stdlib.h>
#include <sys/socket.h>
int main(void)
{
    int ends[2];
    volatile char *bytes = malloc(4);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || send(ends[0], "12345678", 8, 0) != 8)
        return 99;
    return recv(ends[1], (void *) bytes, 8, 0) != 8;
}
"""


def test_sanitizer_finds_mistakes(test):
    """The interceptors of AddressSanitizer see the calls of the program behind those of rebound."""
    program = compiled(test, test.file("overflow.c", OVERFLOW), "-fsanitize=address")
    alone, under = (run([*FIXED, program]) for run in (test.alone, test.rebound))
    for result in (alone, under):
        test.check(b"heap-buffer-overflow" in result.err, f"not found: {result}")
    test.equal(under.code, alone.code, "exit status")


def test_sanitizer_options(test):
    """The program's own options stay."""
    command = ["sh", "-c", 'echo "$ASAN_OPTIONS"']
    under = test.rebound(command, env={"ASAN_OPTIONS": "detect_leaks=0"})
    test.good(under, b"verify_asan_link_order=0:detect_leaks=0\n")
