# SPDX-License-Identifier: MIT
"""What help, run, check and explain print, set and exit with."""

import glob
import json
import os
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys

from harness import (
    ANOTHER_USER, BUILD, build_static, closed_port, CONNECT, content, EXAMPLES, expect, fails, holds, in_front,
    LIBRARY, on_terminal, PATIENCE, PRELOADED, QUICK, REBOUND, ROOT, same, test, wait_until
)


# --- the command as such


@test
def version_and_help(place):
    same(place.text("--version"), (0, "rebound 0.1.0\n", ""))
    status, out, err = place.text("--help")
    same((status, err), (0, ""))
    for word in ("run", "wait", "check", "explain", "doctor", "help", "Examples:", "rebound run -- curl"):
        holds(out, word)


@test
def help_of_each_command(place):
    for name in ("run", "wait", "check", "explain", "doctor"):
        status, out, err = place.text(name, "--help")
        same((status, err), (0, ""))
        holds(out, f"Usage: rebound {name} ")
        holds(out, "Examples:")
        holds(out, "Exit status:")
        same(place.text("help", name), (0, out, ""))
        options = set(re.findall(r"^  (--[a-z-]+)", out, re.M)) - {"--help"}
        same(set(re.findall(r"--[a-z-]+", out.splitlines()[0])), options)  # the usage line has each of them


@test
def misuse(place):
    rows = [
        ([], 2, "Usage: rebound"),
        (["rnu"], 2, "unknown command 'rnu'; did you mean 'run'?"),
        (["help", "chekc"], 2, "did you mean 'check'?"),
        (["help", "run", "check"], 2, "unexpected argument 'check'"),
        (["run"], 125, "name the program to run"),
        (["run", "--"], 125, "name the program to run"),
        (["run", "--polcy", "x", "true"], 125, "did you mean '--policy'?"),
        (["run", "--policy"], 125, "option '--policy' needs a value"),
        (["run", "--policy=", "true"], 125, "the value of '--policy' is empty"),
        (["run", "--summary=yes", "true"], 125, "option '--summary' takes no value"),
        (["run", "-x", "true"], 125, "unknown option '-x'"),
        (["check", "--jsno"], 2, "did you mean '--json'?"),
        (["explain"], 2, "name a URL or a host"),
        (["doctor"], 2, "name the program to examine"),
        (["doctor", "--"], 2, "name the program to examine"),
        (["doctor", "--polcy", "x", "true"], 2, "did you mean '--policy'?"),
        (["doctor", "--policy=", "true"], 2, "the value of '--policy' is empty"),
        (["explain", "a.example", "b.example"], 2, "name only one URL or host"),
        (["explain", "http://"], 2, "no host in 'http://'; expected a URL, HOST or HOST:PORT"),
        (["explain", "foo:99999"], 2, "the port in 'foo:99999' is larger than 65535"),
        (["explain", "foo:9999x"], 2, "no host in 'foo:9999x'"),
        (["explain", "--no-such"], 2, "; see 'rebound explain --help'"),
        (["explain", "--method", "G T", "a.example"], 2, "'G T' is not an HTTP method"),
        (["explain", "--method", "", "a.example"], 2, "the value of '--method' is empty"),
    ]
    for words, wanted, piece in rows:
        status, out, err = place.text(*words)
        same((words, status, out), (words, wanted, ""))
        holds(err, piece)


@test
def write_error_is_reported(place):
    good = place.file("good.ini", "[default]\n")
    rows = [["--help"], ["--version"], ["check", good], ["check", "--json", good], ["explain", "a.example"],
            ["explain", "--json", "a.example"], ["doctor", "true"], ["doctor", "--json", "true"]]
    for words in rows:
        with open("/dev/full", "w", encoding="ascii") as full:
            done = place.rebound(*words, capture_output=False, stdout=full, stderr=subprocess.PIPE)
        same((words, done.returncode), (words, 2))
        holds(done.stderr.decode(), "rebound: error: cannot write to standard output")


@test
def closed_descriptors(place):
    """No file that the command opens may get the number of a closed stdout or stderr."""
    done = subprocess.run(["sh", "-c", f"exec {REBOUND} check >&-"], env=place.env, capture_output=True, check=False,
                          timeout=PATIENCE)
    same(done.returncode, 2)
    holds(done.stderr.decode(), "cannot write to standard output")
    script = f"exec {REBOUND} run --summary --log {place.path}/log -- sh -c 'ls -l /proc/self/fd >&2' <&- >&- 2>err"
    subprocess.run(["sh", "-c", script], env=place.env, cwd=place.path, check=True, timeout=PATIENCE)
    err = os.path.join(place.path, "err")
    wait_until(lambda: "rebound: no calls seen" in content(err), "no summary")  # dash ends by _exit
    expect("/dev/null" not in content(err) and "/dev/shm" not in content(err), content(err))


@test
def colour_only_on_a_terminal(place):
    bad = place.file("bad.ini", "[default]\nretry.atempts = 3\n")
    expect("\x1b" not in place.text("check", bad)[1])
    expect("\x1b[" in on_terminal(place, {"TERM": "xterm"}, "check", bad))
    expect("\x1b" not in on_terminal(place, {"TERM": "xterm", "NO_COLOR": "1"}, "check", bad))
    expect("\x1b" not in on_terminal(place, {"TERM": "dumb"}, "check", bad))
    expect("\x1b[" in on_terminal(place, {"TERM": "xterm"}, "explain", "a.example"))


# --- run: environment and exit status


@test
def run_becomes_the_program(place):
    """The program has the same process, exit status and arguments. Options end at the first word that is none."""
    child = subprocess.Popen([REBOUND, "run", "--", "sh", "-c", "echo $$; exit 7"], stdout=subprocess.PIPE, env=place.env)
    out, _ = child.communicate(timeout=PATIENCE)
    same((int(out), child.returncode), (child.pid, 7))
    same(place.text("run", "echo", "--summary", "-x", "--", "a b")[:2], (0, "--summary -x -- a b\n"))
    same(place.rebound("run", "sh", "-c", "kill -TERM $$").returncode, -signal.SIGTERM)


@test
def run_exit_statuses(place):
    data = place.file("data", "no program\n")
    lost = place.file("lost", "#!/nowhere/interpreter\n", 0o755)
    rows = [("nowhere-to-be-found", 127, "no directory in PATH has this program"), ("./nowhere", 127, "No such file or directory"),
            (lost, 127, "its interpreter or dynamic linker does not exist"), (data, 126, "Permission denied"),
            (place.path, 126, "Permission denied")]
    for name, wanted, why in rows:
        status, out, err = place.text("run", "--summary", "--", name)
        same((status, out, err), (wanted, "", f"rebound: error: cannot run {name}: {why}\n"))


@test
def run_sets_the_environment(place):
    policy = place.file("p.ini", "[default]\n")
    env, err = place.environment("--policy", "p.ini", "--log", "some.log")
    same(err, "")
    same(env["LD_PRELOAD"], PRELOADED)
    same(env["REBOUND_POLICY"], policy)
    same(env["REBOUND_LOG"], os.path.join(place.path, "some.log"))
    expect("REBOUND_SUMMARY" not in env)
    for word in ("off", "stderr"):
        same(place.environment("--log", word)[0]["REBOUND_LOG"], word)
    expect("REBOUND_LOG" not in place.environment()[0])


@test
def run_finds_the_policy(place):
    same(place.environment()[0]["REBOUND_POLICY"], "builtin:default")
    home = place.file(".config/rebound/policy.ini", "[default]\n")
    same(place.environment()[0]["REBOUND_POLICY"], home)
    xdg = place.file("xdg/rebound/policy.ini", "[default]\n")
    env = {"XDG_CONFIG_HOME": os.path.join(place.path, "xdg")}
    same(place.environment(env=env)[0]["REBOUND_POLICY"], xdg)
    named = place.file("named.ini", "[default]\n")
    env["REBOUND_POLICY"] = named
    same(place.environment(env=env)[0]["REBOUND_POLICY"], named)
    same(place.environment("--policy", "builtin:default", env=env)[0]["REBOUND_POLICY"], "builtin:default")


@test
def run_keeps_links_in_the_policy_path(place):
    """A ConfigMap is updated by renaming a link: the name must be followed anew each time."""
    place.file("v1/policy.ini", "[default]\n")
    os.symlink("v1", os.path.join(place.path, "data"))
    env, _ = place.environment("--policy", "data/policy.ini")
    same(env["REBOUND_POLICY"], os.path.join(place.path, "data", "policy.ini"))


@test
def run_adds_to_ld_preload_once(place):
    libc = "libc.so.6"
    for before, after in ((libc, f"{libc}:{PRELOADED}"), (PRELOADED, PRELOADED), (f"{PRELOADED} {libc}", f"{PRELOADED}:{libc}")):
        same(place.environment(env={"LD_PRELOAD": before})[0]["LD_PRELOAD"], after)
    status, out, _ = place.text("run", "--", REBOUND, "run", "--", "sh", "-c", "echo $LD_PRELOAD")
    same((status, out), (0, PRELOADED + "\n"))


