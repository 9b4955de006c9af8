// How processes end: stop, kill, timeout, restarts; and ports, which end a wait.

import assert from "node:assert/strict";
import { createServer } from "node:net";

import { end, ended, follow, name, refused } from "./support.mjs";

/** A port that is free now. */
async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "0.0.0.0", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export const endings = (box) => ({
  async "stop ends a command"() {
    const id = name("stopped");
    await box.process.exec({ name: id, command: "exec sleep 60" });
    await box.process.stop(id);
    const result = await ended(box, id);
    assert.equal(result.status, "stopped");
    assert.equal(result.exitCode, -1);
  },

  async "stop lets a command clean up"() {
    const id = name("stopped");
    await box.process.exec({
      name: id,
      command: "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done",
    });
    const log = follow(box, id);
    await log.first();
    await box.process.stop(id);
    const result = await ended(box, id);
    assert.equal(result.status, "stopped");
    assert.equal(result.exitCode, 7);
    assert.equal(result.stdout, "ready\nbye\n");
    await log.end();
    assert.deepEqual(log.out, ["ready", "bye"]);
  },

  async "kill ends a command that ignores a stop"() {
    const id = name("killed");
    await box.process.exec({ name: id, command: "trap '' TERM; echo ready; while :; do sleep 0.05; done" });
    await follow(box, id).first();
    await box.process.stop(id);
    assert.equal((await box.process.get(id)).status, "running");
    await box.process.kill(id);
    const result = await ended(box, id);
    assert.equal(result.status, "killed");
    assert.equal(result.exitCode, -1);
  },

  async "a timeout ends a command"() {
    const id = name("timed");
    await box.process.exec({ name: id, command: "exec sleep 60", timeout: 1 });
    const waited = { command: "exec sleep 60", timeout: 1, waitForCompletion: true };
    const [result, status] = await Promise.all([
      ended(box, id),
      // Which of the two comes first is open.
      box.process.exec(waited).then(
        (result) => result.status,
        (error) => error.message,
      ),
    ]);
    assert.equal(result.status, "killed");
    assert.equal(result.exitCode, -1);
    assert.match(status, /^killed$|422.*timed out/);
  },

  async "restartOnFailure runs a command again"() {
    const id = name("restarted");
    await box.process.exec({ name: id, command: "echo run; exit 5", restartOnFailure: true, maxRestarts: 1 });
    const result = await ended(box, id);
    assert.equal(result.status, "failed");
    assert.equal(result.exitCode, 5);
    assert.equal(result.restartCount, 1);
    assert.match(result.stdout, /^run\n[^]*run\n$/);
  },

  async "stop ends a restart loop"() {
    const id = name("looping");
    await box.process.exec({ name: id, command: "echo run; exit 5", restartOnFailure: true, maxRestarts: -1 });
    const log = follow(box, id);
    await log.first();
    await box.process.stop(id);
    assert.notEqual((await ended(box, id)).status, "running");
    await log.end();
  },

  async "waitForPorts answers once the port listens"() {
    const id = name("served");
    const port = await freePort();
    const command = `exec python3 -m http.server ${port} --bind 0.0.0.0`;
    const started = await box.process.exec({ name: id, command, waitForPorts: [port], timeout: 20 });
    assert.equal(started.status, "running");
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
    await end(box, id);
  },

  async "waitForPorts does not count a port that only loopback reaches"() {
    const port = await freePort();
    const command = `exec python3 -m http.server ${port} --bind 127.0.0.1`;
    await refused(box.process.exec({ command, waitForPorts: [port], timeout: 1 }), 422, /waiting for ports/);
  },
});
