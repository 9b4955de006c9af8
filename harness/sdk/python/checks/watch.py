"""Watching a folder."""

import asyncio
from collections.abc import Callable
from typing import Any

from checks.support import equal, folder
from clients import Box, Happening
from report import Checks, Collected

check = Collected()


def checks(box: Box) -> Checks:
    return check.bound(box)


class Watched:
    """A watched folder; `events` fills while it goes on."""

    def __init__(self, box: Box, path: str, **options: Any):
        self.events: list[Any] = []
        self.failures: list[Exception] = []
        self._waiting: list[tuple[Callable[[Any], bool], Happening]] = []
        self.closed = Happening()
        options = {"on_error": self.failures.append, "on_close": self.closed.happen, **options}
        self._handle = box.watch(path, self._event, options)

    def _event(self, event: Any) -> None:
        self.events.append(event)
        for fits, seen in list(self._waiting):
            if fits(event):
                seen.happen()

    async def until(self, what: str, fits: Callable[[Any], bool]) -> None:
        seen = Happening()
        self._waiting.append((fits, seen))
        if any(fits(event) for event in list(self.events)):
            return
        try:
            await seen.wait()
        except TimeoutError:
            raise AssertionError(f"{what} was not told; what was: {self.events!r}, {self.failures!r}") from None

    async def begun(self, box: Box, dir: str) -> None:
        """A watch says nothing when it has begun: files are written until the first is seen."""
        first = asyncio.create_task(self.until("the first event", lambda event: event.name.startswith("begin-")))
        for i in range(1000):
            await box.fs.write(f"{dir}/begin-{i}", "x")
            await asyncio.wait([first], timeout=0.05)
            if first.done():
                break
        await first

    def close(self) -> None:
        self._handle.close()


def told(op: str, name: str) -> Callable[[Any], bool]:
    return lambda event: event.name == name and op in event.op


@check("what is made, written, renamed and removed in a folder is told")
async def _(box: Box) -> None:
    dir = folder()
    await box.fs.mkdir(dir)
    watched = Watched(box, dir)
    await watched.begun(box, dir)
    await box.fs.write(f"{dir}/a", "a")
    await watched.until("that a is made", told("CREATE", "a"))
    await box.exec(f"cd {dir}; echo more >>a; mv a b; rm b", wait_for_completion=True)
    for op, name in (("WRITE", "a"), ("RENAME", "a"), ("CREATE", "b"), ("REMOVE", "b")):
        await watched.until(f"{op} of {name}", told(op, name))
    equal({event.path for event in watched.events}, {dir})
    watched.close()
    equal(watched.failures, [])


@check("nothing below is told of, unless that is asked for")
async def _(box: Box) -> None:
    dir = folder()
    await box.fs.mkdir(f"{dir}/sub")
    flat, deep = Watched(box, dir), Watched(box, f"{dir}/**")
    await flat.begun(box, dir)
    await deep.begun(box, dir)
    await box.fs.write(f"{dir}/sub/a", "a")
    await box.fs.write(f"{dir}/new/folder/b", "b")
    await deep.until("a below", lambda event: (event.name, event.path) == ("a", f"{dir}/sub"))
    await deep.until("b in a new folder", lambda event: (event.name, event.path) == ("b", f"{dir}/new/folder"))
    await box.fs.write(f"{dir}/last", "x")
    await flat.until("the last", lambda event: event.name == "last")
    assert not {"a", "b"} & {event.name for event in flat.events}, flat.events
    flat.close()
    deep.close()


@check("events are left out, and have the content")
async def _(box: Box) -> None:
    dir = folder()
    await box.fs.mkdir(dir)
    watched = Watched(box, dir, ignore=["ignored", ".tmp"], with_content=True)
    await watched.begun(box, dir)
    await box.fs.write(f"{dir}/ignored", "x")
    await box.fs.write(f"{dir}/seen", "the content")
    await watched.until("the content", lambda event: (event.name, event.content) == ("seen", "the content"))
    assert "ignored" not in {event.name for event in watched.events}, watched.events
    watched.close()


@check("a watch ends when its folder goes")
async def _(box: Box) -> None:
    dir = folder()
    await box.fs.mkdir(dir)
    watched = Watched(box, dir)
    await watched.begun(box, dir)
    await box.fs.rm(dir, True)
    await watched.closed.wait()
    watched.close()
