// What listens on a port of the sandbox.

import assert from "node:assert/strict";

import { createServer } from "node:net";
import { once } from "node:events";

import { end, name } from "./support.mjs";

/** Says back how it was asked. */
const SERVER = `
import http.server, sys
class Say(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        text = f"{self.command} {self.path} {self.headers.get('x-mine')} {self.headers.get('x-blaxel-authorization')} ".encode() + body
        self.send_response(203)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    do_POST = do_GET
http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Say).serve_forever()
`;

/** A port that was free a moment ago. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

export const ports = (box) => ({
  async "what a command serves is fetched, without the SDK's credentials"() {
    const [id, port] = [name("server"), await freePort()];
    await box.process.exec({
      name: id,
      command: `exec python3 -c '${SERVER.replaceAll("'", `'\\''`)}' ${port}`,
      waitForPorts: [port],
    });
    try {
      for (const fetch of [box.fetch.bind(box), box.network.fetch.bind(box.network)]) {
        const got = await fetch(port, "/a/b?x=1", { headers: { "x-mine": "yes" } });
        assert.equal(got.status, 203);
        assert.equal(await got.text(), "GET /a/b?x=1 yes None ");
        const put = await fetch(port, "/c", { method: "POST", body: "hello" });
        assert.equal(await put.text(), "POST /c None None hello");
      }
    } finally {
      await end(box, id);
    }
  },

  async "where nothing listens the answer says so"() {
    const got = await box.network.fetch(await freePort(), "/");
    assert.equal(got.status, 502);
    assert.match((await got.json()).error, /^nothing listens on port \d+$/);
  },
});
