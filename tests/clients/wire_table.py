# SPDX-License-Identifier: MIT
"""The matrix of test_wire.py as data: clients that speak HTTP themselves, faults of a server, transports.

A cell is a client, a fault and a transport. Its expectation is one of three words:

  retried    the program gets what it gets alone from a live server; the server has `extra` requests more than that one
  observed   the program and the server see the same as without rebound, and the log may have lines about the exchange
  opaque     the same, and the log has no line about HTTP
"""

import collections
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(HERE, "wire")
RETRIED, OBSERVED, OPAQUE = "retried", "observed", "opaque"
PLAIN, TLS12, TLS13 = "plain", "tls1.2", "tls1.3"
AGAIN12, AGAIN13 = "again1.2", "again1.3"  # TLS with http.tls_reconnect = on
REOPENED = (AGAIN12, AGAIN13)
TRANSPORTS = (PLAIN, TLS12, TLS13, *REOPENED)

# How a client waits for a response.
BLOCKING = "blocking"  # in a call that reads
FEW = "few"            # in poll or select, on at most two descriptors
LOOP = "loop"          # on an event loop: epoll, or many descriptors

GET, HEAD, POST, EXPECT, PIPELINE, UPGRADE, HALF = "GET", "HEAD", "POST", "EXPECT", "PIPELINE", "UPGRADE", "HALF"

# script: what faultd does with the requests, in order. live: the script of a server that a retry makes this one look like.
# why: the reason why no client gets a retry, or None. tls: the reason why no client gets one over TLS, or None.
# chaos: the result depends on the order in which threads send their requests. transports: where it can happen. keys: of
# the policy, beside the usual ones.
Fault = collections.namedtuple("Fault", "method script live extra why tls chaos transports keys",
                               defaults=(None, None, False, TRANSPORTS, None))


def passed(method, script, why):
    """A fault that must reach the program."""
    return Fault(method, script, script, 0, why)


END = "%0D%0A"
STREAM = f"raw;text=HTTP/1.1%20503%20Busy{END}Content-Type:%20text/event-stream{END}{END}data:%201%0A%0A"
SWITCH = (f"raw;text=HTTP/1.1%20101%20Other{END}Connection:%20Upgrade{END}Upgrade:%20other/1{END}{END}"
          f"HTTP/1.1%20503%20Data{END}Content-Length:%200{END}{END}")
RECONNECT = "a TLS connection is not opened again"

FAULTS = {
    "503": Fault(GET, "s503x2,ok", "ok", 2),
    "429": Fault(GET, "s429;after=1,ok", "ok", 1),
    "529": Fault(GET, "s529,ok", "ok", 1),
    "close": Fault(GET, "s503;last,ok", "ok", 1, tls=RECONNECT),
    "hang_up": Fault(GET, "s503,close,ok", "s503,ok", 1, chaos=True, keys={"retry.attempts": "2"}),
    "reset": Fault(GET, "reset,ok", "ok", 1, tls="a TLS connection that breaks before a response is left to the program"),
    "post_503": passed(POST, "s503,ok", "the server may have processed a POST"),
    "post_429": Fault(POST, "s429,ok", "ok", 1),
    "chunked": Fault(GET, "s503;chunked;size=5000,ok;chunked;size=3000", "ok;chunked;size=3000", 1),
    "slow": Fault(GET, "s503;size=200;piece=40;trickle=10,ok;size=300;piece=40;trickle=10",
                  "ok;size=300;piece=40;trickle=10", 1),
    "head": Fault(HEAD, "s503,ok", "ok", 1),
    "large": passed(GET, "s503;size=100000,ok", "a response of more than 64 KiB is not held"),
    "large_ok": Fault(GET, "s503,ok;size=100000", "ok;size=100000", 1),
    "pipeline": passed(PIPELINE, "s503,ok", "two requests were under way"),
    "expect": passed(EXPECT, "s429,ok", "the program has read 100 Continue"),
    # A client that takes 103 for the response finds the 503 behind it in the connection, if its next request comes first.
    "103": passed(GET, "s503;interim=103;gap=1000,ok", "the program has read an interim response")._replace(chaos=True),
    "stream": passed(GET, f"{STREAM},ok", "a stream of events has no end to wait for"),
    "upgrade": passed(UPGRADE, f"{SWITCH},ok", "after 101 the connection carries another protocol"),
    "half": passed(HALF, "s503,ok", "the program has ended its direction")._replace(transports=(PLAIN,)),
}

