//! `EventStream`: a follower, a dialect, and the clock between them.
//!
//! ```text
//! Opening ──> Following ──process over──> Closing ──> Done      exactly one terminal event,
//!                 └──── ports, shutdown, unreadable log ──> Done    and nothing behind it
//! ```
//! It is pulled by the connection: nothing is read from the log while the client takes nothing, and dropping it frees
//! everything. While there is nothing to send it holds no buffer and one timer. What happens beside the log (the daemon goes
//! away, the ports were waited for in vain, a character stays half) is looked at before each chunk, however much the log has.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_io::Timer;
use event_listener::EventListener;
use futures_lite::{FutureExt, Stream};

use super::context::{FollowerRoom, Shutdown};
use super::dialect::{Dialect, Opening, Output, Restart};
use super::json_body::JsonBody;
use super::piece::{Piece, first_piece};
use crate::error::{Error, Result};
use crate::log::cursor::Cursor;
use crate::log::{Follower, Item, OutputStream, Position};
use crate::process::Process;

/// How long the beginning of a character is waited for, in the dialects that cannot send it alone.
const HOLD: Duration = Duration::from_millis(100);

/// Bytes collected before they are handed to the connection.
const CHUNK_BYTES: usize = 32 * 1024;

/// Bytes handed on in one go before other tasks get their turn.
const TURN_BYTES: usize = 256 * 1024;

/// A condition of the stream that fails it when it resolves to an error, and is over when it resolves to none.
pub(crate) type Condition = Pin<Box<dyn Future<Output = Option<Error>> + Send>>;

/// What a stream is made of.
pub(crate) struct Parts {
    /// Who is streamed.
    pub(crate) process: Arc<Process>,
    /// Its reader.
    pub(crate) follower: Follower,
    /// The form.
    pub(crate) dialect: Box<dyn Dialect>,
    /// Silence before a heartbeat.
    pub(crate) heartbeat: Duration,
    /// Bytes of each stream in the process object of the terminal event.
    pub(crate) inline_bytes_max: u64,
    /// What must not fail beside the process: the wait for its ports.
    pub(crate) condition: Option<Condition>,
    /// Its place among the streams that are followed; it goes with the stream.
    pub(crate) _room: FollowerRoom,
    /// Fires when the daemon is going away.
    pub(crate) shutdown: Arc<Shutdown>,
}

/// The body of a streamed answer.
pub(crate) struct EventStream {
    parts: Parts,
    phase: Phase,
    /// When something was sent last.
    sent: Instant,
    heartbeat: Timer,
    going_away: EventListener,
    /// What is held back of each stream.
    held: [Option<Held>; 2],
    turn: usize,
}

/// The beginning of a character.
struct Held {
    len: u64,
    /// Until when the rest is waited for.
    timer: Timer,
}

enum Phase {
    Opening,
    Following,
    Closing(Pin<Box<dyn Future<Output = Result<Vec<u8>>> + Send>>),
    Done,
}

impl EventStream {
    /// A stream that has sent nothing.
    pub(crate) fn new(parts: Parts) -> Self {
        let heartbeat = Timer::after(parts.heartbeat);
        let going_away = parts.shutdown.listen();
        let (phase, sent) = (Phase::Opening, Instant::now());
        Self { parts, phase, sent, heartbeat, going_away, held: [None, None], turn: 0 }
    }

    fn cursor(&self) -> Cursor {
        Cursor { process: self.parts.process.id, position: self.parts.follower.position(), ended: false }
    }

    fn open(&mut self, out: &mut Vec<u8>) {
        let (process, cursor) = (self.parts.process.clone(), self.cursor());
        let state = process.state();
        let is_quiet = !state.is_over() && self.parts.follower.has_caught_up();
        let opening = Opening { pid: state.pid, name: &process.spec.name, cursor, is_quiet };
        self.parts.dialect.open(out, &opening);
    }

    fn item(&mut self, out: &mut Vec<u8>, item: Item) {
        match item {
            Item::Output(output) => self.output(out, output),
            Item::Gap { stream, bytes } => {
                self.flush(out, |position| position.offsets[stream] -= bytes);
                let cursor = self.cursor();
                self.parts.dialect.gap(out, stream, bytes, cursor);
            }
            Item::Restart(boundary) => {
                self.flush(out, |position| position.run = boundary.run);
                let notice = self.parts.process.spec.restart.notice(boundary.exit_code, boundary.attempt);
                let cursor = self.cursor();
                self.parts.dialect.restart(out, &Restart { boundary, notice: &notice, cursor });
            }
        }
    }

    fn output(&mut self, out: &mut Vec<u8>, output: crate::log::Output) {
        let crate::log::Output { stream, at_ms, bytes, is_end } = output;
        let mut cursor = self.cursor();
        // The follower stands behind the whole item; each event names the place behind itself.
        let at = &mut cursor.position.offsets[stream];
        *at -= bytes.len() as u64;
        let mut rest = &bytes[..];
        while let Some(piece) = first_piece(rest) {
            let len = piece.len();
            cursor.position.offsets[stream] += len as u64;
            self.parts.dialect.output(out, &Output { stream, piece, at_ms, cursor });
            rest = &rest[len..];
        }
        self.held[stream as usize] = None;
        if rest.is_empty() {
            self.parts.follower.recycle(bytes);
        } else if is_end && self.parts.dialect.sends_parts() {
            cursor.position.offsets[stream] += rest.len() as u64;
            self.parts.dialect.output(out, &Output { stream, piece: Piece::Binary(rest), at_ms, cursor });
        } else {
            self.parts.follower.hold(stream, rest);
            self.held[stream as usize] = Some(Held { len: rest.len() as u64, timer: Timer::after(HOLD) });
        }
    }

