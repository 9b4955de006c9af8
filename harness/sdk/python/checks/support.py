"""What several checks use."""

import itertools
import os
import tempfile
from collections.abc import Awaitable
from typing import Any

_count = itertools.count(1)


def name(stem: str) -> str:
    """A process name that no other check uses."""
    return f"python-{os.getpid()}-{next(_count)}-{stem}"


def folder() -> str:
    """A folder that no other check uses; the runner removes it with its own. Not made yet."""
    return f"{os.environ.get('BOXD_SDK_SMOKE', tempfile.gettempdir())}/files/{name('folder')}"


def equal(got: Any, expect: Any) -> None:
    assert got == expect, f"got {got!r}, not {expect!r}"


def contains(text: str, part: str) -> None:
    assert part in text, f"no {part!r} in {text!r}"


async def raises(call: Awaitable[Any], text: str) -> Exception:
    """Expects an error whose text has this part."""
    try:
        result = await call
    except Exception as error:
        contains(str(error), text)
        return error
    raise AssertionError(f"nothing was refused: {result!r}")


async def refused(call: Awaitable[Any], status: int, text: str) -> None:
    """Expects a refusal with this status and a text that has this part."""
    error = await raises(call, text)
    equal(getattr(error, "status", None), status)
