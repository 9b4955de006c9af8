"""Drives: there are none here, so they are only listed."""

from checks.support import equal
from clients import Box
from report import Checks, Collected

check = Collected()


def checks(box: Box) -> Checks:
    return check.bound(box)


@check("no drive is mounted")
async def _(box: Box) -> None:
    listed = await box.list_drives()
    equal(list(getattr(listed, "mounts", listed)), [])