# args: a function of the method and the URL, or None if the client cannot do that. wait: see above. plain and tls: the
# expectation for faults that a retry cures, with the reason beside it unless it is `retried`. closes: asks the server to
# close the connection after the response, by a field that faultd understands. threads: requests come in any order. keep: a
# pattern of the output that is compared (default: all). blur: a pattern of output that differs from run to run. shaky: the
# faults that are left out over TLS, because the client hangs, its result differs from run to run without rebound, or for the
# reason beside it. stale: the faults that are left out over TLS without http.tls_reconnect. lacks: the faults that are left
# out over all transports. slow: reads once before its first wait, so that the server must answer later than that. tick_s: how
# many seconds the client waits at a time on two descriptors, which looks like a limit. hold: the client runs under http.hold.
# cost: CPU milliseconds of one run, about.
Client = collections.namedtuple(
    "Client", "args wait plain tls reason methods closes threads keep blur shaky lacks slow tick_s cost env file stale hold",
    defaults=("", (GET, HEAD, POST), False, False, None, None, (), (), False, None, 60, None, None, (), False))

NO_LOOP = "http.hold is off: the time limit of an event loop cannot be seen"
GNUTLS = "TLS by GnuTLS is only observed"
OWN_TLS = "TLS of its own"
MEMORY = "OpenSSL without a descriptor"
SIMPLE = ("GET",)
ALL = (GET, HEAD, POST, EXPECT, PIPELINE, UPGRADE, HALF)


def script(name, *way, interpreter):
    return lambda method, url: [*interpreter, f"{PROGRAMS}/{name}", *way, method, url]


def python(way, wait, tls=RETRIED, plain=RETRIED, **entry):
    return Client(script("client.py", way, interpreter=["/usr/bin/python3"]), wait, plain, tls, **entry)


def php(way, wait, **entry):
    return Client(script("client.php", way, interpreter=["php"]), wait, RETRIED, RETRIED, cost=40,
                  blur=rb"PHP Warning:  file_get_contents\(\): SSL: .*\n", **entry)


def ruby(way, wait, **entry):
    return Client(script("client.rb", way, interpreter=["ruby"]), wait, RETRIED, RETRIED, cost=150, slow=True,
                  methods=(GET, HEAD, POST, EXPECT), **entry)


def perl(way, wait, plain=RETRIED, tls=RETRIED, **entry):
    return Client(script("client.pl", way, interpreter=["perl"]), wait, plain, tls, cost=120, **entry)


def node(way, methods, **entry):
    return Client(script("client.js", way, interpreter=["node"]), LOOP, OBSERVED, OPAQUE, f"{NO_LOOP}; {OWN_TLS}",
                  methods, cost=150, env={"NODE_NO_WARNINGS": "1"}, **entry)


JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", "{classes}", "Client"]


def java(way, wait, plain, **entry):
    reason = OWN_TLS if plain == RETRIED else f"{NO_LOOP}; {OWN_TLS}"
    return Client(lambda method, url: [*JAVA, way, method, url], wait, plain, OPAQUE, reason, cost=500, **entry)


def wget_methods(*command):
    return lambda method, url: [*command, *(["--post-data=name=value"] if method == POST else []), url]


def proxy(*command):
    return lambda method, url: [f"{HERE}/idioms/proxy.sh", "{dir}/work/proxy.sock", *command]


