// What several checks use.

import assert from "node:assert/strict";

import { tmpdir } from "node:os";

import { within } from "../report.mjs";

let count = 0;

/** A process name that no other check uses. */
export function name(stem) {
  count += 1;
  return `node-${process.pid}-${count}-${stem}`;
}

/** A folder that no other check uses; the runner removes it with its own. Not made yet. */
export function folder() {
  return `${process.env.BOXD_SDK_SMOKE ?? tmpdir()}/files/${name("folder")}`;
}

/** Something that is expected to happen: `happen()` says that it did, `wait()` waits for it. */
export function happening(what) {
  let happen;
  const happened = new Promise((resolve) => (happen = resolve));
  return { happen, wait: () => within(10_000, what, happened) };
}

/** Follows a log; `lines` and `failures` fill while it runs. */
export function follow(box, id) {
  const seen = { all: [], out: [], err: [], failures: [] };
  const first = happening(`the first line of ${id}`);
  const handle = box.process.streamLogs(id, {
    onLog: (line) => {
      seen.all.push(line);
      first.happen();
    },
    onStdout: (line) => seen.out.push(line),
    onStderr: (line) => seen.err.push(line),
    onError: (error) => seen.failures.push(error.message),
  });
  return { ...seen, first: first.wait, end: () => within(10_000, `the end of the log of ${id}`, handle.wait()), close: handle.close };
}

/** Waits for the end of a process without the SDK's pause of a second. */
export function ended(box, id) {
  return box.process.wait(id, { maxWait: 10_000, interval: 20 });
}

/** Kills a process that a check started and waits for its end. */
export async function end(box, id) {
  await box.process.kill(id);
  return ended(box, id);
}

/** Expects a refusal with this status and a text that matches. */
export async function refused(promise, status, text) {
  const error = await promise.then(
    () => assert.fail("nothing was refused"),
    (error) => error,
  );
  assert.equal(error.status, status, String(error));
  assert.match(error.message, text);
}
