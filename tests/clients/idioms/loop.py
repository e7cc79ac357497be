# SPDX-License-Identifier: MIT
"""An asyncio loop with a connect in it: loop.py HOST PORT PERIOD LIMIT; prints what loop.c prints."""

import asyncio
import errno
import resource
import sys
import time

HOST, PORT, PERIOD, LIMIT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) / 1000, int(sys.argv[4]) / 1000


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def tick(gaps):
    last = time.monotonic()
    while True:
        await asyncio.sleep(PERIOD)
        now = time.monotonic()
        gaps.append(now - last)
        last = now


async def attempt():
    try:
        await asyncio.wait_for(asyncio.open_connection(HOST, PORT), LIMIT)
        return "connected"
    except asyncio.TimeoutError:
        return "limit"
    except OSError as error:
        return errno.errorcode[error.errno]


async def main():
    gaps = [0]
    ticking = asyncio.create_task(tick(gaps)) if PERIOD else None
    start, used = time.monotonic(), cpu()
    end = await attempt()
    took, used = time.monotonic() - start, cpu() - used
    if ticking:
        ticking.cancel()
    print(end, round(took * 1000), round(max(gaps) * 1000), round(used * 1000))


asyncio.run(main())