CLIENTS = {
    # http.client sends its second request without a look at the connection. Over TLS that fails after a repetition that the
    # server has answered by closing the connection, unless http.tls_reconnect is on.
    "http_client": python("http_client", BLOCKING, stale=("hang_up",)),
    "http_client_timeout": python("http_client_timeout", FEW, stale=("hang_up",)),
    "urllib": python("urllib", BLOCKING, closes=True),
    "urllib_timeout": python("urllib_timeout", FEW, closes=True),
    "requests": python("requests", BLOCKING, cost=250),
    "requests_session": python("requests_session", FEW, cost=250),
    "requests_threads": python("requests_threads", BLOCKING, cost=280, threads=True, shaky=("reset",)),
    "urllib3": python("urllib3", BLOCKING, cost=150),
    "urllib3_threads": python("urllib3_threads", FEW, cost=170, threads=True, shaky=("reset",)),
    "httpx": python("httpx", BLOCKING, cost=350),
    "httpx_client": python("httpx_client", FEW, cost=350),
    "httpx_async": python("httpx_async", LOOP, plain=OBSERVED, tls=OBSERVED, reason=f"{NO_LOOP}; {MEMORY}", cost=400,
                          shaky=("stream",)),
    "aiohttp": python("aiohttp", LOOP, plain=OBSERVED, tls=OBSERVED, reason=f"{NO_LOOP}; {MEMORY}", cost=350,
                      methods=(GET, HEAD, POST, EXPECT)),
    "asyncio": python("asyncio", LOOP, plain=OBSERVED, tls=OBSERVED, reason=f"{NO_LOOP}; {MEMORY}", cost=120),
    "socket": python("socket", BLOCKING, closes=True, methods=ALL, cost=40),
    "socket_timeout": python("socket_timeout", FEW, closes=True, methods=ALL, cost=40),
    "socket_select": python("socket_select", FEW, closes=True, methods=ALL, cost=40),
    "socket_poll": python("socket_poll", FEW, closes=True, methods=ALL, cost=40),
    "socket_epoll": python("socket_epoll", LOOP, plain=OBSERVED, tls=OBSERVED, closes=True, methods=ALL, cost=40,
                           reason=NO_LOOP),
    "php": php("streams", FEW, closes=True),
    "php_timeout": php("timeout", FEW, closes=True),
    "ruby": ruby("session", FEW, shaky=("stream",)),
    "ruby_once": ruby("once", FEW, closes=True),
    "ruby_blocking": ruby("blocking", FEW),
    "lwp": perl("lwp", FEW),
    "lwp_keep_alive": perl("lwp_keep_alive", FEW, shaky=("stream",)),
    "http_tiny": perl("tiny", FEW),
    "mojo": perl("mojo", FEW),
    "lua": Client(script("client.lua", interpreter=["lua5.1"]), FEW, RETRIED, RETRIED, cost=15),
    "w3m": Client(lambda method, url: ["w3m", "-o", "ssl_verify_server=0", "-dump_source", url], BLOCKING, RETRIED, RETRIED,
                  methods=SIMPLE, closes=True, lacks=("103",), cost=15),
    # It waits for a second, and Retry-After asks for one: a millisecond decides which comes first.
    "links": Client(lambda method, url: ["links", "-ssl.certificates", "0", "-retries", "1", "-source", url], FEW, RETRIED,
                    RETRIED, methods=SIMPLE, tick_s=1, lacks=("429",), cost=15),
    "lynx": Client(lambda method, url: ["lynx", "-cfg={dir}/lynx.cfg", "-source", url], FEW, RETRIED, OBSERVED, GNUTLS,
                   methods=SIMPLE, closes=True, lacks=("103",), cost=15),
    "wget": Client(wget_methods("wget", "-nv", "--tries=1", "--content-on-error", "--ca-certificate={ca}", "-O", "-"), FEW,
                   RETRIED, OBSERVED, GNUTLS, methods=(GET, POST), cost=15),
    "wget2": Client(wget_methods("wget2", "-q", "--tries=1", "--content-on-error", "--no-http2", "--ca-certificate={ca}",
                                 "-O", "-"), FEW, RETRIED, OPAQUE, GNUTLS,
                    methods=(GET, POST), cost=25),
    "aria2": Client(lambda method, url: ["aria2c", "-q", "--no-conf", "--max-tries=1", "--ca-certificate={ca}", "-o", "got", url],
                    LOOP, OBSERVED, OBSERVED, f"{NO_LOOP}; {GNUTLS}", methods=SIMPLE, cost=30),
    "ab": Client(lambda method, url: ["ab", "-q", "-n", "4", "-c", "1", url], LOOP, OBSERVED, OBSERVED, NO_LOOP,
                 methods=SIMPLE, closes=True, cost=15, shaky=("reset",),
                 keep=rb"(?m)^(?:Complete|Failed|Non-2xx|Document Length|HTML).*$"),
    "nginx": Client(proxy("nginx", "-e", "stderr", "-c", "{dir}/nginx.conf"), LOOP, OBSERVED, OBSERVED, NO_LOOP,
                    methods=SIMPLE, closes=True, cost=40, file="nginx"),
    "haproxy": Client(proxy("haproxy", "-q", "-db", "-f", "{dir}/haproxy.cfg"), LOOP, OBSERVED, OBSERVED,
                      f"{NO_LOOP}; {MEMORY}", methods=SIMPLE, cost=40, file="haproxy"),
    "node_http": node("http", (GET, HEAD, POST, EXPECT, UPGRADE)),
    "node_fetch": node("fetch", (GET, HEAD, POST)),
    "java_url": java("url", BLOCKING, RETRIED, lacks=("103",)),
    "java_url_timeout": java("url_timeout", FEW, RETRIED, lacks=("103",), slow=True),
    "java_client": java("client", LOOP, OBSERVED, methods=(GET, HEAD, POST, EXPECT)),
    "java_upgrade": java("client_upgrade", LOOP, OBSERVED, methods=(GET, POST)),
    "erlang": Client(script("client.erl", interpreter=["escript"]), LOOP, OBSERVED, OPAQUE, f"{NO_LOOP}; {OWN_TLS}",
                     cost=800),
}

