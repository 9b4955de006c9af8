//! What is counted of starts and ends, of all processes.

use std::time::Duration;

use super::limits::LimitKind;
use super::state::Reason;
use crate::metrics::{Counter, Histogram};

/// A start takes half a millisecond where nothing is in its way.
const SPAWN_BOUNDS: [Duration; 12] = [
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// Every reason there is for the end of a process.
const REASONS: [Reason; 13] = [
    Reason::Exited,
    Reason::Signaled,
    Reason::Timeout,
    Reason::Stopped,
    Reason::Killed,
    Reason::SpawnFailed,
    Reason::Oom,
    Reason::Limit(LimitKind::Memory),
    Reason::Limit(LimitKind::Cpu),
    Reason::Limit(LimitKind::Pids),
    Reason::Limit(LimitKind::Wall),
    Reason::Limit(LimitKind::Output),
    Reason::Limit(LimitKind::Idle),
];

/// See the module. One for the daemon.
#[derive(Debug)]
pub(crate) struct ProcessCounters {
    /// From the request for a process to its running command.
    pub(crate) spawn: Histogram,
    /// Requests for a process that came to none.
    pub(crate) failed: Counter,
    /// Runs that followed another of the same process.
    pub(crate) restarts: Counter,
    ended: [Counter; REASONS.len()],
}

impl Default for ProcessCounters {
    fn default() -> Self {
        Self {
            spawn: Histogram::new(&SPAWN_BOUNDS),
            failed: Counter::default(),
            restarts: Counter::default(),
            ended: Default::default(),
        }
    }
}

impl ProcessCounters {
    /// A process is over, for this reason.
    pub(crate) fn ended(&self, reason: Option<Reason>) {
        if let Some(at) = REASONS.iter().position(|known| Some(*known) == reason) {
            self.ended[at].count();
        }
    }

    /// How many ended for each reason, by its name on the wire.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.iter().zip(&self.ended).map(|(reason, count)| (reason.name(), count.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_by_itself() {
        let counters = ProcessCounters::default();
        for reason in REASONS {
            counters.ended(Some(reason));
        }
        counters.ended(None);
        assert!(counters.ends().all(|(_, count)| count == 1));
        let names: std::collections::BTreeSet<_> = counters.ends().map(|(name, _)| name).collect();
        assert_eq!(names.len(), REASONS.len());
    }
}
