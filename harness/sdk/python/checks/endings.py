"""How processes end: stop, kill, timeout, restarts; and ports, which end a wait."""

import asyncio
import socket
import urllib.request

from checks.support import contains, equal, name, refused
from clients import Box
from report import Checks, Collected

check = Collected()


def checks(box: Box) -> Checks:
    return check.bound(box)


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        return server.getsockname()[1]


@check("stop ends a command")
async def _(box: Box) -> None:
    id = name("stopped")
    await box.exec("exec sleep 60", name=id)
    assert (await box.stop(id)).message
    result = await box.ended(id)
    equal((result.status, result.exit_code), ("stopped", -1))


@check("stop lets a command clean up")
async def _(box: Box) -> None:
    id = name("stopped")
    await box.exec("trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done", name=id)
    log = box.follow(id)
    await log.first()
    await box.stop(id)
    result = await box.ended(id)
    equal((result.status, result.exit_code, result.stdout), ("stopped", 7, "ready\nbye\n"))
    await log.end()
    equal(log.out, ["ready", "bye"])


@check("kill ends a command that ignores a stop")
async def _(box: Box) -> None:
    id = name("killed")
    await box.exec("trap '' TERM; echo ready; while :; do sleep 0.05; done", name=id)
    log = box.follow(id)
    await log.first()
    await box.stop(id)
    equal((await box.get(id)).status, "running")
    assert (await box.kill(id)).message
    result = await box.ended(id)
    equal((result.status, result.exit_code), ("killed", -1))
    await log.end()


@check("a timeout ends a command")
async def _(box: Box) -> None:
    id = name("timed")
    await box.exec("exec sleep 60", name=id, timeout=1)
    waited = asyncio.create_task(box.exec("exec sleep 60", timeout=1, wait_for_completion=True))
    result = await box.ended(id)
    equal((result.status, result.exit_code), ("killed", -1))
    try:
        equal((await waited).status, "killed")
    except AssertionError:
        raise
    except Exception as error:
        equal(getattr(error, "status", None), 422)
        contains(str(error), "timed out")


@check("restart_on_failure runs a command again")
async def _(box: Box) -> None:
    id = name("restarted")
    await box.exec("echo run; exit 5", name=id, restart_on_failure=True, max_restarts=1)
    result = await box.ended(id)
    equal((result.status, result.exit_code, result.restart_count), ("failed", 5, 1))
    assert result.stdout.startswith("run\n") and result.stdout.endswith("run\n"), result.stdout


@check("stop ends a restart loop")
async def _(box: Box) -> None:
    id = name("looping")
    await box.exec("echo run; exit 5", name=id, restart_on_failure=True, max_restarts=-1)
    log = box.follow(id)
    await log.first()
    await box.stop(id)
    assert (await box.ended(id)).status != "running"
    await log.end()


@check("wait_for_ports answers once the port listens")
async def _(box: Box) -> None:
    id, port = name("served"), free_port()
    command = f"exec python3 -m http.server {port} --bind 0.0.0.0"
    started = await box.exec(command, name=id, wait_for_ports=[port], timeout=20)
    equal(started.status, "running")
    answer = await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}/")
    with answer:
        equal(answer.status, 200)
    await box.end(id)


@check("wait_for_ports does not count a port that only loopback reaches")
async def _(box: Box) -> None:
    port = free_port()
    command = f"exec python3 -m http.server {port} --bind 127.0.0.1"
    await refused(box.exec(command, wait_for_ports=[port], timeout=1), 422, "waiting for ports")
