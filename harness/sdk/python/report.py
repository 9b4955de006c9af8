"""Runs named checks one after another and prints a line for each: `ok` or `FAILED`."""

import asyncio
import textwrap
import time
import traceback
from collections.abc import Awaitable, Callable

Checks = dict[str, Callable[[], Awaitable[None]]]

LIMIT_S = 30
"""A check that takes longer has failed."""


class Report:
    def __init__(self, label: str):
        self.label = label
        self.failed = 0

    async def run(self, checks: Checks) -> None:
        for name, check in checks.items():
            start = time.monotonic()
            failure = None
            try:
                await asyncio.wait_for(check(), LIMIT_S)
            except Exception as error:
                failure = shown(error)
            took = f"{round((time.monotonic() - start) * 1000)} ms"
            print(f"{'FAILED' if failure else 'ok    '}  {self.label}: {name} ({took})", flush=True)
            if failure:
                self.failed += 1
                print(textwrap.indent(failure, " " * 8), flush=True)


def shown(error: Exception) -> str:
    """The error and the lines of the checks that led to it."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if "/checks/" in frame.filename]
    return "".join([*traceback.format_exception_only(error), *traceback.format_list(own)])


class Collected:
    """Collects checks: `@collected("what it shows")` above each one."""

    def __init__(self) -> None:
        self.checks: dict[str, Callable] = {}

    def __call__(self, name: str) -> Callable[[Callable], Callable]:
        def add(check: Callable) -> Callable:
            self.checks[name] = check
            return check

        return add

    def bound(self, *arguments: object) -> Checks:
        """The checks with their arguments."""
        return {name: lambda check=check: check(*arguments) for name, check in self.checks.items()}
