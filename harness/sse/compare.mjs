// Compares what each parser saw with what the harness's own one saw: compare.mjs BOXD_HARNESS FOLDER

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { check, recordings } from './support.mjs';

const [harness, folder] = process.argv.slice(2);

// Where a parser tells events in another form than the others, and why that is no difference in what it saw.
const FORMS = {
  'httpx-sse': {},
  // `event` is none where no name was sent, which the standard calls `message`; `id` is none before the first one.
  openai: { event: (event) => event ?? 'message', id: (id) => id ?? '' },
  // The same of `event`; `id` is that of the frame alone, and whoever uses the parser keeps the last one.
  'eventsource-parser': { event: (event) => event ?? 'message', keepsNoId: true },
  // `retry` is never shown to a page; browser.mjs measures that it is heeded.
  EventSource: { hasNoRetry: true },
};

// Events in one form.
function plain(events, form) {
  let last = '';
  return events.map(({ event, data, id, retry }) => {
    if (form.keepsNoId) last = id ?? last;
    return {
      event: form.event ? form.event(event) : event,
      data,
      id: form.keepsNoId ? last : form.id ? form.id(id) : id,
      retry: form.hasNoRetry ? null : (retry ?? null),
    };
  });
}

// A sentence when two lists of events are not the same.
function difference(ours, theirs) {
  for (let at = 0; at < Math.max(ours.length, theirs.length); at += 1) {
    const [left, right] = [JSON.stringify(ours[at]), JSON.stringify(theirs[at])];
    if (left !== right) return `event ${at + 1} is ${right?.slice(0, 200)}, and for us ${left?.slice(0, 200)}`;
  }
  return '';
}

// The comparison itself: a changed field, an event too much, one too few, and two in the wrong order are seen.
function checkComparison() {
  const events = [
    { event: 'start', data: '{}', id: '', retry: 1000 },
    { event: 'stdout', data: '{"a":1}', id: '1', retry: null },
    { event: 'result', data: '{"b":2}', id: '2', retry: null },
  ];
  const changed = (at, change) => events.map((event, index) => (index === at ? { ...event, ...change } : event));
  const planted = [
    changed(0, { event: 'begin' }),
    changed(1, { data: '{"a":2}' }),
    changed(2, { id: '1' }),
    changed(0, { retry: 2000 }),
    events.slice(1),
    events.slice(0, 2),
    [...events, events[2]],
    [events[1], events[0], events[2]],
  ];
  check('compare: equal lists are equal', difference(events, structuredClone(events)) === '');
  check('compare: every planted difference is seen', planted.every((list) => difference(events, list) !== ''));
}

checkComparison();
const notes = JSON.parse(readFileSync(join(folder, 'notes.json'), 'utf8'));
for (const { name } of recordings(folder)) {
  const { unruly = '', heartbeats = 0 } = notes[name] ?? {};
  const shown = spawnSync(harness, ['sse', join(folder, `${name}.sse`)], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const own = JSON.parse(shown.stdout);
  check(`own: ${name} has events`, own.events.length > 0);
  if (unruly) console.log(`note    own: ${name} is not held to the rules of the API's streams: ${unruly}`);
  else check(`own: ${name} breaks no rule`, shown.status === 0, own.broken.join('; '));
  if (heartbeats > 0) check(`own: ${name} has heartbeats`, own.heartbeats >= heartbeats, own.heartbeats);
  for (const [parser, form] of Object.entries(FORMS)) {
    const theirs = JSON.parse(readFileSync(join(folder, `${name}.${parser}.json`), 'utf8'));
    const ours = form.hasNoRetry ? own.events.map((event) => ({ ...event, retry: null })) : own.events;
    const found = difference(ours, plain(theirs, form));
    check(`${parser}: ${name}, ${ours.length} events`, found === '', found);
  }
}
