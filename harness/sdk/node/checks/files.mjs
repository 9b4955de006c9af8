// Files and folders: written, read, listed, copied and removed.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { folder, name, refused } from "./support.mjs";

/** The largest content that goes in one request, and one that goes in parts of which the last is short. */
const ONE_REQUEST = 5 * 1024 * 1024;
const PARTS = 2 * ONE_REQUEST + 12_345;

export const files = (box) => ({
  async "a text is written and read, its folders made"() {
    const path = `${folder()}/deep/er/a b.txt`;
    const text = "grüß dich 🦀\n\u0000\u2028 end";
    const written = await box.fs.write(path, text);
    assert.equal(written.path, path);
    assert.match(written.message, /success/);
    assert.equal(await box.fs.read(path), text);
    await box.fs.write(path, "");
    assert.equal(await box.fs.read(path), "");
  },

  async "a path with every kind of character is found"() {
    const dir = folder();
    for (const odd of ["ü 🦀", "a%2Fb", "a+b&c=d#e?f", "quote\"'", "back\\slash", "tree", "~", "**", "new\nline"]) {
      await box.fs.write(`${dir}/${odd}`, odd);
      assert.equal(await box.fs.read(`${dir}/${odd}`), odd);
    }
    assert.equal((await box.fs.ls(dir)).files.length, 9);
  },

  async "a relative path begins in the working folder"() {
    const file = `${name("relative")}.txt`;
    await box.fs.write(file, "relative");
    const shown = await box.process.exec({ command: `cat ${file}; rm ${file}`, waitForCompletion: true });
    assert.equal(shown.stdout, "relative");
  },

  async "bytes are written and read as they are"() {
    const path = `${folder()}/bin`;
    const bytes = randomBytes(100_000);
    for (const content of [bytes, new Uint8Array(bytes), new Blob([bytes])]) {
      await box.fs.writeBinary(path, content);
      assert.ok(bytes.equals(Buffer.from(await (await box.fs.readBinary(path)).arrayBuffer())));
    }
    await box.fs.writeBinary(path, Buffer.alloc(0));
    assert.equal((await box.fs.readBinary(path)).size, 0);
  },

  async "bytes of a local file, and of one that is downloaded"() {
    const dir = await mkdtemp(join(tmpdir(), "node-files-"));
    try {
      const bytes = randomBytes(10_000);
      await writeFile(join(dir, "from"), bytes);
      const path = `${folder()}/bin`;
      await box.fs.writeBinary(path, join(dir, "from"));
      await box.fs.download(path, join(dir, "to"), { mode: 0o600 });
      assert.ok(bytes.equals(await readFile(join(dir, "to"))));
      assert.equal((await stat(join(dir, "to"))).mode & 0o777, 0o600);
    } finally {
      await rm(dir, { recursive: true });
    }
  },

  async "a file of as much as one request takes"() {
    const path = `${folder()}/bin`;
    const bytes = randomBytes(ONE_REQUEST);
    await box.fs.writeBinary(path, bytes);
    assert.ok(bytes.equals(Buffer.from(await (await box.fs.readBinary(path)).arrayBuffer())));
  },

  async "a file that is uploaded in parts"() {
    const path = `${folder()}/deep/parts`;
    const bytes = randomBytes(PARTS);
    await box.fs.writeBinary(path, bytes);
    assert.ok(bytes.equals(Buffer.from(await (await box.fs.readBinary(path)).arrayBuffer())));
  },

  async "a text that is uploaded in parts"() {
    const path = `${folder()}/parts.txt`;
    const text = "0123456789é\n".repeat(PARTS / 12);
    await box.fs.write(path, text);
    assert.ok((await box.fs.read(path)) === text);
  },

  async "a folder is made and listed"() {
    const dir = folder();
    await box.fs.mkdir(`${dir}/sub/deeper`);
    await box.fs.mkdir(`${dir}/closed`, "0700");
    await box.fs.write(`${dir}/b`, "bb");
    await box.fs.write(`${dir}/.a`, "a");
    const listing = await box.fs.ls(dir);
    assert.equal(listing.path, dir);
    assert.deepEqual(listing.subdirectories.map(({ path }) => path), [`${dir}/closed`, `${dir}/sub`]);
    assert.deepEqual(listing.files.map(({ name, path, size }) => [name, path, size]), [[".a", `${dir}/.a`, 1], ["b", `${dir}/b`, 2]]);
    const [file] = listing.files;
    assert.equal(file.permissions, "644");
    assert.ok(Math.abs(Date.parse(file.lastModified) - Date.now()) < 60_000);
    assert.ok(file.owner && file.group);
    const mode = await box.process.exec({ command: `stat -c %a ${dir}/closed`, waitForCompletion: true });
    assert.equal(mode.stdout, "700\n");
  },

  async "a tree is written"() {
    const dir = folder();
    const listing = await box.fs.writeTree([{ path: "a.txt", content: "a" }, { path: "sub/deep/b é.txt", content: "b" }], dir);
    assert.deepEqual(listing.files.map(({ name }) => name), ["a.txt"]);
    assert.deepEqual(listing.subdirectories.map(({ name }) => name), ["sub"]);
    assert.equal(await box.fs.read(`${dir}/sub/deep/b é.txt`), "b");
  },

  async "files and folders are removed"() {
    const dir = folder();
    await box.fs.write(`${dir}/sub/a`, "a");
    await box.fs.write(`${dir}/b`, "b");
    await box.fs.rm(`${dir}/b`);
    await refused(box.fs.rm(`${dir}/b`), 404, /not found/);
    await refused(box.fs.rm(`${dir}/sub`), 422, /not empty/);
    await box.fs.rm(`${dir}/sub`, true);
    assert.deepEqual((await box.fs.ls(dir)).subdirectories, []);
  },

  async "files and folders are copied"() {
    const dir = folder();
    await box.fs.write(`${dir}/from/sub/a`, "a");
    const copied = await box.fs.cp(`${dir}/from`, `${dir}/to`);
    assert.deepEqual([copied.source, copied.destination], [`${dir}/from`, `${dir}/to`]);
    await box.fs.cp(`${dir}/to/sub/a`, `${dir}/b`, { maxWait: 10_000 });
    assert.equal(await box.fs.read(`${dir}/b`), "a");
    await assert.rejects(box.fs.cp(`${dir}/none`, `${dir}/c`), /No such file/i);
  },

  async "what is not there, or something else, is told"() {
    const dir = folder();
    await box.fs.write(`${dir}/a`, "a");
    await refused(box.fs.read(`${dir}/none`), 404, /no such file/);
    await refused(box.fs.ls(`${dir}/none`), 404, /no such file/);
    await assert.rejects(box.fs.readBinary(`${dir}/none`));
    await assert.rejects(box.fs.read(dir));
    await assert.rejects(box.fs.ls(`${dir}/a`));
    await refused(box.fs.write(dir, "x"), 422, /is a directory/);
    await refused(box.fs.write(`${dir}/a/b`, "x"), 422, /not a directory/);
    await refused(box.fs.mkdir(`${dir}/b`, "rwx"), 400, /invalid permissions/);
    await assert.rejects(box.fs.writeBinary(dir, Buffer.from("x")));
    await assert.rejects(box.fs.writeBinary(dir, Buffer.alloc(ONE_REQUEST + 1)));
    await assert.rejects(box.fs.download(`${dir}/none`, join(tmpdir(), "never-written")));
  },

  async "fifty files at once"() {
    const dir = folder();
    const numbers = Array.from({ length: 50 }, (_, i) => i);
    await Promise.all(numbers.map((i) => box.fs.write(`${dir}/${i}`, `content ${i}`)));
    const read = await Promise.all(numbers.map((i) => box.fs.read(`${dir}/${i}`)));
    assert.deepEqual(read, numbers.map((i) => `content ${i}`));
    assert.equal((await box.fs.ls(dir)).files.length, 50);
  },
});
