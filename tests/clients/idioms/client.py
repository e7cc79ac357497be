# SPDX-License-Identifier: MIT
"""Connects without blocking, in the way named first, prints the line that the server sends, or the error.

    client.py WAY HOST PORT
"""

import asyncio
import errno
import os
import select
import selectors
import socket
import sys


def begin(host, port):
    peer = socket.socket()
    peer.setblocking(False)
    code = peer.connect_ex((host, port))
    if code != errno.EINPROGRESS:
        raise OSError(code, os.strerror(code))
    return peer


def settle(peer):
    code = peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def first_line(peer):
    peer.setblocking(True)
    return peer.makefile().readline()


def with_timeout(host, port):
    return first_line(socket.create_connection((host, port), timeout=10))


def with_select(host, port):
    peer = begin(host, port)
    select.select([], [peer], [peer], 10)
    settle(peer)
    return first_line(peer)


def with_poll(host, port):
    peer = begin(host, port)
    poll = select.poll()
    poll.register(peer, select.POLLOUT)
    for _ in range(2):  # the second one returns at once, too
        poll.poll(10000)
    settle(peer)
    return first_line(peer)


def with_epoll(host, port):
    """Registered before the connect and edge-triggered, as nginx does."""
    peer = socket.socket()
    peer.setblocking(False)
    epoll = select.epoll()
    epoll.register(peer, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET)
    peer.connect_ex((host, port))
    told = 0
    while not told & (select.EPOLLIN | select.EPOLLERR):
        for _, events in epoll.poll(10):
            told |= events
            settle(peer)
    return peer.recv(99).decode()


def with_one_shot(host, port):
    peer = begin(host, port)
    epoll = select.epoll()
    epoll.register(peer, select.EPOLLOUT | select.EPOLLONESHOT)
    epoll.poll(10)
    settle(peer)
    return first_line(peer)


def with_recv(host, port):
    """No SO_ERROR: the first read tells."""
    peer = begin(host, port)
    with selectors.DefaultSelector() as loop:
        loop.register(peer, selectors.EVENT_READ)
        loop.select(10)
    return peer.recv(99).decode()


def with_fast_open(host, port):
    peer = socket.socket()
    peer.setblocking(False)
    try:
        peer.sendto(b"hello\n", socket.MSG_FASTOPEN, (host, port))
    except BlockingIOError:
        select.select([], [peer], [], 10)
        settle(peer)
    return first_line(peer)


def with_asyncio(host, port):
    async def run():
        reader, writer = await asyncio.open_connection(host, port)
        line = await reader.readline()
        writer.close()
        return line.decode()

    return asyncio.run(run())


def with_aiohttp(host, port):
    import aiohttp

    async def run():
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{host}:{port}/k") as answer:
                return await answer.text()

    return asyncio.run(run())


def with_trio(host, port):
    import trio

    async def run():
        peer = await trio.open_tcp_stream(host, port)
        return (await peer.receive_some(99)).decode()

    return trio.run(run)


def with_gevent(host, port):
    from gevent import socket as green

    return green.create_connection((host, port)).recv(99).decode()


def with_twisted(host, port):
    from twisted.internet import endpoints, protocol, reactor

    class Line(protocol.Protocol):
        def dataReceived(self, data):
            told.append(data.decode())
            reactor.stop()

    def failed(failure):
        told.append(failure.value)
        reactor.stop()

    told = []
    endpoint = endpoints.TCP4ClientEndpoint(reactor, host, port)
    endpoint.connect(protocol.Factory.forProtocol(Line)).addErrback(failed)
    reactor.run()
    if isinstance(told[0], Exception):
        raise told[0]
    return told[0]


def with_gio(host, port):
    from gi.repository import Gio

    peer = Gio.SocketClient().connect_to_host(host, port, None)
    return peer.get_input_stream().read_bytes(99, None).get_data().decode()


def main():
    way, host, port = sys.argv[1:]
    try:
        print(globals()["with_" + way](host, int(port)), end="")
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")


main()