    /// Sends what is held back as it is: nothing will complete it.
    ///
    /// The follower stands behind the item that is sent next; `before` takes a position back to where that item begins, so that
    /// a client which is cut between the two does not miss it.
    fn flush(&mut self, out: &mut Vec<u8>, before: impl Fn(&mut Position)) {
        for stream in OutputStream::BOTH {
            self.release(out, stream, &before);
        }
    }

    fn release(&mut self, out: &mut Vec<u8>, stream: OutputStream, before: impl Fn(&mut Position)) {
        if self.held[stream as usize].take().is_some() {
            let held = self.parts.follower.release(stream);
            let (at_ms, mut cursor) = (crate::clock::now_ms(), self.cursor());
            before(&mut cursor.position);
            self.parts.dialect.output(out, &Output { stream, piece: Piece::Binary(&held), at_ms, cursor });
        }
    }

    /// Sends what was held back for long enough.
    fn release_overdue(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        for stream in OutputStream::BOTH {
            let position = self.parts.follower.position();
            while let Some(Held { len, timer }) = &mut self.held[stream as usize] {
                if timer.poll(cx).is_pending() {
                    break;
                }
                if self.parts.process.log.is_end(stream, position.offsets[stream] + *len) {
                    self.release(out, stream, |_| {});
                } else {
                    // The rest is there: it is the client that takes its time.
                    timer.set_after(HOLD);
                }
            }
        }
    }

    fn fail(&mut self, out: &mut Vec<u8>, error: &Error) {
        self.flush(out, |_| {});
        let cursor = self.cursor();
        self.parts.dialect.failure(out, &error.to_string(), cursor);
        self.phase = Phase::Done;
    }

    /// Takes what the log has. Pending: nothing for now.
    fn follow(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<()> {
        while out.len() < CHUNK_BYTES {
            match ready!(Pin::new(&mut self.parts.follower).poll_next(cx)) {
                Some(Ok(item)) => self.item(out, item),
                Some(Err(source)) => {
                    self.fail(out, &Error::LogUnreadable { source });
                    return Poll::Ready(());
                }
                None => {
                    self.flush(out, |_| {});
                    let object = JsonBody::process(&self.parts.process, self.parts.inline_bytes_max);
                    self.phase = Phase::Closing(Box::pin(object.collect()));
                    return Poll::Ready(());
                }
            }
        }
        Poll::Ready(())
    }

    /// What must not wait until the log has nothing more.
    fn urgent(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        if self.parts.shutdown.has_begun() {
            self.fail(out, &Error::ShuttingDown);
            return;
        }
        self.release_overdue(cx, out);
        if let Some(condition) = &mut self.parts.condition
            && let Poll::Ready(outcome) = condition.poll(cx)
        {
            self.parts.condition = None;
            if let Some(error) = outcome {
                self.fail(out, &error);
            }
        }
    }

    /// What happens while the log is silent.
    fn idle(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        // What was urgent before the log was read may have changed by now, and must wake this task if it has not.
        self.urgent(cx, out);
        if !matches!(self.phase, Phase::Following) {
            return;
        }
        if self.going_away.poll(cx).is_ready() {
            self.fail(out, &Error::ShuttingDown);
            return;
        }
        while out.is_empty() && self.heartbeat.poll(cx).is_ready() {
            // The timer is not touched when something is sent; it finds out when it fires.
            let due = self.sent + self.parts.heartbeat;
            if due <= Instant::now() {
                self.parts.dialect.heartbeat(out);
                self.sent = Instant::now();
            }
            self.heartbeat.set_at(self.sent + self.parts.heartbeat);
        }
    }
}

impl Stream for EventStream {
    type Item = Result<Vec<u8>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>>>> {
        let this = self.get_mut();
        if this.turn >= TURN_BYTES {
            this.turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut out = Vec::new();
        loop {
            match &mut this.phase {
                Phase::Opening => {
                    this.open(&mut out);
                    this.phase = Phase::Following;
                }
                Phase::Following => {
                    this.urgent(cx, &mut out);
                    if !matches!(this.phase, Phase::Following) {
                        continue;
                    }
                    let pending = this.follow(cx, &mut out).is_pending();
                    if pending && out.is_empty() {
                        this.idle(cx, &mut out);
                        if out.is_empty() && matches!(this.phase, Phase::Following) {
                            this.turn = 0;
                            return Poll::Pending;
                        }
                    }
                }
                Phase::Closing(object) => match object.poll(cx) {
                    Poll::Ready(Ok(object)) => {
                        let cursor = this.cursor();
                        this.parts.dialect.result(&mut out, &object, cursor);
                        this.phase = Phase::Done;
                    }
                    Poll::Ready(Err(error)) => this.fail(&mut out, &error),
                    Poll::Pending if out.is_empty() => return Poll::Pending,
                    Poll::Pending => break,
                },
                Phase::Done if out.is_empty() => return Poll::Ready(None),
                Phase::Done => {}
            }
            // The terminal event goes out together with the last output.
            let is_closing = matches!(this.phase, Phase::Closing(_)) && out.len() < CHUNK_BYTES;
            if !is_closing && !out.is_empty() {
                break;
            }
        }
        this.sent = Instant::now();
        this.turn += out.len();
        Poll::Ready(Some(Ok(out)))
    }
}
