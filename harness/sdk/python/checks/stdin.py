"""Writing to a command."""

import hashlib

from checks.support import equal, name, refused
from clients import Box
from report import Checks, Collected

check = Collected()


def checks(box: Box) -> Checks:
    return check.bound(box)


@check("text and bytes reach the command, and close ends its input")
async def _(box: Box) -> None:
    id = name("cat")
    started = await box.exec("cat", name=id, stdin=True)
    equal(started.stdin, True)
    assert (await box.write_stdin(id, "grüße\n")).message
    await box.write_stdin(id, b"bytes\n")
    assert (await box.close_stdin(id)).message
    result = await box.ended(id)
    equal((result.status, result.stdout), ("completed", "grüße\nbytes\n"))
    await box.close_stdin(id)


@check("a mebibyte of any bytes arrives exact")
async def _(box: Box) -> None:
    data = bytes((i * 7 + (i >> 8)) & 255 for i in range(1 << 20))
    id = name("bytes")
    await box.exec("sha256sum", name=id, stdin=True)
    await box.write_stdin(id, data)
    await box.close_stdin(id)
    equal((await box.ended(id)).stdout, f"{hashlib.sha256(data).hexdigest()}  -\n")


@check("a write is refused where no input is open")
async def _(box: Box) -> None:
    none, closed = name("none"), name("closed")
    await box.exec("exec sleep 60", name=none)
    await refused(box.write_stdin(none, "x"), 409, "without stdin")
    await box.exec("exec sleep 60", name=closed, stdin=True)
    await box.close_stdin(closed)
    await refused(box.write_stdin(closed, "x"), 409, "closed")
    await refused(box.write_stdin("nobody", "x"), 404, "not found")
    await box.end(none)
    await box.end(closed)
