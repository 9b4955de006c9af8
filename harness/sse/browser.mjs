// Reads streams with EventSource in a headless Chromium: browser.mjs URL CHROMIUM FOLDER
//
// EventSource only asks with GET. So it follows processes of the daemon at URL through a server on loopback that notes each byte that it
// passes on, and it gets the recordings of FOLDER from the same server, in pieces. A stream that is cut it goes on with by itself.

import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';
import { check, cuttings, recordings } from './support.mjs';

const [url, chromium, folder] = process.argv.slice(2);
const SOON = 20_000;
const SSE = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' };

const bodies = new Map(recordings(folder).map(({ name, body }) => [name, body]));
// What was passed on of a live stream: a body for each time the browser asked, and when it did.
const live = new Map();
// What is to be done when a stream has begun, and when a piece of it was passed on.
const saying = new Map();

async function serve(request, answer) {
  const { pathname, searchParams } = new URL(request.url, 'http://x');
  const [, kind, name] = pathname.split('/');
  if (kind === 'recording') {
    answer.writeHead(200, SSE);
    for (const piece of [...cuttings(bodies.get(name))].at(-1)) {
      if (!answer.write(piece)) await once(answer, 'drain');
    }
    answer.end();
  } else if (kind === 'live') {
    passOn(request, answer, name, searchParams);
  } else {
    answer.writeHead(200, { 'content-type': 'text/html' });
    answer.end('<!doctype html><title>EventSource</title>');
  }
}

// Passes a process's stream on; the first time only so many events of it, and then a connection that breaks off.
function passOn(request, answer, name, query) {
  const cut = Number(query.get('cut') ?? 0);
  const bodies = live.get(name) ?? [];
  const noted = { body: Buffer.alloc(0), asked: Date.now(), from: request.headers['last-event-id'] ?? '' };
  live.set(name, [...bodies, noted]);
  const headers = { accept: request.headers.accept };
  if (noted.from) headers['last-event-id'] = noted.from;
  const upstream = http.get(`${url}/process/${query.get('process')}/logs/stream`, { headers, agent: false }, (stream) => {
    answer.writeHead(stream.statusCode, { 'content-type': stream.headers['content-type'] });
    let events = 0;
    stream.on('data', (piece) => {
      saying.get(name)?.();
      let end = piece.length;
      if (bodies.length === 0 && cut > 0) {
        const text = piece.toString('latin1');
        for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n', at + 2)) {
          events += 1;
          if (events === cut) {
            // Into the frame behind it, so that half of one is lost, too, if it has come.
            end = Math.min(piece.length, at + 10);
            break;
          }
        }
      }
      const part = piece.subarray(0, end);
      noted.body = Buffer.concat([noted.body, part]);
      answer.write(part);
      if (events >= cut && cut > 0 && bodies.length === 0) {
        noted.cut = Date.now();
        stream.destroy();
        answer.socket.end();
      }
    });
    stream.on('end', () => answer.end());
  });
  answer.on('close', () => upstream.destroy());
}

const server = http.createServer((request, answer) => void serve(request, answer));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const base = `http://127.0.0.1:${server.address().port}`;

const browser = await puppeteer.launch({
  executablePath: chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});
const page = await browser.newPage();
await page.goto(`${base}/`);

// The events of a stream, until its terminal one; of a recording until it is over.
const follow = (target, untilCut) =>
  page.evaluate(
    (target, untilCut, SOON) =>
      new Promise((done, fail) => {
        const events = [];
        const source = new EventSource(target);
        const end = () => {
          source.close();
          done(events);
        };
        const names = ['message', 'start', 'stdout', 'stderr', 'gap', 'restart', 'result', 'failure', 'named'];
        for (const name of names) {
          source.addEventListener(name, ({ type, data, lastEventId }) => {
            events.push({ event: type, data, id: lastEventId });
            if (!untilCut && (name === 'result' || name === 'failure')) end();
          });
        }
        source.addEventListener('error', () => {
          if (untilCut) end();
          else if (source.readyState === EventSource.CLOSED) fail(new Error('the stream was refused'));
        });
        setTimeout(() => fail(new Error('the stream does not end')), SOON);
      }),
    target,
    untilCut,
    SOON,
  );

const note = (name, events) => writeFileSync(join(folder, `${name}.EventSource.json`), JSON.stringify(events));

for (const name of bodies.keys()) {
  note(name, await follow(`/recording/${name}`, true));
}
check('EventSource: reads all recordings', bodies.size > 0);

async function ask(method, target, body) {
  const request = http.request(`${url}${target}`, { method, agent: false });
  request.end(body);
  const [answer] = await once(request, 'response');
  answer.resume();
  await once(answer, 'end');
  return answer.statusCode;
}

async function start(name, command, more = {}) {
  const status = await ask('POST', '/process', JSON.stringify({ name, command, ...more }));
  check(`EventSource: ${name} is started`, status === 200, status);
}

// Live, of a command that runs and of one that has ended.
await start('live-running', 'for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; sleep 0.1; done');
note('live-running', await follow('/live/live-running?process=live-running', false));
writeFileSync(join(folder, 'live-running.sse'), live.get('live-running')[0].body);
note('live-ended', await follow('/live/live-ended?process=live-running', false));
writeFileSync(join(folder, 'live-ended.sse'), live.get('live-ended')[0].body);

// A connection that breaks off: the browser comes back by itself, says what it saw last, and misses and repeats nothing. The next line is
// said when one has come, so there are as many events as lines, however slow the machine is.
const lines = Array.from({ length: 12 }, (_, i) => `line ${i + 1}\n`);
await start('live-cut', 'cat', { stdin: true });
let said = 0;
// One after the other: requests at one time have no order.
let turn = Promise.resolve();
saying.set('live-cut', () => {
  const line = lines[said];
  said += 1;
  if (line !== undefined) turn = turn.then(() => ask('POST', '/process/live-cut/stdin', line));
  else if (said === lines.length + 1) turn = turn.then(() => ask('DELETE', '/process/live-cut/stdin'));
});
const events = await follow('/live/live-cut?process=live-cut&cut=5', false);
const [first, second] = live.get('live-cut');
check('EventSource: comes back after a cut, once', live.get('live-cut').length === 2, live.get('live-cut').length);
const output = events.filter(({ event }) => event === 'stdout').map(({ data }) => JSON.parse(data).data);
check('EventSource: and misses and repeats nothing', output.join('') === lines.join(''), JSON.stringify(output));
const restart = events.findLastIndex(({ event }) => event === 'start');
const last = events[restart - 1]?.id;
check('EventSource: with the id it saw last', second.from !== '' && second.from === last, `${second.from}, not ${last}`);
// By itself it would be three seconds.
const pause = second.asked - first.cut;
check('EventSource: after the time that `retry` says', pause > 900 && pause < 2500, `${pause} ms`);
// The other parsers read both bodies as one stream, as a client that resumes sees it. What came with the end of the connection the
// browser may have thrown away; then it has asked for that again.
const seen = first.body.indexOf('\n\n', first.body.indexOf(`id: ${second.from}\n`)) + 2;
writeFileSync(join(folder, 'live-cut.sse'), Buffer.concat([first.body.subarray(0, seen), second.body]));
note('live-cut', events);
const notes = JSON.parse(readFileSync(join(folder, 'notes.json'), 'utf8'));
notes['live-cut'] = { unruly: 'it is two bodies, and each begins with `retry` and `start`' };
writeFileSync(join(folder, 'notes.json'), JSON.stringify(notes));

await browser.close();
server.closeAllConnections();
server.close();
