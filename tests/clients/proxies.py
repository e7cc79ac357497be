# SPDX-License-Identifier: MIT
"""Configurations of reverse proxies that listen on DIR/work/proxy.sock and ask one server."""

NGINX = """
daemon off;
master_process off;
pid {dir}/work/nginx.pid;
error_log stderr {level};
events {{ }}
http {{
    access_log off;
    client_body_temp_path {dir}/work/b;
    proxy_temp_path {dir}/work/p;
    fastcgi_temp_path {dir}/work/f;
    uwsgi_temp_path {dir}/work/u;
    scgi_temp_path {dir}/work/s;
    server {{
        listen unix:{dir}/work/proxy.sock;
        location / {{ proxy_pass {scheme}://{host}:{port}; proxy_ssl_protocols TLSv1.2 TLSv1.3; }}
    }}
}}
"""
HAPROXY = """
global
    maxconn 100
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
    {retries}
frontend front
    bind {dir}/work/proxy.sock
    default_backend back
backend back
    {servers}
"""
LIGHTTPD = """
server.document-root = "{dir}/work"
server.bind = "{dir}/work/proxy.sock"
server.modules = ("mod_proxy")
proxy.server = ("" => (("host" => "{host}", "port" => {port})))
"""


def write_nginx(test, host, port, level="error", scheme="http"):
    """level: of what it says on stderr; scheme: how it asks the server."""
    test.file("nginx.conf", NGINX.format(dir=test.dir, host=host, port=port, level=level, scheme=scheme))


def write_haproxy(test, *servers, retries="retries 0"):
    """servers: lines of its backend; retries: lines about what it does by itself when one of them fails."""
    test.file("haproxy.cfg", HAPROXY.format(dir=test.dir, servers="\n    ".join(servers), retries=retries))


def write_lighttpd(test, host, port):
    test.file("lighttpd.conf", LIGHTTPD.format(dir=test.dir, host=host, port=port))
