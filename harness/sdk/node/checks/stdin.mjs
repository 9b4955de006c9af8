// Writing to a command.

import assert from "node:assert/strict";

import { end, ended, name, refused } from "./support.mjs";

export const stdin = (box) => ({
  async "text and bytes reach the command, and close ends its input"() {
    const id = name("cat");
    const started = await box.process.exec({ name: id, command: "cat", stdin: true });
    assert.equal(started.stdin, true);
    await box.process.writeStdin(id, "grüße\n");
    await box.process.writeStdin(id, new TextEncoder().encode("bytes\n"));
    await box.process.closeStdin(id);
    const result = await ended(box, id);
    assert.equal(result.status, "completed");
    assert.equal(result.stdout, "grüße\nbytes\n");
    await box.process.closeStdin(id);
  },

  async "a mebibyte of any bytes arrives exact"() {
    const bytes = Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 7 + (i >> 8)) & 255);
    const expect = Buffer.from(await crypto.subtle.digest("SHA-256", bytes)).toString("hex");
    const id = name("bytes");
    await box.process.exec({ name: id, command: "sha256sum", stdin: true });
    await box.process.writeStdin(id, bytes);
    await box.process.closeStdin(id);
    assert.equal((await ended(box, id)).stdout, `${expect}  -\n`);
  },

  async "a write is refused where no input is open"() {
    const [none, closed] = [name("none"), name("closed")];
    await box.process.exec({ name: none, command: "exec sleep 60" });
    await refused(box.process.writeStdin(none, "x"), 409, /without stdin/);
    await box.process.exec({ name: closed, command: "exec sleep 60", stdin: true });
    await box.process.closeStdin(closed);
    await refused(box.process.writeStdin(closed, "x"), 409, /closed/);
    await refused(box.process.writeStdin("nobody", "x"), 404, /not found/);
    await end(box, none);
    await end(box, closed);
  },
});
