# SPDX-License-Identifier: MIT
"""Where log lines must not go: a descriptor 2 that is not stderr, links of other users. A full disk cuts no line."""

import json
import os
import shutil
import socket
import subprocess

from harness import LIBRARY, REBOUND, Skip, cases, clean_environment

PYTHON = "/usr/bin/python3"


CONNECT = "import os, socket, sys\nport = int(sys.argv[1])\ndef connect():\n" \
          "    with socket.socket() as s:\n        return s.connect_ex(('127.0.0.1', port))\n"


def decisions(text):
    return [json.loads(line)["decision"] for line in text.splitlines()]


LINES = ["retry", "retry", "stop"]  # of a connect that is refused three times


def run_script(test, body, log="stderr", shell="", env=None):
    """A program that connects by connect(); `shell` holds redirections of its descriptors."""
    script = test.file("program.py", CONNECT + body)
    command = [REBOUND, "run", "--policy", test.policy(log="off"), "--log", log, "--"]
    program = ["sh", "-c", f'exec "$@" {shell}', "sh", PYTHON, script, str(test.closed_port().port)]
    return test.alone([*command, *program], env=env)


# ---- descriptor 2 ----


@cases(
    file="os.close(2)\nfd = os.open('data', os.O_RDWR | os.O_CREAT)\n",
    after_a_line="assert connect() == 111\nos.close(2)\nfd = os.open('data', os.O_RDWR | os.O_CREAT)\n",
    own_log="fd = os.open('data', os.O_RDWR | os.O_CREAT)\nos.dup2(fd, 2)\nfd = 2\n",
    devnull="fd = os.open('/dev/null', os.O_RDWR)\nos.dup2(fd, 2)\nos.close(fd)\nfd = 2\nopen('data', 'w')\n",
    eventfd="os.close(2)\nfd = os.eventfd(0)\nopen('data', 'w')\n",
    in_a_child="assert os.fork() or not os.close(2)\n"
               "fd = os.open('data', os.O_RDWR | os.O_CREAT)\nif fd != 2: os.wait(); os._exit(0)\n")
def test_replaced_stderr(test, body):
    """Whatever a program has opened as descriptor 2 gets no line, though `log = stderr`."""
    lines_before = LINES if "assert connect()" in body else []
    result = run_script(test, body + "assert fd == 2\nprint(connect())\n")
    test.good(result, b"111\n")
    test.equal(decisions(result.err.decode()), lines_before, "lines on stderr")
    test.equal(test.left(), {"data": b""}, "the program's file")


@cases(closed_by_the_program=("", "os.close(2)\n"), closed_at_the_start=("2>&-", ""))
def test_connection_as_descriptor_2(test, case):
    """The server gets what the program sent, and nothing else."""
    shell, close = case
    with socket.create_server(("127.0.0.1", 0)) as server:
        body = close + "live = socket.create_connection(('127.0.0.1', %d))\nassert live.fileno() == 2\n" \
                       "live.sendall(b'one ')\nassert connect() == 111\nlive.sendall(b'two')\n"
        test.good(run_script(test, body % server.getsockname()[1], shell=shell), b"")
        peer = server.accept()[0]
        received = b"".join(iter(lambda: peer.recv(4096), b""))
        peer.close()
    test.equal(received, b"one two", "what the server got")


@cases(plain="", output_too=">both 2>&1", appended="2>>both", closed_stdin="<&-")
def test_kept_stderr(test, shell):
    """stderr as it was at the start gets the lines, also those of children and of a copy put back in its place."""
    body = "connect()\nkept = os.dup(2)\nos.close(2)\nos.dup2(kept, 2)\nconnect()\n" \
           "child = os.fork()\nconnect()\nif child: os.wait()\n"
    result = run_script(test, body, shell=shell)
    test.check(result.code == 0, f"{result}")
    text = test.left()["both"] if "both" in shell else result.err
    test.equal(sorted(decisions(text.decode())), sorted(4 * LINES), "lines on stderr")


