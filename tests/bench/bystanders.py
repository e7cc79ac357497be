# SPDX-License-Identifier: MIT
"""Who must not notice: other clients of a proxy while it has connects parked; clients of a name whose first address is
refused and whose second is alive. Both are figures for scripts/bench: {figure: {who: [number for each round]}}.
"""

import collections
import http.server
import os
import shutil
import socket
import subprocess
import threading
import time

# A dead upstream is asked for two seconds.
PATIENT = ("[here]\nhosts = 127.0.0.0/8, [::1]\nbreaker = off\nbudget.floor = 1000/s\nretry.attempts = 100\n"
           "retry.backoff = fixed\nretry.base = 100ms\nretry.jitter = none\ntimeout.total = 2s\n")
PARKED_S = 2
DEAD_EVERY_S = 0.05  # so some forty are parked at a time
SAMPLES = 3000
PACE_S = 0.001

NGINX = """daemon off; master_process off; error_log {directory}/{name}.err; pid {directory}/{name}.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off; client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
    uwsgi_temp_path {directory}; scgi_temp_path {directory};
    server {{ listen 127.0.0.1:{port}; {locations} }}
}}
"""
BACKEND = "location / { return 200 fine; }"
PROXY = ("location /alive { proxy_pass http://127.0.0.1:%d; } "
         "location /dead { proxy_pass http://127.0.0.1:%d; }")

TWO_ROUNDS = 40
HOSTS = "::1 two.test\n127.0.0.1 two.test\n127.0.0.1 localhost\n"
TWO_CLIENTS = {
    "wget": ["wget", "-qO/dev/null", "--tries=1", "URL"],
    "curl": ["curl", "-so/dev/null", "URL"],
    "python urllib": ["/usr/bin/python3", "-c", "import urllib.request as u, sys; u.urlopen(sys.argv[1]).read()", "URL"],
    "node": ["node", "--enable-network-family-autoselection", "-e", "require('http').get(process.argv[1], r => r.resume())", "URL"],
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


# nginx


class Nginx:
    """One that serves until the end of the `with` block."""

    def __init__(self, directory, name, locations, environment):
        self.port = free_port()
        path = os.path.join(directory, name + ".conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(NGINX.format(directory=directory, name=name, port=self.port, locations=locations))
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-c", path, "-p", directory, "-e", path + ".early"],
                                        env={"PATH": os.environ["PATH"], **environment}, stderr=subprocess.DEVNULL)

    def __enter__(self):
        while True:
            try:
                self.begin("/").close()
                return self
            except ConnectionRefusedError:
                if self.process.poll() is not None:
                    raise SystemExit("nginx does not start") from None
                time.sleep(0.01)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def begin(self, path):
        client = socket.create_connection(("127.0.0.1", self.port))
        client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return client

    def answer(self, path):
        """Returns the status and the seconds that it took."""
        start = time.monotonic()
        with self.begin(path) as client:
            status = client.makefile("rb").read().split(b" ", 2)[1]
        return status, time.monotonic() - start


def sample(proxies):
    """Returns {who: [microseconds of a request to the upstream that is alive]}, and keeps asking for the other."""
    took = {who: [] for who in proxies}
    waiting = collections.deque()
    due = 0
    for _ in range(SAMPLES):
        now = time.monotonic()
        if now >= due:
            waiting.extend((now, proxy.begin("/dead")) for proxy in proxies.values())
            due = now + DEAD_EVERY_S
        while waiting and waiting[0][0] < now - 2 * PARKED_S:
            waiting.popleft()[1].close()
        for who, proxy in proxies.items():
            status, seconds = proxy.answer("/alive")
            if status != b"200":
                raise SystemExit(f"nginx answers {status.decode()} for the upstream that is alive")
            took[who].append(seconds * 1e6)
        time.sleep(PACE_S)
    for _, client in waiting:
        client.close()
    return took


def nginx(directory, ours):
    """Requests by way of an nginx to a live upstream. None where there is no nginx."""
    if not os.path.exists("/usr/sbin/nginx"):
        return None
    with Nginx(directory, "backend", BACKEND, {}) as backend:
        locations = PROXY % (backend.port, free_port())
        with Nginx(directory, "alone", locations, {}) as alone, Nginx(directory, "under", locations, ours) as under:
            seconds = under.answer("/dead")[1]
            if seconds < PARKED_S * 0.9:
                raise SystemExit(f"the dead upstream was parked for {seconds:.2f} s only")
            return sample({"alone": alone, "rebound": under})


# Two addresses


class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"fine\n")

    def log_message(self, *_):
        pass


def namespace(directory):
    """A command's prefix that gives it the hosts file above; None where there are no mount namespaces, or no IPv6."""
    hosts = os.path.join(directory, "hosts")
    with open(hosts, "w", encoding="utf-8") as file:
        file.write(HOSTS)
    root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    prefix = ["unshare", *root, "--mount", "sh", "-c", f'mount --bind "{hosts}" /etc/hosts && exec "$@"', "sh"]
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        subprocess.run([*prefix, "true"], check=True, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return None
    return prefix


def milliseconds(prefix, command, environment):
    words = [f"{name}={value}" for name, value in environment.items()]
    start = time.monotonic()
    subprocess.run([*prefix, "env", *words, *command], check=True, stdin=subprocess.DEVNULL)
    return (time.monotonic() - start) * 1e3


def two_addresses(directory, ours):
    """Yields (client, {who: [ms]}); nothing where it cannot be tried."""
    prefix = namespace(directory)
    if not prefix:
        return
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://two.test:{server.server_port}/"
    for name, command in TWO_CLIENTS.items():
        if not shutil.which(command[0]):
            continue
        command = [url if word == "URL" else word for word in command]
        took = {"alone": [], "rebound": []}
        for turn in range(TWO_ROUNDS):
            for who in ("alone", "rebound") if turn % 2 else ("rebound", "alone"):
                took[who].append(milliseconds(prefix, command, ours if who == "rebound" else {}))
        yield name, took
    server.shutdown()
