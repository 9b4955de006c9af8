//! `Underway`: work that was begun for a client and must not be cut by the daemon's own end, or by a hand-over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_io::Timer;
use event_listener::Event;
use futures_lite::FutureExt;

/// Counts what is under way.
#[derive(Debug, Default, Clone)]
pub(crate) struct Underway {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    count: AtomicUsize,
    done: Event,
}

/// One piece of it, over when this is dropped.
#[derive(Debug)]
pub(crate) struct Piece {
    of: Arc<Shared>,
}

impl Underway {
    /// Begins a piece.
    pub(crate) fn begin(&self) -> Piece {
        self.shared.count.fetch_add(1, Ordering::SeqCst);
        Piece { of: self.shared.clone() }
    }

    /// Completes when nothing is under way.
    pub(crate) async fn settled(&self) {
        loop {
            let done = self.shared.done.listen();
            if self.shared.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            done.await;
        }
    }

    /// Waits for that, and gives whether it came in time.
    pub(crate) async fn settled_within(&self, patience: Duration) -> bool {
        let settled = async {
            self.settled().await;
            true
        };
        let time_up = async {
            Timer::after(patience).await;
            false
        };
        settled.or(time_up).await
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.of.count.fetch_sub(1, Ordering::SeqCst);
        self.of.done.notify(usize::MAX);
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::poll_once;

    use super::*;

    #[test]
    fn it_is_settled_when_the_last_piece_is_over() {
        let underway = Underway::default();
        let is_settled = || smol::block_on(poll_once(underway.settled())).is_some();
        assert!(is_settled());
        let (one, two) = (underway.begin(), underway.begin());
        drop(one);
        assert!(!is_settled());
        drop(two);
        assert!(is_settled());
    }
}