@test
def run_finds_the_library_when_installed(place):
    """bin/rebound with ../lib/rebound, and no library at all."""
    os.makedirs(os.path.join(place.path, "bin"))
    os.makedirs(os.path.join(place.path, "lib", "rebound"))
    copy = shutil.copy(REBOUND, os.path.join(place.path, "bin"))
    library = shutil.copy(LIBRARY, os.path.join(place.path, "lib", "rebound"))
    done = subprocess.run([copy, "run", "printenv", "LD_PRELOAD"], env=place.env, capture_output=True, check=True)
    same((done.stdout.decode(), done.stderr), (library + "\n", b""))
    os.mkdir(os.path.join(place.path, "with space"))
    alone = shutil.copy(REBOUND, os.path.join(place.path, "with space"))
    shutil.copy(LIBRARY, os.path.join(place.path, "with space"))
    done = subprocess.run([alone, "run", "sh", "-c", "echo ${LD_PRELOAD-none}"], env=place.env, capture_output=True,
                          check=True)
    same(done.stdout, b"none\n")
    holds(done.stderr.decode(), "LD_PRELOAD cannot contain a path with a space or a colon")


@test
def run_with_a_bad_policy_runs_untouched(place):
    """All mistakes as `check` prints them, one clear line, the program without the library and with its own status."""
    bad = place.file("bad.ini", "[default]\nretry.atempts = 3\nretry.base = 2\n")
    listed = place.text("check", bad)[1]
    rows = [(bad, listed), ("missing.ini", "missing.ini: error: "), (place.path, "error: ")]
    show = "echo ${LD_PRELOAD-none} ${REBOUND_LOG-none} ${REBOUND_SUMMARY-none}; exit 5"
    for name, piece in rows:
        status, out, err = place.text("run", "--policy", name, "--log", "x.log", "--summary", "--", "sh", "-c", show)
        same((status, out), (5, "none none none\n"))
        holds(err, piece)
        expect(err.endswith("rebound: warning: the policy cannot be used; the program runs without rebound\n"), err)
    expect(listed.count("error:") == 2, listed)


@test
def run_with_a_bad_policy_disarms_an_inherited_library(place):
    bad = place.file("bad.ini", "nonsense\n")
    env = {"LD_PRELOAD": LIBRARY, "REBOUND_POLICY": "builtin:default"}
    status, out, _ = place.text("run", "--policy", bad, "sh", "-c", "echo $REBOUND_DISABLE", env=env)
    same((status, out), (0, "1\n"))


@test
def run_disabled(place):
    bad = place.file("bad.ini", "nonsense\n")
    status, out, err = place.text("run", "--policy", bad, "--summary", "sh", "-c", "echo ${LD_PRELOAD-none}",
                                  env={"REBOUND_DISABLE": "1"})
    same((status, out, err), (0, "none\n", "rebound: REBOUND_DISABLE is set, so the program runs without rebound and without a summary\n"))
    same(place.environment(env={"REBOUND_DISABLE": "0"})[0]["LD_PRELOAD"], PRELOADED)


@test
def run_warns_of_the_log(place):
    os.mkfifo(os.path.join(place.path, "fifo"))
    os.symlink("target", os.path.join(place.path, "link"))
    rows = [("/dev/full", "cannot be written: No space left on device"),
            (place.path, "is refused: it is no file, FIFO or character device"),
            ("fifo", "cannot be written: no process reads this pipe"), ("link", "is refused: a symbolic link is not followed"),
            ("missing/x.log", "cannot be written: No such file or directory")]
    for name, why in rows:
        full = os.path.join(place.path, name)
        same(place.text("run", "--log", name, "echo", "hi"),
             (0, "hi\n", f"rebound: warning: the log {full} {why}; the program runs without it\n"))
    same(place.text("run", "--log", "new.log", "echo", "hi"), (0, "hi\n", ""))
    expect(not os.path.exists(os.path.join(place.path, "new.log")), "the command made the log itself")
    policy = place.file("p.ini", "[rebound]\nlog = /dev/full\n[default]\n")
    holds(place.text("run", "--policy", policy, "true")[2], "the log /dev/full cannot be written")


# --- run: what cannot be intercepted


@test
def run_warns_of_static_programs(place):
    program = build_static(place)
    line = (f"rebound: warning: {program} is statically linked: no library can be preloaded into it, "
            "so it runs without rebound\n")
    place.file("direct", f"#! {program}\n", 0o755)
    place.file("env", "#!/usr/bin/env static\n", 0o755)
    place.file("env-s", "#!/usr/bin/env -S A=b static -x\n", 0o755)
    place.file("indirect", f"#!{place.path}/direct\n", 0o755)
    env = {"PATH": f"{place.path}:{place.env['PATH']}"}
    for name in (program, "static", "./direct", "env-s", "./env", "indirect"):
        same((name, *place.text("run", name, env=env)), (name, 7, "", line))


GO_NOTE = """
__asm__(".pushsection .note.go.buildid, \\"a\\", %note\\n.balign 4\\n.long 4, 4, 4\\n.asciz \\"Go\\"\\n.byte 0\\n.long 1\\n.popsection");
int main(void) { return 7; }
"""
GO_SECTION = """
__asm__(".pushsection .go.buildinfo, \\"aw\\"\\n.long 1\\n.popsection");
int main(void) { return 7; }
"""


def without_sections(path):
    """Removes the section headers, as sstrip does."""
    with open(path, "r+b") as file:
        file.seek(40)
        file.write(bytes(8))
        file.seek(58)
        file.write(bytes(6))


@test
def programs_of_go(place):
    """One line for a dynamically linked program with the marks of Go, also behind a script or env; none for others."""
    def compiled(name, text, *flags):
        path = os.path.join(place.path, name)
        subprocess.run(["gcc", "-o", path, place.file(name + ".c", text), *flags], check=True)
        return path

    note, section = compiled("note", GO_NOTE), compiled("section", GO_SECTION, "-s")
    bare = compiled("bare", GO_NOTE, "-s")
    without_sections(bare)
    script = place.file("script", f"#!{note}\n", mode=0o755)
    by_env = place.file("by-env", f"#!/usr/bin/env {note}\n", mode=0o755)
    for culprit, *command in ((note, note), (section, section), (bare, bare), (note, script), (note, by_env), (note, script, "x"),
                              (note, "env", note), (note, "/usr/bin/env", "A=1", "B=", note)):
        status, out, err = place.text("run", "--", *command)
        same((command, status, out), (command, 7, ""))
        same((command, err), (command, f"rebound: warning: {culprit} contains code compiled by Go, which makes system calls without "
                              "libc: connects of this code are not intercepted\n"))
    holds(place.text("run", "--", "env", "PATH=" + place.path, "note")[2], "")  # not followed
    static = compiled("static-go", GO_NOTE, "-static")
    status, _, err = place.text("run", "--", static)
    same((status, err.count("\n"), "statically linked" in err), (7, 1, True))
    compiled("libgo.so", GO_NOTE.replace("main", "function"), "-shared", "-fPIC")
    text = 'int main(void) { const char *volatile text = "\\xff Go buildinf: .go.buildinfo Go"; return text[0] == 0 ? 1 : 7; }\n'
    user = compiled("user", text, "-Wl,--no-as-needed", os.path.join(place.path, "libgo.so"))
    for command in ((user,), ("env", "A=1", user), ("env", "-i", user)):
        same((command, *place.text("run", "--", *command)), (command, 7, "", ""))
    same(place.text("run", "--", "env", "-u", "A", "true"), (0, "", ""))


@test
def run_does_not_warn_without_reason(place):
    place.file("script", "#!/bin/sh\nexit 0\n", 0o755)
    place.file("plain", "exit 0\n", 0o755)
    for words in (["true"], ["./script"], ["./plain"], [ld_so(), shutil.which("true")]):
        same((words, *place.text("run", *words)), (words, 0, "", ""))


def ld_so():
    done = subprocess.run(["readelf", "-lW", sys.executable], capture_output=True, check=True)
    return re.search(r"interpreter: ([^]]+)\]", done.stdout.decode()).group(1)


@test
def run_warns_of_alien_programs(place):
    with open("/bin/true", "rb") as true:
        image = bytearray(true.read())
    image[18:20] = struct.pack("<H", 0xfeed)  # e_machine
    alien = place.file("alien", bytes(image), 0o755)
    holds(place.text("run", alien)[2], f"{alien} is built for another type of machine than librebound.so")


SHOW_LIST = ["sh", "-c", 'echo "$LD_PRELOAD"']


def copy_of_the_build(place, *names):
    """A directory with these files of the build and no others."""
    os.mkdir(os.path.join(place.path, "copy"))
    for name in names:
        shutil.copy(os.path.join(BUILD, name), os.path.join(place.path, "copy"))
    return os.path.join(place.path, "copy")


