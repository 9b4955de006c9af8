// Watching a folder.

import assert from "node:assert/strict";

import { folder, happening } from "./support.mjs";

/** Watches a folder; `events` fills while it goes on, and `until` waits for one. */
function watch(box, path, options) {
  const [events, waiting, failures] = [[], [], []];
  const handle = box.fs.watch(
    path,
    (event) => {
      events.push(event);
      waiting.filter(({ fits }) => fits(event)).forEach(({ seen }) => seen.happen());
    },
    { onError: (error) => failures.push(error), withContent: false, ...options },
  );
  const until = (what, fits) => {
    const seen = happening(what);
    if (events.some(fits)) seen.happen();
    else waiting.push({ fits, seen });
    return seen.wait();
  };
  return { events, failures, until, close: handle.close };
}

/** A watch says nothing when it has begun: files are written until the first is seen. */
async function begun(box, dir, watched) {
  let seen = false;
  const first = watched.until("the first event", ({ name }) => name.startsWith("begin-")).then(() => (seen = true));
  for (let i = 0; !seen; i += 1) {
    await box.fs.write(`${dir}/begin-${i}`, "x");
    await Promise.race([first, new Promise((resolve) => setTimeout(resolve, 50))]);
  }
}

export const watches = (box) => ({
  async "what is made, written, renamed and removed in a folder is told"() {
    const dir = folder();
    await box.fs.mkdir(dir);
    const watched = watch(box, dir);
    await begun(box, dir, watched);
    await box.fs.write(`${dir}/a`, "a");
    await watched.until("a is made", ({ op, name }) => name === "a" && op.includes("CREATE"));
    await box.process.exec({ command: `cd ${dir}; echo more >>a; mv a b; rm b`, waitForCompletion: true });
    await watched.until("a is written to", ({ op, name }) => name === "a" && op.includes("WRITE"));
    await watched.until("a is renamed", ({ op, name }) => name === "a" && op.includes("RENAME"));
    await watched.until("b is made", ({ op, name }) => name === "b" && op.includes("CREATE"));
    await watched.until("b is removed", ({ op, name }) => name === "b" && op.includes("REMOVE"));
    assert.ok(watched.events.every(({ path }) => path === dir), JSON.stringify(watched.events));
    watched.close();
    assert.deepEqual(watched.failures, []);
  },

  async "nothing below is told of, unless that is asked for"() {
    const dir = folder();
    await box.fs.mkdir(`${dir}/sub`);
    const [flat, deep] = [watch(box, dir), watch(box, `${dir}/**`)];
    await begun(box, dir, flat);
    await begun(box, dir, deep);
    await box.fs.write(`${dir}/sub/a`, "a");
    await box.fs.write(`${dir}/new/folder/b`, "b");
    await deep.until("a below", ({ name, path }) => name === "a" && path === `${dir}/sub`);
    await deep.until("b in a new folder", ({ name, path }) => name === "b" && path === `${dir}/new/folder`);
    await box.fs.write(`${dir}/last`, "x");
    await flat.until("the last", ({ name }) => name === "last");
    assert.ok(!flat.events.some(({ name }) => name === "a" || name === "b"));
    flat.close();
    deep.close();
  },

  async "events are left out, and have the content"() {
    const dir = folder();
    await box.fs.mkdir(dir);
    const watched = watch(box, dir, { ignore: ["ignored", ".tmp"], withContent: true });
    await begun(box, dir, watched);
    await box.fs.write(`${dir}/ignored`, "x");
    await box.fs.write(`${dir}/seen`, "the content");
    await watched.until("the content", ({ name, content }) => name === "seen" && content === "the content");
    assert.ok(!watched.events.some(({ name }) => name === "ignored"));
    watched.close();
  },

  async "a folder that is not there is an error"() {
    const failed = happening("the error");
    const handle = box.fs.watch(`${folder()}/none`, () => {}, { onError: failed.happen, withContent: false });
    await failed.wait();
    handle.close();
  },
});
