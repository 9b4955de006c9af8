"""What listens on a port of the sandbox."""

import shlex
import socket

from checks.support import equal, name
from clients import Box
from report import Checks, Collected

check = Collected()

SERVER = """
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
"""
"""Says back how it was asked."""


def checks(box: Box) -> Checks:
    return check.bound(box)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@check("what a command serves is fetched, without the SDK's credentials")
async def _(box: Box) -> None:
    id, port = name("server"), free_port()
    await box.exec(f"exec python3 -c {shlex.quote(SERVER)} {port}", name=id, wait_for_ports=[port])
    try:
        for fetch in box.fetches:
            got = await fetch(port, "/a/b?x=1", headers={"x-mine": "yes"})
            equal((got.status_code, got.text), (203, "GET /a/b?x=1 yes None "))
            put = await fetch(port, "/c", method="POST", content="hello")
            equal(put.text, "POST /c None None hello")
    finally:
        await box.end(id)


@check("where nothing listens the answer says so")
async def _(box: Box) -> None:
    port = free_port()
    got = await box.fetches[0](port, "/")
    equal((got.status_code, got.json()), (502, {"error": f"nothing listens on port {port}"}))
