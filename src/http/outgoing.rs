//! `Outgoing`: what of a pulled answer was handed to hyper and is not yet with the kernel.
//!
//! hyper asks for more of a body until it holds 64 KiB, whether the client takes anything or not, and asks once more each time it
//! wakes. Of a thousand clients that read slowly that was 100 MB, so here the next piece waits until those before it are gone.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Bytes from which on the next piece waits even for a client that takes all: more in one call does not pay.
const ENOUGH_BYTES: usize = 32 * 1024;

/// See the module. All of it happens on the connection's own task; the atomics are there because the parts of a task must be shareable.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    queued: AtomicUsize,
    is_blocked: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl Outgoing {
    /// Pending as long as no further piece should be made; woken by `flushed`.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let queued = self.queued.load(Ordering::Relaxed);
        if queued == 0 || queued < ENOUGH_BYTES && !self.is_blocked.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Pending as long as hyper holds anything of the body; woken by `flushed`. A body that breaks off is heard up to there: an
    /// error makes hyper close the connection over what it still holds.
    pub(crate) fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        if self.queued.load(Ordering::Relaxed) == 0 {
            return Poll::Ready(());
        }
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        Poll::Pending
    }

    /// A piece was handed to hyper.
    pub(crate) fn queued(&self, bytes: usize) {
        self.queued.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The kernel takes no more for now.
    pub(crate) fn blocked(&self) {
        self.is_blocked.store(true, Ordering::Relaxed);
    }

    /// The kernel has all.
    pub(crate) fn flushed(&self) {
        self.is_blocked.store(false, Ordering::Relaxed);
        if self.queued.swap(0, Ordering::Relaxed) == 0 {
            return;
        }
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_piece_waits_for_a_client_that_takes_nothing_and_for_a_full_queue() {
        let outgoing = Outgoing::default();
        let cx = Context::from_waker(Waker::noop());
        outgoing.queued(1);
        assert!(outgoing.poll_room(&cx).is_ready(), "a client that takes all gets small pieces together");
        outgoing.blocked();
        assert!(outgoing.poll_room(&cx).is_pending());
        outgoing.flushed();
        assert!(outgoing.poll_room(&cx).is_ready());
        outgoing.queued(ENOUGH_BYTES);
        assert!(outgoing.poll_room(&cx).is_pending());
        outgoing.flushed();
        outgoing.blocked();
        assert!(outgoing.poll_room(&cx).is_ready(), "nothing is queued, so nothing would wake it");
    }
}
