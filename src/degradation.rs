//! `Degradation`: what is wrong with the daemon now, although it goes on.
//!
//! Whoever meets a trouble sets it, and clears it when it is over. Each trouble is there once, with the latest reason, however many
//! meet it. It knows neither what is done about a trouble nor who asks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use event_listener::Event;

/// A thing that can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// Output of commands cannot be stored in the log folder.
    Logs,
    /// One worker after the other has died.
    Workers,
    /// The host cannot be told that it is to stay awake.
    ScaleFile,
}

impl Trouble {
    /// Everything that can be wrong.
    pub(crate) const ALL: [Self; 3] = [Self::Logs, Self::Workers, Self::ScaleFile];

    /// A word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Workers => "workers",
            Self::ScaleFile => "scale_file",
        }
    }
}

/// The troubles that there are. One for the daemon.
#[derive(Debug, Default)]
pub(crate) struct Degradation {
    /// Held for a few lines.
    reasons: Mutex<BTreeMap<Trouble, String>>,
    /// A trouble has come.
    came: Event,
}

impl Degradation {
    /// Says that there is a trouble, and why.
    pub(crate) fn set(&self, trouble: Trouble, reason: String) {
        let mut reasons = self.lock();
        let before = reasons.get(&trouble);
        if before == Some(&reason) {
            return;
        }
        // The log's own thread writes it: nothing waits here.
        tracing::warn!("degraded: {reason}");
        let is_first = before.is_none();
        reasons.insert(trouble, reason);
        drop(reasons);
        if is_first {
            self.came.notify(usize::MAX);
        }
    }

    /// Says that a trouble is over, if it was there.
    pub(crate) fn clear(&self, trouble: Trouble) {
        let before = self.lock().remove(&trouble);
        if let Some(reason) = before {
            tracing::info!("no longer degraded: {reason}");
        }
    }

    /// Why the daemon is degraded: one sentence for each trouble; none when all is well.
    pub(crate) fn reasons(&self) -> Vec<String> {
        self.lock().values().cloned().collect()
    }

    /// Whether there is a trouble.
    pub(crate) fn is_set(&self, trouble: Trouble) -> bool {
        self.lock().contains_key(&trouble)
    }

    /// Completes when there is a trouble, at once if it is there.
    pub(crate) async fn until(&self, trouble: Trouble) {
        loop {
            // Listen first, then look: one that comes between the two is not missed.
            let came = self.came.listen();
            if self.lock().contains_key(&trouble) {
                return;
            }
            came.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Trouble, String>> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_lite::future::{block_on, poll_once};

    use super::*;

    #[test]
    fn a_trouble_is_there_once_with_its_latest_reason() {
        let degradation = Degradation::default();
        assert_eq!(degradation.reasons(), [""; 0]);
        degradation.set(Trouble::Logs, "full".to_owned());
        degradation.set(Trouble::Logs, "gone".to_owned());
        assert_eq!(degradation.reasons(), ["gone"]);
        degradation.clear(Trouble::Logs);
        degradation.clear(Trouble::Logs);
        assert_eq!(degradation.reasons(), [""; 0]);
    }

    #[test]
    fn whoever_waits_for_a_trouble_is_told() {
        let degradation = Arc::new(Degradation::default());
        let mut waits = Box::pin(degradation.until(Trouble::Logs));
        assert!(block_on(poll_once(&mut waits)).is_none());
        let set = std::thread::spawn({
            let degradation = degradation.clone();
            move || degradation.set(Trouble::Logs, "full".to_owned())
        });
        block_on(waits);
        set.join().unwrap();
        assert!(block_on(poll_once(degradation.until(Trouble::Logs))).is_some(), "at once when it is there");
    }
}