def test_network_service(test):
    """A service of inetd has its connection as descriptors 0, 1 and 2: the peer gets the service's words alone."""
    script = test.file("program.py", CONNECT + "assert connect() == 111\nprint('hello', flush=True)\n")
    command = [REBOUND, "run", "--policy", test.policy(log="off"), "--log", "stderr", "--", PYTHON, script,
               str(test.closed_port().port)]
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            service = server.accept()[0]
            child = subprocess.Popen(command, stdin=service, stdout=service, stderr=service,
                                     env=clean_environment(test.home))
            service.close()
            received = b"".join(iter(lambda: client.recv(4096), b""))
            test.equal(child.wait(20), 0, "exit status")
    test.equal(received, b"hello\n", "what the peer got")


# ---- files ----


def log_and_target(test):
    return os.path.join(test.dir, "the.log"), os.path.join(test.dir, "target")


@cases(
    link=lambda log, target: os.symlink(target, log),
    second_name=lambda log, target: (open(log, "w").close(), os.link(log, target)),
    directory=lambda log, target: os.mkdir(log))
def test_refused_log(test, make):
    """The program runs as ever, nothing is written, and the command says why."""
    log, target = log_and_target(test)
    make(log, target)
    result = run_script(test, "print(connect())\n", log)
    test.good(result, b"111\n")
    test.check(b"rebound: warning: the log " + log.encode() + b" is refused: " in result.err, f"{result}")
    test.equal(len(result.err.splitlines()), 1, "lines on stderr")
    test.check(not os.path.exists(target) or os.path.getsize(target) == 0, "the target was written")


@cases(last="log", directory="way/log", missing="way/new/log")
def test_link_of_another_user(test, name):
    """root neither makes nor writes a file that another user's link leads to."""
    if os.geteuid() != 0:
        raise Skip("needs root")
    folder, secret = os.path.join(test.dir, "open"), os.path.join(test.dir, "secret")
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    os.makedirs(secret + "/new")
    link = os.path.join(folder, name.split("/")[0])
    os.symlink(secret if "/" in name else secret + "/log", link)
    os.lchown(link, 65534, 65534)
    result = run_script(test, "print(connect())\n", os.path.join(folder, name))
    test.good(result, b"111\n")
    test.check(b" is refused: a symbolic link is not followed" in result.err, f"{result}")
    test.equal([files for _, _, files in os.walk(secret)], [[], []], "files behind the link")


def test_relative_log(test):
    """A relative path is taken from the directory of the start, also where the program has left it."""
    script = test.file("program.py", CONNECT + "os.mkdir('sub'); os.chdir('sub')\nassert connect() == 111\n")
    env = {"LD_PRELOAD": LIBRARY, "REBOUND_POLICY": test.policy(log="off"), "REBOUND_LOG": "the.log"}
    test.good(test.alone([PYTHON, script, str(test.closed_port().port)], env=env), b"")
    test.equal(os.listdir(test.work + "/sub"), [], "files where the program went")
    test.equal([line["decision"] for line in read_log(test.work + "/the.log")], LINES, "lines of the log")


# ---- a full disk ----

# Processes that log meet a disk that gets full and gets space again, three times.
FULL = r"""
set -e
mkdir full
mount -t tmpfs -o size=16k tmpfs full
for round in 1 2 3; do
    head -c 16384 /dev/zero >full/fill 2>/dev/null || :
    for i in 1 2 3; do "$@" & done
    wait
    rm full/fill
    "$@"
done
cat full/log
"""


