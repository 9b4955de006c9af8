"""The ways in: a client made in each of them runs, streams, follows and writes; one without the token does none of it."""

from collections.abc import Callable
from typing import Any

from checks.support import contains, equal, folder, name, raises, refused
from clients import Box, plain, with_headers
from report import Checks


def checks(clients: dict[str, Callable[[], Any]], token: str = "") -> Checks:
    """One check for each client of `{way: how to make it}`."""

    def check(make: Callable[[], Any]) -> Any:
        async def run() -> None:
            await passes(await make(), token)

        return run

    return {f"{way}: every kind of call": check(make) for way, make in clients.items()}


async def passes(box: Box, token: str) -> None:
    chunks: list[str] = []
    result = await box.exec('env; printf "über\\n"', wait_for_completion=True, on_stdout=chunks.append)
    equal("".join(chunks), result.stdout)
    contains(result.stdout, "\nüber\n")
    assert not token or token not in result.stdout, "the command sees the token"
    id = name("door")
    await box.exec("head -n 1", name=id, stdin=True)
    log = box.follow(id)
    await box.write_stdin(id, "in\n")
    await log.end()
    equal(log.out, ["in"])
    equal((await box.ended(id)).exit_code, 0)
    assert id in [process.name for process in await box.list()]
    path = f"{folder()}/a"
    await box.fs.write(path, "a")
    await box.fs.write_binary(path, b"b")
    equal(await box.fs.read(path), "b")
    equal(await box.fs.read_binary(path), b"b")
    equal([file.content for file in (await box.fs.read_tree(path.removesuffix("/a"))).files], ["b"])


def strangers(kind: str, url: str) -> Checks:
    """Checks for a daemon that asks for a token which these clients do not have."""
    wrong = {"x-blaxel-authorization": "Bearer wrong"}
    return {
        "no token opens nothing": lambda: stays_out(plain(kind, url)),
        "a wrong token opens nothing": lambda: stays_out(with_headers(kind, url, wrong), log=True),
    }


async def stays_out(box: Box, log: bool = False) -> None:
    await refused(box.exec("true"), 401, "401")
    await refused(box.list(), 401, "401")
    await refused(box.wait("any"), 401, "401")
    path = f"{folder()}/a"
    await refused(box.fs.write(path, "a"), 401, "401")
    await refused(box.fs.read("/etc/passwd"), 401, "401")
    await refused(box.fs.rm(path), 401, "401")
    await raises(box.exec("true", wait_for_completion=True, on_log=print), "Failed to execute")
    # Without headers of its own, the SDK takes the token of the environment for a log.
    if log:
        await raises(box.follow("any").end(), "Failed to stream logs")
