"""Waited commands with callbacks: the output arrives while the command runs, and the result after it."""

import asyncio
import os
import tempfile
from types import SimpleNamespace
from typing import Any

from checks.support import equal, name
from clients import Box, Happening
from report import Checks, Collected

check = Collected()


def checks(box: Box) -> Checks:
    return check.bound(box)


async def streamed(box: Box, command: str, **fields: Any) -> SimpleNamespace:
    """Runs a command with all three callbacks; the chunks are joined in the order of their calls."""
    every, out, err = [], [], []
    result = await box.exec(
        command,
        wait_for_completion=True,
        on_log=every.append,
        on_stdout=out.append,
        on_stderr=err.append,
        **fields,
    )
    return SimpleNamespace(result=result, all="".join(every), out="".join(out), err="".join(err))


def numbers(stem: str, count: int) -> str:
    return "".join(f"{stem} {i}\n" for i in range(1, count + 1))


@check("callbacks get each stream whole and in order, then the result")
async def _(box: Box) -> None:
    command = 'i=1; while [ $i -le 300 ]; do echo "out $i"; echo "err $i" >&2; i=$((i+1)); done; exit 4'
    seen = await streamed(box, command)
    equal(seen.out, numbers("out", 300))
    equal(seen.err, numbers("err", 300))
    equal(len(seen.all), len(seen.out) + len(seen.err))
    equal((seen.result.status, seen.result.exit_code), ("failed", 4))
    equal((seen.result.stdout, seen.result.stderr), (seen.out, seen.err))


@check("a character split over two writes arrives whole")
async def _(box: Box) -> None:
    split = r"""
import os, time
for b in (b'\xe2', b'\x82', b'\xac \xf0\x9f', b'\xa6\x80\n'): os.write(1, b); time.sleep(0.01)
"""
    seen = await streamed(box, 'python3 -c "$CODE"', env={"CODE": split})
    equal((seen.out, seen.all, seen.result.stdout), ("€ 🦀\n",) * 3)


@check("a mebibyte of long characters arrives exact")
async def _(box: Box) -> None:
    line = "żółć €uro 🦀 日本語"
    seen = await streamed(box, 'yes "$LINE" | head -n 30000', env={"LINE": line})
    assert seen.out == f"{line}\n" * 30_000, f"{len(seen.out)} characters arrived"
    equal(seen.result.status, "completed")
    assert seen.result.stdout.endswith(f"{line}\n")


@check("output arrives while the command runs")
async def _(box: Box) -> None:
    id = name("live")
    first, seen = Happening(), []

    def chunk(text: str) -> None:
        seen.append(text)
        first.happen()

    command = 'printf "name? "; read -r answer; echo "hello $answer"'
    run = asyncio.create_task(box.exec(command, name=id, stdin=True, wait_for_completion=True, on_stdout=chunk))
    await first.wait()
    equal(seen, ["name? "])
    await box.write_stdin(id, "box\n")
    equal((await run).stdout, "name? hello box\n")
    equal("".join(seen), "name? hello box\n")


@check("the stream outlives a silence")
async def _(box: Box) -> None:
    seen = await streamed(box, "echo early; sleep 0.5; echo late")
    equal(seen.out, "early\nlate\n")


@check("the result tells of an end by signal")
async def _(box: Box) -> None:
    seen = await streamed(box, "echo before; kill -9 $$")
    equal((seen.out, seen.result.status, seen.result.exit_code), ("before\n", "failed", -1))


@check("the stream goes on over a restart")
async def _(box: Box) -> None:
    command = 'if [ -e "$MARK" ]; then rm "$MARK"; echo second; else : > "$MARK"; echo first; exit 1; fi'
    mark = os.path.join(tempfile.gettempdir(), name("restart"))
    seen = await streamed(box, command, env={"MARK": mark}, restart_on_failure=True, max_restarts=2)
    assert seen.out.startswith("first\n") and seen.out.endswith("second\n"), seen.out
    equal((seen.result.status, seen.result.restart_count), ("completed", 1))


@check("callbacks without waiting follow the log, and close leaves the process alone")
async def _(box: Box) -> None:
    id = name("followed")
    first, lines = Happening(), []

    def line(text: str) -> None:
        lines.append(text)
        first.happen()

    started = await box.exec("echo line; exec sleep 60", name=id, on_log=line)
    equal(started.status, "running")
    await first.wait()
    equal(lines, ["line"])
    started.close()
    equal((await box.get(id)).status, "running")
    await box.end(id)
