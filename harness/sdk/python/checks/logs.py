"""The log of a process, read at once and followed."""

from checks.support import equal, name, raises
from clients import Box
from report import Checks, Collected

check = Collected()
silence = Collected()


def checks(box: Box) -> Checks:
    return check.bound(box)


def long_silence(box: Box) -> Checks:
    """For a daemon whose heartbeats come more often than every five seconds."""
    return silence.bound(box)


@check("logs answers with each stream and with both")
async def _(box: Box) -> None:
    id = name("logged")
    await box.exec("echo out; sleep 0.1; echo err >&2", name=id, wait_for_completion=True)
    equal(await box.logs(id), "out\nerr\n")
    equal(await box.logs(id, "all"), "out\nerr\n")
    equal(await box.logs(id, "stdout"), "out\n")
    equal(await box.logs(id, "stderr"), "err\n")


@check("logs answers while the command runs")
async def _(box: Box) -> None:
    id = name("logged")
    await box.exec("echo here; exec sleep 60", name=id)
    log = box.follow(id)
    await log.first()
    equal(await box.logs(id), "here\n")
    await box.end(id)
    await log.end()


@check("stream_logs follows a running command to its end")
async def _(box: Box) -> None:
    id = name("streamed")
    command = 'echo one; read -r x; echo "two $x"; echo "drei ß €" >&2; printf "no newline\\n"'
    await box.exec(command, name=id, stdin=True)
    logs = [box.follow(id), box.follow(id)]
    for log in logs:
        await log.first()
    await box.write_stdin(id, "go\n")
    for log in logs:
        await log.end()
        equal(log.out, ["one", "two go", "no newline"])
        equal(log.err, ["drei ß €"])
        equal(len(log.all), 4)
    equal((await box.ended(id)).status, "completed")


@check("stream_logs replays a finished command")
async def _(box: Box) -> None:
    id = name("replayed")
    command = "i=1; while [ $i -le 200 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done"
    await box.exec(command, name=id, wait_for_completion=True)
    for log in (box.follow(id), box.follow(id)):
        await log.end()
        equal(log.out, [f"out {i}" for i in range(1, 201)])
        equal(log.err, [f"err {i}" for i in range(1, 201)])
        equal(len(log.all), 400)


@check("stream_logs skips heartbeats")
async def _(box: Box) -> None:
    id = name("silent")
    await box.exec("echo early; sleep 0.5; echo late", name=id)
    log = box.follow(id)
    await log.end()
    equal(log.all, ["early", "late"])


@check("close ends a followed log and leaves the process alone")
async def _(box: Box) -> None:
    id = name("closed")
    await box.exec("echo line; exec sleep 60", name=id)
    log = box.follow(id)
    await log.first()
    log.close()
    equal((await box.get(id)).status, "running")
    await box.end(id)


@check("stream_logs of an unknown process is an error")
async def _(box: Box) -> None:
    await raises(box.follow("nobody").end(), "not found")


@silence("stream_logs outlives a silence of six seconds")
async def _(box: Box) -> None:
    # The blocking client gives a log stream up after five seconds without a byte, and a heartbeat is one.
    id = name("silent")
    await box.exec("echo early; sleep 6; echo late", name=id)
    log = box.follow(id)
    await log.end()
    equal(log.all, ["early", "late"])
