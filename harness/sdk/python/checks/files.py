"""Files and folders: written, read, listed, copied and removed."""

import asyncio
import os
import stat
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from blaxel.core.sandbox.types import SandboxFilesystemFile

from checks.support import contains, equal, folder, name, raises, refused
from clients import Box
from report import Checks, Collected

ONE_REQUEST = 5 * 1024 * 1024
"""The largest content that goes in one request."""

PARTS = 2 * ONE_REQUEST + 12_345
"""Content that goes in parts, of which the last is short."""

check = Collected()


def checks(box: Box) -> Checks:
    return check.bound(box)


@check("a text is written and read, its folders made")
async def _(box: Box) -> None:
    path = f"{folder()}/deep/er/a b.txt"
    text = "grüß dich 🦀\n\0\u2028 end"
    written = await box.fs.write(path, text)
    equal(written.path, path)
    contains(written.message, "success")
    equal(await box.fs.read(path), text)
    await box.fs.write(path, "")
    equal(await box.fs.read(path), "")


@check("a path with every kind of character is found")
async def _(box: Box) -> None:
    dir = folder()
    # Without what the SDK itself takes for a part of a URL: `%`, `#`, `?`, and a newline.
    odd = ["ü 🦀", "a+b&c=d", "quote\"'", "back\\slash", "tree", "~", "**"]
    for each in odd:
        await box.fs.write(f"{dir}/{each}", each)
        equal(await box.fs.read(f"{dir}/{each}"), each)
    equal(sorted(file.name for file in (await box.fs.ls(dir)).files), sorted(odd))


@check("a relative path begins in the working folder")
async def _(box: Box) -> None:
    dir = name("relative")
    await box.fs.write(f"{dir}/a.txt", "relative")
    shown = await box.exec(f"cat {dir}/a.txt; rm -r {dir}", wait_for_completion=True)
    equal(shown.stdout, "relative")


@check("bytes are written and read as they are")
async def _(box: Box) -> None:
    path = f"{folder()}/bin"
    content = os.urandom(100_000)
    for each in (content, bytearray(content), b""):
        await box.fs.write_binary(path, each)
        equal(await box.fs.read_binary(path), bytes(each))
    mode = await box.exec(f"stat -c %a {path}", wait_for_completion=True)
    equal(mode.stdout, "644\n")


@check("bytes of a local file, and of one that is downloaded")
async def _(box: Box) -> None:
    with tempfile.TemporaryDirectory() as local:
        content = os.urandom(10_000)
        Path(local, "from").write_bytes(content)
        path = f"{folder()}/bin"
        await box.fs.write_binary(path, f"{local}/from")
        await box.fs.download(path, f"{local}/to", 0o600)
        equal(Path(local, "to").read_bytes(), content)
        equal(stat.S_IMODE(Path(local, "to").stat().st_mode), 0o600)


@check("a file of as much as one request takes")
async def _(box: Box) -> None:
    path = f"{folder()}/bin"
    content = os.urandom(ONE_REQUEST)
    await box.fs.write_binary(path, content)
    assert await box.fs.read_binary(path) == content


@check("a file that is uploaded in parts")
async def _(box: Box) -> None:
    path = f"{folder()}/deep/parts"
    content = os.urandom(PARTS)
    await box.fs.write_binary(path, content)
    assert await box.fs.read_binary(path) == content