@test
def run_gives_each_class_its_library(place):
    """The loaders of 64-bit and 32-bit programs find a library of their own kind, and say nothing."""
    source = place.file("hi.c", "#include <stdio.h>\nint main(void) { return puts(\"hi\") < 0; }\n")
    for flag in ("-m32", "-m64"):
        subprocess.run(["gcc", flag, "-o", os.path.join(place.path, "hi" + flag), source], check=True)
    status, out, err = place.text("run", "sh", "-c", "./hi-m32 && ./hi-m64 && ./hi-m32 && grep -c librebound /proc/self/maps")
    same((status, out.splitlines()[:3], err), (0, ["hi", "hi", "hi"], ""))
    expect(int(out.splitlines()[3]) > 0, out)
    same(place.text("run", *SHOW_LIST), (0, f"{BUILD}/classes/$LIB/librebound.so\n", ""))


@test
def run_without_libraries_by_class(place):
    copy = copy_of_the_build(place, "rebound", "librebound.so")
    words = [os.path.join(copy, "rebound"), "run", *SHOW_LIST]
    done = subprocess.run(words, env=place.env, capture_output=True, check=False)
    same((done.returncode, done.stdout.decode(), done.stderr), (0, f"{copy}/librebound.so\n", b""))


@test
def classes_take_a_library(place):
    """A library for 32-bit programs can be installed; the others lead to the one beside the directory."""
    copy, library = copy_of_the_build(place, "librebound.so"), place.file("library", "32 bits")
    subprocess.run([os.path.join(ROOT, "scripts", "classes"), os.path.join(copy, "classes"), library], check=True)
    for name in ("lib/i386-linux-gnu", "lib32"):
        same(content(os.path.join(copy, "classes", name, "librebound.so")), "32 bits")
    for name in (".", "lib", "lib64", "lib/x86_64-linux-gnu", "$LIB"):
        same(os.path.realpath(os.path.join(copy, "classes", name, "librebound.so")), f"{os.path.realpath(copy)}/librebound.so")


@test
def run_knows_the_library_of_32_bit_programs(place):
    """A 32-bit program is alien to an empty library, and not to one that has the functions."""
    copy = copy_of_the_build(place, "rebound", "librebound.so")
    source, functions = place.file("hi.c", "int main(void) { return 0; }\n"), place.file("functions.c", "int connect(void) { return 0; }\n")
    program, library = os.path.join(place.path, "hi"), os.path.join(place.path, "functions.so")
    subprocess.run(["gcc", "-m32", "-o", program, source], check=True)
    subprocess.run(["gcc", "-m32", "-w", "-shared", "-nostdlib", "-fPIC", "-o", library, functions], check=True)
    for words, alien in (([], True), ([library], False)):
        subprocess.run([os.path.join(ROOT, "scripts", "classes"), os.path.join(copy, "classes"), *words], check=True)
        for command, code in (("run", 0), ("doctor", None)):
            done = subprocess.run([os.path.join(copy, "rebound"), command, program], env=place.env, capture_output=True, check=False)
            same("built for another type of machine" in (done.stdout + done.stderr).decode(), alien)
            expect(code in (None, done.returncode), done.returncode)


@test
def run_warns_of_privileged_programs(place):
    if os.getuid() != 0:
        return  # only root can make such files; `make test` runs as root in a container
    rows = [("suid", 0o4755, "is set-uid"), ("sgid", 0o2755, "is set-gid")]
    os.chmod(place.path, 0o755)
    for name, mode, piece in rows:
        program = shutil.copy("/bin/true", os.path.join(place.path, name))
        os.chown(program, ANOTHER_USER, ANOTHER_USER)
        os.chmod(program, mode)
        holds(place.text("run", program)[2], f"{program} {piece}")
        os.chown(program, 0, 0)
        os.chmod(program, mode)
        same(place.text("run", program), (0, "", ""))
    capable = shutil.copy("/bin/true", os.path.join(place.path, "capable"))
    os.setxattr(capable, "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))
    same(place.text("run", capable), (0, "", ""))
    reachable = shutil.copytree(BUILD, os.path.join(place.path, "b"), ignore=lambda at, names: [
        name for name in names if at != BUILD or name not in ("rebound", "librebound.so")])
    done = subprocess.run([os.path.join(reachable, "rebound"), "run", capable], user=ANOTHER_USER, group=ANOTHER_USER,
                          extra_groups=[], env=place.env, capture_output=True, check=False)
    holds(done.stderr.decode(), f"{capable} has file capabilities")


# --- run --summary


def pages():
    return set(glob.glob("/dev/shm/rebound-*") + glob.glob("/tmp/rebound-*"))


def summary(place, words, *command, **options):
    policy = place.file("quick.ini", QUICK)
    return place.text("run", "--policy", policy, "--summary", *words, "--", *command, **options)


@test
def summary_counts(place):
    holder, port = closed_port()
    status, out, err = summary(place, [], sys.executable, "-c", CONNECT, "127.0.0.1", str(port))
    holder.close()
    same((status, out), (3, ""))
    same(err, "rebound: quick: 1 call, 2 retries, 0 recovered, 0 refused by the breaker, 1 failed\n")


@test
def summary_of_nothing(place):
    same(summary(place, [], "echo", "hi"), (0, "hi\n", "rebound: no calls seen\n"))


@test
def summary_includes_children(place):
    holder, port = closed_port()
    twice = f'"{sys.executable}" -c "$1" 127.0.0.1 {port}; "{sys.executable}" -c "$1" 127.0.0.1 {port}; exit 4'
    status, _, err = summary(place, [], "sh", "-c", twice, "sh", CONNECT)
    holder.close()
    same(status, 4)
    same(err, "rebound: quick: 2 calls, 4 retries, 0 recovered, 0 refused by the breaker, 2 failed\n")


@test
def summary_stands_before_the_prompt(place):
    """If the program exits normally, the lines are there when the parent's wait returns."""
    policy = place.file("quick.ini", QUICK)
    for _ in range(20):
        reader, writer = os.pipe()
        child = subprocess.Popen([REBOUND, "run", "--policy", policy, "--summary", "true"], stderr=writer, env=place.env)
        child.wait(timeout=PATIENCE)
        os.set_blocking(reader, False)
        same(os.read(reader, 4096), b"rebound: no calls seen\n")
        os.close(writer)
        os.close(reader)


@test
def summary_after_a_kill(place):
    """A program that was killed runs no destructor; the whole process group may have been killed with it."""
    for target in ("$$", "0"):
        child = subprocess.Popen([REBOUND, "run", "--summary", "sh", "-c", f"kill -KILL {target}"], env=place.env,
                                 stderr=subprocess.PIPE, start_new_session=True)
        _, err = child.communicate(timeout=PATIENCE)  # ends when the last holder of stderr has gone
        same((child.returncode, err), (-signal.SIGKILL, b"rebound: no calls seen\n"))


@test
def summary_of_a_wait_that_a_signal_ends(place):
    """The program is killed by Ctrl-C while it waits for a host to start, so the library writes nothing at its end."""
    holder, port = closed_port()
    policy = place.file("start.ini", "[rebound]\nstate = private\n[db]\nhosts = 127.0.0.1\nstart.wait = 1h\n")
    child = subprocess.Popen([REBOUND, "run", "--policy", policy, "--summary", "--", "sh", "-c",
                              f"echo $REBOUND_SUMMARY; exec {sys.executable} -c '{CONNECT}' 127.0.0.1 {port}"], env=place.env,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    page = child.stdout.readline().strip()
    with open(page, "rb") as file:
        wait_until(lambda: file.seek(0) == 0 and f"127.0.0.1:{port}".encode() in file.read(), "no wait on the page")
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=PATIENCE)
    expect(re.search(rf"^rebound: waited [\d.]+ m?s for 127.0.0.1:{port}$", err, re.M), err)
    holder.close()


@test
def summary_ignores_the_programs_signals(place):
    policy = place.file("quick.ini", QUICK)
    child = subprocess.Popen([REBOUND, "run", "--policy", policy, "--summary", "sh", "-c",
                              "trap 'exit 9' INT; echo ready; while :; do sleep 0.1; done"], env=place.env,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    same(child.stdout.readline(), b"ready\n")
    os.killpg(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=PATIENCE)
    same((child.returncode, err), (9, b"rebound: no calls seen\n"))


# Prints what the program can see of the watcher: children, pending signals, descriptors over 2.
VISIBLE = """
import os, signal
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no child")
print(sorted(signal.sigpending()))
print([fd for fd in os.listdir("/proc/self/fd") if int(fd) > 3])
with open("/proc/self/task/%d/children" % os.getpid()) as children:
    print(children.read().strip() or "none")
"""


@test
def summary_is_no_child(place):
    """The program sees no child, no SIGCHLD even where that is blocked, and no descriptor."""
    status, out, _ = summary(place, [], sys.executable, "-c", VISIBLE,
                             preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD}))
    same((status, out), (0, "no child\n[]\n[]\nnone\n"))


