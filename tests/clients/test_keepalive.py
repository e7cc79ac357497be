# SPDX-License-Identifier: MIT
"""The keys socket.*: a connection whose peer vanishes without a packet fails. Without the keys, the program waits. With
the keys, a connection to a peer that is silent and alive stays."""

import subprocess

from harness import REBOUND, Skip, cases, network_space

PYTHON = "/usr/bin/python3"
# In a network namespace of its own, 10.9.0.2 and 10.9.0.3 are addresses of this machine at first. When 10.9.0.2 is
# removed, packets to it leave by the link, where nobody takes them. The entry of the neighbour is permanent, so no packet
# says so.
SPACE = """
ip link set lo up
ip link add near type veth peer name far
ip addr add 10.9.0.1/24 dev near
ip link set near up && ip link set far up
ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:01 dev near nud permanent
ip addr add 10.9.0.3/32 dev lo
ip addr add 10.9.0.2/32 dev lo && exec "$@"
"""
# Arguments: two policies, a word that the programs read later, and a program. Runs the program under the first policy,
# under the second one, and under the first one with 10.9.0.3. When all have sent their first bytes and got an answer,
# 10.9.0.2 vanishes. The answer also acknowledges the bytes: the kernel sends no probe while bytes are not acknowledged.
# Prints the output of the first program and whether the others are still running then.
VANISH = """
import fcntl, socket, subprocess, sys, termios, time
with_keys, without_keys, word, rebound, *program = sys.argv[1:]
server = socket.create_server(("", 81))
def start(policy, address):
    words = [part.replace("10.9.0.2", address) for part in program]
    return subprocess.Popen([rebound, "run", "--policy", policy, "--", *words], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
running = [start(with_keys, "10.9.0.2"), start(without_keys, "10.9.0.2"), start(with_keys, "10.9.0.3")]
peers = [server.accept()[0] for _ in running]
for peer in peers:
    peer.recv(1)
    peer.sendall(b"HTTP/1.1 100 Continue\\r\\n\\r\\n")
    while fcntl.ioctl(peer, termios.TIOCOUTQ, b"    ") != b"\\0\\0\\0\\0":
        time.sleep(0.01)
subprocess.run(["ip", "addr", "del", "10.9.0.2/32", "dev", "lo"], check=True)
for one in running:
    one.stdin.write(word.encode() + b"\\n")
    one.stdin.flush()
out = running[0].stdout.read().decode()
print(out.strip(), running[0].wait())
for one in running[1:]:
    print("ended" if one.poll() is not None else "waits")
    one.kill()
"""
CONNECT = "import select, socket, sys; s = socket.socket(); s.bind(('10.9.0.1', 0))\n"
ANSWERED = "s.connect(('10.9.0.2', 81)); s.send(b'x'); s.recv(25, socket.MSG_WAITALL)\n"
WAITS = CONNECT + ANSWERED + "s.recv(1)"
POLLS = CONNECT + """
s.setblocking(False)
s.connect_ex(('10.9.0.2', 81))
select.select([], [s], [])
s.send(b'x')
while True:
    select.select([s], [], [])
    s.recv(100)
"""
SENDS = CONNECT + ANSWERED + "sys.stdin.readline(); s.send(b'y'); s.recv(1)"
PYTHON_ERROR = "TimeoutError: [Errno 110] Connection timed out 1\n"
KEEPALIVE = {"socket.keepalive": "1s/1s/2"}
TIMEOUT = {"socket.user_timeout": "1s"}
CURL = ["curl", "-sS", "--interface", "10.9.0.1", "http://10.9.0.2:81/"]

PROGRAMS = {
    "waits": dict(args=[PYTHON, "-c", WAITS], keys=KEEPALIVE, ends=PYTHON_ERROR),
    "polls": dict(args=[PYTHON, "-c", POLLS], keys=KEEPALIVE, ends=PYTHON_ERROR),
    "waits_with_both": dict(args=[PYTHON, "-c", WAITS], keys={**KEEPALIVE, **TIMEOUT}, ends=PYTHON_ERROR),
    "sends": dict(args=[PYTHON, "-c", SENDS], keys=TIMEOUT, ends=PYTHON_ERROR),
    "curl": dict(args=[*CURL, "--no-keepalive"], keys=KEEPALIVE, ends="Recv failure: Connection timed out 56\n"),
}


@cases(*PROGRAMS)
def test_peer_that_vanishes(test, name):
    case = PROGRAMS[name]
    space = [*network_space(), "sh", "-ec", SPACE, "sh"]
    if subprocess.run([*space, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        raise Skip("no network namespaces, or no ip")
    one = {"retry.attempts": "1"}
    policies = [test.file("with.ini", policy_text({**one, **case["keys"]})), test.file("without.ini", policy_text(one))]
    found = test.alone([*space, PYTHON, "-c", VANISH, *policies, "go", REBOUND, *case["args"]])
    test.equal((found.code, found.err), (0, b""), "the test itself")
    out = found.out.decode()
    test.check(out.endswith(case["ends"] + "waits\nwaits\n"), f"the end of {out!r}")


def policy_text(keys):
    return "[default]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
