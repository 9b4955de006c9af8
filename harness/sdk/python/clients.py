"""The ways in which the SDK is told where a sandbox is, for its asynchronous and its blocking client.

`Box` gives both clients one face, so that each check is written once: calls are awaited, and the blocking client's run
on a thread each.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

from blaxel.core import SandboxInstance, SyncSandboxInstance
from blaxel.core.client.models import Metadata, Sandbox, SandboxSpec


class Box:
    def __init__(self, kind: str, instance: Any):
        self.kind = kind
        self.process = instance.process
        self.codegen = instance.codegen
        self.drives = instance.drives
        self.fs = FileCalls(self, instance.fs)
        self.fetches = [partial(self._call, fetch) for fetch in (instance.fetch, instance.network.fetch)]

    async def exec(self, command: str, **fields: Any) -> Any:
        return await self._call(self.process.exec, {"command": command, **fields})

    async def ended(self, id: str) -> Any:
        """Waits for the end of a process."""
        return await self.wait(id, max_wait=10_000, interval=20)

    async def end(self, id: str) -> Any:
        """Kills a process that a check started and waits for its end."""
        await self.kill(id)
        return await self.ended(id)

    def follow(self, id: str) -> "Follower":
        return Follower(self, id)

    def watch(self, path: str, callback: Callable[[Any], None], options: dict[str, Any]) -> Any:
        """Watches a folder. The blocking client calls from a thread of its own."""

        async def called(event: Any) -> None:
            callback(event)

        return self.fs.calls.watch(path, callback if self.kind == "sync" else called, options)

    async def list_drives(self) -> Any:
        return await self._call(self.drives.list)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.process, name)
        return lambda *args, **kwargs: self._call(method, *args, **kwargs)

    async def _call(self, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if self.kind == "sync":
            return await asyncio.to_thread(method, *args, **kwargs)
        return await method(*args, **kwargs)


class FileCalls:
    """The calls for files of a client."""

    def __init__(self, box: Box, calls: Any):
        self._box = box
        self.calls = calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.calls, name)
        return lambda *args, **kwargs: self._box._call(method, *args, **kwargs)


class Happening:
    """Something that is expected; callbacks of the blocking client say it from their own threads."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def happen(self, *_: Any) -> None:
        self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        await asyncio.wait_for(self._event.wait(), 10)


class Follower:
    """A followed log; the lists fill while it runs."""

    def __init__(self, box: Box, id: str):
        self.all: list[str] = []
        self.out: list[str] = []
        self.err: list[str] = []
        self._first = Happening()
        self._call = box._call
        self._handle = box.process.stream_logs(
            id, {"on_log": self._line, "on_stdout": self.out.append, "on_stderr": self.err.append}
        )

    def _line(self, line: str) -> None:
        self.all.append(line)
        self._first.happen()

    async def first(self) -> None:
        await self._first.wait()

    async def end(self) -> None:
        """Waits until the log ends; what went wrong is raised."""
        try:
            await self._call(self._handle.wait, 10)
        finally:
            self._handle.close()

    def close(self) -> None:
        self._handle.close()


def plain(kind: str, url: str) -> Box:
    """No header of the SDK goes out but in log streams: `force_url` replaces them all, and none are given."""
    return _box(kind, _sandbox("box"), force_url=url)


def marked(kind: str, url: str) -> Box:
    """The SDK's own headers go out, made from BL_API_KEY and BL_WORKSPACE."""
    return _box(kind, _sandbox("box", url))


def with_headers(kind: str, url: str, headers: dict[str, str]) -> Box:
    return _box(kind, _sandbox("box"), force_url=url, headers=headers)


async def _session(kind: str, url: str, token: str) -> Box:
    expires = datetime.now(timezone.utc) + timedelta(hours=1)
    session = {"name": "box", "url": url, "token": token, "expires_at": expires.isoformat()}
    if kind == "sync":
        return Box(kind, SyncSandboxInstance.from_session(session))
    return Box(kind, await SandboxInstance.from_session(session))


def clients(kind: str, url: str, token: str) -> dict[str, Callable[[], Any]]:
    """Every way that works in the default dialect and can carry a token, by name. Expects BL_API_KEY to hold the token."""

    async def made(box: Box) -> Box:
        return box

    return {
        "metadata.url and BL_API_KEY": lambda: made(marked(kind, url)),
        "BL_SANDBOX_SMOKE_BOX_URL and BL_API_KEY": lambda: made(_box(kind, _sandbox("smoke-box"))),
        "from_session": lambda: _session(kind, url, token),
        "force_url and a header x-blaxel-authorization": lambda: made(
            with_headers(kind, url, {"x-blaxel-authorization": f"Bearer {token}"})
        ),
        "force_url and headers Authorization, Blaxel-Version": lambda: made(
            with_headers(kind, url, {"Authorization": f"Bearer {token}", "Blaxel-Version": "2026-09-22"})
        ),
    }


def _sandbox(name: str, url: str | None = None) -> Sandbox:
    metadata = Metadata(name=name, url=url) if url else Metadata(name=name)
    return Sandbox(metadata=metadata, spec=SandboxSpec())


def _box(kind: str, sandbox: Sandbox, **options: Any) -> Box:
    instance = SyncSandboxInstance if kind == "sync" else SandboxInstance
    return Box(kind, instance(sandbox, **options))
