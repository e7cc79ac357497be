# SPDX-License-Identifier: MIT
"""Without a failure, or with one that rebound does not handle, a program's output is the same as alone."""

import os

from harness import cases

CURL = "/usr/bin/curl"
WRITE_OUT = "%{{http_code}} %{{size_header}} %{{size_request}} %{{url_effective}} %{{num_connects}}\\n"


@cases(
    plain=["-s", "{u}k/ok"],
    meterless=["-sS", "{u}k/ok;size=100000"],
    include=["-si", "{u}k/ok"],
    head=["-sI", "{u}k/ok;size=12345"],
    dump=["-s", "-D", "-", "{u}k/ok"],
    dump_file=["-s", "-D", "headers", "-o", "out", "{u}k/ok"],
    verbose=["-sv", "{u}k/ok"],
    trace=["-s", "--trace-ascii", "-", "{u}k/ok"],
    trace_binary=["-s", "--trace", "-", "{u}k/ok;size=300;binary"],
    write_out=["-s", "-w", WRITE_OUT, "{u}k/ok"],
    redirect=["-siL", "{u}k/s302;header=Location:%2Fj"],
    redirect_post=["-siL", "-d", "x=1", "{u}k/s307;header=Location:%2Fj"],
    compressed=["-s", "--compressed", "{u}k/ok"],
    post=["-si", "-d", "x=1&y=2", "{u}k/ok"],
    post_expect=["-s", "-d", "x=1", "-H", "Expect: 100-continue", "{u}k/ok"],
    post_refused=["-si", "-d", "x=1", "-H", "Expect: 100-continue", "{u}k/s417;early"],
    form=["-s", "-F", "a=b", "-F", "f=@/etc/passwd", "{u}k/ok"],
    upload=["-s", "-T", "/etc/passwd", "{u}k/ok"],
    upload_stdin=["-s", "-T", "-", "{u}k/ok"],
    delete=["-s", "-X", "DELETE", "{u}k/s204"],
    not_found=["-s", "{u}k/s404"],
    not_found_fail=["-sSf", "{u}k/s404"],
    not_modified=["-si", "-z", "2020-01-01", "{u}k/s304"],
    range=["-s", "-r", "0-9", "{u}k/ok"],
    http10=["-si", "--http1.0", "{u}k/ok"],
    chunked=["-si", "{u}k/ok;chunked;size=5000;trailer=X-Sum:1"],
    chunked_raw=["-s", "--raw", "{u}k/ok;chunked;size=5000"],
    binary=["-s", "{u}k/ok;size=100000;binary"],
    empty=["-s", "{u}k/ok;size=0"],
    until_close=["-s", "{u}k/raw;text=HTTP%2F1.0%20200%20OK%0D%0A%0D%0Aold%20style"],
    http09=["-s", "--http0.9", "{u}k/raw;text=older%20style"],
    not_http=["-sS", "{u}k/raw;text=older%20style"],
    remote_name=["-s", "-O", "{u}name"],
    basic=["-si", "-u", "a:b", "{u}k/ok"],
    any_auth=["-si", "--anyauth", "-u", "a:b", "{u}k/s401;header=WWW-Authenticate:Basic%20realm=x/ok"],
    digest=["-s", "--digest", "-u", "a:b", "{u}k/s401;header=WWW-Authenticate:Digest%20realm=x%2Cnonce=1/ok"],
    interim=["-si", "{u}k/ok;interim=103"],
    two=["-s", "{u}k/ok", "{u}j/ok"],
    two_verbose=["-sv", "{u}k/ok", "{u}j/ok"],
    next=["-s", "{u}k/ok", "--next", "-s", "-d", "x", "{u}j/ok"],
    closing=["-sv", "{u}k/ok;last", "{u}j/ok"],
    early_end=["-sS", "--max-filesize", "5", "{u}k/ok;size=1000"],
    slow=["-s", "{u}k/ok;trickle=2;piece=100;size=2000"],
    limited=["-s", "--limit-rate", "10M", "{u}k/ok;size=20000"],
    cut=["-sS", "{u}k/cut"],
    cut_chunks=["-sS", "{u}k/cut;chunked"],
    write_error=["-sS", "-o", "/dev/full", "{u}k/ok;size=100000"],
    header_to_body=["-s", "-D", "/dev/stdout", "-o", "/dev/stdout", "{u}k/ok"],
    no_host=["-sS", "http://"],
    no_protocol=["-sS", "nope://127.0.0.1/"],
    no_option=["-sS", "--no-such-option"],
    nothing=[""],
    file=["-s", "file:///etc/passwd"],
    no_file=["-sS", "file:///no/such/file"],
    proxy=["-si", "-x", "{u}", "http://host.invalid/k/ok"],
    tunnel=["-si", "-p", "-x", "{u}", "http://host.invalid/k/ok"],
    resolve=["-s", "--resolve", "host.invalid:{p}:127.0.0.1", "http://host.invalid:{p}/k/ok"],
    connect_to=["-s", "--connect-to", "::127.0.0.1:{p}", "http://host.invalid/k/ok"],
    interface=["-s", "--interface", "127.0.0.1", "{u}k/ok"],
    resume=["-s", "-C", "3", "{u}k/ok"],
    config=["-s", "-K", "-"],
    parallel=["-sZ", "--no-progress-meter", "{u}k/ok", "{u}k/ok"],
    telnet=["-s", "telnet://127.0.0.1:{p}"],
    version=["--version"],
    help=["--help", "all"])
