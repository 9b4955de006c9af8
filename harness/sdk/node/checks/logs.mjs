// The log of a process, read at once and followed.

import assert from "node:assert/strict";

import { end, ended, follow, happening, name } from "./support.mjs";

export const logs = (box) => ({
  async "logs answers with each stream and with both"() {
    const id = name("logged");
    await box.process.exec({ name: id, command: "echo out; sleep 0.1; echo err >&2", waitForCompletion: true });
    assert.equal(await box.process.logs(id), "out\nerr\n");
    assert.equal(await box.process.logs(id, "all"), "out\nerr\n");
    assert.equal(await box.process.logs(id, "stdout"), "out\n");
    assert.equal(await box.process.logs(id, "stderr"), "err\n");
  },

  async "logs answers while the command runs"() {
    const id = name("logged");
    await box.process.exec({ name: id, command: "echo here; exec sleep 60" });
    const log = follow(box, id);
    await log.first();
    assert.equal(await box.process.logs(id), "here\n");
    await end(box, id);
    await log.end();
  },

  async "streamLogs follows a running command to its end"() {
    const id = name("streamed");
    const command = 'echo one; read -r x; echo "two $x"; echo "drei ß €" >&2; printf "no newline"';
    await box.process.exec({ name: id, command, stdin: true });
    const log = follow(box, id);
    const other = follow(box, id);
    await log.first();
    await other.first();
    await box.process.writeStdin(id, "go\n");
    for (const { end, out, err, all, failures } of [log, other]) {
      await end();
      assert.deepEqual(out, ["one", "two go", "no newline"]);
      assert.deepEqual(err, ["drei ß €"]);
      assert.equal(all.length, 4);
      assert.deepEqual(failures, []);
    }
    assert.equal((await ended(box, id)).status, "completed");
  },

  async "streamLogs replays a finished command"() {
    const id = name("replayed");
    const command = "i=1; while [ $i -le 200 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done";
    await box.process.exec({ name: id, command, waitForCompletion: true });
    for (const log of [follow(box, id), follow(box, id)]) {
      await log.end();
      assert.deepEqual(log.out, Array.from({ length: 200 }, (_, i) => `out ${i + 1}`));
      assert.deepEqual(log.err, Array.from({ length: 200 }, (_, i) => `err ${i + 1}`));
      assert.equal(log.all.length, 400);
    }
  },

  async "streamLogs skips heartbeats"() {
    const id = name("silent");
    await box.process.exec({ name: id, command: "echo early; sleep 0.5; echo late" });
    const log = follow(box, id);
    await log.end();
    assert.deepEqual(log.all, ["early", "late"]);
  },

  async "close ends a followed log and leaves the process alone"() {
    const id = name("closed");
    await box.process.exec({ name: id, command: "echo line; exec sleep 60" });
    const log = follow(box, id);
    await log.first();
    log.close();
    await log.end();
    assert.deepEqual(log.failures, []);
    assert.equal((await box.process.get(id)).status, "running");
    await end(box, id);
  },

  async "streamLogs of an unknown process is an error"() {
    const failed = happening("the error");
    const handle = box.process.streamLogs("nobody", { onError: (error) => failed.happen(error.message) });
    assert.match(await failed.wait(), /not found/);
    await handle.wait();
  },
});
