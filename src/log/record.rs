//! `LogRecord`: what of a log the files do not tell; `LogHistory`: a log as its records tell it. Pure.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::store::Boundary;
use super::{Offsets, OutputStream};
use crate::id::ProcessId;

/// The kind of these records in the journal.
pub(crate) const KIND: u8 = 2;

/// A change of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LogRecord {
    /// A file of a stream begins at this offset. Said of every file but the first of a stream that begins at 0.
    Segment { id: ProcessId, stream: OutputStream, part: u32, base: u64 },
    /// A file in memory begins at this offset; the keeper holds it by its number.
    Memory { id: ProcessId, stream: OutputStream, number: u32, base: u64 },
    /// The stream goes on to this offset, and the bytes before it that are in no file are lost.
    Lost { id: ProcessId, stream: OutputStream, end: u64 },
    /// A run ended, and another follows.
    RunEnded { id: ProcessId, boundary: Boundary },
    /// The process is over.
    Sealed { id: ProcessId, at: Offsets },
}

/// What the records say of one stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamHistory {
    /// Where each file begins, by its part. A first file that is not named begins at 0.
    pub(crate) bases: BTreeMap<u32, u64>,
    /// Where each file in memory begins, by its number.
    pub(crate) memory: BTreeMap<u32, u64>,
    /// The stream goes at least this far.
    pub(crate) end: u64,
}

/// What the records say of one log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LogHistory {
    pub(crate) streams: [StreamHistory; 2],
    pub(crate) boundaries: Vec<Boundary>,
    pub(crate) sealed: Option<Offsets>,
}

impl LogRecord {
    /// Whose log.
    pub(crate) fn id(&self) -> ProcessId {
        match self {
            Self::Segment { id, .. }
            | Self::Memory { id, .. }
            | Self::Lost { id, .. }
            | Self::RunEnded { id, .. }
            | Self::Sealed { id, .. } => *id,
        }
    }
}

impl LogHistory {
    /// Takes a record in. One that comes again changes nothing.
    pub(crate) fn apply(&mut self, record: &LogRecord) {
        match *record {
            LogRecord::Segment { stream, part, base, .. } => {
                self.streams[stream as usize].bases.insert(part, base);
            }
            LogRecord::Memory { stream, number, base, .. } => {
                self.streams[stream as usize].memory.insert(number, base);
            }
            LogRecord::Lost { stream, end, .. } => {
                let stream = &mut self.streams[stream as usize];
                stream.end = stream.end.max(end);
            }
            LogRecord::RunEnded { boundary, .. } => {
                if self.boundaries.last().is_none_or(|last| last.run < boundary.run) {
                    self.boundaries.push(boundary);
                }
            }
            LogRecord::Sealed { at, .. } => self.sealed = Some(at),
        }
    }

    /// The histories that these records tell, by process.
    pub(crate) fn all(records: impl IntoIterator<Item = LogRecord>) -> HashMap<ProcessId, Self> {
        let mut histories: HashMap<ProcessId, Self> = HashMap::new();
        for record in records {
            histories.entry(record.id()).or_default().apply(&record);
        }
        histories
    }
}
