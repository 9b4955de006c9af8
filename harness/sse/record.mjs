// Records answers of boxd as they come over the wire, without a parser: record.mjs URL SMALL PID FOLDER
// SMALL is a daemon that keeps 64 KiB of each stream, and PID its process, which is asked to end in the middle of a stream. Each body
// is a file NAME.sse in FOLDER; `notes.json` says what compare.mjs has to know of them.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { check } from './support.mjs';

const [url, small, pid, folder] = process.argv.slice(2);
const SSE = { accept: 'text/event-stream' };
const notes = {};

// Asks; the body is read until it ends, or until `enough` says so of what came.
async function ask(method, target, { headers = {}, json, enough = () => false, base = url, onData = () => {} } = {}) {
  const request = http.request(base + target, { method, headers, agent: false });
  request.end(json === undefined ? undefined : JSON.stringify(json));
  const [answer] = await once(request, 'response');
  let body = Buffer.alloc(0);
  for await (const piece of answer) {
    body = Buffer.concat([body, piece]);
    onData(body);
    if (enough(body)) break;
  }
  return { status: answer.statusCode, type: answer.headers['content-type'] ?? '', body };
}

// Records a stream, which has to be one.
async function record(name, method, target, { note, ...how } = {}) {
  const answer = await ask(method, target, { ...how, headers: { ...SSE, ...how.headers } });
  const isStream = answer.status === 200 && answer.type.startsWith('text/event-stream');
  check(`record: ${name}`, isStream, `${answer.status} ${answer.type}`);
  writeFileSync(join(folder, `${name}.sse`), answer.body);
  notes[name] = note ?? {};
  return answer.body.toString();
}

const exec = (name, command, more = {}, how = {}) =>
  record(name, 'POST', '/process', { ...how, json: { name, command, ...more } });

const ids = (text) => [...text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id);

await exec('exec-no-output', 'true');
await exec('exec-two-streams', 'echo one; echo two >&2; printf "three\\n\\n\\nfour"; exit 3');
await exec('exec-restart', 'echo again; exit 1', { restartOnFailure: true, maxRestarts: 1 });
await exec('exec-killed', 'echo on; kill -9 $$');
await exec('exec-time-up', 'echo on; sleep 60', { timeout: 1 });
await exec('exec-heartbeats', 'sleep 0.5; echo on; sleep 0.5', {}, { note: { heartbeats: 4 } });

// Line ends of every kind, NUL, what some parsers take for line ends or for a mark, bytes that are no text, what looks like SSE.
const odd = [
  'printf "a\\rb\\r\\nc\\n\\rd\\000e\\n"',
  'printf "\\302\\205x\\342\\200\\250y\\342\\200\\251z\\013\\014\\034\\035\\036\\n"',
  'printf "\\357\\273\\277mark \\360\\237\\220\\232 \\303"; sleep 0.1; printf "\\244\\n"',
  'printf "\\377\\376 no text \\303\\n" >&2',
  'printf "data: x\\n\\nevent: result\\ndata: {}\\n\\n: hb\\nid: 9\\nretry: 5\\n\\n"',
];
const whole = await exec('exec-odd-bytes', odd.join('; '));
await exec('exec-every-byte', 'i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %o $i)"; i=$((i+1)); done');
await exec('exec-huge-line', 'head -c 3000000 /dev/zero | tr "\\000" "\\042"; echo; head -c 100000 /dev/urandom');

await record('logs-of-ended', 'GET', '/process/exec-odd-bytes/logs/stream');
const middle = ids(whole)[Math.floor(ids(whole).length / 2)];
await record('resume-by-header', 'GET', '/process/exec-odd-bytes/logs/stream', { headers: { 'last-event-id': middle } });
await record('resume-by-cursor', 'GET', `/process/exec-odd-bytes/logs/stream?cursor=${encodeURIComponent(middle)}`);
await exec('exec-odd-bytes-2', odd.join('; '));
await record('resume-by-post', 'POST', '/process', {
  headers: { 'last-event-id': middle },
  json: { name: 'exec-odd-bytes', command: odd.join('; ') },
});
await record('resume-before-the-end', 'GET', '/process/exec-odd-bytes/logs/stream', {
  headers: { 'last-event-id': ids(whole).at(-2) },
});

// A command that runs: followed to its end, and left in the middle of whatever came.
const ticks = 'for i in 1 2 3 4 5 6 7 8; do echo tick $i; sleep 0.05; done; read line; echo "$line"';
const left = await exec('exec-left', ticks, { stdin: true }, { enough: (body) => body.includes('tick 3') });
check('record: exec-left is left before its end', !left.includes('event: result'));
let said = false;
await record('logs-of-running', 'GET', '/process/exec-left/logs/stream', {
  onData: (body) => {
    if (!said && body.includes('tick 8')) {
      said = true;
      void ask('DELETE', '/process/exec-left/stdin');
    }
  },
});

// What retention has dropped, and a daemon that goes away.
await ask('POST', '/process', {
  base: small,
  json: { name: 'much', command: 'head -c 1000000 /dev/zero | tr "\\000" a; echo; echo end', waitForCompletion: true },
});
const gap = await record('gap', 'GET', '/process/much/logs/stream', { base: small });
check('record: gap has one', gap.includes('event: gap\n'));
const failure = await record('failure', 'POST', '/process', {
  base: small,
  json: { name: 'cut', command: 'echo ready; exec sleep 30' },
  onData: (() => {
    let isAsked = false;
    return (body) => {
      if (!isAsked && body.includes('ready')) {
        isAsked = true;
        process.kill(Number(pid), 'SIGTERM');
      }
    };
  })(),
});
check('record: failure has one', failure.includes('event: failure\n'));

// Somebody else's events through the port proxy: its bytes are not changed, so they keep rules of their own, and not the API's.
const foreign = http.createServer((_, answer) => {
  answer.writeHead(200, { 'content-type': 'text/event-stream' });
  answer.write('data: one\n\nevent: named\ndata: {"two":\n\n');
  answer.write('event: named\nid: 7\ndata: three\n\ndata: four\n\n');
  answer.end();
});
foreign.listen(0, '127.0.0.1');
await once(foreign, 'listening');
await record('proxied', 'GET', `/port/${foreign.address().port}/`, { note: { unruly: 'they are not boxd\'s own' } });
foreign.close();

// What is no SSE today: the day it is, it has to be recorded above.
const tools = await ask('POST', '/mcp', {
  headers: { accept: 'application/json, text/event-stream', 'content-type': 'application/json' },
  json: { jsonrpc: '2.0', id: 1, method: 'tools/list' },
});
check('record: /mcp answers in JSON, not in SSE', tools.type.startsWith('application/json'), tools.type);
const watched = http.request(`${url}/watch/filesystem//tmp`, { headers: SSE, agent: false });
watched.end();
const [watch] = await once(watched, 'response');
check('record: a watched folder is told in lines of JSON, not in SSE', watch.headers['content-type'].startsWith('text/plain'));
watched.destroy();

writeFileSync(join(folder, 'notes.json'), JSON.stringify(notes));
