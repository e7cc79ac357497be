# SPDX-License-Identifier: MIT
"""The ids that libcurl 8.2 and later gives to transfers and connections, and its trace, are those of a run alone.

An older curl does not know the variables; then both runs print nothing for them.
"""

from harness import cases

CURL = "/usr/bin/curl"
WHOLE = "range;etag=%22v%22;size=100"
SLOW = "ok;delay=60"  # libcurl traces whether the response was there when the request was sent
IDS = ["-s", "-w", "%{xfer_id} %{conn_id} %{num_connects}\\n", "-o", "/dev/null"]


def run_both(test, options, script, good, late=False, keys=None):
    """The server deals the steps of `script` to the run under rebound, and `good` to the run alone."""
    server = test.server("--script", f"{script},{good}" if script else good,
                         *(["--listen-after", "never"] if late else []))
    command = [CURL, *(option.replace("{u}", server.url()) for option in options)]
    under = test.rebound(command, keys, on_retry=server.listen if late else None)
    return under, test.alone(command)


@cases(
    one=["{u}k"], two=["{u}k", "{u}k"], other_host=["{u}k", "{u}k", "http://localhost:9/", "{u}k"],
    parallel=["-Z", "--no-progress-meter", "--parallel-max", "1", "{u}k", "{u}k", "{u}k"],
    next=["{u}k", "--next", *IDS, "-d", "x=1", "{u}k", "--next", *IDS, "{u}k"])
def test_ids(test, urls):
    """The first transfer is repeated; it and the later ones have the ids that they have alone."""
    if "--next" not in urls:
        urls = [*["-o", "/dev/null"] * (len(urls) - 1), *urls]
    for script in ("", "s503x2", "s503;last", "resetx2", "close", "cut;" + WHOLE):
        under, alone = run_both(test.part(), [*IDS, *urls], script, "ok;" + WHOLE)
        test.same(under, alone, script or "healthy")
    late = {"retry.attempts": "50"}
    under, alone = run_both(test.part(), [*IDS, *urls], "", "ok", late=True, keys=late)
    test.same(under, alone, "late")


@cases(
    get=["{u}k"], two=["{u}k", "{u}k"], head=["-I", "{u}k"], post=["-d", "a=b", "{u}k"], put=["-T", "/etc/passwd", "{u}k"],
    parallel=["-Z", "--no-progress-meter", "--parallel-max", "1", "{u}k", "{u}k"], proxy=["-x", "{u}", "http://h.invalid/k"],
    tunnel=["-p", "-x", "{u}", "http://h.invalid/k"], limits=["-m", "9", "--connect-timeout", "8", "{u}k"],
    compressed=["--compressed", "{u}k"], http2=["--http2", "{u}k"], auth=["--anyauth", "-u", "a:b", "{u}k"])
def test_trace(test, urls):
    """A transfer that succeeds at once has the same trace. From 8.1, curl can also show the ids in it."""
    known = b" --trace-ids " in test.alone([CURL, "--help", "all"]).out
    for flags in ([], ["--trace-ids"]) if known else ([],):
        under, alone = run_both(test.part(), ["-s", "--trace-ascii", "-", *flags, *urls], "", SLOW)
        test.same(under, alone, " ".join(flags))
        test.check(b"== Info: " in alone.out, f"no trace: {alone}")
