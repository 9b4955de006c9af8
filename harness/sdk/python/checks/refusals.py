"""What the daemon refuses, as the SDK shows it."""

from checks.support import equal, name, raises, refused
from clients import Box
from report import Checks, Collected

check = Collected()


def checks(box: Box) -> Checks:
    return check.bound(box)


@check("a name in use")
async def _(box: Box) -> None:
    id = name("taken")
    await box.exec("exec sleep 60", name=id)
    await refused(box.exec("true", name=id), 400, "already exists")
    await raises(box.exec("true", name=id, wait_for_completion=True, on_log=print), "already exists")
    await box.end(id)
    again = await box.exec("echo again", name=id, wait_for_completion=True)
    equal(again.stdout, "again\n")
    equal(await box.logs(id), "again\n")


@check("a working directory that does not exist")
async def _(box: Box) -> None:
    request = {"working_dir": "/nonexistent/folder", "wait_for_completion": True}
    await refused(box.exec("pwd", **request), 422, "/nonexistent/folder")
    await raises(box.exec("pwd", **request, on_log=print), "/nonexistent/folder")


@check("an empty command")
async def _(box: Box) -> None:
    await refused(box.exec(""), 400, "ommand")


@check("an unknown process")
async def _(box: Box) -> None:
    await refused(box.get("nobody"), 404, "not found")
    await refused(box.logs("nobody"), 404, "not found")
    await refused(box.stop("nobody"), 404, "not found")
    await refused(box.kill("nobody"), 404, "")
    await refused(box.wait("nobody"), 404, "not found")
    await refused(box.close_stdin("nobody"), 404, "not found")


@check("a stop or kill of a finished process")
async def _(box: Box) -> None:
    id = name("finished")
    await box.exec("true", name=id)
    await box.ended(id)
    await refused(box.stop(id), 404, "not running")
    await refused(box.kill(id), 404, "")
