//! One JSON object a line. The official SDKs parse every line, so there is no blank line and no heartbeat but an object.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Dialect, Opening, Output, Restart};
use crate::http::piece::Piece;
use crate::log::OutputStream;
use crate::log::cursor::Cursor;
use crate::wire::escape::{escape_into, escape_lossy_into};

/// Which of the NDJSON streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NdjsonKind {
    /// Of a start, for the SDKs: they know no `encoding`.
    SdkStart,
    /// Of a start that asked for NDJSON by name.
    Start,
    /// Of a log: it carries no result.
    Log,
}

/// The dialect of the SDKs and of `application/x-ndjson`.
#[derive(Debug)]
pub(crate) struct Ndjson {
    kind: NdjsonKind,
}

impl Ndjson {
    /// One of the kinds.
    pub(crate) fn new(kind: NdjsonKind) -> Self {
        Self { kind }
    }

    fn text(out: &mut Vec<u8>, kind: &str, data: &str) {
        begin(out, kind);
        escape_into(out, data);
        out.extend_from_slice(b"\"}\n");
    }
}

impl Dialect for Ndjson {
    fn content_type(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn sends_parts(&self) -> bool {
        self.kind != NdjsonKind::SdkStart
    }

    fn open(&mut self, out: &mut Vec<u8>, opening: &Opening<'_>) {
        // A client that waits for the headers before it writes to stdin gets a line at once.
        if self.kind == NdjsonKind::Log && opening.is_quiet {
            self.heartbeat(out);
        }
    }

    fn output(&mut self, out: &mut Vec<u8>, output: &Output<'_>) {
        begin(out, output.stream.name());
        match output.piece {
            Piece::Text(text) => escape_into(out, text),
            Piece::Binary(bytes) if self.sends_parts() => {
                out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
                out.extend_from_slice(b"\",\"encoding\":\"base64");
            }
            Piece::Binary(bytes) => escape_lossy_into(out, bytes),
        }
        out.extend_from_slice(b"\"}\n");
    }

    fn gap(&mut self, out: &mut Vec<u8>, stream: OutputStream, bytes: u64, _cursor: Cursor) {
        let data = format!("Output is incomplete: {bytes} bytes of {} were dropped", stream.name());
        Self::text(out, "truncated", &data);
    }

    fn restart(&mut self, out: &mut Vec<u8>, restart: &Restart<'_>) {
        Self::text(out, "restart", restart.notice);
    }

    fn heartbeat(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"keepalive\"}\n");
    }

    fn result(&mut self, out: &mut Vec<u8>, process: &[u8], _cursor: Cursor) {
        if self.kind != NdjsonKind::Log {
            begin(out, "result");
            escape_lossy_into(out, process);
            out.extend_from_slice(b"\"}\n");
        }
    }

    fn failure(&mut self, out: &mut Vec<u8>, error: &str, _cursor: Cursor) {
        Self::text(out, "error", error);
    }
}

fn begin(out: &mut Vec<u8>, kind: &str) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"data\":\"");
}
