// Runs the checks of one way to reach boxd: `node smoke.mjs marked|plain|token URL`.
//
// `marked` clients carry the SDK's own headers, `plain` ones carry none, `token` needs a daemon that asks for BOXD_TOKEN.
// The BL_ variables that each way needs are set by ../run.

import { clients, marked, plain } from "./clients.mjs";
import { Report } from "./report.mjs";
import { commands } from "./checks/commands.mjs";
import { drives } from "./checks/drives.mjs";
import { endings } from "./checks/endings.mjs";
import { files } from "./checks/files.mjs";
import { logs } from "./checks/logs.mjs";
import { ports } from "./checks/ports.mjs";
import { refusals } from "./checks/refusals.mjs";
import { search } from "./checks/search.mjs";
import { stdin } from "./checks/stdin.mjs";
import { streams } from "./checks/streams.mjs";
import { tools } from "./checks/tools.mjs";
import { watches } from "./checks/watch.mjs";
import { doors, strangers } from "./checks/doors.mjs";

const [way, url] = process.argv.slice(2);
const report = new Report(`node ${way}`);

if (way === "token") {
  const token = process.env.BOXD_TOKEN;
  await report.run(doors(clients(url, token), { token }));
  await report.run(strangers(url));
} else {
  const box = way === "marked" ? marked(url) : plain(url);
  for (const checks of [commands, streams, logs, stdin, endings, refusals, files, search, watches, ports, drives]) {
    await report.run(checks(box));
  }
  if (way === "marked") {
    await report.run(tools(box));
    await report.run(doors(clients(url, "unused")));
  }
}
report.end();