def test_curl(test, arguments):
    server = test.server()
    url = server.url("")
    command = [CURL, *(a.format(u=url, p=server.port) for a in arguments if a)]
    stdin = f"url = {url}k/ok\n".encode()
    if "-T" in arguments:
        stdin = b"uploaded"
    if arguments[-1].startswith("telnet"):
        stdin = b"GET /k/ok HTTP/1.0\r\n\r\n"
    seen = []
    for run in (test.alone, test.rebound):
        server.reset()
        result = run(command, stdin=stdin)
        files = {name: open(os.path.join(test.work, name), "rb").read() for name in sorted(os.listdir(test.work))}
        requests = [entry[1:4] for key in ("k", "j", "name") for entry in server.log(key)]
        seen.append((result, files, requests, server.connections()))
        for name in files:
            os.unlink(os.path.join(test.work, name))
    alone, under = seen
    test.same(under[0], alone[0])
    test.equal(under[1], alone[1], "files")
    test.equal([r[:2] for r in under[2]], [r[:2] for r in alone[2]], "requests")
    if "-F" not in arguments:  # the boundary between the parts is random
        test.equal(under[2], alone[2], "requests")
    test.equal(under[3], alone[3], "connections")
    test.equal([e for e in test.events() if e["decision"] in ("retry", "recovered")], [], "log")


@cases(
    true=["true"],
    false=["false"],
    echo=["echo", "a", "", "b c"],
    cat=["cat"],
    arguments=["sh", "-c", 'printf "%s|" "$0" "$@"; echo $#', "x", "-v", "--", "--policy"],
    status=["sh", "-c", "echo out; echo err >&2; exit 42"],
    signal=["sh", "-c", "kill -TERM $$"],
    child=["sh", "-c", "(sh -c 'exit 3'); echo $?"],
    python=["/usr/bin/python3", "-c", "import sys; print(sys.argv); sys.exit(5)", "a"],
    perl=["perl", "-e", "print 1; exit 6"],
    awk=["gawk", "BEGIN { print 1; exit 7 }"],
    ls=["ls", "-la", "/etc/passwd"])
def test_other_programs(test, command):
    alone = test.alone(command, stdin=b"in\n")
    test.same(test.rebound(command, stdin=b"in\n"), alone)
    test.equal(test.events(), [], "log")
