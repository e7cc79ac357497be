# SPDX-License-Identifier: MIT
"""Other preloaded libraries beside ours, before and after it in LD_PRELOAD: programs end as with that library alone."""

import glob
import os
import shutil

from harness import LIBRARY, Skip, shared_out

TRUE = ["/bin/true"]
CURL = "/usr/bin/curl"
PYTHON = "/usr/bin/python3"

# What such libraries stand in front of: users, files, time, memory, name lookups, sockets, processes, threads.
SCRIPT = r"""
import ctypes, os, socket, subprocess, sys, tempfile, threading, time

def echo(server):
    peer, _ = server.accept()
    peer.sendall(peer.recv(100).upper())
    peer.close()

def ask(address):
    try:
        with socket.create_connection(address, timeout=20) as client:
            client.sendall(b"hello")
            return client.recv(100).decode()
    except OSError as error:
        return type(error).__name__

with socket.create_server(("127.0.0.1", 0)) as server:
    address = server.getsockname()
    thread = threading.Thread(target=echo, args=(server,))
    thread.start()
    print(ask(address))
    thread.join()
print(ask(address))
print(sorted({entry[4][0] for entry in socket.getaddrinfo("127.0.0.1", 80)}))
print(os.getuid(), os.geteuid(), os.getgid())
print(time.strftime("%Y", time.gmtime()) if os.environ.get("FAKETIME") else "now")
with tempfile.TemporaryFile() as file:
    file.write(b"x" * 100000)
    file.flush()
    os.fsync(file.fileno())
    print(os.fstat(file.fileno()).st_uid, os.fstat(file.fileno()).st_size)
print(len(bytearray(50_000_000)))
print(ctypes.CDLL(None).getppid() == os.getppid())
print(subprocess.run(["/bin/echo", "child"], capture_output=True, text=True).stdout)
if os.fork() == 0:
    os._exit(0 if ask(address) == "ConnectionRefusedError" else 1)
print(os.waitstatus_to_exitcode(os.wait()[1]))
if os.environ.get("UID_WRAPPER"):
    os.setuid(1234)
    print(os.getuid())
sys.stderr.write("the end\n")
"""

# The library's file, and what it needs to be told to leave loopback alone. A wrapper sets LD_PRELOAD itself.
TORSOCKS = "TorAddress 127.0.0.1\nTorPort 9050\nAllowOutboundLocalhost 1\nAllowInbound 1\n"
TSOCKS = "local = 127.0.0.0/255.0.0.0\nserver = 127.0.0.1\nserver_port = 9\n"
PROXYCHAINS = "strict_chain\nquiet_mode\nlocalnet 127.0.0.0/255.0.0.0\n[ProxyList]\nsocks4 127.0.0.1 9\n"
PEERS = {
    "torsocks": ("torsocks/libtorsocks.so", {"TORSOCKS_CONF_FILE": TORSOCKS}),
    "tsocks": ("libtsocks.so", {"TSOCKS_CONF_FILE": TSOCKS}),
    "proxychains": ("libproxychains.so.4", {"PROXYCHAINS_CONF_FILE": PROXYCHAINS}),
    "uid_wrapper": ("libuid_wrapper.so", {"UID_WRAPPER": "1", "UID_WRAPPER_ROOT": "1"}),
    "socket_wrapper": ("libsocket_wrapper.so", {}),
    "socket_wrapper_on": ("libsocket_wrapper.so", {"SOCKET_WRAPPER_DIR": "@"}),
    "eatmydata": ("libeatmydata.so", {}),
    "jemalloc": ("libjemalloc.so.2", {}),
    "tcmalloc": ("libtcmalloc_minimal.so.4", {}),
    "mimalloc": ("libmimalloc.so.?", {}),
    "fakeroot": (["fakeroot", "--"], {}),
    "fakechroot": (["fakechroot", "--"], {}),
    "faketime": (["faketime", "2020-12-24 12:00:00"], {}),
}
# They take connect from libc itself, past a library that is loaded after them.
PAST_US = {("torsocks", "after"), ("socket_wrapper", "after")}
NETWORKED = {"socket_wrapper_on"}  # curl's server is in another process, which is in no such network
JOIN = {
    "before": 'LD_PRELOAD="$OTHER:$LD_PRELOAD"',
    "after": 'LD_PRELOAD="$LD_PRELOAD:$OTHER"',
    "alone": ":",
}


def find(name):
    found = glob.glob("/usr/lib/*/" + name) + glob.glob("/usr/lib/" + name)
    if not found:
        raise Skip(f"{name} is not installed")
    return found[0]


def environment(test, settings):
    """Texts of several lines become files, @ a directory."""
    ready = {}
    for name, value in settings.items():
        if value == "@":
            value = os.path.join(test.dir, name.lower())
            os.makedirs(value, exist_ok=True)
        elif "\n" in value:
            value = test.file(name.lower(), value)
        ready[name] = value
    return ready


def run(test, peer, program, order, policy):
    """`order` is where ours stands. By a shell, which is under the other library alone."""
    library, settings = PEERS[peer]
    env = {**environment(test, settings), "OTHER": LIBRARY}
    wrapper = library
    if isinstance(library, str):
        wrapper = ["/usr/bin/env", "LD_PRELOAD=" + find(library)]
    elif not shutil.which(library[0]):
        raise Skip(f"{library[0]} is not installed")
    if policy:
        env["REBOUND_POLICY"] = policy
    shell = f'{JOIN[order]}; export LD_PRELOAD; exec "$@"'
    return test.alone([*wrapper, "/bin/sh", "-c", shell, "sh", *program], env=env)


def beside(place, peers):
    """Runs the test for each order of each peer. A sample has one order of each peer."""
    table = {f"{peer}_{order}": (peer, order) for peer in peers for order in JOIN if order != "alone"}
    return shared_out(place, 2, table, lambda name: table[name][0])


@beside(0, PEERS)
def test_as_that_library_alone(test, case):
    peer, order = case
    server = test.server()
    programs = [TRUE, [PYTHON, "-c", SCRIPT]]
    if peer not in NETWORKED:
        programs.append([CURL, "-sS", server.url("ok"), server.url("s404"), "http://127.0.0.1:1/"])
    for program in programs:
        alone = run(test, peer, program, "alone", None)
        if alone.code != (7 if program[0] == CURL else 0):
            raise Skip(f"{program[0]} does not run with {peer} alone: {alone}")
        for policy in (None, "builtin:default", test.policy()):
            under = run(test, peer, program, order, policy)
            test.same(under, alone, f"{os.path.basename(program[0])} with {peer}, ours {order}, policy {policy}")


@beside(1, [peer for peer in PEERS if peer not in NETWORKED])
def test_rebound_acts_beside_it(test, case):
    peer, order = case
    server, policy = test.server(), test.policy()
    result = run(test, peer, [CURL, "-s", server.url("k/s503/ok")], order, policy)
    test.good(result, b"good k\n")
    result = run(test, peer, [PYTHON, "-c", SCRIPT], order, policy)
    test.equal(result.code, 0, f"exit status: {result}")
    repeated = [event for event in test.events("retry") if event["api"] == "connect"]
    test.equal(bool(repeated), case not in PAST_US, "whether refused connects are repeated")
