// Reads recordings with eventsource-parser: parser.mjs FOLDER

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createParser } from 'eventsource-parser';
import { check, cuttings, recordings } from './support.mjs';

const folder = process.argv[2];

function read(pieces) {
  const events = [];
  let retry = null;
  const parser = createParser({
    // It tells of `retry` by itself, before the event in whose frame it stands.
    onRetry: (milliseconds) => {
      retry = milliseconds;
    },
    onEvent: ({ event, data, id }) => {
      events.push({ event: event ?? null, data, id: id ?? null, retry });
      retry = null;
    },
    onError: (error) => {
      throw error;
    },
  });
  const decoder = new TextDecoder();
  for (const piece of pieces) parser.feed(decoder.decode(piece, { stream: true }));
  return events;
}

for (const { name, body } of recordings(folder)) {
  const [first, ...others] = [...cuttings(body)].map((pieces) => JSON.stringify(read(pieces)));
  check(`eventsource-parser: ${name}, cut anywhere`, others.every((other) => other === first));
  writeFileSync(join(folder, `${name}.eventsource-parser.json`), first);
}
