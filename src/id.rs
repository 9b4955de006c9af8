//! `ProcessId`: boxd's own name for a process, never an operating system pid.
//!
//! It is unique over restarts of the daemon: the first half is drawn when the daemon starts, the second counts.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The key of the process table, the stem of log file names, and the first field of a stream cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ProcessId {
    boot: u32,
    serial: u64,
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.boot, self.serial)
    }
}

impl ProcessId {
    /// The number that all ids of one source share.
    pub(crate) fn boot(self) -> u32 {
        self.boot
    }

    /// The number of this id in its source, from 1.
    pub(crate) fn serial(self) -> u64 {
        self.serial
    }
}

impl Serialize for ProcessId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ProcessId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|NotAnId| D::Error::custom("not the id of a process"))
    }
}

/// The text is not one that `Display` writes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAnId;

impl FromStr for ProcessId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (boot, serial) = text.split_once('-').ok_or(NotAnId)?;
        let id = Self {
            boot: u32::from_str_radix(boot, 16).map_err(|_| NotAnId)?,
            serial: serial.parse().map_err(|_| NotAnId)?,
        };
        // One id has one spelling: no sign, no upper case, no further zeros.
        if id.to_string() == text { Ok(id) } else { Err(NotAnId) }
    }
}

/// Gives out ids.
#[derive(Debug)]
pub(crate) struct IdSource {
    boot: u32,
    next: AtomicU64,
}

impl IdSource {
    /// A source whose ids no other source gives, but for a chance of one in four thousand million.
    pub(crate) fn new() -> Self {
        Self { boot: fastrand::u32(..), next: AtomicU64::new(1) }
    }

    /// A source that goes on where another one ended.
    pub(crate) fn resume(boot: u32, next: u64) -> Self {
        Self { boot, next: AtomicU64::new(next) }
    }

    /// The serial of the next id.
    pub(crate) fn upcoming(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// The next id.
    pub(crate) fn next(&self) -> ProcessId {
        ProcessId { boot: self.boot, serial: self.next.fetch_add(1, Ordering::Relaxed) }
    }

    /// The number that all ids of this source share.
    pub(crate) fn boot(&self) -> u32 {
        self.boot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let source = IdSource::new();
        let id = source.next();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(source.next(), id);
        for text in
            ["", "-", "1-1", "0000000A-1", "0000000a-01", "0000000a-+1", "0000000a-1 ", "0000000a-1-1"]
        {
            assert_eq!(text.parse::<ProcessId>(), Err(NotAnId), "{text}");
        }
    }
}
