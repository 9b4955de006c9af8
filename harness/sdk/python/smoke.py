"""Runs the checks of one way to reach boxd: `python smoke.py async|sync marked|plain|token URL`.

`async` is the SDK's asynchronous client, `sync` its blocking one. `marked` clients carry the SDK's own headers, `plain`
ones carry none, `token` needs a daemon that asks for BOXD_TOKEN. The BL_ variables that each way needs are set by ../run.
"""

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from checks import (
    commands,
    doors,
    drives,
    endings,
    files,
    logs,
    ports,
    refusals,
    search,
    stdin,
    streams,
    tools,
    watch,
)
from clients import clients, marked, plain
from report import Report


async def main(kind: str, way: str, url: str) -> None:
    # Fifty blocking calls at once, and some that follow.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(80))
    report = Report(f"python {kind} {way}")
    if way == "token":
        token = os.environ["BOXD_TOKEN"]
        await report.run(doors.checks(clients(kind, url, token), token))
        await report.run(doors.strangers(kind, url))
    else:
        box = (marked if way == "marked" else plain)(kind, url)
        for checks in (commands, streams, logs, stdin, endings, refusals, files, search, watch, ports, drives):
            await report.run(checks.checks(box))
        if way == "marked":
            await report.run(tools.checks(box))
            await report.run(doors.checks(clients(kind, url, "unused")))
        else:
            await report.run(logs.long_silence(box))
    sys.stdout.flush()
    # 3, because 1 is what a crash ends with. A blocking call that a failed check left behind must not hold the program.
    os._exit(3 if report.failed else 0)


asyncio.run(main(*sys.argv[1:]))
