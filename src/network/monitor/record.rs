//! `MonitorRecord`: what of the monitors must outlive the worker. Pure.
//!
//! A port is noted when somebody was told of it, so a worker that is killed in between makes that it is told twice, and never that it
//! is not told.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The kind of these records in the journal.
pub(crate) const KIND: u8 = 3;

/// The ports that somebody was told of and that are open still.
pub(crate) type Told = BTreeSet<u16>;

/// A change of the monitors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MonitorRecord<'a> {
    /// There is one.
    Started { pid: i64, callback: Cow<'a, str> },
    /// It has told of a port.
    Told { pid: i64, callback: Cow<'a, str>, port: u16 },
    /// A port that was told of is closed.
    Closed { pid: i64, callback: Cow<'a, str>, port: u16 },
    /// All of a process were stopped, or ended by themselves.
    Stopped { pid: i64 },
}

/// All monitors, by pid and callback, and what they have told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MonitorHistory {
    pub(crate) monitors: BTreeMap<(i64, String), Told>,
}

impl MonitorHistory {
    /// Goes on by one record. What it says may have been said before.
    pub(crate) fn apply(&mut self, record: MonitorRecord<'_>) {
        match record {
            MonitorRecord::Started { pid, callback } => {
                self.monitors.entry((pid, callback.into_owned())).or_default();
            }
            MonitorRecord::Told { pid, callback, port } => {
                if let Some(told) = self.monitors.get_mut(&(pid, callback.into_owned())) {
                    told.insert(port);
                }
            }
            MonitorRecord::Closed { pid, callback, port } => {
                if let Some(told) = self.monitors.get_mut(&(pid, callback.into_owned())) {
                    told.remove(&port);
                }
            }
            MonitorRecord::Stopped { pid } => self.monitors.retain(|(of, _), _| *of != pid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_tell_who_is_to_be_told_of_what() {
        let mut history = MonitorHistory::default();
        let callback = || Cow::Borrowed("http://a/");
        for record in [
            MonitorRecord::Started { pid: 7, callback: callback() },
            MonitorRecord::Started { pid: 8, callback: callback() },
            MonitorRecord::Told { pid: 7, callback: callback(), port: 80 },
            MonitorRecord::Told { pid: 7, callback: callback(), port: 81 },
            // A journal that was written anew says it again.
            MonitorRecord::Started { pid: 7, callback: callback() },
            MonitorRecord::Closed { pid: 7, callback: callback(), port: 80 },
            MonitorRecord::Stopped { pid: 8 },
            MonitorRecord::Told { pid: 8, callback: callback(), port: 1 },
        ] {
            let text = serde_json::to_vec(&record).unwrap();
            history.apply(serde_json::from_slice(&text).unwrap());
        }
        let expect = BTreeMap::from([((7, "http://a/".to_owned()), Told::from([81]))]);
        assert_eq!(history.monitors, expect);
    }
}
