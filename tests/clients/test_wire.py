# SPDX-License-Identifier: MIT
"""Programs that speak HTTP themselves, against a server that fails: the matrix of wire_table.py.

Each cell runs its program three times: alone against the faulty server, alone against a live server, and under rebound
against the faulty server. Output, files, exit status and the number of requests must be those that the table expects.
"""

import os
import re
import ssl

import wire_table as table
from harness import QUICK, built_once, sampled
from proxies import write_haproxy, write_nginx
from wire_server import SecureFront, certificate

VERSIONS = {table.TLS12: ssl.TLSVersion.TLSv1_2, table.TLS13: ssl.TLSVersion.TLSv1_3,
            table.AGAIN12: ssl.TLSVersion.TLSv1_2, table.AGAIN13: ssl.TLSVersion.TLSv1_3}
POLICY = dict(QUICK, intercept="curl, connect, dns, http")


class Target:
    """A faulty server with its transport, and one program that asks it."""

    def __init__(self, test, cell, script):
        self.test, self.client, self.transport = test.part(), table.CLIENTS[cell.client], cell.transport
        if self.client.slow:
            script = re.sub(r"\b(s\d+(x\d+)?|ok)\b", r"\1;delay=300", script)
        self.server = self.test.server("--script", script)
        self.port = self.server.port
        self.scheme = "http"
        if cell.transport != table.PLAIN:
            self.port = self.test.opened(SecureFront(self.server, VERSIONS[cell.transport])).port
            self.scheme = "https"
        self._write_files()
        url = f"{self.scheme}://127.0.0.1:{self.port}/k"
        places = {"{ca}": certificate()[0], "{dir}": self.test.dir}
        command = self.client.args(table.FAULTS[cell.fault].method, url)
        if command[0] == "java":
            classes = built_once(f"{table.PROGRAMS}/Client.java", "Client.class", "javac", "-d", "{directory}")
            places["{classes}"] = os.path.dirname(classes)
        self.command = [self._placed(word, places) for word in command]

    @staticmethod
    def _placed(word, places):
        for name, place in places.items():
            word = word.replace(name, place)
        return word

    def _write_files(self):
        self.test.file("lynx.cfg", "FORCE_SSL_PROMPT:YES\n")
        if self.client.file == "nginx":
            write_nginx(self.test, "127.0.0.1", self.port, "crit", self.scheme)
        if self.client.file == "haproxy":
            secure = " ssl verify none" if self.scheme == "https" else ""
            write_haproxy(self.test, f"server one 127.0.0.1:{self.port}{secure}")

    def run(self, policy=None, env=None):
        """Returns exit status, output and files without what differs from run to run, and the number of requests."""
        env = {"SSL_CERT_FILE": certificate()[0], "NODE_EXTRA_CA_CERTS": certificate()[0], **(self.client.env or {}),
               **(env or {})}
        if policy:
            written = self.test.policy(policy, hosts="127.0.0.1", base={})
            result = self.test.rebound(self.command, written, env=env)
        else:
            result = self.test.alone(self.command, env=env)
        left = {} if self.client.file else self.test.left()
        return result.code, self._neutral(result.out), self._neutral(result.err), left, self.server.count("k")

    def _neutral(self, text):
        if self.client.keep:
            return b"\n".join(re.findall(self.client.keep, text))
        text = re.sub(self.client.blur or rb"(?!)", b"", text)
        text = re.sub(rb"\b%d\b" % self.port, b"PORT", text)
        text = re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", b"TIME", text)
        return re.sub(rb"#PID<[\d.]+>|<[\d.]+>", b"PROCESS", text)


def compare(test, got, wanted, extra, what):
    for name, under, alone in zip(("exit status", "stdout", "stderr", "files"), got, wanted):
        test.equal(under, alone, f"{what}: {name}")
    test.equal(got[-1], wanted[-1] + extra, f"{what}: requests")


@sampled(table.cells, table.sample)
def test_exchange(test, cell):
    fault = table.FAULTS[cell.fault]
    word, reason = table.expectation(cell)
    alone = Target(test, cell, fault.script).run()
    under_rebound = Target(test, cell, fault.script)
    keys = {"http.tls_reconnect": "on"} if cell.transport in table.REOPENED else {}
    if table.CLIENTS[cell.client].hold:
        keys = {**keys, **table.HOLD}
    under = under_rebound.run({**POLICY, **keys, **(fault.keys or {})})
    events = [event for event in under_rebound.test.events() if event["api"] == "http"]
    if word == table.RETRIED:
        live = Target(test, cell, fault.live).run()
        test.check(live != alone or fault.live != "ok", "the fault does not show")
        compare(test, under, live, fault.extra, "retried")
        if alone[:4] != live[:4]:  # or the program has repeated the request itself
            test.check("retry" in {event["decision"] for event in events}, "the log has no retry")
        return
    compare(test, under, alone, 0, f"{word} ({reason})")
    test.check("retry" not in {event["decision"] for event in events}, "the log has a retry")
    own = table.CLIENTS[cell.client].plain if cell.transport == table.PLAIN else table.CLIENTS[cell.client].tls
    if own == table.OBSERVED and cell.fault in ("503", "429", "529"):
        test.check("stack" in {event.get("reason") for event in events}, f"no event says why there was no retry: {events}")
    if word == table.OPAQUE:
        test.equal(events, [], "opaque: events about HTTP")
