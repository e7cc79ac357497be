# SPDX-License-Identifier: MIT
"""Posts JSON to each URL by httpx: post_httpx.py JSON URL... Prints a line for each: the status, the body."""

import sys

import httpx

FIELDS = {"Content-Type": "application/json", "Authorization": "Bearer secret"}
with httpx.Client(timeout=60) as client:
    for url in sys.argv[2:]:
        response = client.post(url, content=sys.argv[1], headers=FIELDS)
        print(response.status_code, response.text.rstrip("\n"))
