// The tools that the SDK offers to agents, and what is said where no model is configured.

import assert from "node:assert/strict";

import { getTool } from "@blaxel/core";

import { folder, name, refused } from "./support.mjs";

/** The sandbox that BL_SANDBOX_SMOKE_BOX_URL names. */
const SANDBOX = "sandbox/smoke-box";

export const tools = (box) => ({
  "tools are listed and called": async () => {
    const tools = await getTool(SANDBOX);
    const named = (wanted) => tools.find((tool) => tool.name === wanted) ?? assert.fail(`no tool ${wanted}`);
    const id = name("tool");
    const done = await named("processExecute").call({ command: "echo hi", name: id, waitForCompletion: true });
    assert.equal(done.structuredContent.logs, "hi\n");
    assert.equal((await box.process.get(id)).status, "completed");
    const path = `${folder()}/a`;
    await named("fsWriteFile").call({ path, content: "one" });
    await named("fsEditFile").call({ path, oldString: "one", newString: "two" });
    assert.equal(await box.fs.read(path), "two");
    assert.equal((await named("fsReadFile").call({ path })).structuredContent.content, "two");
    assert.equal((await named("fsReadFile").call({ path: "/nonexist" })).isError, true);
    assert.equal((await named("processExecute").call({ bogus: 1 })).isError, true);
  },
  "codegen without a key": async () => {
    await refused(box.codegen.fastapply("a.js", "x"), 400, /codegen tools are not configured/);
    await refused(box.codegen.reranking("a", "q"), 400, /codegen tools are not configured/);
  },
});
