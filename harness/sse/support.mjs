// What the programs of this folder share.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export function check(text, holds, what = '') {
  console.log(`${holds ? 'ok    ' : 'FAILED'}  ${text}${holds ? '' : ` (${what})`}`);
  if (!holds) process.exitCode = 1;
}

// The recorded bodies of a folder: name and bytes.
export function recordings(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith('.sse')).sort();
  return names.map((name) => ({ name: name.slice(0, -'.sse'.length), body: readFileSync(join(folder, name)) }));
}

// Small numbers that look random and are the same each time.
export function random(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % below;
  };
}

// The ways in which a body is cut: at once, into bytes (of a short one), into pieces of any size.
export function* cuttings(body) {
  yield [body];
  if (body.length <= 64 * 1024) yield Array.from(body, (_, at) => body.subarray(at, at + 1));
  for (const seed of [1, 2]) {
    const next = random(seed);
    const largest = Math.max(64, body.length >> 6);
    const pieces = [];
    for (let at = 0; at < body.length; ) {
      const end = Math.min(body.length, at + 1 + next(largest));
      pieces.push(body.subarray(at, end));
      at = end;
    }
    yield pieces;
  }
}
