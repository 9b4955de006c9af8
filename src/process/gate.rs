//! `Gate`: who may still change something while a worker hands everything over to the next one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_io::Timer;
use futures_lite::FutureExt;

use crate::error::{Error, Result};
use crate::underway::{Piece, Underway};

/// Changes under way, until it is closed.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_closed: AtomicBool,
    inside: Underway,
}

impl Gate {
    /// Goes in to change something, for as long as the pass lives.
    pub(crate) fn enter(&self) -> Result<Piece> {
        let pass = self.inside.begin();
        // Counted first: who closes it now waits.
        if self.is_closed.load(Ordering::SeqCst) { Err(Error::HandedOver) } else { Ok(pass) }
    }

    /// Lets nobody in any more and waits until nobody is inside; false, and open again, when that takes too long.
    pub(crate) async fn close(&self, patience: Duration) -> bool {
        self.is_closed.store(true, Ordering::SeqCst);
        let settled = async {
            self.inside.settled().await;
            true
        };
        let time_up = async {
            Timer::after(patience).await;
            false
        };
        let is_empty = settled.or(time_up).await;
        self.is_closed.store(is_empty, Ordering::SeqCst);
        is_empty
    }

    /// Lets everybody in again.
    pub(crate) fn open(&self) {
        self.is_closed.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
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
}
