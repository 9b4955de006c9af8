// Commands without streams: start, get, list, wait, and the fields of a request.

import assert from "node:assert/strict";
import { tmpdir } from "node:os";

import { end, ended, name } from "./support.mjs";

export const commands = (box) => ({
  async "a waited command answers with its output and exit code"() {
    const result = await box.process.exec({ command: "echo out; echo err >&2; exit 3", waitForCompletion: true });
    assert.equal(result.status, "failed");
    assert.equal(result.exitCode, 3);
    assert.equal(result.stdout, "out\n");
    assert.equal(result.stderr, "err\n");
    assert.match(result.pid, /^\d+$/);
    assert.match(result.name, /^proc-/);
    assert.ok(Date.parse(result.completedAt) >= Date.parse(result.startedAt));
  },

  async "a command that is not waited for answers while it runs"() {
    const id = name("running");
    const started = await box.process.exec({ name: id, command: "sleep 60" });
    assert.equal(started.status, "running");
    assert.equal(started.name, id);
    assert.equal((await box.process.get(started.pid)).name, id);
    assert.equal((await box.process.get(id)).status, "running");
    await end(box, id);
  },

  async "wait answers with the final state"() {
    const id = name("waited");
    await box.process.exec({ name: id, command: "sleep 0.1; echo done" });
    const result = await ended(box, id);
    assert.equal(result.status, "completed");
    assert.equal(result.exitCode, 0);
    assert.equal(result.stdout, "done\n");
  },

  async "list shows running and finished processes"() {
    const [running, finished] = [name("listed"), name("listed")];
    await box.process.exec({ name: running, command: "sleep 60" });
    await box.process.exec({ name: finished, command: "true", waitForCompletion: true });
    const list = await box.process.list();
    const status = (id) => list.find((process) => process.name === id)?.status;
    assert.equal(status(running), "running");
    assert.equal(status(finished), "completed");
    await end(box, running);
  },

  async "a name with blanks and an emoji is found"() {
    const id = name("odd näme 🦀");
    await box.process.exec({ name: id, command: "echo odd", waitForCompletion: true });
    assert.equal((await box.process.get(id)).name, id);
    assert.equal(await box.process.logs(id), "odd\n");
  },

  async "env and workingDir reach the command"() {
    const result = await box.process.exec({
      command: 'printf "%s|" "$GREETING" "$EMPTY"; pwd',
      env: { GREETING: "grüß dich", EMPTY: "" },
      workingDir: tmpdir(),
      waitForCompletion: true,
    });
    assert.equal(result.stdout, `grüß dich||${tmpdir()}\n`);
    assert.equal(result.workingDir, tmpdir());
  },

  async "keepAlive is shown while the command runs"() {
    const id = name("kept");
    const started = await box.process.exec({ name: id, command: "sleep 60", keepAlive: true });
    assert.equal(started.keepAlive, true);
    assert.equal((await end(box, id)).keepAlive, false);
  },

  async "fifty commands run at once"() {
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        box.process.exec({ name: name("many"), command: `echo ${i}; echo ${i} >&2; exit ${i}`, waitForCompletion: true }),
      ),
    );
    results.forEach((result, i) => {
      assert.deepEqual([result.stdout, result.stderr, result.exitCode], [`${i}\n`, `${i}\n`, i]);
    });
  },
});
