// Waited commands with callbacks: the output arrives while the command runs, and the result after it.

import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { end, happening, name } from "./support.mjs";

/** Runs a command with all three callbacks; the chunks are kept in the order of their calls. */
async function streamed(box, request) {
  const seen = { all: [], out: [], err: [] };
  const result = await box.process.exec({
    waitForCompletion: true,
    ...request,
    onLog: (chunk) => seen.all.push(chunk),
    onStdout: (chunk) => seen.out.push(chunk),
    onStderr: (chunk) => seen.err.push(chunk),
  });
  return { result, all: seen.all.join(""), out: seen.out.join(""), err: seen.err.join("") };
}

const numbers = (stem, count) => Array.from({ length: count }, (_, i) => `${stem} ${i + 1}\n`).join("");

export const streams = (box) => ({
  async "callbacks get each stream whole and in order, then the result"() {
    const command = 'i=1; while [ $i -le 300 ]; do echo "out $i"; echo "err $i" >&2; i=$((i+1)); done; exit 4';
    const { result, all, out, err } = await streamed(box, { command });
    assert.equal(out, numbers("out", 300));
    assert.equal(err, numbers("err", 300));
    assert.equal(all.length, out.length + err.length);
    assert.equal(result.status, "failed");
    assert.equal(result.exitCode, 4);
    assert.equal(result.stdout, out);
    assert.equal(result.stderr, err);
  },

  async "a character split over two writes arrives whole"() {
    const split = "import os, time\nfor b in (b'\\xe2', b'\\x82', b'\\xac \\xf0\\x9f', b'\\xa6\\x80\\n'): os.write(1, b); time.sleep(0.01)";
    const { result, all, out } = await streamed(box, { command: `python3 -c "$CODE"`, env: { CODE: split } });
    assert.equal(out, "€ 🦀\n");
    assert.equal(all, out);
    assert.equal(result.stdout, out);
  },

  async "a mebibyte of long characters arrives exact"() {
    const line = "żółć €uro 🦀 日本語";
    const { result, out } = await streamed(box, { command: 'yes "$LINE" | head -n 30000', env: { LINE: line } });
    assert.ok(out === `${line}\n`.repeat(30_000), `${out.length} characters arrived`);
    assert.equal(result.status, "completed");
    assert.ok(result.stdout.endsWith(`${line}\n`));
  },

  async "output arrives while the command runs"() {
    const id = name("live");
    const first = happening("the first output");
    const seen = [];
    const run = box.process.exec({
      name: id,
      command: 'printf "name? "; read -r answer; echo "hello $answer"',
      stdin: true,
      waitForCompletion: true,
      onStdout: (chunk) => {
        seen.push(chunk);
        first.happen();
      },
    });
    await first.wait();
    assert.deepEqual(seen, ["name? "]);
    await box.process.writeStdin(id, "box\n");
    assert.equal((await run).stdout, "name? hello box\n");
    assert.equal(seen.join(""), "name? hello box\n");
  },

  async "the stream outlives a silence"() {
    const { out } = await streamed(box, { command: "echo early; sleep 0.5; echo late" });
    assert.equal(out, "early\nlate\n");
  },

  async "the result tells of an end by signal"() {
    const { result, out } = await streamed(box, { command: "echo before; kill -9 $$" });
    assert.equal(out, "before\n");
    assert.equal(result.status, "failed");
    assert.equal(result.exitCode, -1);
  },

  async "the stream goes on over a restart"() {
    const command = 'if [ -e "$MARK" ]; then rm "$MARK"; echo second; else : > "$MARK"; echo first; exit 1; fi';
    const { result, out } = await streamed(box, {
      command,
      env: { MARK: join(tmpdir(), name("restart")) },
      restartOnFailure: true,
      maxRestarts: 2,
    });
    assert.match(out, /^first\n[^]*second\n$/);
    assert.equal(result.status, "completed");
    assert.equal(result.restartCount, 1);
  },

  async "callbacks without waiting follow the log, and close leaves the process alone"() {
    const id = name("followed");
    const first = happening("the first line");
    const started = await box.process.exec({
      name: id,
      command: "echo line; exec sleep 60",
      onLog: (line) => first.happen(line),
    });
    assert.equal(started.status, "running");
    assert.equal(await first.wait(), "line");
    started.close();
    assert.equal((await box.process.get(id)).status, "running");
    await end(box, id);
  },
});
