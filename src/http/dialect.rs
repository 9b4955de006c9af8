//! The dialects in which a log is streamed. Each turns what a follower meets into bytes; none knows where they go.
//!
//! | dialect | asked for by | bytes that are no text | end |
//! |---|---|---|---|
//! | `Sse` | `text/event-stream` | base64 | `result` or `failure` |
//! | `Ndjson` of a start | the SDKs, or by name | U+FFFD, or base64 | `result` or `error` |
//! | `Ndjson` of a log | by name | base64 | the stream ends |
//! | `Text` | anything else on a log stream | U+FFFD | the stream ends |

mod ndjson;
mod sse;
mod text;

use super::piece::Piece;
use crate::log::cursor::Cursor;
use crate::log::{Boundary, OutputStream};

pub(crate) use ndjson::{Ndjson, NdjsonKind};
pub(crate) use sse::Sse;
pub(crate) use text::Text;

/// Output of a command on its way into an event.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    /// Whose output.
    pub(crate) stream: OutputStream,
    /// The bytes.
    pub(crate) piece: Piece<'a>,
    /// When they were read: milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// The place behind them.
    pub(crate) cursor: Cursor,
}

/// Who is streamed.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    /// The pid that clients know.
    pub(crate) pid: u32,
    /// The process's name.
    pub(crate) name: &'a str,
    /// Where the stream begins.
    pub(crate) cursor: Cursor,
    /// It runs and there is nothing to send yet.
    pub(crate) is_quiet: bool,
}

/// A command that failed and is started again.
#[derive(Debug)]
pub(crate) struct Restart<'a> {
    /// The end of the run that failed.
    pub(crate) boundary: Boundary,
    /// The line that the texts of a log show here.
    pub(crate) notice: &'a str,
    /// The place behind it.
    pub(crate) cursor: Cursor,
}

/// A way to write a stream.
pub(crate) trait Dialect: Send {
    /// The `Content-Type` of the answer.
    fn content_type(&self) -> &'static str;

    /// Whether bytes that end inside a character are sent at once (as base64) instead of being held back.
    fn sends_parts(&self) -> bool;

    /// The beginning.
    fn open(&mut self, out: &mut Vec<u8>, opening: &Opening<'_>);

    /// Output.
    fn output(&mut self, out: &mut Vec<u8>, output: &Output<'_>);

    /// Output that was dropped before it could be sent.
    fn gap(&mut self, out: &mut Vec<u8>, stream: OutputStream, bytes: u64, cursor: Cursor);

    /// A restart.
    fn restart(&mut self, out: &mut Vec<u8>, restart: &Restart<'_>);

    /// A sign of life.
    fn heartbeat(&mut self, out: &mut Vec<u8>);

    /// The process is over; `process` is its JSON object.
    fn result(&mut self, out: &mut Vec<u8>, process: &[u8], cursor: Cursor);

    /// The stream cannot go on.
    fn failure(&mut self, out: &mut Vec<u8>, error: &str, cursor: Cursor);
}

#[cfg(test)]
mod tests;
