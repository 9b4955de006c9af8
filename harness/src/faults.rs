//! The fault suite: what breaks is broken on purpose, and then it is counted what was lost.
//!
//! ```text
//! fault ──> daemon of its own, commands whose every byte is known, clients ──> break it, n times ──> row: tried, losses
//! ```
//! A loss is any difference between what a command did and what clients were told: a byte, its place, an exit code, a name, a
//! second start, a refused connection. A fault that can't be tried on a machine is shown with the reason and counts as not
//! tried; nothing is assumed. The seed is printed, and makes the same choices again.

mod api;
mod births;
mod clock;
mod cut_clients;
mod daemon;
mod descriptors;
mod disk;
mod file_writes;
mod follow;
mod many;
mod points;
mod port_readers;
mod readers;
mod refused_writes;
mod report;
mod script;
mod stopped_client;
mod strace;
mod upgrade;
mod worker;
mod worker_load;

use std::{io, path::PathBuf};

pub use self::report::Report;
use self::report::Row;
pub(crate) use self::{
    script::{WORD as CHATTER, run as chatter},
    stopped_client::{WORD as CLIENT, run as client},
};

/// Tries a fault and tells.
type Fault = (&'static str, fn(&Suite) -> io::Result<Vec<Row>>);

const FAULTS: [Fault; 14] = [
    ("worker", worker::run),
    ("points", points::run),
    ("births", births::run),
    ("upgrade", upgrade::run),
    ("disk", disk::run),
    ("refused-writes", refused_writes::run),
    ("descriptors", descriptors::run),
    ("many", many::run),
    ("readers", readers::run),
    ("port-readers", port_readers::run),
    ("stopped-client", stopped_client::try_it),
    ("cut-clients", cut_clients::run),
    ("file-writes", file_writes::run),
    ("clock", clock::run),
];

/// How often each fault is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// A few minutes: what CI runs.
    Short,
    /// The stated counts.
    Full,
    /// Several times the stated counts: for nights.
    Long,
}

/// A run of the suite.
#[derive(Debug)]
pub struct Suite {
    /// The daemon.
    pub program: PathBuf,
    /// A debug build of it, for the one fault that needs a seam which release builds lack.
    pub debug_program: Option<PathBuf>,
    /// How often.
    pub scale: Scale,
    /// What the random choices come from.
    pub seed: u64,
}

impl Suite {
    /// The names of the faults, in their order.
    pub fn names() -> Vec<&'static str> {
        FAULTS.iter().map(|(name, _)| *name).collect()
    }

    /// Tries the faults with these names, all of them when there are none, and says which one it is at.
    pub fn run(&self, only: &[String], at: &dyn Fn(&str)) -> Report {
        let mut report = Report::begin(self.seed);
        // Both ends of each connection are on this machine.
        if let Err(error) = crate::bench::raise_descriptor_limit() {
            at(&format!("the limit of descriptors can't be raised: {error}"));
        }
        for (name, fault) in FAULTS {
            if only.is_empty() || only.iter().any(|wanted| wanted == name) {
                at(&format!("trying {name}"));
                report.add(name, fault(self));
            }
        }
        report
    }

    /// One of three counts.
    fn times(&self, short: usize, full: usize, long: usize) -> usize {
        match self.scale {
            Scale::Short => short,
            Scale::Full => full,
            Scale::Long => long,
        }
    }
}
