// Looking for names and texts.

import assert from "node:assert/strict";

import { folder, refused } from "./support.mjs";

async function tree(box) {
  const dir = folder();
  await box.fs.writeTree(
    [
      { path: "main.go", content: "package main\n\nfunc main() {}\n" },
      { path: "src/app.ts", content: "one\ntwo\nthree Needle\nfour\nfive\n" },
      { path: "src/deep/b.ts", content: "needle here\n" },
      { path: "src/readme.md", content: "# no such word\n" },
      { path: ".hidden/c.ts", content: "needle\n" },
      { path: "node_modules/m/d.ts", content: "needle\n" },
    ],
    dir,
  );
  return dir;
}

const paths = (found) => found.matches.map(({ path }) => path).sort();

export const search = (box) => ({
  async "find: files by pattern, without hidden ones and dependencies"() {
    const dir = await tree(box);
    const found = await box.fs.find(dir, { type: "file", patterns: ["*.ts", "*.md"] });
    assert.deepEqual(paths(found), ["src/app.ts", "src/deep/b.ts", "src/readme.md"]);
    assert.equal(found.total, 3);
    assert.ok(found.matches.every(({ type }) => type === "file"));
  },

  async "find: folders, all of them, a few, and none"() {
    const dir = await tree(box);
    const folders = await box.fs.find(dir, { type: "directory" });
    assert.deepEqual(paths(folders).filter((path) => path !== "."), ["src", "src/deep"]);
    const all = await box.fs.find(dir, { excludeDirs: ["nothing"], excludeHidden: false, patterns: ["*.ts"], maxResults: 0 });
    assert.deepEqual(paths(all), [".hidden/c.ts", "node_modules/m/d.ts", "src/app.ts", "src/deep/b.ts"]);
    assert.equal((await box.fs.find(dir, { maxResults: 2 })).matches.length, 2);
    const none = await box.fs.find(dir, { patterns: ["*.none"] });
    assert.deepEqual([none.matches, none.total], [[], 0]);
    await refused(box.fs.find(`${dir}/none`), 500, /no such file/);
  },

  async "grep: lines with their places"() {
    const dir = await tree(box);
    const found = await box.fs.grep("needle", dir);
    assert.equal(found.query, "needle");
    assert.equal(found.total, 3);
    // Hidden files are looked into, unlike by find.
    const [hidden, first, second] = found.matches.sort((a, b) => (a.path < b.path ? -1 : 1));
    assert.equal(hidden.path, ".hidden/c.ts");
    assert.deepEqual([first.path, first.line, first.column, first.text], ["src/app.ts", 3, 7, "three Needle"]);
    assert.deepEqual([second.path, second.line, second.column, second.text], ["src/deep/b.ts", 1, 1, "needle here"]);
    assert.equal(first.context, undefined);
  },

  async "grep: case, patterns, context, limits, and none"() {
    const dir = await tree(box);
    assert.deepEqual(paths(await box.fs.grep("Needle", dir, { caseSensitive: true })), ["src/app.ts"]);
    assert.deepEqual(paths(await box.fs.grep("needle", dir, { filePattern: "b.*" })), ["src/deep/b.ts"]);
    const near = await box.fs.grep("Needle", dir, { caseSensitive: true, contextLines: 1 });
    assert.equal(near.matches[0].context, "two\nthree Needle\nfour");
    assert.equal((await box.fs.grep("needle", dir, { maxResults: 1 })).matches.length, 1);
    const none = await box.fs.grep("nowhere at all", dir);
    assert.deepEqual([none.matches, none.total], [[], 0]);
    await refused(box.fs.grep("x", `${dir}/none`), 400, /directory does not exist/);
  },

  async "grep: more hits than are wanted end soon"() {
    const dir = folder();
    await box.fs.write(`${dir}/many`, "hit\n".repeat(20_000));
    assert.equal((await box.fs.grep("hit", dir)).matches.length, 100);
  },

  async "search: a path is answered with the shape of a search"() {
    const dir = await tree(box);
    const found = await box.fs.search("main", dir, { maxResults: 5, patterns: ["*.go"] });
    assert.ok(Array.isArray(found.matches));
    assert.equal(found.total, found.matches.length);
  },
});
