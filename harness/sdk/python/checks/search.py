"""Looking for names and texts. Only the asynchronous client can do that."""

from checks.support import equal, folder, refused
from clients import Box
from report import Checks, Collected

check = Collected()

TREE = {
    "main.go": "package main\n\nfunc main() {}\n",
    "src/app.ts": "one\ntwo\nthree Needle\nfour\nfive\n",
    "src/deep/b.ts": "needle here\n",
    "src/readme.md": "# no such word\n",
    ".hidden/c.ts": "needle\n",
    "node_modules/m/d.ts": "needle\n",
}


def checks(box: Box) -> Checks:
    return check.bound(box) if box.kind == "async" else {}


async def tree(box: Box) -> str:
    dir = folder()
    await box.fs.write_tree([{"path": path, "content": content} for path, content in TREE.items()], dir)
    return dir


def paths(found: object) -> list[str]:
    return sorted(match.path for match in found.matches)


@check("find: files by pattern, without hidden ones and dependencies")
async def _(box: Box) -> None:
    dir = await tree(box)
    found = await box.fs.find(dir, "file", ["*.ts", "*.md"])
    equal(paths(found), ["src/app.ts", "src/deep/b.ts", "src/readme.md"])
    equal((found.total, {match.type_ for match in found.matches}), (3, {"file"}))


@check("find: folders, all of them, a few, and none")
async def _(box: Box) -> None:
    dir = await tree(box)
    folders = await box.fs.find(dir, type="directory")
    equal([path for path in paths(folders) if path != "."], ["src", "src/deep"])
    everything = await box.fs.find(dir, patterns=["*.ts"], max_results=0, exclude_dirs=["nothing"], exclude_hidden=False)
    equal(paths(everything), [".hidden/c.ts", "node_modules/m/d.ts", "src/app.ts", "src/deep/b.ts"])
    equal(len((await box.fs.find(dir, max_results=2)).matches), 2)
    none = await box.fs.find(dir, patterns=["*.none"])
    equal((none.matches, none.total), ([], 0))
    await refused(box.fs.find(f"{dir}/none"), 500, "no such file")


@check("grep: lines with their places")
async def _(box: Box) -> None:
    dir = await tree(box)
    found = await box.fs.grep("needle", dir)
    equal((found.query, found.total), ("needle", 3))
    # Hidden files are looked into, unlike by find.
    places = sorted((match.path, match.line, match.column, match.text) for match in found.matches)
    equal(places[0], (".hidden/c.ts", 1, 1, "needle"))
    equal(places[1:], [("src/app.ts", 3, 7, "three Needle"), ("src/deep/b.ts", 1, 1, "needle here")])
    assert not any(match.context for match in found.matches)


@check("grep: case, patterns, context, limits, and none")
async def _(box: Box) -> None:
    dir = await tree(box)
    equal(paths(await box.fs.grep("Needle", dir, case_sensitive=True)), ["src/app.ts"])
    equal(paths(await box.fs.grep("needle", dir, file_pattern="b.*")), ["src/deep/b.ts"])
    near = await box.fs.grep("Needle", dir, case_sensitive=True, context_lines=1)
    equal(near.matches[0].context, "two\nthree Needle\nfour")
    equal(len((await box.fs.grep("needle", dir, max_results=1)).matches), 1)
    none = await box.fs.grep("nowhere at all", dir)
    equal((none.matches, none.total), ([], 0))
    await refused(box.fs.grep("x", f"{dir}/none"), 400, "directory does not exist")


@check("grep: more hits than are wanted end soon")
async def _(box: Box) -> None:
    dir = folder()
    await box.fs.write(f"{dir}/many", "hit\n" * 20_000)
    equal(len((await box.fs.grep("hit", dir)).matches), 100)