@check("a text that is uploaded in parts")
async def _(box: Box) -> None:
    path = f"{folder()}/parts.txt"
    text = "0123456789é\n" * (PARTS // 12)
    await box.fs.write(path, text)
    assert await box.fs.read(path) == text


@check("a folder is made and listed")
async def _(box: Box) -> None:
    dir = folder()
    await box.fs.mkdir(f"{dir}/sub/deeper")
    await box.fs.mkdir(f"{dir}/closed", "0700")
    await box.fs.write(f"{dir}/b", "bb")
    await box.fs.write(f"{dir}/.a", "a")
    listing = await box.fs.ls(dir)
    equal(listing.path, dir)
    equal([each.path for each in listing.subdirectories], [f"{dir}/closed", f"{dir}/sub"])
    equal([(file.name, file.path, file.size) for file in listing.files], [(".a", f"{dir}/.a", 1), ("b", f"{dir}/b", 2)])
    file = listing.files[0]
    equal(file.permissions, "644")
    written = datetime.fromisoformat(file.last_modified[:19]).replace(tzinfo=timezone.utc)
    assert abs((written - datetime.now(timezone.utc)).total_seconds()) < 60, file.last_modified
    assert file.owner and file.group
    mode = await box.exec(f"stat -c %a {dir}/closed", wait_for_completion=True)
    equal(mode.stdout, "700\n")


@check("a tree is written and read")
async def _(box: Box) -> None:
    dir = folder()
    tree = [{"path": "a.txt", "content": "a"}, SandboxFilesystemFile("sub/deep/b é.txt", "b")]
    listing = await box.fs.write_tree(tree, dir)
    equal([file.name for file in listing.files], ["a.txt"])
    equal([each.name for each in listing.subdirectories], ["sub"])
    await box.fs.write_tree([{"path": ".git/c", "content": "c"}, {"path": "sub/d.md", "content": ""}], dir)
    whole = await box.fs.read_tree(dir)
    equal(whole.recursive, True)
    content = {file.path.removeprefix(dir): file.content for file in whole.files}
    equal(content, {"/a.txt": "a", "/sub/deep/b é.txt": "b", "/.git/c": "c", "/sub/d.md": ""})
    equal([each.path.removeprefix(dir) for each in whole.subdirectories], ["/.git", "/sub", "/sub/deep"])


@check("a tree is read in part, and one that is too large is not")
async def _(box: Box) -> None:
    dir = folder()
    await box.fs.write_tree([{"path": path, "content": "12345"} for path in ("a.py", "b.md", "lib/c.py", ".d/e.py")], dir)

    async def paths(**options: object) -> list[str]:
        return [file.path.removeprefix(dir) for file in (await box.fs.read_tree(dir, **options)).files]

    equal(await paths(patterns=["*.py"], exclude_hidden=True), ["/a.py", "/lib/c.py"])
    equal(await paths(patterns=["*.md", "c.*"], exclude_dirs=["lib", "none"]), ["/b.md"])
    equal(await paths(max_files=4, max_bytes=20), ["/.d/e.py", "/a.py", "/b.md", "/lib/c.py"])
    await refused(box.fs.read_tree(dir, max_files=3), 422, "more than 3 files")
    await refused(box.fs.read_tree(dir, max_bytes=19), 422, "more than 19 bytes")
    await refused(box.fs.read_tree(f"{dir}/a.py"), 400, "not a directory")
    await refused(box.fs.read_tree(f"{dir}/none"), 400, "not a directory")


@check("files and folders are removed")
async def _(box: Box) -> None:
    dir = folder()
    await box.fs.write(f"{dir}/sub/a", "a")
    await box.fs.write(f"{dir}/b", "b")
    await box.fs.rm(f"{dir}/b")
    await refused(box.fs.rm(f"{dir}/b"), 404, "not found")
    await refused(box.fs.rm(f"{dir}/sub"), 422, "not empty")
    await box.fs.rm(f"{dir}/sub", True)
    equal((await box.fs.ls(dir)).subdirectories, [])


@check("files and folders are copied")
async def _(box: Box) -> None:
    dir = folder()
    await box.fs.write(f"{dir}/from/sub/a", "a")
    copied = await box.fs.cp(f"{dir}/from", f"{dir}/to")
    equal((copied.source, copied.destination), (f"{dir}/from", f"{dir}/to"))
    await box.fs.cp(f"{dir}/to/sub/a", f"{dir}/b", 10_000)
    equal(await box.fs.read(f"{dir}/b"), "a")
    await raises(box.fs.cp(f"{dir}/none", f"{dir}/c"), "")


@check("a copy that must not overwrite does not")
async def _(box: Box) -> None:
    dir = folder()
    await box.fs.write(f"{dir}/from/a", "a")
    copied = await box.fs.cp(f"{dir}/from", f"{dir}/to", no_overwrite=True)
    equal((copied.source, copied.destination), (f"{dir}/from", f"{dir}/to"))
    equal(await box.fs.read(f"{dir}/to/a"), "a")
    await box.fs.write(f"{dir}/b", "b")
    for source, destination in ((f"{dir}/from/a", f"{dir}/b"), (f"{dir}/from/a", f"{dir}/to")):
        error = await raises(box.fs.cp(source, destination, no_overwrite=True), "")
        assert isinstance(error, FileExistsError), repr(error)
    equal(await box.fs.read(f"{dir}/b"), "b")
    error = await raises(box.fs.cp(f"{dir}/none", f"{dir}/c", no_overwrite=True), "no such file")
    assert not isinstance(error, FileExistsError), repr(error)

    async def one() -> int:
        try:
            await box.fs.cp(f"{dir}/b", f"{dir}/raced", no_overwrite=True)
        except FileExistsError:
            return 0
        return 1

    equal(sum(await asyncio.gather(*(one() for _ in range(20)))), 1)


@check("what is not there, or something else, is told")
async def _(box: Box) -> None:
    dir = folder()
    await box.fs.write(f"{dir}/a", "a")
    await refused(box.fs.read(f"{dir}/none"), 404, "no such file")
    await refused(box.fs.read_binary(f"{dir}/none"), 404, "no such file")
    await refused(box.fs.ls(f"{dir}/none"), 404, "no such file")
    await raises(box.fs.read(dir), "")
    await raises(box.fs.ls(f"{dir}/a"), "")
    await refused(box.fs.write(dir, "x"), 422, "is a directory")
    await refused(box.fs.write(f"{dir}/a/b", "x"), 422, "not a directory")
    await refused(box.fs.mkdir(f"{dir}/b", "rwx"), 400, "invalid permissions")
    await raises(box.fs.write_binary(dir, b"x"), "")
    await raises(box.fs.write_binary(dir, bytes(ONE_REQUEST + 1)), "")
    await raises(box.fs.download(f"{dir}/none", "never-written"), "")


@check("fifty files at once")
async def _(box: Box) -> None:
    dir = folder()
    await asyncio.gather(*(box.fs.write(f"{dir}/{i}", f"content {i}") for i in range(50)))
    read = await asyncio.gather(*(box.fs.read(f"{dir}/{i}") for i in range(50)))
    equal(read, [f"content {i}" for i in range(50)])
    equal(len((await box.fs.ls(dir)).files), 50)
