//! `LogText`: a stretch of a log as the inside of a JSON string, read piece by piece while it is sent.
//!
//! However much output an answer shows, only one item of it is in memory at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_lite::{Stream, StreamExt};

use super::piece::first_piece;
use crate::error::{Error, Result};
use crate::log::{Follower, Item, Log, Offsets, Output, OutputStream};
use crate::process::RestartPolicy;
use crate::wire::escape::{escape_into, escape_lossy_into};

/// The line in front of a text whose beginning was left out: the known server's words.
const TRUNCATED: &str = "[... truncated, see the process log file for the full output ...]\n";

/// Which of the streams a text shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Both in the order of reading.
    Both,
    /// One of them.
    One(OutputStream),
}

/// The stretch of a log that an answer shows: the last bytes of each stream as it stands now.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    log: Arc<Log>,
    policy: RestartPolicy,
    from: Offsets,
    until: Offsets,
}

impl Stretch {
    /// The last `bytes_max` bytes of each stream.
    pub(crate) fn tail(log: Arc<Log>, policy: RestartPolicy, bytes_max: u64) -> Self {
        let (starts, until) = (log.starts(), log.ends());
        let from = |stream: OutputStream| starts[stream].max(until[stream].saturating_sub(bytes_max));
        let from = Offsets { stdout: from(OutputStream::Stdout), stderr: from(OutputStream::Stderr) };
        Self { log, policy, from, until }
    }

    /// How many bytes of output it holds.
    pub(crate) fn len(&self) -> u64 {
        self.until.total() - self.from.total()
    }

    /// Whether there is nothing to show, not even a restart.
    pub(crate) fn is_empty(&self) -> bool {
        self.until.total() == 0 && !self.log.has_restarted()
    }

    /// It as plain text.
    pub(crate) async fn plain(&self, shown: Shown) -> String {
        let mut json = b"\"".to_vec();
        let mut text = self.text(shown);
        while let Some(Ok(bytes)) = text.next().await {
            json.extend_from_slice(&bytes);
        }
        json.push(b'"');
        serde_json::from_slice(&json).unwrap_or_default()
    }

    /// Reads it as the inside of a JSON string.
    pub(crate) fn text(&self, shown: Shown) -> LogText {
        let mut position = self.log.position_at(self.from);
        let mut is_cut = self.from.total() > 0;
        if let Shown::One(stream) = shown {
            is_cut = self.from[stream] > 0;
            for other in OutputStream::BOTH.into_iter().filter(|other| *other != stream) {
                position.offsets[other] = self.until[other];
            }
        }
        LogText {
            follower: Follower::read(self.log.clone(), position, self.until),
            policy: self.policy,
            shows_restarts: shown != Shown::One(OutputStream::Stderr),
            starts_inside: self.from,
            pending_marker: is_cut,
            is_done: false,
        }
    }
}

/// The inside of a JSON string, as a stream of its bytes.
#[derive(Debug)]
pub(crate) struct LogText {
    follower: Follower,
    policy: RestartPolicy,
    shows_restarts: bool,
    /// A stream that begins behind its first byte may begin inside a character.
    starts_inside: Offsets,
    pending_marker: bool,
    is_done: bool,
}

impl LogText {
    fn item(&mut self, out: &mut Vec<u8>, item: Item) {
        match item {
            Item::Output(Output { stream, bytes, .. }) => {
                let from = self.skip_broken_start(stream, &bytes);
                let mut rest = &bytes[from..];
                while let Some(piece) = first_piece(rest) {
                    let (now, later) = rest.split_at(piece.len());
                    escape_lossy_into(out, now);
                    rest = later;
                }
                if rest.is_empty() {
                    self.follower.recycle(bytes);
                } else {
                    self.follower.hold(stream, rest);
                }
            }
            Item::Gap { stream, .. } => {
                // Dropped since the answer began: said like what was left out before it.
                self.flush(out);
                self.starts_inside[stream] = 1;
                escape_into(out, TRUNCATED);
            }
            Item::Restart(boundary) => {
                self.flush(out);
                if self.shows_restarts {
                    let notice = self.policy.notice(boundary.exit_code, boundary.attempt);
                    escape_into(out, &format!("\n{notice}\n"));
                }
            }
        }
    }

    /// Bytes at the start of a cut text that belong to a character whose beginning was cut off.
    fn skip_broken_start(&mut self, stream: OutputStream, bytes: &[u8]) -> usize {
        if std::mem::take(&mut self.starts_inside[stream]) == 0 {
            return 0;
        }
        bytes.iter().take(3).take_while(|b| **b & 0xc0 == 0x80).count()
    }

    /// What is held back is no beginning of a character after all.
    fn flush(&mut self, out: &mut Vec<u8>) {
        for stream in OutputStream::BOTH {
            escape_lossy_into(out, &self.follower.release(stream));
        }
    }
}

impl Stream for LogText {
    type Item = Result<Vec<u8>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>>>> {
        let this = self.get_mut();
        let mut out = Vec::new();
        if std::mem::take(&mut this.pending_marker) {
            escape_into(&mut out, TRUNCATED);
        }
        while out.is_empty() && !this.is_done {
            match ready!(Pin::new(&mut this.follower).poll_next(cx)) {
                Some(Ok(item)) => this.item(&mut out, item),
                Some(Err(source)) => return Poll::Ready(Some(Err(Error::LogUnreadable { source }))),
                None => {
                    this.is_done = true;
                    this.flush(&mut out);
                }
            }
        }
        Poll::Ready((!out.is_empty()).then_some(Ok(out)))
    }
}
