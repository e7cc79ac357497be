# SPDX-License-Identifier: MIT
"""Transfers by pycurl: client.py easy|multi|socket get|post|put FILE URL..."""

import io
import select
import sys

import pycurl


class Transfer:
    def __init__(self, mode, file, url):
        self.body, self.blocks, self.result = io.BytesIO(), 0, 0
        self.easy = easy = pycurl.Curl()
        easy.setopt(easy.URL, url)
        easy.setopt(easy.WRITEFUNCTION, self.body.write)
        easy.setopt(easy.HEADERFUNCTION, self.header)
        if mode == "post":
            easy.setopt(easy.POSTFIELDS, open(file, "rb").read())
        elif mode == "put":
            self.source = open(file, "rb")
            easy.setopt(easy.UPLOAD, 1)
            easy.setopt(easy.READFUNCTION, self.source.read)
            easy.setopt(easy.SEEKFUNCTION, lambda offset, origin: self.source.seek(offset, origin) and None)
            easy.setopt(easy.INFILESIZE, len(open(file, "rb").read()))

    def header(self, line):
        self.blocks += line.startswith(b"HTTP/")

    def show(self):
        status, size = self.easy.getinfo(pycurl.RESPONSE_CODE), self.easy.getinfo(pycurl.SIZE_DOWNLOAD)
        sys.stdout.buffer.write(b"%d %d %d %d\n" % (self.result, status, self.blocks, size))
        sys.stdout.buffer.write(self.body.getvalue() + b"\n")


def run_easy(transfers):
    for each in transfers:
        try:
            each.easy.perform()
        except pycurl.error as error:
            each.result = error.args[0]


def collect(multi, transfers):
    """Notes what has ended; returns how many."""
    _, good, bad = multi.info_read()
    results = {easy: 0 for easy in good}
    results.update({easy: code for easy, code, _ in bad})
    for each in transfers:
        if each.easy in results:
            each.result = results[each.easy]
            multi.remove_handle(each.easy)
    return len(results)


def run_multi(transfers):
    multi = pycurl.CurlMulti()
    for each in transfers:
        multi.add_handle(each.easy)
    ended = running = 0
    while True:
        while True:
            code, running = multi.perform()
            if code != pycurl.E_CALL_MULTI_PERFORM:
                break
        ended += collect(multi, transfers)
        if not running:
            break
        multi.select(1.0)
    if ended != len(transfers):
        print(f"{ended} of {len(transfers)} ended")


class Loop:
    """An event loop as libcurl wants it: sockets to watch and one timer."""

    def __init__(self):
        self.multi, self.poll, self.timeout = pycurl.CurlMulti(), select.poll(), -1
        self.multi.setopt(pycurl.M_SOCKETFUNCTION, self.watch)
        self.multi.setopt(pycurl.M_TIMERFUNCTION, self.set_timer)

    def watch(self, what, fd, _multi, _data):
        if what == pycurl.POLL_REMOVE:
            self.poll.unregister(fd)
            return
        events = (select.POLLIN if what & pycurl.POLL_IN else 0) | (select.POLLOUT if what & pycurl.POLL_OUT else 0)
        self.poll.register(fd, events)

    def set_timer(self, ms):
        self.timeout = ms

    def turn(self):
        """Waits once and tells libcurl; returns the number of running transfers."""
        ready = self.poll.poll(5000 if self.timeout < 0 else self.timeout)
        running = 0
        if not ready:
            self.timeout = -1
            _, running = self.multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        for fd, events in ready:
            mask = (pycurl.CSELECT_IN if events & (select.POLLIN | select.POLLHUP) else 0) | (
                pycurl.CSELECT_OUT if events & select.POLLOUT else 0) | (
                pycurl.CSELECT_ERR if events & select.POLLERR else 0)
            _, running = self.multi.socket_action(fd, mask)
        return running


def run_socket(transfers):
    loop = Loop()
    for each in transfers:
        loop.multi.add_handle(each.easy)
    turns = ended = 0
    while ended < len(transfers) and turns < 20000:
        running = loop.turn()
        ended += collect(loop.multi, transfers)
        turns += 1
        if not running and ended < len(transfers):
            print("nothing runs, but not all have ended")
            return
    if turns == 20000:
        print("a busy loop")


def main():
    driver, mode, file, *urls = sys.argv[1:]
    transfers = [Transfer(mode, file, url) for url in urls]
    {"easy": run_easy, "multi": run_multi, "socket": run_socket}[driver](transfers)
    for each in transfers:
        each.show()


main()
