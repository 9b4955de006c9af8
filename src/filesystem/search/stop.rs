//! `Stop`: how a search learns that nobody wants it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The side that searches: it looks before every entry and every read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

/// The side that waits: when it is dropped the search ends.
#[derive(Debug)]
pub(crate) struct Wanted(Stop);

impl Stop {
    /// One that nobody has used.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Whether the search is to end. It then has found nothing more, for nobody reads it.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The other side.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted(self.clone())
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}
