# SPDX-License-Identifier: MIT
# Speaks HTTP in the way named first and prints each response: client.py WAY METHOD URL
#
# METHOD is GET, HEAD, POST, EXPECT (a POST that waits for 100 Continue), PIPELINE (two requests in one write), UPGRADE or
# HALF (a GET that ends its own direction after the request). The certificate of the server is in SSL_CERT_FILE.
import os
import sys
import urllib.parse

BODY = b"name=value"
LIMIT_S = 10
WAY, METHOD, URL = sys.argv[1:]
PARTS = urllib.parse.urlsplit(URL)
PORT = PARTS.port
SECURE = PARTS.scheme == "https"
DATA = BODY if METHOD == "POST" else None


def show(status, body):
    sys.stdout.flush()
    sys.stdout.buffer.write(b"%d %d\n" % (status, len(body)) + body)
    sys.stdout.buffer.flush()


def context():
    import ssl
    made = ssl.create_default_context()
    made.check_hostname = False
    return made


# The standard library

def http_client(timeout=None, times=2):
    import http.client
    options = {"timeout": timeout} if timeout else {}
    if SECURE:
        connection = http.client.HTTPSConnection(PARTS.hostname, PORT, context=context(), **options)
    else:
        connection = http.client.HTTPConnection(PARTS.hostname, PORT, **options)
    for _ in range(times):
        connection.request(METHOD, PARTS.path, DATA)
        answer = connection.getresponse()
        show(answer.status, answer.read())


def urllib_request(timeout=None):
    import urllib.error
    import urllib.request
    request = urllib.request.Request(URL, DATA, method=METHOD)
    options = {"timeout": timeout} if timeout else {}
    try:
        with urllib.request.urlopen(request, context=context() if SECURE else None, **options) as answer:
            show(answer.status, answer.read())
    except urllib.error.HTTPError as error:
        show(error.code, error.read())


# Packages

def requests_once():
    import requests
    answer = requests.request(METHOD, URL, data=DATA, verify=os.environ["SSL_CERT_FILE"])
    show(answer.status_code, answer.content)


def requests_session():
    import requests
    with requests.Session() as session:
        session.verify = os.environ["SSL_CERT_FILE"]
        for _ in range(2):
            answer = session.request(METHOD, URL, data=DATA, timeout=LIMIT_S)
            show(answer.status_code, answer.content)


def in_threads(ask):
    import concurrent.futures
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for answer in sorted(pool.map(ask, range(6))):
            show(*answer)


def requests_threads():
    import requests
    import requests.adapters
    with requests.Session() as session:
        session.verify = os.environ["SSL_CERT_FILE"]
        session.mount("http", requests.adapters.HTTPAdapter(pool_maxsize=3))

        def ask(_):
            answer = session.request(METHOD, URL, data=DATA)
            return answer.status_code, answer.content
        in_threads(ask)


def urllib3_pool():
    import urllib3
    pool = urllib3.PoolManager(ca_certs=os.environ["SSL_CERT_FILE"], retries=False)
    for _ in range(2):
        answer = pool.request(METHOD, URL, body=DATA)
        show(answer.status, answer.data)


def urllib3_threads():
    import urllib3
    pool = urllib3.PoolManager(ca_certs=os.environ["SSL_CERT_FILE"], retries=False, timeout=LIMIT_S, maxsize=3)

    def ask(_):
        answer = pool.request(METHOD, URL, body=DATA)
        return answer.status, answer.data
    in_threads(ask)


def httpx_once():
    import httpx
    answer = httpx.request(METHOD, URL, content=DATA, timeout=None)
    show(answer.status_code, answer.content)


def httpx_client():
    import httpx
    with httpx.Client() as client:
        for _ in range(2):
            answer = client.request(METHOD, URL, content=DATA)
            show(answer.status_code, answer.content)


def httpx_async():
    import asyncio
    import httpx

    async def ask():
        async with httpx.AsyncClient() as client:
            for _ in range(2):
                answer = await client.request(METHOD, URL, content=DATA)
                show(answer.status_code, answer.content)
    asyncio.run(ask())


def aiohttp_session():
    import asyncio
    import aiohttp

    async def ask():
        async with aiohttp.ClientSession() as session:
            method, expect = ("POST", True) if METHOD == "EXPECT" else (METHOD, False)
            for _ in range(2):
                async with session.request(method, URL, data=BODY if expect else DATA, expect100=expect) as answer:
                    show(answer.status, await answer.read())
    asyncio.run(ask())


