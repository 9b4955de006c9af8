//! `Room`: the memory that answers of tools may take, of all together. An answer holds its room until the client has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::call::Failure;

/// Bytes that all answers together may take. A large one is some MiB, and a client that reads slowly holds it.
const BYTES_MAX: u64 = 256 << 20;

/// Bytes that a byte of a text takes until an answer is made of it: as it is read, and as text.
const BYTES_PER_BYTE: u64 = 2;

/// An answer for which more was taken is made where it holds up nobody.
const SMALL_BYTES_MAX: u64 = 128 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Room {
    held: Arc<AtomicU64>,
    bytes: u64,
}

impl Room {
    /// None yet.
    pub(super) fn new(held: &Arc<AtomicU64>) -> Self {
        Self { held: held.clone(), bytes: 0 }
    }

    /// Takes room for a text of so many bytes that is to be read.
    pub(super) fn take(&mut self, text_bytes: u64) -> Result<(), Failure> {
        self.grow(text_bytes.saturating_mul(BYTES_PER_BYTE))
    }

    /// Room for an answer, instead of what was taken for its text.
    pub(super) fn for_answer(self, bytes: u64) -> Result<Self, Failure> {
        let mut room = Self::new(&self.held);
        room.grow(bytes)?;
        Ok(room)
    }

    /// Whether so little was taken that an answer is made at once.
    pub(super) fn is_small(&self) -> bool {
        self.bytes <= SMALL_BYTES_MAX
    }

    fn grow(&mut self, bytes: u64) -> Result<(), Failure> {
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before.saturating_add(bytes) <= BYTES_MAX {
            return Ok(());
        }
        Err(Failure("too many large answers at once; try again".to_owned()))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// An answer and the rooms of all that is in it.
#[derive(Debug)]
pub(crate) struct Answer {
    /// JSON.
    pub(crate) bytes: Vec<u8>,
    /// Held until the bytes are gone.
    pub(crate) rooms: Vec<Room>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back() {
        let held = Arc::default();
        let mut first = Room::new(&held);
        first.take(BYTES_MAX / BYTES_PER_BYTE).unwrap();
        assert!(Room::new(&held).take(1).is_err());
        drop(first);
        let room = Room::new(&held);
        assert!(room.is_small());
        drop(room.for_answer(7).unwrap());
        assert_eq!(held.load(Ordering::Relaxed), 0);
    }
}
