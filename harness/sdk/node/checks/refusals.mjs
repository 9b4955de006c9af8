// What the daemon refuses, as the SDK shows it.

import assert from "node:assert/strict";

import { end, ended, name, refused } from "./support.mjs";

const noFolder = "/nonexistent/folder";

export const refusals = (box) => ({
  async "a name in use"() {
    const id = name("taken");
    await box.process.exec({ name: id, command: "exec sleep 60" });
    await refused(box.process.exec({ name: id, command: "true" }), 400, /already exists/);
    const streamed = { name: id, command: "true", waitForCompletion: true, onLog() {} };
    await assert.rejects(box.process.exec(streamed), /already exists/);
    await end(box, id);
    const again = await box.process.exec({ name: id, command: "echo again", waitForCompletion: true });
    assert.equal(again.stdout, "again\n");
    assert.equal(await box.process.logs(id), "again\n");
  },

  async "a working directory that does not exist"() {
    const request = { command: "pwd", workingDir: noFolder, waitForCompletion: true };
    await refused(box.process.exec({ ...request }), 422, /nonexistent\/folder/);
    await assert.rejects(box.process.exec({ ...request, onLog() {} }), /nonexistent\/folder/);
  },

  async "an empty command"() {
    await refused(box.process.exec({ command: "" }), 400, /command/i);
  },

  async "an unknown process"() {
    await refused(box.process.get("nobody"), 404, /not found/);
    await refused(box.process.logs("nobody"), 404, /not found/);
    await refused(box.process.stop("nobody"), 404, /not found/);
    await refused(box.process.kill("nobody"), 404, /not found|no such process/);
    await refused(box.process.wait("nobody"), 404, /not found/);
    await refused(box.process.closeStdin("nobody"), 404, /not found/);
  },

  async "a stop or kill of a finished process"() {
    const id = name("finished");
    await box.process.exec({ name: id, command: "true" });
    await ended(box, id);
    await refused(box.process.stop(id), 404, /not running/);
    await refused(box.process.kill(id), 404, /not running|no such process/);
  },
});
