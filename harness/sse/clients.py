"""Reads recordings with httpx-sse and with the decoder of the OpenAI client: clients.py FOLDER"""

import json
import random
import sys
from pathlib import Path

import httpx
import httpx_sse
from openai._streaming import SSEDecoder

BYTEWISE_MAX = 64 * 1024


def cuttings(body):
    """The ways in which a body is cut: at once, into bytes (of a short one), into pieces of any size."""
    yield [body]
    if len(body) <= BYTEWISE_MAX:
        yield [body[at : at + 1] for at in range(len(body))]
    for seed in (1, 2):
        chance = random.Random(seed)
        largest = max(64, len(body) >> 6)
        pieces, at = [], 0
        while at < len(body):
            end = at + chance.randint(1, largest)
            pieces.append(body[at:end])
            at = end
        yield pieces


def by_httpx_sse(pieces):
    response = httpx.Response(200, headers={"content-type": "text/event-stream; charset=utf-8"}, content=iter(pieces))
    return list(httpx_sse.EventSource(response).iter_sse())


def by_openai(pieces):
    return list(SSEDecoder().iter_bytes(iter(pieces)))


failed = False
folder = Path(sys.argv[1])
for recording in sorted(folder.glob("*.sse")):
    body = recording.read_bytes()
    for label, read in (("httpx-sse", by_httpx_sse), ("openai", by_openai)):
        shown = [
            json.dumps([{"event": e.event, "data": e.data, "id": e.id, "retry": e.retry} for e in read(pieces)])
            for pieces in cuttings(body)
        ]
        holds = all(other == shown[0] for other in shown)
        failed |= not holds
        print("ok    " if holds else "FAILED", f" {label}: {recording.stem}, cut anywhere", flush=True)
        recording.with_suffix(f".{label}.json").write_text(shown[0])
sys.exit(failed)