async def read_message(reader):
    """Returns the status and the body of one response."""
    head = await reader.readuntil(b"\r\n\r\n")
    while head.split()[1].startswith(b"1"):
        head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    status, body = int(head.split()[1]), b""
    if METHOD == "HEAD":
        return status, body
    if b"content-length" in fields:
        return status, await reader.readexactly(int(fields[b"content-length"]))
    if fields.get(b"transfer-encoding") != b"chunked":
        return status, await reader.read()
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return status, body


def asyncio_streams():
    import asyncio
    fields = f"Content-Length: {len(BODY)}\r\n" if DATA else ""

    async def ask():
        reader, writer = await asyncio.open_connection(PARTS.hostname, PORT, ssl=context() if SECURE else None)
        for _ in range(2):
            writer.write(request(field=fields, body=DATA or b""))
            show(*await read_message(reader))
        writer.close()
        await writer.wait_closed()
    asyncio.run(ask())


# Sockets

def request(method=METHOD, field="", body=b""):
    return (f"{method} {PARTS.path} HTTP/1.1\r\nHost: {PARTS.netloc}\r\n{field}\r\n").encode() + body


def conversation(peer, read):
    """Sends what METHOD asks for and prints all that comes until the end of the connection."""
    close = "Connection: close\r\n"
    length = f"Content-Length: {len(BODY)}\r\n"
    if METHOD == "EXPECT":
        peer.sendall(request("POST", close + length + "Expect: 100-continue\r\n"))
        first = read()
        sys.stdout.buffer.write(first)
        if first.startswith(b"HTTP/1.1 100"):
            peer.sendall(BODY)
    elif METHOD == "PIPELINE":
        peer.sendall(request("GET") + request("GET", close))
    elif METHOD == "UPGRADE":
        peer.sendall(request("GET", "Connection: Upgrade\r\nUpgrade: other/1\r\n"))
    elif METHOD == "POST":
        peer.sendall(request("POST", close + length, BODY))
    elif METHOD == "HALF":
        import socket
        peer.sendall(request("GET"))
        peer.shutdown(socket.SHUT_WR)
    else:
        peer.sendall(request(METHOD, close))
    while data := read():
        sys.stdout.buffer.write(data)


def sockets(wait=None, timeout=None):
    """wait: waits before each read, without a timeout of the socket."""
    import socket
    with socket.create_connection((PARTS.hostname, PORT)) as peer:
        peer.settimeout(timeout)
        if SECURE:
            peer = context().wrap_socket(peer)

        def read():
            if wait and not (SECURE and peer.pending()):
                wait(peer)
            return peer.recv(65536)
        conversation(peer, read)


def by_select(peer):
    import select
    if not select.select([peer], [], [], LIMIT_S)[0]:
        sys.exit("no response")


def by_poll(peer):
    import select
    poll = select.poll()
    poll.register(peer, select.POLLIN)
    if not poll.poll(LIMIT_S * 1000):
        sys.exit("no response")


def by_epoll(peer):
    import select
    with select.epoll() as epoll:
        epoll.register(peer, select.EPOLLIN)
        if not epoll.poll(LIMIT_S):
            sys.exit("no response")


WAYS = {
    "http_client": http_client,
    "http_client_timeout": lambda: http_client(LIMIT_S),
    "urllib": urllib_request,
    "urllib_timeout": lambda: urllib_request(LIMIT_S),
    "requests": requests_once,
    "requests_session": requests_session,
    "requests_threads": requests_threads,
    "urllib3": urllib3_pool,
    "urllib3_threads": urllib3_threads,
    "httpx": httpx_once,
    "httpx_client": httpx_client,
    "httpx_async": httpx_async,
    "aiohttp": aiohttp_session,
    "asyncio": asyncio_streams,
    "socket": sockets,
    "socket_timeout": lambda: sockets(timeout=LIMIT_S),
    "socket_select": lambda: sockets(by_select),
    "socket_poll": lambda: sockets(by_poll),
    "socket_epoll": lambda: sockets(by_epoll),
}

try:
    WAYS[WAY]()
except Exception as error:
    sys.stdout.flush()
    sys.exit(f"{type(error).__name__}: {error}")
