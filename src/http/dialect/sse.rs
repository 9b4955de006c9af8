//! Server-sent events. One JSON object on one line for each event, whose `type` repeats the event's name.
//!
//! What clients forced: `retry:` stands inside the first event and a heartbeat is a comment line without a blank line after
//! it, because some parsers make an empty event of a lone field or comment; no event is named `error`, which an
//! EventSource takes for a lost connection; no line separator of Unicode stands raw in a line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Dialect, Opening, Output, Restart};
use crate::http::piece::Piece;
use crate::log::OutputStream;
use crate::log::cursor::Cursor;
use crate::wire::escape::escape_into;

/// How long an EventSource waits before it connects again.
const RETRY_MS: u32 = 1000;

/// The dialect of the published API text.
#[derive(Debug, Default)]
pub(crate) struct Sse;

impl Dialect for Sse {
    fn content_type(&self) -> &'static str {
        "text/event-stream; charset=utf-8"
    }

    fn sends_parts(&self) -> bool {
        true
    }

    fn open(&mut self, out: &mut Vec<u8>, opening: &Opening<'_>) {
        put(
            out,
            format_args!(
                "retry: {RETRY_MS}\nevent: start\ndata: {{\"type\":\"start\",\"pid\":\"{}\",\"name\":\"",
                opening.pid
            ),
        );
        escape_into(out, opening.name);
        put(out, format_args!("\",\"cursor\":\"{}\"}}\n\n", opening.cursor));
    }

    fn output(&mut self, out: &mut Vec<u8>, output: &Output<'_>) {
        let name = output.stream.name();
        put(
            out,
            format_args!("id: {}\nevent: {name}\ndata: {{\"type\":\"{name}\",\"data\":\"", output.cursor),
        );
        match output.piece {
            Piece::Text(text) => {
                escape_into(out, text);
                out.push(b'"');
            }
            Piece::Binary(bytes) => {
                out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
                out.extend_from_slice(b"\",\"encoding\":\"base64\"");
            }
        }
        put(out, format_args!(",\"ts\":{}}}\n\n", output.at_ms));
    }

    fn gap(&mut self, out: &mut Vec<u8>, _stream: OutputStream, bytes: u64, cursor: Cursor) {
        put(out, format_args!("id: {cursor}\nevent: gap\ndata: {{\"type\":\"gap\",\"bytes\":{bytes}}}\n\n"));
    }

    fn restart(&mut self, out: &mut Vec<u8>, restart: &Restart<'_>) {
        let at = restart.boundary;
        put(out, format_args!("id: {}\nevent: restart\ndata: {{\"type\":\"restart\",", restart.cursor));
        let (attempt, code, delay) = (at.attempt, at.exit_code, at.delay_ms);
        put(out, format_args!("\"attempt\":{attempt},\"exitCode\":{code},\"delayMs\":{delay}}}\n\n"));
    }

    fn heartbeat(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b": hb\n");
    }

    fn result(&mut self, out: &mut Vec<u8>, process: &[u8], cursor: Cursor) {
        let cursor = Cursor { ended: true, ..cursor };
        put(out, format_args!("id: {cursor}\nevent: result\ndata: "));
        // `type` becomes the last key of the object.
        out.extend_from_slice(process.strip_suffix(b"}").unwrap_or(process));
        out.extend_from_slice(b",\"type\":\"result\"}\n\n");
    }

    fn failure(&mut self, out: &mut Vec<u8>, error: &str, cursor: Cursor) {
        put(out, format_args!("id: {cursor}\nevent: failure\ndata: {{\"error\":\""));
        escape_into(out, error);
        out.extend_from_slice(b"\",\"type\":\"failure\"}\n\n");
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    use std::io::Write;
    out.write_fmt(text).expect("a vector takes every byte");
}
