# SPDX-License-Identifier: MIT
"""`programs` and `skip` compare the name under which a program was started, and that of the file that is executed."""

import os
import shutil

from harness import cases

PYTHON = os.path.realpath("/usr/bin/python3")
EXECUTABLE = os.path.basename(PYTHON)
CONNECT = "import socket, sys; print(socket.socket().connect_ex(('127.0.0.1', int(sys.argv[1]))))"
# Starts argv[2] by its descriptor.
BY_DESCRIPTOR = "import os, sys; os.execve(os.open(sys.argv[1], os.O_RDONLY), sys.argv[2:], os.environ)"


def link(test, name):
    path = os.path.join(test.dir, name)
    os.symlink(PYTHON, path)
    return [path, "-c", CONNECT]


def script(test, first_line):
    return [test.file("worker", f"#!{first_line}\n{CONNECT}\n", mode=0o755)]


def by_link(test):
    return link(test, "worker")


def by_long_link(test):
    return link(test, "a-name-with-more-than-fifteen-letters")


def by_longest_link(test):
    return link(test, "n" * 180)


def by_two_links(test):
    link(test, "other")
    os.symlink("other", os.path.join(test.dir, "worker"))
    return [os.path.join(test.dir, "worker"), "-c", CONNECT]


def by_file(test):
    return [PYTHON, "-c", CONNECT]


def by_copy(test):
    shutil.copy(PYTHON, os.path.join(test.dir, "worker"))
    return [os.path.join(test.dir, "worker"), "-c", CONNECT]


def by_script(test):
    return script(test, PYTHON)


def by_env_script(test):
    return script(test, f"/usr/bin/env {PYTHON}")


def by_linker(test):
    return ["/lib64/ld-linux-x86-64.so.2", *link(test, "worker")]


def by_path(test):
    """A name without a slash, which is searched in PATH."""
    link(test, "worker")
    return ["/usr/bin/env", f"PATH={test.dir}", "worker", "-c", CONNECT]


def by_descriptor(test):
    return [PYTHON, "-c", BY_DESCRIPTOR, PYTHON, "anything", "-c", CONNECT]


# How python is started, and whether it is left alone with this value of skip.
@cases(
    link=(by_link, "worker", True), link_by_its_file=(by_link, EXECUTABLE, True), link_other=(by_link, "python", False),
    glob=(by_link, "w*r", True), long=(by_long_link, "a-name-with-more-than-fifteen-letters", True),
    long_cut=(by_long_link, "a-name-with-mor", False), longest=(by_longest_link, "n" * 180, True),
    two_links=(by_two_links, "worker", True), two_links_middle=(by_two_links, "other", False),
    file=(by_file, EXECUTABLE, True), file_other=(by_file, "python3", False), copy=(by_copy, "worker", True),
    script=(by_script, "worker", True), script_by_its_interpreter=(by_script, EXECUTABLE, True),
    env_script=(by_env_script, EXECUTABLE, True), env_script_by_name=(by_env_script, "worker", False),
    linker=(by_linker, "worker", True), path=(by_path, "worker", True), path_no_argument=(by_path, "-c", False),
    descriptor=(by_descriptor, EXECUTABLE, True))
def test_skip(test, case):
    start, skip, left_alone = case
    command = [*start(test), str(test.closed_port().port)]
    alone = test.alone(command)
    test.good(alone, b"111\n")
    policy = test.file("p.ini", f"[rebound]\nlog = {test.log_path}\nskip = {skip}\n[default]\nretry.attempts = 2\nretry.base = 1ms\n")
    test.same(test.rebound(command, policy), alone)
    test.equal(not test.events(), left_alone, "left alone")


@cases(link=("worker", True), file=(EXECUTABLE, True), both=(f"x, worker, {EXECUTABLE}", True), other=("x", False))
def test_programs(test, case):
    programs, acts = case
    command = [*link(test, "worker"), str(test.closed_port().port)]
    policy = test.file("p.ini", f"[rebound]\nlog = {test.log_path}\nprograms = {programs}\n[default]\nretry.attempts = 2\nretry.base = 1ms\n")
    test.good(test.rebound(command, policy), b"111\n")
    test.equal(bool(test.events()), acts, "acts")


def test_skip_of_an_applet(test):
    """busybox is started by a link with the name of the applet."""
    os.symlink("/usr/bin/busybox", os.path.join(test.dir, "wget"))
    command = [os.path.join(test.dir, "wget"), "-q", "-O", "-", f"http://127.0.0.1:{test.closed_port().port}/"]
    alone = test.alone(command)
    for skip, left_alone in (("wget", True), ("busybox", True), ("nc", False)):
        policy = test.file("p.ini", f"[rebound]\nlog = {test.log_path}\nskip = {skip}\n[default]\nretry.attempts = 2\nretry.base = 1ms\n")
        test.same(test.rebound(command, policy), alone)
        test.equal(not test.events(), left_alone, skip)


def test_skip_of_a_removed_program(test):
    """The executable was replaced while the program runs, as by an upgrade: its name stays."""
    path = os.path.join(test.dir, "worker")
    shutil.copy(PYTHON, path)
    code = f"import os, sys; os.unlink({path!r}); {CONNECT}"
    policy = test.file("p.ini", f"[rebound]\nlog = {test.log_path}\nprograms = worker\n[default]\nretry.attempts = 2\nretry.base = 1ms\n")
    test.good(test.rebound([path, "-c", code, str(test.closed_port().port)], policy), b"111\n")
    test.equal({event["program"] for event in test.events()}, {"worker"}, "names in the log")
