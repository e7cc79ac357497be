# SPDX-License-Identifier: MIT
"""Posts JSON to each URL by requests: post_requests.py JSON URL... Prints a line for each: the status, the body."""

import sys

import requests

FIELDS = {"Content-Type": "application/json", "Authorization": "Bearer secret"}
with requests.Session() as session:
    for url in sys.argv[2:]:
        response = session.post(url, data=sys.argv[1], headers=FIELDS, timeout=60)
        print(response.status_code, response.text.rstrip("\n"))