# The same programs under http.hold and http.async, which repeat requests in event loops of epoll: on plain connections, and on
# those of OpenSSL with BIOs in memory.
HOLD = {"http.hold": "20s", "http.async": "on"}
CLIENTS.update({f"{name}_hold": CLIENTS[name]._replace(
    plain=RETRIED, hold=True, lacks=("103",) if name in ("ab", "nginx") else ()) for name in (  # which ask by HTTP/1.0
    "socket_epoll", "aria2", "ab", "nginx", "haproxy", "node_http", "node_fetch", "java_client", "erlang")})
CLIENTS.update({f"{name}_hold": CLIENTS[name]._replace(plain=RETRIED, tls=RETRIED, hold=True, lacks=lacks) for name, lacks in (
    ("httpx_async", ()), ("aiohttp", ()), ("asyncio", ("hang_up",)))})  # asyncio has one connection for two requests

Cell = collections.namedtuple("Cell", "client fault transport")


def cells():
    """All cells, by name."""
    return {f"{client}/{fault}/{transport}": Cell(client, fault, transport)
            for client, c in CLIENTS.items() for fault, f in FAULTS.items() for transport in TRANSPORTS
            if f.method in c.methods and transport in f.transports and not (c.threads and f.chaos)
            and fault not in c.lacks and not (fault in c.shaky and transport != PLAIN)
            and not (fault in c.stale and transport in (TLS12, TLS13))}


def expectation(cell):
    """Returns one of the three words, and the reason if it is not `retried`."""
    client, fault = CLIENTS[cell.client], FAULTS[cell.fault]
    own = client.plain if cell.transport == PLAIN else client.tls
    if own != RETRIED:
        return own, client.reason
    if fault.why:
        return OBSERVED, fault.why
    if client.tick_s and "after=" in fault.script:
        return OBSERVED, "the retry is due after the end of the program's wait"
    reopens = cell.transport == PLAIN or (cell.transport in REOPENED and not client.hold and fault.tls in (None, RECONNECT))
    if not reopens and (fault.tls or client.closes):
        return OBSERVED, fault.tls or RECONNECT
    return RETRIED, ""


def sample(seed):
    """Names of cells: each client once, and each pair of (wait, fault), (wait, transport) and (fault, transport).

    Prefers clients that cost little. The seed alone decides.
    """
    chance = random.Random(seed)
    every = list(cells().items())
    chance.shuffle(every)

    def covers(cell):
        wait = CLIENTS[cell.client].wait
        pairs = {("client", cell.client), (wait, cell.fault), (wait, cell.transport), (cell.fault, cell.transport)}
        # http.tls_reconnect changes only faults that end the connection.
        return {each for each in pairs if not set(each) & set(REOPENED) or not set(each) & set(FAULTS) or
                cell.fault in ("close", "hang_up")}

    missing = set().union(*(covers(cell) for _, cell in every))
    chosen = []
    while missing:
        name, cell = max(every, key=lambda each: len(covers(each[1]) & missing) / (100 + CLIENTS[each[1].client].cost))
        chosen.append(name)
        missing -= covers(cell)
    return chosen
