//! `ProcessRecord`: what of a process must outlive the worker that watches it, in one place and in one form.
//!
//! A later worker that is handed the pipe ends and the pidfd beside this record can go on: it knows what was asked for,
//! where the process stands, and how far its log reaches. The exit is in `state` before the kernel's copy is reaped.
//! Descriptors are no part of it; they travel beside it.

use serde::{Deserialize, Serialize};

use super::process::Process;
use super::spec::ProcessSpec;
use super::state::State;

/// The version of this form. A reader refuses a version it does not know.
pub(crate) const VERSION: u32 = 1;

/// A process as another worker can take it over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessRecord {
    /// `VERSION`.
    pub(crate) version: u32,
    /// boxd's own id, which names the log files and the mark in the environment.
    pub(crate) id: String,
    /// What was asked for.
    pub(crate) spec: ProcessSpec,
    /// Where it stands: pid, run, restarts, exit, who asked for the end.
    pub(crate) state: State,
    /// How far the log reaches.
    pub(crate) log: LogRecord,
}

/// The positions of a log. What stands behind them in the files came after the record was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogRecord {
    /// The first stored offset of stdout and stderr.
    pub(crate) starts: [u64; 2],
    /// The offset behind the last byte of each.
    pub(crate) ends: [u64; 2],
    /// Where the process's own output ended, once it is over.
    pub(crate) sealed: Option<[u64; 2]>,
}

impl ProcessRecord {
    /// The record of a process as it stands now.
    pub(crate) fn of(process: &Process) -> Self {
        let pair = |offsets: crate::log::Offsets| [offsets.stdout, offsets.stderr];
        // The state first: the log can only have grown since.
        let state = process.state();
        let log = LogRecord {
            starts: pair(process.log.starts()),
            ends: pair(process.log.ends()),
            sealed: process.log.sealed().map(pair),
        };
        Self { version: VERSION, id: process.id.to_string(), spec: process.spec.clone(), state, log }
    }
}
