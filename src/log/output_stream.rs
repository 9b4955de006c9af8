//! The two streams a command writes, and one offset for each.

use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// Standard output or standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OutputStream {
    /// File descriptor 1.
    Stdout,
    /// File descriptor 2.
    Stderr,
}

impl OutputStream {
    /// Both, in the order of their descriptors.
    pub(crate) const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];

    /// The name used on the wire and in file names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One byte offset (or count) for each stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offsets {
    /// Of standard output.
    pub(crate) stdout: u64,
    /// Of standard error.
    pub(crate) stderr: u64,
}

impl Offsets {
    /// Both streams together.
    pub(crate) fn total(self) -> u64 {
        self.stdout + self.stderr
    }

    /// The smaller offset of each stream.
    pub(crate) fn min(self, other: Self) -> Self {
        Self { stdout: self.stdout.min(other.stdout), stderr: self.stderr.min(other.stderr) }
    }
}

impl Index<OutputStream> for Offsets {
    type Output = u64;

    fn index(&self, stream: OutputStream) -> &u64 {
        match stream {
            OutputStream::Stdout => &self.stdout,
            OutputStream::Stderr => &self.stderr,
        }
    }
}

impl IndexMut<OutputStream> for Offsets {
    fn index_mut(&mut self, stream: OutputStream) -> &mut u64 {
        match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        }
    }
}
