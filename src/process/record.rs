//! `ProcessRecord`: what of a process must outlive the worker that watches it; `History`: all of it as the next worker reads
//! it. Pure.
//!
//! A change is noted before anybody outside can learn of it, the exit before the kernel's copy of it is reaped. What a record
//! says replaces what an earlier one said, so that a record may come twice. Descriptors are no part of it; the keeper holds
//! them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::spec::ProcessSpec;
use super::state::State;
use crate::attempt::{self, AttemptRecord};
use crate::custody::Frame;
use crate::id::ProcessId;
use crate::log::record::{self as log_record, LogHistory, LogRecord};
use crate::network::monitor::record::{self as monitor_record, MonitorHistory};
use crate::network::tunnel::{self, TunnelRecord};

/// The kind of these records in the journal.
pub(crate) const KIND: u8 = 1;

/// The version of the records, of the logs' too. A worker refuses a journal of a version that it does not know. A field that
/// an older worker did not write has a default.
pub(crate) const VERSION: u32 = 1;

/// A change of the process table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ProcessRecord<'a> {
    /// Whose ids these are. The first record, and again in each journal that is written anew.
    Boot { version: u32, boot: u32, next: u64 },
    /// A command is about to be started. Without a state it never was, unless a child is found.
    Intent { id: ProcessId, spec: Cow<'a, ProcessSpec> },
    /// Where the process stands.
    State { id: ProcessId, state: State },
    /// The process is forgotten.
    Forgotten { id: ProcessId },
}

/// A process as its records tell it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) spec: ProcessSpec,
    /// `None`: a start was under way.
    pub(crate) state: Option<State>,
    pub(crate) log: LogHistory,
}

/// Everything that a worker knew.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// The number that all its ids share; `None` when it noted nothing.
    pub(crate) boot: Option<u32>,
    /// The serial of the next id.
    pub(crate) next: u64,
    pub(crate) processes: BTreeMap<ProcessId, Remembered>,
    /// Who is told of new ports.
    pub(crate) monitors: MonitorHistory,
    /// The upgrade that was asked for last.
    pub(crate) attempt: Option<AttemptRecord>,
    /// The tunnel, or that it was taken down; `None` when there never was one.
    pub(crate) tunnel: Option<TunnelRecord>,
}

/// The journal makes no sense to this version.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It was written by another version.
    #[error("the state is of version {0}, and this one reads version {VERSION}")]
    Version(u32),
    /// A record is not one.
    #[error("a record of the state makes no sense: {0}")]
    Record(#[from] serde_json::Error),
}

impl History {
    /// What these records tell.
    pub(crate) fn read(frames: &[Frame]) -> Result<Self, Unreadable> {
        let mut history = Self { next: 1, ..Self::default() };
        let mut logs: Vec<LogRecord> = Vec::new();
        for frame in frames {
            match frame.kind {
                KIND => history.apply(serde_json::from_slice(&frame.bytes)?)?,
                tunnel::KIND => history.tunnel = Some(serde_json::from_slice(&frame.bytes)?),
                monitor_record::KIND => history.monitors.apply(serde_json::from_slice(&frame.bytes)?),
                attempt::KIND => history.attempt = serde_json::from_slice(&frame.bytes).ok(),
                log_record::KIND => logs.push(serde_json::from_slice(&frame.bytes)?),
                // Of a later version, and not needed by this one.
                _ => {}
            }
        }
        let mut logs: HashMap<ProcessId, LogHistory> = LogHistory::all(logs);
        for (id, remembered) in &mut history.processes {
            remembered.log = logs.remove(id).unwrap_or_default();
        }
        Ok(history)
    }

    fn apply(&mut self, record: ProcessRecord<'_>) -> Result<(), Unreadable> {
        match record {
            ProcessRecord::Boot { version, .. } if version != VERSION => {
                return Err(Unreadable::Version(version));
            }
            ProcessRecord::Boot { boot, next, .. } => {
                self.boot = Some(boot);
                self.next = self.next.max(next);
            }
            ProcessRecord::Intent { id, spec } => {
                self.next = self.next.max(id.serial() + 1);
                let fresh =
                    || Remembered { spec: spec.into_owned(), state: None, log: LogHistory::default() };
                self.processes.entry(id).or_insert_with(fresh);
            }
            ProcessRecord::State { id, state } => {
                if let Some(remembered) = self.processes.get_mut(&id) {
                    remembered.state = Some(state);
                }
            }
            ProcessRecord::Forgotten { id } => drop(self.processes.remove(&id)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