@cases(file="full/log", stderr="stderr")
def test_full_disk(test, destination):
    """Each line is whole or lost, of three processes at a time."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        raise Skip("a mount namespace cannot be made")
    script = test.file("program.py", CONNECT + "for i in range(4): assert connect() == 111\n")
    path = os.path.join(test.work, "full/log")
    env = {"LD_PRELOAD": LIBRARY, "REBOUND_POLICY": test.policy(log="off"), "REBOUND_STATE": "private",
           "REBOUND_LOG": path if destination == "full/log" else "stderr"}
    settings = [f"{name}={value}" for name, value in env.items()]
    shell = 'exec "$@"' + (' 2>>full/log' if destination == "stderr" else "")
    program = ["env", *settings, PYTHON, script, str(test.closed_port().port)]
    done = subprocess.run(["unshare", "-m", "sh", "-c", FULL, "sh", "sh", "-c", shell, "sh", *program], cwd=test.work,
                          env=clean_environment(test.home), capture_output=True, check=False, timeout=60)
    test.check(done.returncode == 0 and done.stdout, f"{done}")
    lines = done.stdout.decode().splitlines()
    whole = [json.loads(line) for line in lines if line.strip()]
    test.check(len(whole) >= 12, f"lines: {lines}")
    test.check(all(line.strip() for line in lines), f"an empty line: {lines}")
    test.check({line["decision"] for line in whole} == {"retry", "stop"}, f"lines: {lines}")


# ---- a process that gives up root ----

DROPS = dict(
    setuid="os.setuid(65534)",
    setreuid="os.setreuid(65534, 65534)",
    setresuid="os.setresuid(65534, 65534, 65534)",
    workers="for i in range(3):\n    if os.fork() == 0: os.setuid(65534); break\n    os.wait()\nelse: os._exit(0)",
    jail="os.chroot(os.environ['JAIL'])",
    jail_and_user="os.chroot(os.environ['JAIL']); os.setuid(65534)",
    program="if os.geteuid() == 0: os.execvp('setpriv', ['setpriv', '--reuid=65534', '--clear-groups', sys.executable,"
            " *sys.argv])",
)


def drop(test, body, log, env=None):
    """Runs a program that begins as root; the work folder and the library can be read by every user."""
    if os.geteuid() != 0:
        raise Skip("needs root")
    for path in (test.dir, test.work):
        os.chmod(path, 0o755)
    jail = os.path.join(test.dir, "jail")
    os.mkdir(jail)
    library = shutil.copy(LIBRARY, test.dir)
    script = test.file("program.py", CONNECT + f"os.geteuid() or os.setgroups([])\n{body}\nassert connect() == 111\n")
    settings = {"LD_PRELOAD": library, "REBOUND_POLICY": "builtin:default", "REBOUND_STATE": "private",
                "REBOUND_LOG": log, "JAIL": jail, **(env or {})}
    result = test.alone([PYTHON, "-S", script, str(test.closed_port().port)], env=settings)
    test.check((result.code, result.out, result.err) == (0, b"", b""), f"{result}")


def read_log(path):
    with open(path, encoding="utf-8") as log:
        return [json.loads(line) for line in log]


@cases(**{f"{name}{'_known' if known else ''}": (name, known) for name in DROPS for known in (False, True)})
def test_lost_log_is_said_before(test, case):
    """Where nobody can be told later, the log itself has a line: once, however many workers there are."""
    name, known = case
    log = os.path.join(test.dir, "log")
    if known:
        test.file("log", "", mode=0o640)
    drop(test, DROPS[name], log)
    lines = [(line["decision"], line["reason"], line["file"], line["uid"]) for line in read_log(log)]
    expected = ("absent", 0) if "jail" in name else ("denied", 65534)
    test.equal(lines, [("log", expected[0], log, expected[1])], "lines of the log")


@cases(
    group=("os.setgid(65534); os.setuid(65534)", 0o660, 65534),
    others=("os.setuid(65534)", 0o666, 0),
    for_a_while="os.seteuid(65534); assert connect() == 111; os.seteuid(0)",
    new_root_with_the_log="os.chroot('/')")
def test_kept_log(test, case):
    """Where the log can still be written there is no such line, and the decisions are in it."""
    body, mode, group = case if isinstance(case, tuple) else (case, 0o640, 0)
    log = test.file("log", "", mode=mode)
    if os.geteuid() == 0:
        os.chown(log, 0, group)
    drop(test, body, log)
    test.equal([line["decision"] for line in read_log(log)], LINES, "lines of the log")


def test_log_of_the_worker(test):
    """A new log is left to the worker, where the worker can make it."""
    folder = os.path.join(test.dir, "logs")
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    drop(test, "os.setuid(65534)", folder + "/log")
    test.equal([line["decision"] for line in read_log(folder + "/log")], LINES, "lines of the log")
    test.equal(os.stat(folder + "/log").st_uid, 65534, "owner of the log")


@cases(builtin="builtin:default", file="file", skipped="skipped")
def test_drop_without_a_log(test, how):
    """A program that logs nothing, or is left out by the policy, makes no file."""
    policy = {"builtin:default": how, "file": test.policy(log="off"),
              "skipped": test.file("skip.ini", "[rebound]\nskip = python3*\n[default]\n")}[how]
    log = os.path.join(test.dir, "log")
    drop(test, "os.setuid(65534)", log if how == "skipped" else "", env={"REBOUND_POLICY": policy})
    test.check(not os.path.exists(log), "a log was made")
