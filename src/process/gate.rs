//! `Gate`: who may still change something while a worker hands everything over to the next one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_listener::Event;

use crate::error::{Error, Result};
use crate::underway::{Piece, Underway};

/// Changes under way, until it is closed.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_closed: AtomicBool,
    inside: Underway,
    opened: Event,
}

impl Gate {
    /// Goes in to change something, for as long as the pass lives.
    pub(crate) fn enter(&self) -> Result<Piece> {
        let pass = self.inside.begin();
        // Counted first: who closes it now waits.
        if self.is_closed.load(Ordering::SeqCst) { Err(Error::HandedOver) } else { Ok(pass) }
    }

    /// The same for what nobody would try again: waits until it is open. In a worker that has handed over that is for ever.
    pub(crate) async fn pass(&self) -> Piece {
        loop {
            let opened = self.opened.listen();
            if let Ok(pass) = self.enter() {
                return pass;
            }
            opened.await;
        }
    }

    /// Lets nobody in any more and waits until nobody is inside; false, and open again, when that takes too long.
    pub(crate) async fn close(&self, patience: Duration) -> bool {
        self.is_closed.store(true, Ordering::SeqCst);
        let is_empty = self.inside.settled_within(patience).await;
        if !is_empty {
            self.open();
        }
        is_empty
    }

    /// Lets everybody in again.
    pub(crate) fn open(&self) {
        self.is_closed.store(false, Ordering::SeqCst);
        self.opened.notify(usize::MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_lite::future::poll_once;

    use super::*;

    #[test]
    fn who_is_inside_is_waited_for_and_nobody_else_comes_in() {
        let gate = Gate::default();
        let pass = gate.enter().unwrap();
        assert!(!smol::block_on(gate.close(Duration::from_millis(1))), "somebody is inside");
        drop(gate.enter().unwrap());
        drop(pass);
        assert!(smol::block_on(gate.close(Duration::from_mins(1))));
        assert!(matches!(gate.enter(), Err(Error::HandedOver)));
        gate.open();
        assert!(gate.enter().is_ok());
    }

    #[test]
    fn a_clock_waits_for_a_gate_that_opens_again() {
        let gate = Gate::default();
        let inside = gate.enter().unwrap();
        let mut closing = pin!(gate.close(Duration::from_mins(1)));
        assert!(smol::block_on(poll_once(closing.as_mut())).is_none());
        let mut clock = pin!(gate.pass());
        assert!(smol::block_on(poll_once(clock.as_mut())).is_none());
        drop(inside);
        assert!(smol::block_on(closing));
        assert!(smol::block_on(poll_once(clock.as_mut())).is_none());
        gate.open();
        assert!(smol::block_on(poll_once(clock.as_mut())).is_some());
    }
}