@test
def summary_as_process_one(place):
    """In a container the program is init and would adopt the watcher; wait() must not see it all the same."""
    words = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        return  # no right to make a namespace here
    policy = place.file("quick.ini", QUICK)
    code = "import os\nprint(os.getpid())\ntry: os.waitpid(-1, os.WNOHANG)\nexcept ChildProcessError: print('no child')"
    done = subprocess.run([*words, REBOUND, "run", "--policy", policy, "--summary", sys.executable, "-c", code],
                          env=place.env, capture_output=True, check=False, timeout=PATIENCE)
    same((done.returncode, done.stdout, done.stderr), (0, b"1\nno child\n", b"rebound: no calls seen\n"))


# Becomes a child subreaper and executes its arguments.
SUBREAPER = """
import ctypes, os, sys
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""

# Waits for all children, with and without a blocking call, and prints how many there were.
WAITS = """
import os
count = 0
try:
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    while os.wait():
        count += 1
except ChildProcessError:
    print(count)
"""

# Runs its arguments as a child of a subreaper. Prints the order in which the child (0) and others end, and its status.
REAPS = """
import ctypes, os, subprocess, sys
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
child = subprocess.Popen(sys.argv[1:])
ended, status = [], None
try:
    while True:
        pid, code = os.wait()
        ended.append(0 if pid == child.pid else 1)
        status = os.waitstatus_to_exitcode(code) if pid == child.pid else status
except ChildProcessError:
    print(ended, status, flush=True)
child.returncode = status
"""


@test
def summary_in_a_subreaper(place):
    """A program that adopts orphans does not get the watcher when it waits for all children."""
    policy = place.file("quick.ini", QUICK)
    words = [sys.executable, "-c", SUBREAPER, REBOUND, "run", "--policy", policy, "--summary", sys.executable, "-c", WAITS]
    done = subprocess.run(words, env=place.env, capture_output=True, check=False, timeout=PATIENCE)
    same((done.returncode, done.stdout, done.stderr), (0, b"0\n", b"rebound: no calls seen\n"))


@test
def summary_leaves_nothing_to_the_next_subreaper(place):
    policy = place.file("quick.ini", QUICK)
    words = [sys.executable, "-c", SUBREAPER, REBOUND, "run", "--policy", policy, "--summary", sys.executable, "-c", "exit(7)"]
    done = subprocess.run([sys.executable, "-c", REAPS, *words], env=place.env, capture_output=True, check=False,
                          timeout=PATIENCE)
    same((done.returncode, done.stdout, done.stderr), (0, b"[0] 7\n", b"rebound: no calls seen\n"))
    words = words[:-3] + ["./nowhere"]
    done = subprocess.run([sys.executable, "-c", REAPS, *words], env=place.env, capture_output=True, check=False,
                          timeout=PATIENCE)
    same((done.returncode, done.stdout), (0, b"[0] 127\n"))


@test
def summary_under_a_limit_of_file_sizes(place):
    """The file on which the program counts would raise SIGXFSZ. The program runs without a summary."""
    for limit in (0, 4096):
        status, out, err = place.text("run", "--summary", "echo", "hi", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (limit, limit)))
        same((status, out), (0, "hi\n"))
        expect("the summary cannot be prepared: File too large" in err, err)


@test
def summary_below_a_subreaper(place):
    """A subreaper that waits for its own child gets its status before that of the watcher."""
    policy = place.file("quick.ini", QUICK)
    for _ in range(10):
        words = [sys.executable, "-c", REAPS, REBOUND, "run", "--policy", policy, "--summary", sys.executable, "-c", "exit(7)"]
        done = subprocess.run(words, env=place.env, capture_output=True, check=False, timeout=PATIENCE)
        same((done.returncode, done.stdout, done.stderr), (0, b"[0, 1] 7\n", b"rebound: no calls seen\n"))


# Connects as each of the users named, and prints how many pages of a summary are mapped.
AS_USERS = """
import os, socket, sys
for user in sys.argv[2:]:
    (os.seteuid if user != sys.argv[-1] or user == "0" else os.setuid)(int(user))
    with open("/proc/self/maps") as maps:
        print(sum("/rebound-" in line for line in maps))
    socket.socket().connect_ex(("127.0.0.1", int(sys.argv[1])))
"""


def summary_of_users(place, *users):
    holder, port = closed_port()
    status, out, err = summary(place, [], sys.executable, "-c", AS_USERS, str(port), *map(str, users))
    holder.close()
    same(status, 0)
    return out.split(), err


@test
def summary_of_a_program_that_drops_its_privileges(place):
    """The program unmaps root's page. The watcher still ends, and says that counts are missing."""
    if os.geteuid() != 0:
        return
    there = glob.glob("/dev/shm/rebound-??????")  # left by a program that was killed
    pages, err = summary_of_users(place, 0, ANOTHER_USER)
    same(pages, ["1", "0"])
    holds(err, "rebound: quick: 1 call, 2 retries")
    holds(err, "a process changed its user; its calls as another user are not counted")
    wait_until(lambda: not set(glob.glob("/dev/shm/rebound-??????")).difference(there), "a page is left")


@test
def summary_of_a_program_that_changes_its_user_for_a_while(place):
    if os.geteuid() != 0:
        return
    pages, err = summary_of_users(place, 0, ANOTHER_USER, 0, ANOTHER_USER, 0)
    same(pages[:2], ["1", "0"])
    holds(err, "rebound: quick: 3 calls, 6 retries")


# Connects once, and prints whether the file "page" is mapped.
MAPS_PAGE = """
import socket, sys
socket.socket().connect_ex(("127.0.0.1", int(sys.argv[1])))
print("/page\\n" in open("/proc/self/maps").read())
"""

# As in src/process/summary.h.
PAGE_VERSION, PAGE_SIZE = 4, 32 + 64 * 120 + 32 * 256


@test
def summary_page_of_another_user(place):
    """Root does not map a page that another user could cut short."""
    if os.geteuid() != 0:
        return
    holder, port = closed_port()
    header = b"RBSM" + PAGE_VERSION.to_bytes(4, "little") + PAGE_SIZE.to_bytes(4, "little")
    page = place.file("page", header + bytes(PAGE_SIZE - len(header)), 0o600)
    words = [REBOUND, "run", "--policy", place.file("quick.ini", QUICK), "--", sys.executable, "-c", MAPS_PAGE, str(port)]
    for owner, mapped in ((0, "True\n"), (ANOTHER_USER, "False\n")):
        os.chown(page, owner, owner)
        done = subprocess.run(words, env={**place.env, "REBOUND_SUMMARY": page}, capture_output=True, text=True,
                              check=False, timeout=PATIENCE)
        same((done.returncode, done.stdout), (0, mapped))
    holder.close()


