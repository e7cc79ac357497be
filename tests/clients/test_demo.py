# SPDX-License-Identifier: MIT
"""The demo is what a newcomer runs first, on a machine where nothing else was built."""

import os
import subprocess

from harness import HERE, PRODUCTS, cases, clean_environment


@cases("demo", "demo_api")
def test_needs_no_more_than_it_builds(test, name):
    build = os.path.join(test.dir, "build")
    os.mkdir(build)
    for product in PRODUCTS:
        os.symlink(product, os.path.join(build, os.path.basename(product)))
    done = subprocess.run([os.path.join(HERE, name)], env={**clean_environment(test.home), "REBOUND_BUILD": build},
                          capture_output=True, check=False)
    test.equal((done.returncode, done.stderr), (0, b""), f"the demo ({done.stdout})")
