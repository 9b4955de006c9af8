//! `WatchStream`: what happens in a watched folder, a line of JSON each, as long as the client stays.
//!
//! ```text
//! Idle ──something happened──> Turning (on the blocking pool) ──lines──> Idle | Turning      the folder is gone, shutdown ──> Done
//! ```
//! It is pulled by the connection: while the client takes nothing, nothing is looked at, and what happens waits in the watcher's inbox,
//! which has a bound. Dropping it ends the watch.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_io::Timer;
use blocking::Task;
use event_listener::EventListener;
use futures_lite::Stream;

use super::context::{FollowerRoom, Shutdown};
use super::file_view;
use crate::error::Result;
use crate::filesystem::{Files, WatchTurn, Watcher};
use crate::wire::json;

/// The line that says that the stream lives.
const KEEPALIVE: &[u8] = b"[keepalive]\n";

/// What a stream is made of.
pub(crate) struct Parts {
    /// Where turns run.
    pub(crate) files: Files,
    /// Who is asked; it has begun.
    pub(crate) watcher: Watcher,
    /// Silence before a keepalive.
    pub(crate) heartbeat: Duration,
    /// Its place among the streams that are followed.
    pub(crate) room: FollowerRoom,
    /// Fires when the daemon is going away.
    pub(crate) shutdown: Arc<Shutdown>,
}

/// See the module.
pub(crate) struct WatchStream {
    files: Files,
    state: State,
    heartbeat: Duration,
    /// When something was sent last.
    sent: Instant,
    timer: Timer,
    shutdown: Arc<Shutdown>,
    going_away: EventListener,
    _room: FollowerRoom,
}

type Turned = (Box<Watcher>, Vec<u8>, WatchTurn);

enum State {
    Idle(Box<Watcher>, EventListener),
    Turning(Task<Turned>),
    Done,
}

impl WatchStream {
    /// A stream that has sent nothing.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { files, watcher, heartbeat, room, shutdown } = parts;
        let state = State::Turning(turn(&files, Box::new(watcher)));
        Self {
            files,
            state,
            heartbeat,
            sent: Instant::now(),
            timer: Timer::after(heartbeat),
            going_away: shutdown.listen(),
            shutdown,
            _room: room,
        }
    }

    /// The next lines, perhaps none.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Vec<u8>> {
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Poll::Ready(Vec::new()),
                State::Idle(watcher, mut happened) => {
                    if Pin::new(&mut happened).poll(cx).is_pending() {
                        self.state = State::Idle(watcher, happened);
                        return Poll::Pending;
                    }
                    self.state = State::Turning(turn(&self.files, watcher));
                }
                State::Turning(mut task) => {
                    let Poll::Ready((watcher, lines, outcome)) = Pin::new(&mut task).poll(cx) else {
                        self.state = State::Turning(task);
                        return Poll::Pending;
                    };
                    self.state = match outcome {
                        WatchTurn::Over => State::Done,
                        WatchTurn::Idle => {
                            let happened = watcher.listen();
                            State::Idle(watcher, happened)
                        }
                        WatchTurn::More => State::Turning(turn(&self.files, watcher)),
                    };
                    if !lines.is_empty() {
                        return Poll::Ready(lines);
                    }
                }
            }
        }
    }

    /// Whether a keepalive is due. The timer is not touched when something is sent; it finds out when it fires.
    fn is_silent(&mut self, cx: &mut Context<'_>) -> bool {
        while Pin::new(&mut self.timer).poll(cx).is_ready() {
            let is_due = self.sent + self.heartbeat <= Instant::now();
            if is_due {
                self.sent = Instant::now();
            }
            self.timer.set_at(self.sent + self.heartbeat);
            if is_due {
                return true;
            }
        }
        false
    }
}

impl Stream for WatchStream {
    type Item = Result<Vec<u8>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>>>> {
        let this = self.get_mut();
        let is_going_away = this.shutdown.has_begun() || Pin::new(&mut this.going_away).poll(cx).is_ready();
        if is_going_away || matches!(this.state, State::Done) {
            this.state = State::Done;
            return Poll::Ready(None);
        }
        match this.advance(cx) {
            Poll::Ready(lines) if lines.is_empty() => Poll::Ready(None),
            Poll::Ready(lines) => {
                this.sent = Instant::now();
                Poll::Ready(Some(Ok(lines)))
            }
            Poll::Pending if this.is_silent(cx) => Poll::Ready(Some(Ok(KEEPALIVE.to_vec()))),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn turn(files: &Files, mut watcher: Box<Watcher>) -> Task<Turned> {
    let files = files.clone();
    blocking::unblock(move || {
        let turned = files.act(|| Ok(watcher.turn()));
        // Who may not act as the workload user any more sees nothing any more.
        let (events, outcome) = turned.unwrap_or((Vec::new(), WatchTurn::Over));
        let mut lines = Vec::new();
        for event in &events {
            lines.extend(json::to_vec(&file_view::watch_event(event)));
            lines.push(b'\n');
        }
        (watcher, lines, outcome)
    })
}
