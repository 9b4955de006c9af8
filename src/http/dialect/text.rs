//! Plain text: every line begins with `stdout:` or `stderr:`, so a reader that splits lines can tell them apart.
//!
//! A partial line goes out at once. When the other stream comes in between, the line is ended first and its rest begins with
//! the prefix again: no line ever holds bytes of two streams. Lines without a prefix are the daemon's own words. What is
//! sent depends on the log alone, never on timing, so a replay is the same each time.

use super::{Dialect, Opening, Output, Restart};
use crate::http::piece::Piece;
use crate::log::OutputStream;
use crate::log::cursor::Cursor;

/// The dialect of `text/plain`.
#[derive(Debug, Default)]
pub(crate) struct Text {
    /// The stream whose line is not ended yet.
    open_line: Option<OutputStream>,
}

impl Text {
    fn end_line(&mut self, out: &mut Vec<u8>) {
        if self.open_line.take().is_some() {
            out.push(b'\n');
        }
    }

    fn say(&mut self, out: &mut Vec<u8>, words: &str) {
        self.end_line(out);
        out.extend_from_slice(words.as_bytes());
        out.push(b'\n');
    }
}

impl Dialect for Text {
    fn content_type(&self) -> &'static str {
        "text/plain; charset=utf-8"
    }

    fn sends_parts(&self) -> bool {
        false
    }

    fn open(&mut self, _out: &mut Vec<u8>, _opening: &Opening<'_>) {}

    fn output(&mut self, out: &mut Vec<u8>, output: &Output<'_>) {
        if self.open_line.is_some_and(|stream| stream != output.stream) {
            self.end_line(out);
        }
        let lossy;
        let text = match output.piece {
            Piece::Text(text) => text,
            Piece::Binary(bytes) => {
                lossy = String::from_utf8_lossy(bytes);
                &lossy
            }
        };
        for line in text.split_inclusive('\n') {
            if self.open_line.is_none() {
                out.extend_from_slice(output.stream.name().as_bytes());
                out.push(b':');
            }
            out.extend_from_slice(line.as_bytes());
            self.open_line = (!line.ends_with('\n')).then_some(output.stream);
        }
    }

    fn gap(&mut self, out: &mut Vec<u8>, stream: OutputStream, bytes: u64, _cursor: Cursor) {
        self.say(out, &format!("[output truncated: {bytes} bytes of {} were dropped]", stream.name()));
    }

    fn restart(&mut self, out: &mut Vec<u8>, restart: &Restart<'_>) {
        self.say(out, restart.notice);
    }

    fn heartbeat(&mut self, out: &mut Vec<u8>) {
        // Inside a line it would become part of the output.
        if self.open_line.is_none() {
            out.extend_from_slice(b"[keepalive]\n");
        }
    }

    fn result(&mut self, out: &mut Vec<u8>, _process: &[u8], _cursor: Cursor) {
        self.end_line(out);
    }

    fn failure(&mut self, out: &mut Vec<u8>, error: &str, _cursor: Cursor) {
        self.say(out, &format!("[{error}]"));
    }
}