@test
def summary_lets_stdout_end(place):
    """A reader of the program's stdout sees the end of the stream although the program continues."""
    child = subprocess.Popen([REBOUND, "run", "--summary", "sh", "-c", "exec >&-; read line"], env=place.env,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ended = select.select([child.stdout], [], [], PATIENCE)[0]
    still_there = child.poll() is None
    child.communicate(b"\n", timeout=PATIENCE)
    expect(ended and still_there, "somebody holds the program's stdout open")


@test
def summary_tells_the_program_that_it_is_printed(place):
    """Otherwise every program would linger at its end."""
    child = subprocess.Popen([REBOUND, "run", "--summary", sys.executable, "-c",
                              "import os; print(os.environ['REBOUND_SUMMARY'], flush=True); input()"], env=place.env,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with open(child.stdout.readline().decode().strip(), "rb") as page:
        before = struct.unpack_from("=8I", page.read())
        child.communicate(b"\n", timeout=PATIENCE)
        page.seek(0)
        after = struct.unpack_from("=8I", page.read())
    magic, version, exiting, printed, main_pid = 0, 1, 3, 4, 5
    same((before[magic], before[version], before[main_pid]), (int.from_bytes(b"RBSM", "little"), PAGE_VERSION, child.pid))
    same((before[exiting], before[printed], after[exiting], after[printed]), (0, 0, 1, 1))


@test
def summary_leaves_no_file(place):
    status, out, _ = summary(place, [], "printenv", "REBOUND_SUMMARY")
    same(status, 0)
    name = out.strip()
    expect(re.fullmatch(r"/(dev/shm|tmp)/rebound-\w{6}", name), name)
    expect(not os.path.exists(name), name)
    before = pages()
    same(summary(place, [], "./nowhere")[0], 127)
    new = pages() - before  # of programs that run at the same time, too: theirs go when they end
    wait_until(lambda: not new & pages(), "the page of a program that did not start stays")


# --- check


@test
def check_good_files(place):
    path = place.file("p.ini", "[default]\n[a]\nhosts = a.example, b.example\nhosts = c.example\n[b]\nhosts = *:80\n")
    one = place.file("one.ini", "[a]\nhosts = a.example\n")
    same(place.text("check", path, one), (0, f"{path}: ok (3 sections, 4 patterns)\n{one}: ok (1 section, 1 pattern)\n", ""))
    same(place.text("check", "--json", path), (0, "[]\n", ""))


@test
def check_with_a_wrong_pair(place):
    """The policy is not said to be right."""
    for more in ((), (place.file("p.ini", "[default]\n"),)):
        status, out, err = place.text("check", "--set", "retry.atempts=1", *more)
        same((status, err, ": ok" in out), (1, "", False))
        holds(out, "retry.atempts")


@test
def check_without_a_file(place):
    same(place.text("check"), (0, "builtin:default: ok (1 section, 0 patterns)\n", ""))
    home = place.file(".config/rebound/policy.ini", "[default]\n")
    same(place.text("check"), (0, f"{home}: ok (1 section, 0 patterns)\n", ""))


@test
def builtin_policies(place):
    """Every command takes the names. A file of such a name needs a directory in its path."""
    for name in ("default", "api", "patient"):
        status, out, err = place.text("check", "--strict", f"builtin:{name}")
        same((status, err), (0, ""))
        holds(out, f"builtin:{name}: ok (1 section, ")
        same(place.environment("--policy", f"builtin:{name}")[0]["REBOUND_POLICY"], f"builtin:{name}")
        found = json.loads(place.text("explain", "--policy", f"builtin:{name}", "--json", "a.test")[1])
        same((found["policy"]["file"], found["policy"]["source"]), (f"builtin:{name}", "--policy"))
    holds(place.text("explain", "--policy", "builtin:api", "--method", "POST", "a.test")[1], "\nmethod      POST may be retried")
    path = place.file("builtin:x", "[default]\n")
    same(place.text("check", "./builtin:x"), (0, "./builtin:x: ok (1 section, 0 patterns)\n", ""))
    same(place.environment("--policy", path)[0]["REBOUND_POLICY"], path)


@test
def unknown_builtin_policy(place):
    place.file("builtin:apt", "[default]\n")
    wrong = ("there is no built-in policy of this name; the names are builtin:default, builtin:api and builtin:patient; "
             "did you mean 'builtin:api'?\n")
    same(place.text("check", "builtin:apt"), (1, f"builtin:apt: error: {wrong}", ""))
    fails(place.text("explain", "--policy", "builtin:apt", "a.test"), f"builtin:apt: error: {wrong}")
    status, out, err = place.text("run", "--policy", "builtin:apt", "echo", "ran")
    same((status, out), (0, "ran\n"))
    same(err, f"builtin:apt: error: {wrong}rebound: warning: the policy cannot be used; the program runs without rebound\n")
    same(place.text("run", "--policy", "builtin:apt", "echo", "x", env={"REBOUND_DISABLE": "1"}), (0, "x\n", ""))


# --- --set and REBOUND_SET


@test
def run_sets_values(place):
    """The pairs come after those of REBOUND_SET, and without blanks around commas."""
    expect("REBOUND_SET" not in place.environment()[0])
    same(place.environment("--set", "retry.attempts=5")[0]["REBOUND_SET"], "retry.attempts=5")
    env, err = place.environment("--set", "retry.on=+409 ,\t-500", "--set=retry.base=1s", env={"REBOUND_SET": " retry.attempts=5"})
    same((env["REBOUND_SET"], err), (" retry.attempts=5 retry.on=+409,-500 retry.base=1s", ""))
    same(place.environment(env={"REBOUND_SET": "retry.attempts=5"})[0]["REBOUND_SET"], "retry.attempts=5")
    same(place.text("run", "--set", "retry.attempts=5", "sh", "-c", f"{REBOUND} run --set retry.attempts=6 env | grep SET"),
         (0, "REBOUND_SET=retry.attempts=5 retry.attempts=6\n", ""))


@test
def run_with_a_wrong_pair_starts_nothing(place):
    """Whatever the policy file is like. The place of the error is shown."""
    bad = place.file("bad.ini", "nonsense\n")
    wrong = "--set: error: unknown key retry.atempts; did you mean 'retry.attempts'?\n  retry.base=1s retry.atempts=5\n                ^\n"
    for policy in ([], ["--policy", bad], ["--policy", "missing.ini"], ["--policy", "builtin:apt"]):
        result = place.text("run", *policy, "--set", "retry.base=1s", "--set", "retry.atempts=5", "echo", "ran")
        same((policy, *result), (policy, 125, "", wrong))
    for pair, piece in (("retry.attempts", "error: '=' is missing"), ("retry.on=+409 -500", "error: a blank that is not next to a comma"),
                        ("retry.on = +409", "error: a blank"), ("retry.attempts=5\n", "error: a blank"), ("=5", "error: the key before"),
                        ("retry.attempts=", "error: the value after"), ("log=stderr", "error: log cannot be set here: use --log"),
                        ("hosts=a.test", "error: hosts cannot be set here"), ("retry.attempts=1000", "error: retry.attempts: out of range"),
                        ("a.retry.attempts=5", "did you mean 'retry.attempts'?"), ("start.wait=60s", "use the policy builtin:patient"),
                        ("retry.base=20s", "error: retry.base (20s) is over retry.cap (10s)"), ("r\xe9=\x1b[1m", "\\x1b[1m"),
                        (" ", "error: a blank"),
                        ("retry.on=" + 2000 * "503,", "more than 4095 bytes")):
        fails(place.text("run", "--set", pair, "echo", "ran"), piece, 125, pair)
        if "blank" not in piece and "4095" not in piece:
            fails(place.text("run", "echo", "ran", env={"REBOUND_SET": pair}), piece.replace("--set", "REBOUND_SET"), 125, pair)
    fails(place.text("run", "echo", "ran", env={"REBOUND_SET": 300 * "retry.attempts=5 "}), "the text is too long", 125)
    env = {"REBOUND_SET": 240 * "retry.attempts=5 "}
    fails(place.text("run", "--set", "retry.attempts=5", "echo", "ran", env=env), "more than 4095", 125)
    same(place.text("run", "--set", "x", "echo", "ran", env={"REBOUND_DISABLE": "1"}), (0, "ran\n", ""))
    status, out, err = place.text("run", "--policy", bad, "--set", "retry.attempts=5", "echo", "ran")
    same((status, out), (0, "ran\n"))
    holds(err, "the program runs without rebound")


@test
def check_and_explain_know_pairs(place):
    path = place.file("p.ini", "[a]\nhosts = a.test\nretry.attempts = 4\nretry.cap = 5s\n")
    env = {"REBOUND_SET": "retry.attempts=6 retry.base=1s"}
    words = ("explain", "--policy", path, "--set", "retry.attempts=7", "--set", "retry.methods=safe")
    status, out, err = place.text(*words, "a.test", env=env)
    same((status, err), (0, ""))
    holds(out, "set         retry.attempts=6 retry.base=1s (REBOUND_SET)\nset         retry.attempts=7 retry.methods=safe (--set)\n")
    for key, value, origin in (("retry.attempts", "7", "--set"), ("retry.base", "1s", "REBOUND_SET"), ("retry.cap", "5s", f"{path}:4"),
                               ("retry.rejected", "none", "--set  (none, because retry.methods is set)")):
        holds(out, f"\n  {key:<26}  {value:<22}  {origin}\n")
    found = json.loads(place.text(*words, "--json", "a.test", env=env)[1])
    same(found["policy"]["set"], {"REBOUND_SET": env["REBOUND_SET"], "--set": "retry.attempts=7 retry.methods=safe"})
    values = {value["key"]: (value["file"], value["line"], value["inherited"]) for value in found["values"]}
    same((values["retry.attempts"], values["retry.base"], values["retry.cap"]),
         (("--set", None, False), ("REBOUND_SET", None, False), (path, 4, False)))
    same(json.loads(place.text("explain", "--json", "a.test")[1])["policy"]["set"], {"REBOUND_SET": None, "--set": None})
    holds(place.text(*words, "b.test", env=env)[1], "none: no pattern matches and there is no [default]")
    fails(place.text("explain", "--set", "retry.attempts=x", "a.test"), "--set: error: retry.attempts: not a whole number")
    fails(place.text("explain", "--set", "a b", "a.test"), "--set: error: a blank", 2)
    same(place.text("check", path, env=env), (0, f"{path}: ok (1 section, 1 pattern)\n", ""))
    wrong = "REBOUND_SET: error: retry.base (6s) is over retry.cap (5s), so every wait would be the cap\n  retry.base=6s\n             ^\n"
    same(place.text("check", path, env={"REBOUND_SET": "retry.base=6s"}), (1, wrong, ""))
    found = json.loads(place.text("check", "--json", "--set", "retry.attempts=3", "--set", "x=1", path, path)[1])
    same([(one["file"], one["line"], one["column"]) for one in found], [("--set", 0, 18)])
    same(place.text("check", "--set", "retry.after_max=1h")[0], 0)
    same(place.text("check", "--strict", "--set", "retry.after_max=1h")[0], 1)
    found = json.loads(place.text("doctor", "--json", "true", env=env)[1])
    same((found["policy"]["set"], found["policy"]["usable"]), (env["REBOUND_SET"], True))
    status, out, err = place.text("doctor", "true", env={"REBOUND_SET": "x=1"})
    holds(err, "REBOUND_SET: error: unknown key x;")
    holds(out, "\nset         x=1 (REBOUND_SET; has an error)\n")


@test
def check_shows_every_mistake(place):
    """Compiler style: place, source line, caret (also behind tabs), suggestion; all of them in the order of lines."""
    path = place.file("bad.ini", "[default]\n\tretry.atempts\t= 3\nretry.attempts = 0\n[a\n")
    good = place.file("good.ini", "[default]\n")
    status, out, err = place.text("check", good, path)
    same((status, err), (1, ""))
    lines = out.splitlines()
    same(lines[0], f"{good}: ok (1 section, 0 patterns)")
    expect(re.fullmatch(rf"{path}:2:2: error: .*retry\.atempts.*; did you mean 'retry\.attempts'\?", lines[1]), lines[1])
    same(lines[2:4], ["  \tretry.atempts\t= 3", "  \t^"])
    expect(lines[4].startswith(f"{path}:3:18: error: "), lines[4])
    same(lines[5:7], ["  retry.attempts = 0", "  " + " " * 17 + "^"])
    expect(lines[7].startswith(f"{path}:4:1: error: "), lines[7])
    same(lines[8:], ["  [a", "  ^"])


@test
def check_json(place):
    path = place.file("bad.ini", "[default]\nretry.atempts = 3\n")
    status, out, err = place.text("check", "--json", path, "missing.ini")
    same((status, err), (1, ""))
    first, second = json.loads(out)
    message = first.pop("message")
    holds(message, "retry.atempts")
    same(first, {"file": path, "line": 2, "column": 1, "suggestion": "retry.attempts"})
    same({key: second[key] for key in ("file", "line", "column", "suggestion")},
         {"file": "missing.ini", "line": 0, "column": 0, "suggestion": None})


@test
def check_json_is_always_utf8(place):
    name = os.path.join(place.path.encode(), b"caf\xe9\x80\xf0\x9f\x98\x80\xed\xa0\x80.ini")
    with open(name, "wb") as file:
        file.write(b"[default]\nretry.\xff = 3\n")
    done = place.rebound("check", "--json", name)
    same(done.returncode, 1)
    found = json.loads(done.stdout.decode("utf-8"))
    holds(found[0]["file"], "caf\ufffd\ufffd\U0001f600\ufffd\ufffd\ufffd.ini")


IDLE = (
    ("retry.on = 429, 503", 12, "replaces the inherited list, so failed connections are not repeated: give each item a sign (+429) to add to the list"),
    ("retry.after_max = 31s", 19, "is over timeout.total, and no wait is longer than that"),
    ("retry.after = ignore\nretry.after_over = cap", 20, "has no effect with retry.after = ignore"),
    ("retry.rejected = +418", 18, "has a status that retry.on does not have, so it is not repeated"),
    ("retry.jitter = decorrelated\nretry.backoff = fixed", 17, "has no effect with retry.jitter = decorrelated"),
    ("retry.backoff = fixed\nretry.multiplier = 3", 20, "has no effect unless retry.backoff is exponential"),
    ("retry.attempts = 1\nretry.base = 1s", 14, "has no effect with retry.attempts = 1"),
    ("breaker = off\nbreaker.open = 3s", 16, "has no effect with breaker = off"),
    ("intercept = curl\nconnect.failover = off", 20, "has no effect, because intercept does not have connect"),
    ("intercept = dns\nsocket.keepalive = 30s/10s/3", 20, "has no effect, because intercept has neither connect nor curl"),
    ("intercept = dns\nsocket.user_timeout = 1m", 23, "has no effect, because intercept has neither connect nor curl"),
    ("socket.keepalive = 30s/10s/3\nsocket.user_timeout = 40s", 23,
     "lets one lost probe end an idle connection: socket.user_timeout should be at least IDLE + COUNT * INTERVAL of socket.keepalive"),
    ("retry.attempts = 1\nhttp.hold = 2s", 13, "has no effect with retry.attempts = 1"),
    ("retry.on = refused\nhttp.hold = 2s", 13, "has no effect, because retry.on has no status"),
    ("http.async = on", 14, "has no effect with http.hold = off"),
    ("intercept = curl\nhttp.hold = 2s", 13, "has no effect, because intercept does not have http"),
    ("retry.attempts = 1\nhttp.tls_reconnect = on", 22, "has no effect with retry.attempts = 1"),
    ("retry.on = refused\nhttp.tls_reconnect = on", 22, "has no effect, because retry.on has no status"),
    ("intercept = curl\nhttp.tls_reconnect = on", 22, "has no effect, because intercept does not have http"),
    ("intercept = curl\ndns.total = 1s", 13, "has no effect, because intercept does not have dns"),
)


@test
def check_warns_of_settings_without_effect(place):
    """One warning for each, at its value; none where the setting has an effect, as in the shipped policies."""
    for text, column, message in IDLE:
        path = place.file("p.ini", f"[a]\nhosts = a.test\n{text}\n")
        status, out, _ = place.text("check", path)
        line = 2 + len(text.split("\n"))
        same((status, out.count("warning")), (0, 1))
        holds(out, f"{path}:{line}:{column}: warning: this {message}\n")
        same(place.text("check", "--strict", path)[0], 1)
    sound = ("retry.on = +409, -500", "retry.on = none", "retry.on = reset, 503", "retry.after_max = 30s", "retry.rejected = none",
             "timeout.total = 5m\nretry.after_max = 2m", "intercept = curl\nsocket.user_timeout = 1m",
             "intercept = connect\nsocket.keepalive = 30s/10s/3", "socket.keepalive = 30s/10s/3\nsocket.user_timeout = 41s",
             "breaker = off\nbreaker.scope = policy", "retry.attempts = 1")
    for text in sound:
        path = place.file("p.ini", f"[a]\nhosts = a.test\n{text}\n")
        same((text, *place.text("check", "--strict", path)), (text, 0, f"{path}: ok (1 section, 1 pattern)\n", ""))
    for path in (os.path.join(ROOT, "config", "default.ini"), *glob.glob(os.path.join(ROOT, "config", "examples", "*.ini"))):
        same((path, place.text("check", "--strict", path)[0]), (path, 0))


@test
def check_warns_of_names(place):
    """Names in programs and skip that no program can have. The file is valid; the other commands do not repeat the warnings."""
    path = place.file("p.ini", "[rebound]\nprograms = *, ./x\nskip = ssh, /usr/bin/sudo, 'nc', ..\n[default]\n")
    wanted = [(2, 15, "no program is named ./x: names are compared without directory", "x"),
              (3, 13, "no program is named /usr/bin/sudo: names are compared without directory", "sudo"),
              (3, 28, "no program is named 'nc': the quotation marks belong to the name", "nc"), (3, 34, "no program is named ..", None)]
    status, out, err = place.text("check", path)
    same((status, err), (0, ""))
    for line, column, message, better in wanted:
        holds(out, f"{path}:{line}:{column}: warning: {message}" + (f"; did you mean '{better}'?\n" if better else "\n"))
    same(out.count("warning"), len(wanted))
    holds(out, f"{path}: ok (1 section, 0 patterns)\n")
    status, out, _ = place.text("check", "--json", path)
    same((status, json.loads(out)), (0, [{"file": path, "severity": "warning", "line": line, "column": column, "message": message,
                                          "suggestion": better} for line, column, message, better in wanted]))
    same(place.text("check", "--strict", path)[0], 1)
    same(place.text("run", "--policy", path, "--", "true"), (0, "", ""))
    same(place.text("explain", "--policy", path, "a")[2], "")
    wrong = place.file("wrong.ini", "[rebound]\nskip = a/b\nnope = 1\n")
    holds(place.text("run", "--policy", wrong, "--log", os.path.join(place.path, "log"), "--", "true")[2], "wrong.ini:3:1: error: unknown key nope")
    good = place.file("good.ini", "[rebound]\nskip = ssh, python3*, a?b, ...\n[default]\n")
    same(place.text("check", "--strict", good)[0], 0)
    os.chmod(good, 0o666)
    same((place.text("check", good)[0], place.text("check", "--strict", good)[0]), (0, 1))


@test
def check_cannot_drive_a_terminal(place):
    """Neither a file's name nor its text reaches the terminal with its control characters."""
    path = place.file("a\x1b[2J.ini", "[default]\nretry.\x1b[2Jx = 3\n")
    status, out, _ = place.text("check", path)
    same(status, 1)
    expect("\x1b" not in out, out)


@test
def untrusted_file(place):
    """A file that everybody may write is ignored by programs, but its mistakes are found all the same."""
    policy = place.file("open.ini", QUICK, mode=0o666)
    why = f"{policy}: everybody may write the file; programs of "
    status, out, err = place.text("check", policy)
    same((status, out), (0, f"{policy}: ok (1 section, 1 pattern), but programs of this user ignore the file\n"))
    holds(err, f"rebound: warning: programs of this user ignore {why}")
    holds(err, f"(chmod go-w {policy})\n")
    status, out, err = place.text("explain", "--policy", policy, "--json", "127.0.0.1")
    same((status, json.loads(out)["section"]["name"]), (0, "quick"))
    holds(err, f"rebound: warning: programs of this user ignore the policy {why}")
    status, out, err = place.text("doctor", "--policy", policy, sys.executable)
    same(status, 1)
    holds(out, f"the policy cannot be used: {policy}")
    status, out, _ = place.text("doctor", "--policy", policy, "--json", sys.executable)
    same(json.loads(out)["advice"], f"run `chmod go-w {policy}`")
    mistake = place.file("mistake.ini", "[default]\nnope = 1\n")
    status, out, _ = place.text("doctor", "--policy", mistake, "--json", sys.executable)
    same(json.loads(out)["advice"], f"run `rebound check {mistake}`")
    holds(err, f"rebound: error: the policy {policy} is ignored: everybody may write the file; ")
    same(place.environment("--policy", policy)[0].get("LD_PRELOAD"), None)
    wrong = place.file("wrong.ini", "[default]\nnope = 1\n", mode=0o666)
    status, out, err = place.text("check", wrong)
    same(status, 1)
    holds(out, "wrong.ini:2:1: error: ")
    # The state file that such a policy names is not looked at either.
    place.file("rebound/policy.ini", f"[rebound]\nstate = {place.path}/chosen\n[default]\n", mode=0o666)
    env = {"XDG_CONFIG_HOME": place.path, "REBOUND_STATE": ""}
    expect("chosen" not in "".join(place.text("status", env=env)[1:]))
    os.chmod(os.path.join(place.path, "rebound/policy.ini"), 0o644)
    holds("".join(place.text("status", env=env)[1:]), "chosen")


# --- explain


POLICY = """[default]
retry.attempts = 2
retry.base = 1s
retry.jitter = none

[exact]
hosts = api.example:8443
retry.attempts = 4
retry.methods = safe

[wide]
hosts = *.example, 10.0.0.0/8
intercept = off

[slow]
hosts = slow.test
retry.attempts = 4
timeout.attempt = 2s
timeout.total = 5s
"""


def explain(place, *words, policy=POLICY):
    path = place.file("policy.ini", policy)
    status, out, err = place.text("explain", "--policy", path, "--json", *words)
    same((status, err), (0, ""))
    return json.loads(out), path


def value_of(found, key):
    return next(value for value in found["values"] if value["key"] == key)


@test
def explain_matches(place):
    rows = [("https://api.example:8443/v1", "exact", "api.example:8443", 7, "api.example:8443"),
            ("API.example.:8443", "exact", "api.example:8443", 7, "api.example:8443"),
            ("https://api.example/v1", "wide", "*.example", 12, "api.example:443"),
            ("10.1.2.3", "wide", "10.0.0.0/8", 12, "10.1.2.3"),
            ("other.test", "default", None, None, "other.test"),
            ("http://user@other.test/x", "default", None, None, "other.test:80")]
    for target, name, pattern, line, label in rows:
        found, path = explain(place, target)
        same(found["section"], {"name": name, "pattern": pattern, "line": line})
        same(found["target"], label)
        same((found["policy"]["file"], found["policy"]["source"]), (path, "--policy"))


@test
def explain_says_where_values_come_from(place):
    found, path = explain(place, "api.example:8443")
    same(value_of(found, "retry.attempts"),
         {"key": "retry.attempts", "value": "4", "file": path, "line": 8, "inherited": False})
    same(value_of(found, "retry.base"), {"key": "retry.base", "value": "1s", "file": path, "line": 3, "inherited": True})
    same(value_of(found, "retry.cap"), {"key": "retry.cap", "value": "10s", "file": None, "line": None, "inherited": False})
    text = place.text("explain", "--policy", path, "api.example:8443")[1]
    holds(text, "[exact], because the pattern 'api.example:8443' in line 7 matches")
    expect(re.search(rf"retry\.attempts +4 +{re.escape(path)}:8\n", text), text)
    expect(re.search(rf"retry\.base +1s +{re.escape(path)}:3 \(\[default\]\)\n", text), text)
    expect(re.search(r"retry\.cap +10s +default\n", text), text)


@test
def explain_deepbind(place):
    for policy, word in ((POLICY, "clear"), ("[rebound]\ndeepbind = keep\n" + POLICY, "keep")):
        found, path = explain(place, "api.example", policy=policy)
        same(found["policy"]["deepbind"], word)
        text = place.text("explain", "--policy", path, "api.example")[1]
        same(bool(re.search(r"^deepbind +keep$", text, re.MULTILINE)), word == "keep")


@test
def explain_process(place):
    """The keys of [rebound]: all of them for programs, and the ones that differ from their default for people."""
    keys = {"log": "off", "programs": "*", "skip": "", "deepbind": "clear", "state": "shared", "state.cells": 1024}
    found, path = explain(place, "api.example")
    same({key: found["policy"][key] for key in keys}, keys)
    text = place.text("explain", "--policy", path, "api.example")[1]
    expect(not re.search(r"^(log|programs|deepbind|state|state\.cells) ", text, re.MULTILINE), text)
    found, path = explain(place, "api.example", policy="[rebound]\nlog = /tmp/l\nprograms = a, b*\nskip = c,d\n"
                          "state = private\nstate.cells = 64\n" + POLICY)
    same({key: found["policy"][key] for key in keys}, {"log": "/tmp/l", "programs": "a b*", "skip": "c d",
                                                       "deepbind": "clear", "state": "private", "state.cells": 64})
    text = place.text("explain", "--policy", path, "api.example")[1]
    for line in (r"programs +a b\*, but not c d", r"log +/tmp/l", r"state +private", r"state\.cells +64"):
        expect(re.search(rf"^{line}$", text, re.MULTILINE), line, text)


@test
def explain_window_under_min_calls(place):
    """A window of calls that is smaller than breaker.min_calls has to be full."""
    for window, wanted in (("19", "default; a full window of 19 calls is enough"), ("20", "default"), ("5s", "default")):
        path = place.file("window.ini", f"[default]\nbreaker.window = {window}\n")
        status, out, _ = place.text("explain", "--policy", path, "a.example")
        line = next(line for line in out.splitlines() if line.startswith("  breaker.min_calls"))
        same((status, line.split(None, 2)[1:]), (0, ["20", wanted]))


@test
def explain_method(place):
    for method, wanted in (("GET", True), ("PUT", False), ("POST", False), ("get", False)):
        found, path = explain(place, "--method", method, "api.example:8443")
        same(found["method"], {"name": method, "repeatable": wanted})
    text = place.text("explain", "--policy", path, "--method", "POST", "api.example:8443")[1]
    holds(text, "POST is retried only if it was certainly not sent, or if it has the header field Idempotency-Key\n")
    holds(place.text("explain", "--policy", path, "api.example:8443")[1], "GET may be retried (retry.methods)")
    text = place.text("explain", "--policy", "builtin:default", "--method", "POST", "api.example")[1]
    holds(text, "POST is retried only if it was certainly not sent, if the server has rejected it (retry.rejected: 429, throttled), "
                "or if it has the header field Idempotency-Key\n")


@test
def explain_hosts_left_alone(place):
    found, path = explain(place, "other.test", policy="[a]\nhosts = a.test\n")
    same(found["section"], None)
    holds(place.text("explain", "--policy", path, "other.test")[1], "calls to this host pass through")
    path = place.file("policy.ini", POLICY)
    holds(place.text("explain", "--policy", path, "x.example")[1], "intercept is off")
    holds(place.text("explain", "--policy", path, "unix:/run/x.sock")[1], "no unix: pattern matches")


@test
def explain_time(place):
    found, path = explain(place, "slow.test")
    same(found["worst_case"], {"waits_ms": 7000, "attempts_ms": 8000, "total_ms": 5000, "ms": 5000, "start_wait_ms": 0})
    same([step["fits"] for step in found["schedule"]], [True, True, False])
    text = place.text("explain", "--policy", path, "slow.test")[1]
    holds(text, "after 5s (timeout.total), or after the program's own limit if it is shorter; ")
    holds(text, "worst case  5s: timeout.total limits 7s of waits and 8s of attempts")
    holds(text, "(never: timeout.total is over before)")
    found, _ = explain(place, "api.example:8443")
    same(found["worst_case"], {"waits_ms": 7000, "attempts_ms": None, "total_ms": 30000, "ms": 7000, "start_wait_ms": 0})


@test
def explain_start_wait(place):
    """The wait for a host at the start of the program, and the hosts that a section for all hosts does not wait for."""
    path = place.file("policy.ini", "[all]\nhosts = *\nstart.wait = 90s\n[a]\nhosts = a.test\nstart.wait = 1m\n"
                      "[off]\nhosts = off.test\n")
    rows = {"db:5432": "up to 90s after the program's start (start.wait)\n", "10.1.2.3:80": "up to 90s", "a.test": "up to 60s",
            "api.example": "and this name has a dot\n", "8.8.8.8": "and this address is public\n", "off.test": None}
    for target, wanted in rows.items():
        text = place.text("explain", "--policy", path, target)[1]
        same(bool(re.search("(until its first success|start.wait covers only)", text)), wanted is not None)
        holds(text, wanted or "")
        found = json.loads(place.text("explain", "--json", "--policy", path, target)[1])
        same(found["worst_case"]["start_wait_ms"], {"db:5432": 90000, "10.1.2.3:80": 90000, "a.test": 60000}.get(target, 0))


@test
def explain_lookups(place):
    policy = "[default]\ndns.total = 3s\n[a]\nhosts = a.test\ntimeout.total = 1s\ndns.stale = 5m\n[b]\nhosts = b.test\nintercept = curl\n"
    path = place.file("policy.ini", policy)
    rows = {"other.test": "after 3s (dns.total)\n", "10.1.2.3": None, "b.test": None, "unix:/x": None,
            "a.test": "after 1s (dns.total); then an answer up to 5m old is used (dns.stale)\n"}
    for target, wanted in rows.items():
        text = place.text("explain", "--policy", path, target)[1]
        same(bool(re.search("no name lookup is retried", text)), wanted is not None)
        holds(text, wanted or "")


@test
def explain_tells_the_source(place):
    path = place.file(".config/rebound/policy.ini", "[default]\n")
    xdg = place.file("xdg/rebound/policy.ini", "[default]\n")
    rows = [({}, path, "HOME"), ({"XDG_CONFIG_HOME": os.path.join(place.path, "xdg")}, xdg, "XDG_CONFIG_HOME"),
            ({"REBOUND_POLICY": xdg}, xdg, "REBOUND_POLICY")]
    for env, file, source in rows:
        found = json.loads(place.text("explain", "--json", "a.test", env=env)[1])
        same((found["policy"]["file"], found["policy"]["source"]), (file, source))
    os.remove(path)
    found = json.loads(place.text("explain", "--json", "a.test")[1])
    same((found["policy"]["file"], found["policy"]["source"]), ("builtin:default", "builtin"))


@test
def explain_with_a_bad_policy(place):
    bad = place.file("bad.ini", "[default]\nretry.atempts = 3\n")
    fails(place.text("explain", "--policy", bad, "a.test"), place.text("check", bad)[1])


# --- the examples: the schedule that explain prints against the formula

MS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000}


def milliseconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()
    return int(number) * MS[unit]


def pairs_of(path):
    """The keys of [default] as the file has them, by a reader of our own; the documented defaults for the rest."""
    found = {"retry.attempts": "3", "retry.backoff": "exponential", "retry.base": "200ms", "retry.multiplier": "2",
             "retry.cap": "10s", "retry.jitter": "full"}
    with open(path, encoding="utf-8") as file:
        for line in file:
            pair = re.fullmatch(r"\s*([a-z][\w.]*)\s*=\s*(.*?)(\s+;.*)?\s*", line.rstrip("\n"))
            if pair:
                found[pair.group(1)] = pair.group(2)
    return found


def formula(pairs):
    """Least and longest wait before each retry, in milliseconds."""
    base, cap, jitter = milliseconds(pairs["retry.base"]), milliseconds(pairs["retry.cap"]), pairs["retry.jitter"]
    waits = []
    for retry in range(1, int(pairs["retry.attempts"])):
        wait = {"fixed": base, "linear": base * retry,
                "exponential": base * float(pairs["retry.multiplier"]) ** (retry - 1)}[pairs["retry.backoff"]]
        wait = min(cap, wait)
        added = milliseconds(jitter) if jitter[0].isdigit() else 0
        low = {"full": 0, "equal": wait / 2}.get(jitter, wait)
        waits.append((low, wait + added))
    return waits


@test
def examples_follow_their_formula(place):
    files = sorted(glob.glob(os.path.join(EXAMPLES, "*.ini")))
    expect(len(files) >= 6, files)
    for path in files:
        found = json.loads(place.text("explain", "--policy", path, "--json", "http://host.test/")[1])
        same((path, [(step["min_ms"], step["max_ms"]) for step in found["schedule"]]), (path, formula(pairs_of(path))))


@test
def examples_are_what_they_promise(place):
    """The figures that people asked for, not only what the files happen to say."""
    wanted = {"fixed": [(2000, 2000)] * 2, "exponential": [(ms, ms) for ms in (1000, 2000, 4000, 8000)],
              "full-jitter": [(0, ms) for ms in (1000, 2000, 4000, 8000)],
              "smart": [(1000, 2000), (2000, 3000), (4000, 5000)]}
    for name, waits in wanted.items():
        path = os.path.join(EXAMPLES, name + ".ini")
        found = json.loads(place.text("explain", "--policy", path, "--json", "http://host.test/")[1])
        same((name, [(step["min_ms"], step["max_ms"]) for step in found["schedule"]]), (name, waits))


# --- the rest


@test
def manual_pages_are_clean(place):
    for page in ("rebound.1", "rebound-policy.5"):
        with open(os.path.join(ROOT, "config", "man", page + ".scd"), "rb") as source:
            done = subprocess.run(["scdoc"], stdin=source, capture_output=True, check=False)
        same((page, done.returncode, done.stderr), (page, 0, b""))
        expect(done.stdout.count(b"\n") > 100, page)


@test
def manual_lists_the_hooks(place):
    page = content(os.path.join(BUILD, "man", "rebound.1"))
    section = page[page.index(".SH INTERCEPTED FUNCTIONS"):page.index(".SH SEE ALSO")]
    lists = re.findall(r"^\.RS 4\n(.*)$", section, re.MULTILINE)
    listed = [name for names in lists for name in re.sub(r"\\f[BR]", "", names).split(", ")]
    same(sorted(listed), sorted(in_front()))


COMPLETE = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_rebound; printf '%s\\n' "${COMPREPLY[@]}"
"""


@test
def completion(place):
    place.file("some.ini", "")
    script = os.path.join(ROOT, "config", "completion", "rebound.bash")
    rows = [(["e"], "explain"), (["run", "--s"], "--summary"), (["run", "--policy", "so"], "some.ini"),
            (["run", "--log", "st"], "stderr"), (["run", "--wait", "a", ":", "1", "--", "cat", "so"], "some.ini"),
            (["run", "--wait", "[", "::", "1]", ":", "1", "printen"], "printenv"), (["wait", "a", ":", "1", "--", "printen"], "printenv"),
            (["wait", "--t"], "--timeout"), (["wait", "a", ":", "1", "--", "cat", "so"], "some.ini"), (["run", "--wait", "ht"], "http://"),
            (["run", "--policy", "bui"], "builtin:api"),
            (["run", "--policy", "builtin", ":"], "patient"), (["check", "builtin", ":", "a"], "api"),
            (["run", "--set", "retry.at"], "retry.attempts="), (["explain", "--set", "breaker.w"], "breaker.window="),
            (["run", "--set", "retry.attempts", "=", "5", "--lo"], "--log"),
            (["run", "--policy", "builtin", ":", "api", "printen"], "printenv"),
            (["explain", "--method", "PO"], "POST"), (["check", "so"], "some.ini"), (["check", "bui"], "builtin:api"),
            (["help", "ch"], "check"), (["run", "--", "printen"], "printenv"), (["run", "--", "cat", "so"], "some.ini"),
            (["status", "--al"], "--all"), (["policy", "o"], "off"), (["breaker", "re"], "reset"), (["events", "--user", "nob"], "nobody"),
            (["d"], "doctor"), (["doctor", "--j"], "--json"), (["doctor", "printen"], "printenv"),
            (["doctor", "cat", "so"], "some.ini")]
    for words, wanted in rows:
        done = subprocess.run(["bash", "-c", COMPLETE, "bash", script, "rebound", *words], env=place.env, cwd=place.path,
                              capture_output=True, check=True)
        expect(wanted in done.stdout.decode().split(), words, done.stdout, done.stderr)


@test
def completion_knows_each_command_and_option(place):
    script = os.path.join(ROOT, "config", "completion", "rebound.bash")

    def offered(*words):
        done = subprocess.run(["bash", "-c", COMPLETE, "bash", script, "rebound", *words], env=place.env, cwd=place.path,
                              capture_output=True, check=True)
        return sorted(done.stdout.decode().split())

    commands = re.findall(r"^  ([a-z]+)  ", place.text("--help")[1].split("\n\n")[1], re.MULTILINE)
    expect(len(commands) > 10, commands)
    same([word for word in offered("") if not word.startswith("-")], sorted(commands))
    for command in commands:
        if command != "help":
            options = re.findall(r"^  (?:-\w[ A-Z]*, )?(--[a-z-]+)", place.text(command, "--help")[1], re.MULTILINE)
            same((command, offered(command, "--")), (command, sorted(options)))
