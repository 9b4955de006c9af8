// The ways in: a client made in each of them runs, streams, follows and writes; one without the token does none of it.

import assert from "node:assert/strict";

import { plain, withHeaders } from "../clients.mjs";
import { ended, folder, follow, happening, name, refused } from "./support.mjs";

/** One check for each client of `{ way: client }`; a client may still be on its way. */
export function doors(clients, { token } = {}) {
  const checks = {};
  for (const [way, client] of Object.entries(clients)) {
    checks[`${way}: every kind of call`] = async () => passes(await client, token, way);
  }
  return checks;
}

async function passes(box, token, way) {
  const chunks = [];
  const command = 'env; printf "über\\n"';
  const result = await box.process.exec({ command, waitForCompletion: true, onStdout: (chunk) => chunks.push(chunk) });
  assert.equal(chunks.join(""), result.stdout);
  assert.match(result.stdout, /\nüber\n$/);
  if (token) {
    assert.ok(!result.stdout.includes(token), "the command sees the token");
  }
  const id = name("door");
  await box.process.exec({ name: id, command: "head -n 1", stdin: true });
  const log = follow(box, id);
  await box.process.writeStdin(id, "in\n");
  await log.end();
  assert.deepEqual(log.failures, []);
  assert.deepEqual(log.out, ["in"]);
  assert.equal((await ended(box, id)).exitCode, 0);
  assert.ok((await box.process.list()).some((process) => process.name === id));
  const path = `${folder()}/a`;
  await box.fs.write(path, "a");
  if (way.startsWith("BL_SANDBOX_")) {
    // Here the SDK asks for `//filesystem/…`, which is no route of any server of this API.
    await assert.rejects(box.fs.writeBinary(path, Buffer.from("b")), /404/);
    await box.fs.write(path, "b");
  } else {
    await box.fs.writeBinary(path, Buffer.from("b"));
  }
  assert.equal(await box.fs.read(path), "b");
  assert.equal(await (await box.fs.readBinary(path)).text(), "b");
}

/** Checks for a daemon that asks for a token which these clients do not have. */
export const strangers = (url) => ({
  "no token opens nothing": () => staysOut(plain(url)),
  "a wrong token opens nothing": () => staysOut(withHeaders(url, { "x-blaxel-authorization": "Bearer wrong" })),
});

async function staysOut(box) {
  await refused(box.process.exec({ command: "true" }), 401, /401/);
  await refused(box.process.list(), 401, /401/);
  const path = `${folder()}/a`;
  await refused(box.fs.write(path, "a"), 401, /401/);
  await refused(box.fs.read("/etc/passwd"), 401, /401/);
  await refused(box.fs.rm(path), 401, /401/);
  await assert.rejects(box.process.exec({ command: "true", waitForCompletion: true, onLog() {} }), /Failed to execute/);
  const failed = happening("the error");
  box.process.streamLogs("any", { onError: (error) => failed.happen(error.message) });
  assert.match(await failed.wait(), /Failed to stream logs/);
}
