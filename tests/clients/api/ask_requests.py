# SPDX-License-Identifier: MIT
"""Asks a model server one question: ask_requests.py URL. Knows nothing of retries."""

import sys

import requests

response = requests.post(sys.argv[1], json={"model": "demo", "prompt": "Why is the sky blue?"}, timeout=30)
response.raise_for_status()
print(response.json()["text"])
