//! `Presence`: what a connection is doing, and what an end of input means for it.
//!
//! ```text
//! idle ──first byte──> head ──whole head──> busy ──answer sent and flushed──> idle
//! ```
//! hyper takes an end of input for a client that has left and drops the request. That is right for streams and waits, which
//! would otherwise be held for nobody. But a client may also send one short request and close its side at once: while a
//! short request is in work, the end of input is not shown to hyper.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::outgoing::Outgoing;

/// The least time between two looks at a connection that is at work.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(10);

/// How long a client that has just come is not taken for one that wants nothing.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// How long a connection may take that is to be over soon.
const SHORT: Duration = Duration::from_secs(2);

/// Shared by the socket, the connection's task and the requests on it.
#[derive(Debug)]
pub(crate) struct Presence {
    /// What of the answer is on its way to the kernel.
    pub(crate) outgoing: Outgoing,
    /// Held for a few lines.
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    /// The request in work gets its answer even if the client has closed its side.
    owes_answer: bool,
    /// The request in work is not worth going on with when its client has left.
    is_watched: bool,
    /// The reader that was not told of the end of input.
    waiting: Option<Waker>,
    /// A request was answered.
    has_served: bool,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Idle { since: Instant },
    Head { since: Instant },
    Busy { is_answered: bool },
}

/// What a connection that has taken too long was doing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// No request came.
    Idle,
    /// The head of a request did not come to its end.
    Head,
}

/// How long a connection may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For a request's head.
    pub(crate) head: Duration,
    /// Between requests.
    pub(crate) idle: Duration,
}

impl Patience {
    /// Of a connection that is to be over soon.
    pub(crate) fn short(self) -> Self {
        Self { head: self.head.min(SHORT), idle: self.idle.min(SHORT) }
    }
}

impl Presence {
    /// A connection that was opened now.
    pub(crate) fn new() -> Self {
        let phase = Phase::Idle { since: Instant::now() };
        Self {
            outgoing: Outgoing::default(),
            inner: Mutex::new(Inner {
                phase,
                owes_answer: false,
                is_watched: false,
                waiting: None,
                has_served: false,
            }),
        }
    }

    /// Bytes came in.
    pub(crate) fn received(&self) {
        let mut inner = self.lock();
        if let Phase::Idle { .. } = inner.phase {
            inner.phase = Phase::Head { since: Instant::now() };
        }
    }

    /// The head of a request is whole: until `settle` or `watch`, an end of input is no reason to drop it.
    pub(crate) fn begin(&self) {
        let mut inner = self.lock();
        inner.phase = Phase::Busy { is_answered: false };
        inner.owes_answer = true;
        inner.is_watched = false;
    }

    /// The request waits for its body: a client that closes its side inside it has cut it.
    pub(crate) fn await_body(&self) {
        self.show_end();
    }

    /// The request was read and waits for something: a client that has left is noticed from now on.
    pub(crate) fn watch(&self) {
        self.lock().is_watched = true;
        self.show_end();
    }

    /// Whether the request in work is dropped when its client leaves, whatever else the client has sent.
    pub(crate) fn is_watched(&self) -> bool {
        let inner = self.lock();
        inner.is_watched && matches!(inner.phase, Phase::Busy { is_answered: false })
    }

    /// The body of the request in work has come to its end, after an end of input in it would have been noticed.
    pub(crate) fn received_body(&self) {
        let mut inner = self.lock();
        if let Phase::Busy { is_answered: false } = inner.phase {
            inner.owes_answer = true;
        }
    }

    /// The answer is made, or the request was dropped.
    pub(crate) fn settle(&self) {
        if let Phase::Busy { is_answered } = &mut self.lock().phase {
            *is_answered = true;
        }
        self.show_end();
    }

    /// Everything that was written has been handed to the kernel.
    pub(crate) fn flushed(&self) {
        self.outgoing.flushed();
        let mut inner = self.lock();
        if let Phase::Busy { is_answered: true } = inner.phase {
            inner.phase = Phase::Idle { since: Instant::now() };
            inner.has_served = true;
        }
    }

    /// Whether no request is in work and none is being answered: what is written now are hyper's own words.
    pub(crate) fn is_between_requests(&self) -> bool {
        !matches!(self.lock().phase, Phase::Busy { .. })
    }

    /// Whether the head of a request is on its way.
    pub(crate) fn is_in_head(&self) -> bool {
        matches!(self.lock().phase, Phase::Head { .. })
    }

    /// Whether there is no request, nor the beginning of one.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.lock().phase, Phase::Idle { .. })
    }

    /// Since when there has been no request, nor the beginning of one. A client that has just come is about to send its first.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let inner = self.lock();
        match inner.phase {
            Phase::Idle { since } => (inner.has_served || since.elapsed() >= FIRST_REQUEST).then_some(since),
            Phase::Head { .. } | Phase::Busy { .. } => None,
        }
    }

    /// What has taken too long by now, or when to look again.
    pub(crate) fn overdue(&self, now: Instant, patience: Patience) -> Result<Instant, Overdue> {
        let (deadline, what) = match self.lock().phase {
            Phase::Busy { .. } => return Ok(now + patience.idle.max(LOOK_AGAIN_MIN)),
            Phase::Idle { since } => (since + patience.idle, Overdue::Idle),
            Phase::Head { since } => (since + patience.head, Overdue::Head),
        };
        if deadline <= now { Err(what) } else { Ok(deadline) }
    }

    /// Whether to keep an end of input from hyper; then `cx` is woken when that changes.
    pub(crate) fn hides_end(&self, cx: &Context<'_>) -> bool {
        let mut inner = self.lock();
        if inner.owes_answer {
            inner.waiting = Some(cx.waker().clone());
        }
        inner.owes_answer
    }

    fn show_end(&self) {
        let waiting = {
            let mut inner = self.lock();
            inner.owes_answer = false;
            inner.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { head: Duration::from_secs(1), idle: Duration::from_secs(10) };

    #[test]
    fn each_phase_has_its_own_patience() {
        let presence = Presence::new();
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert!(presence.overdue(later(9), PATIENCE).is_ok());
        assert_eq!(presence.overdue(later(11), PATIENCE), Err(Overdue::Idle));
        presence.received();
        assert_eq!(presence.overdue(later(2), PATIENCE), Err(Overdue::Head));
        presence.begin();
        assert!(presence.overdue(later(100), PATIENCE).is_ok() && !presence.is_between_requests());
        presence.flushed();
        assert!(!presence.is_between_requests(), "not answered yet");
        presence.settle();
        assert!(!presence.is_between_requests(), "not flushed yet");
        presence.flushed();
        assert!(presence.is_between_requests());
    }

    #[test]
    fn the_next_look_is_never_now() {
        let (presence, now) = (Presence::new(), Instant::now());
        let none = Patience { head: Duration::ZERO, idle: Duration::ZERO };
        assert_eq!(presence.overdue(now, none), Err(Overdue::Idle));
        presence.begin();
        assert!(presence.overdue(now, none).is_ok_and(|at| at > now));
    }

    #[test]
    fn an_end_is_hidden_from_a_short_request_only() {
        let presence = Presence::new();
        let cx = Context::from_waker(Waker::noop());
        assert!(!presence.hides_end(&cx));
        presence.begin();
        assert!(presence.hides_end(&cx));
        presence.watch();
        assert!(!presence.hides_end(&cx));
    }
}
