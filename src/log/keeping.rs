//! What of a log the keeper holds: files in memory, and the pipes inside the kernel of busy streams.
//!
//! Each is an entry of its own, told from a run's by its number.

use std::os::fd::BorrowedFd;

use super::OutputStream;
use crate::custody::{Custody, Deposit, Key};
use crate::id::ProcessId;

/// Runs are counted from 0; nobody restarts a command so often.
const STAGINGS: u32 = 0x4000_0000;
const MEMORIES: u32 = 0x8000_0000;

/// What an entry of the keeper's holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// A run of a command.
    Run(u32),
    /// What a busy stream has in hand.
    Staging(OutputStream),
    /// A file in memory, by the number in its record.
    Memory(u32),
}

impl Kept {
    /// What the entry of a key holds.
    pub(crate) fn of(key: Key) -> Self {
        match key.run {
            run @ ..STAGINGS => Self::Run(run),
            run @ STAGINGS..MEMORIES if run == STAGINGS => Self::Staging(OutputStream::Stdout),
            STAGINGS..MEMORIES => Self::Staging(OutputStream::Stderr),
            run => Self::Memory(run - MEMORIES),
        }
    }

    /// The key of its entry.
    pub(crate) fn key(self, id: ProcessId) -> Key {
        let run = match self {
            Self::Run(run) => run,
            Self::Staging(stream) => STAGINGS + stream as u32,
            Self::Memory(number) => MEMORIES + number,
        };
        Key { boot: id.boot(), serial: id.serial(), run }
    }

    /// Gives a descriptor to the keeper.
    pub(crate) fn deposit(self, custody: &Custody, id: ProcessId, descriptor: BorrowedFd<'_>) -> Deposit {
        Deposit::new(custody, self.key(id), descriptor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::IdSource;

    #[test]
    fn entries_are_told_apart() {
        let id = IdSource::resume(3, 9).next();
        for kept in [
            Kept::Run(0),
            Kept::Run(1_000_000),
            Kept::Staging(OutputStream::Stdout),
            Kept::Staging(OutputStream::Stderr),
            Kept::Memory(0),
            Kept::Memory(77),
        ] {
            assert_eq!(Kept::of(kept.key(id)), kept);
        }
    }
}
