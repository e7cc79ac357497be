# SPDX-License-Identifier: MIT
"""Posts JSON to each URL by pycurl: post.py JSON URL... Prints a line for each: the status, the body."""

import io
import sys

import pycurl

easy = pycurl.Curl()
easy.setopt(easy.HTTPHEADER, ["Content-Type: application/json", "Authorization: Bearer secret"])
for url in sys.argv[2:]:
    body = io.BytesIO()
    easy.setopt(easy.URL, url)
    easy.setopt(easy.POSTFIELDS, sys.argv[1])
    easy.setopt(easy.WRITEFUNCTION, body.write)
    easy.perform()
    print(easy.getinfo(pycurl.RESPONSE_CODE), body.getvalue().decode().rstrip("\n"))
