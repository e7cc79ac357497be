# SPDX-License-Identifier: MIT
"""What root sees of the states of service users, and what they see of each other's."""

import json
import os
import shutil
import subprocess
import sys

from harness import (
    ANOTHER_USER, BUILD, closed_port, CONNECT, expect, fails, holds, QUICK, same, test, with_own_shm
)

NOBODY = f"nobody ({ANOTHER_USER})"


class Service:
    """A user without privileges who has run a program under rebound, with a state of their own choice."""

    def __init__(self, place):
        os.chmod(place.path, 0o755)
        self.place = place
        self.directory = os.path.join(place.path, "service")
        os.mkdir(self.directory)
        os.chown(self.directory, ANOTHER_USER, ANOTHER_USER)
        self.state = os.path.join(self.directory, "state")
        self.program = os.path.join(place.path, "public", "rebound")
        os.mkdir(os.path.dirname(self.program), 0o755)
        for name in ("rebound", "librebound.so"):
            shutil.copy(os.path.join(BUILD, name), os.path.dirname(self.program))
        self.policy = place.file("quick.ini", QUICK)
        self.holder, self.port = closed_port()
        self.host = f"127.0.0.1:{self.port}"
        place.file("connect.py", CONNECT)
        same(self.rebound("run", "--policy", self.policy, "--", sys.executable, "connect.py", "127.0.0.1",
                          str(self.port))[0], 3)

    def rebound(self, *words):
        """Exit status, stdout and stderr of a command that this user runs."""
        done = subprocess.run([self.program, *words], user=ANOTHER_USER, group=ANOTHER_USER, extra_groups=[],
                              env={**self.place.env, "REBOUND_STATE": self.state}, cwd=self.place.path,
                              capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr


@test
def root_uses_the_state_of_a_service(place):
    if os.geteuid() != 0:
        return
    service = Service(place)
    given = ("--state", service.state)
    holds(service.rebound("status")[1], f"{service.state}: 1 host,")
    for words in (("status",), ("top", "--once"), ("events",), ("metrics",)):
        for more in (given, given + ("--user", "nobody"), given + ("--user", str(ANOTHER_USER))):
            status, out, err = place.text(*words, *more)
            same((words, more, status, err), (words, more, 0, ""))
            holds(out, service.host)
    holds(place.text("status", *given)[1], f"{service.state} of user {NOBODY}: 1 host,")
    found = json.loads(place.text("status", "--json", *given)[1])
    same((found["user"], found["uid"], found["hosts"][0]["host"]), ("nobody", ANOTHER_USER, service.host))
    same(place.text("policy", *given, "off", "quick"),
         (0, "", f"rebound: policy quick of user {NOBODY} is off: calls to its hosts pass through\n"))
    status, _, err = place.text("breaker", *given, "open", service.host)
    same(status, 0)
    holds(err, f"1 breaker of {service.host} of user {NOBODY} forced open")
    out = service.rebound("status")[1]
    holds(out, "quick: off;")
    holds(out, " open ")
    same(place.text("reset", *given)[0], 0)
    holds(service.rebound("status")[1], "no host has been called yet")
    service.holder.close()


@test
def states_of_others_are_refused(place):
    """The message names whose file it is. Only the option --state makes root use it: programs of root would not."""
    if os.geteuid() != 0:
        return
    service = Service(place)
    service.holder.close()
    for words, env, hint in ((("status",), {"REBOUND_STATE": service.state}, f"--state {service.state}"),
                             (("status", "--state", service.state, "--user", "root"), {}, "--user names another user"),
                             (("policy", "off", "quick", "--state", service.state, "--user", "root"), {}, "--user")):
        result = place.text(*words, env=env)
        fails(result, f"rebound: error: {service.state} belongs to user {NOBODY}\n", about=words)
        holds(result[2], hint)
    place.text("run", "--policy", service.policy, "--", sys.executable, "connect.py", "127.0.0.1", str(service.port))
    for words in (("status",), ("policy", "off", "quick"), ("breaker", "open", "x"), ("reset",)):
        result = service.rebound(*words, "--state", place.state)
        fails(result, f"rebound: error: {place.state} belongs to user root (0)\n", about=words)
        holds(result[2], "only root and its owner can use it")
        fails(service.rebound(*words, "--user", "root"), "--user needs root", about=words)
    same(service.rebound("status", "--user", "nobody", "--state", service.state)[0], 0)
    fails(service.rebound("status", "--all"), "--all needs root")
    os.mkdir(os.path.join(place.path, "closed"), 0o700)
    holds(service.rebound("status", "--state", os.path.join(place.path, "closed", "state"))[2], "Permission denied")


@test
def links_of_others_are_not_followed(place):
    if os.geteuid() != 0:
        return
    service = Service(place)
    service.holder.close()
    link = os.path.join(service.directory, "link")
    os.symlink(service.state, link)
    fails(place.text("reset", "--state", link), f"{link} is a symbolic link, which is not followed")
    os.chmod(service.state, 0o644)
    fails(place.text("status", "--state", service.state), f"{service.state} has mode 0644; a state has mode 0600")
    os.chmod(service.state, 0o600)
    os.truncate(service.state, 4096)
    fails(place.text("status", "--state", service.state), f"{service.state} is damaged")


@test
def unknown_users(place):
    for name in ("no-such-user", "-1", "4294967295", "99999999999", "0x0", " 0"):
        fails(place.text("status", "--user", name), f"rebound: error: there is no user '{name}'\n", about=name)
    for words in (("status", "--all", "--user", "root"), ("status", "--all", "--state", "x"), ("status", "--user", ""),
                  ("events", "--all")):
        same(place.text(*words)[:2], (2, ""))


@test
def states_at_the_default_name(place):
    """--user and --all find the states. A file that another user puts at a user's name is not that user's state."""
    if os.geteuid() != 0:
        return
    service = Service(place)
    run = f"$P run --policy {service.policy} -- {sys.executable} connect.py 127.0.0.1 {service.port} || test $? = 3\n"
    nobody = f"setpriv --reuid {ANOTHER_USER} --regid {ANOTHER_USER} --clear-groups"
    script = f"""
        P={service.program}
        $P status --all; $P status --all --json
        {nobody} sh -ec '{run.replace("$P", service.program)}'
        state=$(ls /dev/shm/rebound.*)
        version=${{state##*.}}
        {nobody} cp $state /dev/shm/rebound.0.$version
        {nobody} cp $state /dev/shm/rebound.7777.$version
        {nobody} ln -s $state /dev/shm/rebound.8888.$version
        {nobody} mkfifo -m 600 /dev/shm/rebound.9999.$version
        {run}
        echo ==; $P status --all
        echo ==; $P status --all --json
        echo ==; $P status --user nobody
        echo ==; $P status --user 7777
        echo ==; REBOUND_STATE=/nowhere $P policy --user {ANOTHER_USER} off quick 2>&1
        $P status --user nobody | grep quick:
        $P status | grep quick:"""
    done = with_own_shm(place, script)
    service.holder.close()
    if done is None:
        return
    same((done.returncode, done.stderr), (0, ""))
    nothing, every, objects, one, planted, switched = done.stdout.split("==\n")
    same(nothing, "no user has a state: nothing has run under rebound yet\n[]\n")
    lines = every.splitlines()
    same([line for line in lines if line.startswith("user ")], ["user root (0)", f"user {NOBODY}"])
    same(lines.count(""), 1)
    same(sum(service.host in line for line in lines), 2)
    found = json.loads(objects)
    same([(item["user"], item["uid"], len(item["hosts"])) for item in found],
         [("root", 0, 1), ("nobody", ANOTHER_USER, 1)])
    expect(found[0]["state"].endswith(".1"), found[0]["state"])
    holds(one, service.host)
    holds(one, f" of user {NOBODY}: 1 host,")
    holds(planted, "nothing has run under rebound yet")
    lines = switched.splitlines()
    same(lines[0], f"rebound: policy quick of user {NOBODY} is off: calls to its hosts pass through")
    holds(lines[1], "quick: off;")
    expect("off" not in lines[2], lines)


@test
def names_in_the_policy_of_a_user(place):
    """With --user a name is also looked up in the policy file of that user's home, where that user obeys it."""
    if os.geteuid() != 0:
        return
    os.chmod(place.path, 0o755)
    mine = place.file("home/.config/rebound/policy.ini", "[web]\nhosts = web.example\n")
    os.chown(mine, ANOTHER_USER, ANOTHER_USER)
    script = f"""
        sed 's,^nobody:.*,nobody:x:{ANOTHER_USER}:{ANOTHER_USER}::{place.path}/home:/bin/sh,' /etc/passwd >passwd
        mount --bind passwd /etc/passwd
        $REBOUND policy off web --user nobody 2>&1 || echo $?
        $REBOUND policy off wbe --user nobody 2>&1 || echo $?
        $REBOUND policy off web 2>&1 || echo $?
        chown 1234 {mine}
        $REBOUND policy off web --user nobody 2>&1 || echo $?"""
    done = with_own_shm(place, script)
    if done is None:
        return
    same((done.returncode, done.stderr), (0, ""))
    looked = f"searched in {mine} and in the policies that programs have used"
    expect(done.stdout.startswith("rebound: error: no program has called a host under rebound yet, "), done.stdout)
    same(done.stdout.splitlines()[1:], [
        "rebound: the first call to a host that a policy covers creates the file", "1", "rebound: error: there is no policy 'wbe'; did you mean 'web'?", "rebound: known policies: web",
        f"rebound: {looked}", "1", "rebound: error: there is no policy 'web'", "rebound: known policies: default",
        "rebound: searched in builtin:default and in the policies that programs have used", "1",
        "rebound: error: there is no policy 'web'",
        f"rebound: {mine} cannot be used, so its sections are not known; see 'rebound check'", "1"])
