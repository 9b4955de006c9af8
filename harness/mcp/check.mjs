// The official client of the Model Context Protocol against boxd: `node check.mjs URL`.
//
// The client checks for itself that each result is what the tool's output schema promises.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const url = new URL("/mcp", process.argv[2]);
const folder = mkdtempSync(`${tmpdir()}/boxd-mcp-`);
const client = new Client({ name: "boxd-check", version: "1.0.0" });
let failed = 0;

async function check(name, deed) {
  try {
    await deed();
    console.log(`ok      mcp: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  mcp: ${name}\n${String(error.stack ?? error).replace(/^/gm, "        ")}`);
  }
}

/** Calls a tool that has to succeed, and gives what it says. */
async function call(name, args = {}) {
  const result = await client.callTool({ name, arguments: args });
  assert.ok(!result.isError, `${name}: ${result.content?.[0]?.text}`);
  assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent);
  return result.structuredContent;
}

/** Calls a tool that has to fail, and gives its words. */
async function fails(name, args = {}) {
  const result = await client.callTool({ name, arguments: args });
  assert.equal(result.isError, true, `${name} does not fail`);
  return result.content[0].text;
}

await check("it connects and agrees on a version", async () => {
  await client.connect(new StreamableHTTPClientTransport(url));
  assert.equal(client.getServerVersion().version, "1.0.0");
  assert.ok(client.getServerCapabilities().tools);
  await client.ping();
});

await check("lists", async () => {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), tools.map((tool) => tool.name).toSorted());
  assert.ok(tools.every((tool) => tool.inputSchema.type === "object" && tool.outputSchema.type === "object"));
  assert.ok(!tools.some((tool) => tool.name === "codegenRerank"), "there is no key");
});

await check("commands", async () => {
  const done = await call("processExecute", { command: "echo hi; exit 3", waitForCompletion: true });
  assert.deepEqual([done.logs, done.exitCode, done.status], ["hi\n", 3, "failed"]);
  const { name } = await call("processExecute", { command: "sleep 60", workingDir: folder });
  assert.equal((await call("processGet", { identifier: name })).status, "running");
  assert.equal((await call("processWait", { identifier: name, timeout: 0 })).status, "running");
  assert.equal((await call("processKill", { identifier: name })).status, "killed");
  assert.equal((await call("processWait", { identifier: name })).status, "killed");
  assert.equal((await call("processGetLogs", { identifier: name })).logs, "");
  assert.ok((await call("processesList")).processes.length >= 2);
  assert.match(await fails("processStop", { identifier: name + "x" }), /not found/);
});

await check("standard input", async () => {
  const { name } = await call("processStartInteractive", { command: "cat" });
  await call("processStdinWrite", { identifier: name, data: "über\n" });
  await call("processStdinClose", { identifier: name });
  assert.equal((await call("processWait", { identifier: name })).stdout, "über\n");
});

await check("files", async () => {
  const path = `${folder}/sub/a.txt`;
  await call("fsWriteFile", { path, content: "one two one\n" });
  assert.match(await fails("fsEditFile", { path, oldString: "one", newString: "1" }), /matches 2 locations/);
  assert.equal((await call("fsEditFile", { path, oldString: "one", newString: "1", replaceAll: true })).occurrencesReplaced, 2);
  assert.equal((await call("fsReadFile", { path })).content, "1 two 1\n");
  assert.equal((await call("fsListDirectory", { path: folder })).directory.subdirectories[0].name, "sub");
  assert.equal((await call("codegenListDir", { relativeWorkspacePath: `${folder}/sub` })).directory.files[0].name, "a.txt");
  const range = { targetFile: path, startLineOneIndexed: 1, endLineOneIndexedInclusive: 1 };
  assert.equal((await call("codegenReadFileRange", range)).content, "1 two 1");
  assert.match(await fails("codegenReadFileRange", { ...range, startLineOneIndexed: 9 }), /invalid line range/);
  await call("fsDeleteFileOrDirectory", { path: `${folder}/sub`, recursive: true });
  assert.ok((await call("fsGetWorkingDirectory")).path.startsWith("/"));
});

await check("searches and stubs", async () => {
  assert.equal((await call("codegenFileSearch", { query: "zzzzqqqq" })).matches, null);
  assert.match(await fails("codegenGrepSearch", { query: "zzzzqqqq" + folder.slice(-3) }), /exit status 1/);
  assert.deepEqual((await call("codegenCodebaseSearch", { query: "x" })).results, []);
  assert.equal((await call("codegenReapply", { targetFile: "x" })).success, false);
  assert.equal((await call("codegenParallelApply", { editPlan: "x", editRegions: [] })).success, false);
});

await check("what is not there", async () => {
  await assert.rejects(client.callTool({ name: "nope", arguments: {} }), /unknown tool/);
  assert.match(await fails("processExecute", { bogus: 1 }), /unexpected additional properties/);
});

await check("a hundred calls at once", async () => {
  const calls = Array.from({ length: 100 }, (_, n) => call("processExecute", { command: `echo ${n}`, waitForCompletion: true }));
  assert.deepEqual((await Promise.all(calls)).map((done) => done.logs), Array.from({ length: 100 }, (_, n) => `${n}\n`));
});

await client.close();
rmSync(folder, { recursive: true, force: true });
process.exit(failed ? 1 : 0);
