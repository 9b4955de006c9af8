// What an editor completes and explains in a fixture: asks the language server behind Even Better TOML, with the tree's own
// `.taplo.toml`: node complete.mjs ROOT
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import lsp from "@taplo/lsp";

const root = path.resolve(process.argv[2]);
const asked = new Map();
const complaints = [];
let told = () => {};
let ids = 0;

// Without the source of the server, whose lines are megabytes.
process.on("uncaughtException", (error) => {
  console.log(`FAILED  ${error.message}`);
  process.exit(1);
});

const files = () =>
  fs.readdirSync(path.join(root, "fixtures"), { recursive: true })
    .filter((name) => name.endsWith(".toml"))
    .map((name) => path.join(root, "fixtures", name));

const environment = {
  cwd: () => root,
  envVar: (name) => (name === "RUST_LOG" ? "off" : undefined),
  envVars: () => [["RUST_LOG", "off"]],
  // It would ask the network for schemas of other people's files.
  fetch: { fetch: () => Promise.reject(new Error("offline")), Headers, Request, Response },
  findConfigFile: (from) => [".taplo.toml", "taplo.toml"].map((name) => path.join(from, name)).find(fs.existsSync),
  glob: files,
  isAbsolute: path.isAbsolute,
  now: () => new Date(),
  readFile: (name) => fs.promises.readFile(name),
  writeFile: () => Promise.reject(new Error("nothing is written here")),
  stdErrAtty: () => false,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  urlToFilePath: (url) => decodeURI(url).slice("file://".length),
};

function heard(message) {
  if (message.method === "workspace/configuration") {
    const result = message.params.items.map(() => ({ schema: { enabled: true, catalogs: [] } }));
    server.send({ jsonrpc: "2.0", id: message.id, result });
  } else if (message.method === "textDocument/publishDiagnostics") {
    complaints.push(...message.params.diagnostics.map((one) => one.message));
    told();
  } else if (asked.has(message.id)) {
    asked.get(message.id)(message);
    asked.delete(message.id);
  }
}

const server = await lsp.TaploLsp.initialize(environment, { onMessage: heard });

const tell = (method, params) => server.send({ jsonrpc: "2.0", method, params });

const ask = (method, params) =>
  new Promise((resolve, reject) => {
    const id = (ids += 1);
    asked.set(id, ({ result, error }) => (error ? reject(new Error(JSON.stringify(error))) : resolve(result)));
    server.send({ jsonrpc: "2.0", id, method, params });
  });

const within = (what, promise) =>
  Promise.race([promise, new Promise((_, reject) => setTimeout(() => reject(new Error(`${what}: no answer`)), 60_000))]);

const folder = pathToFileURL(root).href;
await within("initialize", ask("initialize", {
  processId: null,
  rootUri: folder,
  capabilities: {},
  workspaceFolders: [{ uri: folder, name: "fixtures" }],
}));
tell("initialized", {});

// A case that somebody has begun to write; `|` is where the cursor stands.
let number = 0;
async function open(text) {
  const [before, after] = text.split("|");
  const lines = before.split("\n");
  const textDocument = { uri: pathToFileURL(path.join(root, `fixtures/process/begun_${(number += 1)}.toml`)).href };
  tell("textDocument/didOpen", { textDocument: { ...textDocument, languageId: "toml", version: 1, text: before + after } });
  return { textDocument, position: { line: lines.length - 1, character: lines.at(-1).length } };
}

async function completes(what, text, wanted) {
  const items = await within(what, ask("textDocument/completion", await open(text)));
  const labels = new Set((items?.items ?? items ?? []).map((item) => item.label.replaceAll('"', "")));
  const missing = wanted.filter((label) => !labels.has(label));
  if (missing.length > 0) throw new Error(`${what}: ${missing} is not among ${[...labels]}`);
  console.log(`ok  ${what}`);
}

// The schema is there when something is missed that only it asks for.
const missed = new Promise((resolve) => {
  told = () => complaints.some((text) => text.includes('"source" is a required property')) && resolve();
});
await open('why = "somebody has begun to write it"\n|');
await within("what is missing", missed);
console.log("ok  an editor says what is missing");

await completes("an editor completes the keys of a case", 'why = "x"\n|\n', ["source", "daemon", "step"]);
await completes("an editor completes the keys of a step", 'why = "x"\nsource = "spec"\n\n[[step]]\n|\n', ["send", "within_ms", "json", "disconnect"]);
await completes("an editor completes values", 'why = "x"\nsource = "|"\n', ["spec", "sdk", "observed", "extension"]);

const hover = await within("hover", ask("textDocument/hover", await open('wh|y = "x"\n')));
const schema = JSON.parse(fs.readFileSync(path.join(root, "harness/schema/fixture.json"), "utf8"));
const explained = JSON.stringify(hover ?? "");
if (!explained.includes(JSON.stringify(schema.properties.why.description).slice(1, 40))) {
  throw new Error(`\`why\` is not explained: ${explained}`);
}
console.log("ok  an editor explains a key");
process.exit(0);
