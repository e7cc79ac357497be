# SPDX-License-Identifier: MIT
"""What doctor says of HTTP without libcurl, beside what the matrix of wire_table.py observes for each of its clients.

The matrix runs the clients and proves its expectations. So a verdict that is not that of the table is wrong.
"""

import json

import wire_table as table
from harness import REBOUND, cases

# What a verdict of doctor means for a fault that a retry cures. A client whose request closes the connection gets no retry
# over TLS, which the verdict says.
MEANS = {"repeated": table.RETRIED, "repeated-if-kept": table.RETRIED, "counted": table.OBSERVED, "not-examined": table.OPAQUE}


def program_of(client):
    words = client.args(table.GET, "http://127.0.0.1:9/k")
    return client.file or ("/usr/bin/java" if words[0] == "java" else words[0])


@cases(*table.CLIENTS)
def test_verdict(test, name):
    client = table.CLIENTS[name]
    hold = [f"{key} = {value}\n" for key, value in table.HOLD.items()] if client.hold else []
    policy = test.file("doctor.ini", "[default]\n" + "".join(hold))
    result = test.alone([REBOUND, "doctor", "--policy", policy, "--json", program_of(client)])
    call = next(call for call in json.loads(result.out)["calls"] if call["call"] == "http")
    way = "loop" if client.wait == table.LOOP else "wait"
    said = {transport: call[transport][way] for transport in ("plain", "tls")}
    meant = {transport: MEANS[fate] for transport, fate in said.items()}
    if said["tls"] == "repeated-if-kept" and client.closes:
        meant["tls"] = client.tls
    test.equal(meant, {"plain": client.plain, "tls": client.tls}, f"doctor says {said}, the table")
    test.check(client.tls != table.RETRIED or said["tls"] == "repeated-if-kept", "a connection that the server closes")
