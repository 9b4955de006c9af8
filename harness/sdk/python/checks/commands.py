"""Commands without streams: start, get, list, wait, and the fields of a request."""

import asyncio
import tempfile
from email.utils import parsedate_to_datetime

from checks.support import equal, name
from clients import Box
from report import Checks, Collected

check = Collected()


def checks(box: Box) -> Checks:
    return check.bound(box)


@check("a waited command answers with its output and exit code")
async def _(box: Box) -> None:
    result = await box.exec("echo out; echo err >&2; exit 3", wait_for_completion=True)
    equal((result.status, result.exit_code), ("failed", 3))
    equal((result.stdout, result.stderr), ("out\n", "err\n"))
    assert result.pid.isdigit(), result.pid
    assert result.name.startswith("proc-"), result.name
    assert parsedate_to_datetime(result.completed_at) >= parsedate_to_datetime(result.started_at)


@check("a command that is not waited for answers while it runs")
async def _(box: Box) -> None:
    id = name("running")
    started = await box.exec("sleep 60", name=id)
    equal((started.status, started.name), ("running", id))
    equal((await box.get(started.pid)).name, id)
    equal((await box.get(id)).status, "running")
    await box.end(id)


@check("wait answers with the final state")
async def _(box: Box) -> None:
    id = name("waited")
    await box.exec("sleep 0.1; echo done", name=id)
    # With the SDK's own interval, a server without `/wait` would take a second.
    result = await box.wait(id)
    equal((result.status, result.exit_code, result.stdout), ("completed", 0, "done\n"))


@check("wait gives up at its deadline and leaves the process alone")
async def _(box: Box) -> None:
    id = name("waited")
    await box.exec("sleep 60", name=id)
    try:
        await box.wait(id, max_wait=300)
    except TimeoutError:
        pass
    else:
        raise AssertionError("wait did not give up")
    equal((await box.get(id)).status, "running")
    await box.end(id)


@check("list shows running and finished processes")
async def _(box: Box) -> None:
    running, finished = name("listed"), name("listed")
    await box.exec("sleep 60", name=running)
    await box.exec("true", name=finished, wait_for_completion=True)
    status = {process.name: process.status for process in await box.list()}
    equal((status[running], status[finished]), ("running", "completed"))
    await box.end(running)


@check("a name with blanks and an emoji is found")
async def _(box: Box) -> None:
    id = name("odd näme 🦀")
    await box.exec("echo odd", name=id, wait_for_completion=True)
    equal((await box.get(id)).name, id)
    equal((await box.wait(id)).name, id)
    equal(await box.logs(id), "odd\n")


@check("env and working_dir reach the command")
async def _(box: Box) -> None:
    folder = tempfile.gettempdir()
    result = await box.exec(
        'printf "%s|" "$GREETING" "$EMPTY"; pwd',
        env={"GREETING": "grüß dich", "EMPTY": ""},
        working_dir=folder,
        wait_for_completion=True,
    )
    equal(result.stdout, f"grüß dich||{folder}\n")
    equal(result.working_dir, folder)


@check("keep_alive is shown while the command runs")
async def _(box: Box) -> None:
    id = name("kept")
    started = await box.exec("sleep 60", name=id, keep_alive=True)
    equal(started.keep_alive, True)
    equal((await box.end(id)).keep_alive, False)


@check("fifty commands run at once")
async def _(box: Box) -> None:
    async def run(i: int) -> None:
        command = f"echo {i}; echo {i} >&2; exit {i}"
        result = await box.exec(command, name=name("many"), wait_for_completion=True)
        equal((result.stdout, result.stderr, result.exit_code), (f"{i}\n", f"{i}\n", i))

    await asyncio.gather(*map(run, range(50)))
