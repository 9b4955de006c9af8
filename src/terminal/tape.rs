//! `Tape`: what a terminal has shown, as a ring in a file in memory, so that it outlives the worker that wrote it.
//!
//! ```text
//! 0        8        16    18                4096                      4096 + RING_BYTES
//! │ format │ written │ len │ session's name … │ the byte at offset n is at n modulo RING_BYTES │
//! ```
//! Offsets only grow. Bytes are written before their count, so a worker that is killed in between leaves the end where it was.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use crate::sys::file;

/// Names the format and its version.
const FORMAT: &[u8; 8] = b"boxdtty1";

/// Where the count and the name stand, and where the ring begins.
const WRITTEN_AT: u64 = 8;
const NAME_AT: u64 = 16;
const HEAD_BYTES: u64 = 4096;

/// What is kept of a terminal: five times what is replayed, so that a viewer may fall behind a little. 64 terminals take 32 MiB.
pub(super) const RING_BYTES: u64 = 512 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Tape {
    file: File,
    written: u64,
}

impl Tape {
    /// An empty one.
    pub(super) fn new(session: &str) -> io::Result<Self> {
        let file = file::in_memory("boxd-terminal")?;
        let length = u16::try_from(session.len()).map_err(io::Error::other)?;
        let name = [&length.to_le_bytes(), session.as_bytes()].concat();
        if name.len() as u64 > HEAD_BYTES - NAME_AT {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        file.write_all_at(&name, NAME_AT)?;
        file.write_all_at(&0_u64.to_le_bytes(), WRITTEN_AT)?;
        file.write_all_at(FORMAT, 0)?;
        Ok(Self { file, written: 0 })
    }

    /// One that an earlier worker wrote, and the session's name. A file that is none is an error.
    pub(super) fn resume(file: OwnedFd) -> io::Result<(Self, String)> {
        let file = File::from(file);
        let mut head = [0; 18];
        file.read_exact_at(&mut head, 0)?;
        let (format, rest) = head.split_at(FORMAT.len());
        let (written, length) = rest.split_at(8);
        if format != FORMAT {
            return Err(io::Error::other("the terminal is of another version"));
        }
        let written = u64::from_le_bytes(written.try_into().map_err(io::Error::other)?);
        let length = u16::from_le_bytes(length.try_into().map_err(io::Error::other)?);
        let mut name = vec![0; usize::from(length)];
        file.read_exact_at(&mut name, NAME_AT + 2)?;
        Ok((Self { file, written }, String::from_utf8(name).map_err(io::Error::other)?))
    }

    /// The file, for the keeper.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The offset behind the last byte.
    pub(super) fn end(&self) -> u64 {
        self.written
    }

    /// The offset of the oldest byte that is kept.
    pub(super) fn oldest(&self) -> u64 {
        self.written.saturating_sub(RING_BYTES)
    }

    /// Writes on. An error when there is no memory: then nothing was written.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut at = self.written;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (place, room) = place(at);
            let (now, later) = rest.split_at(rest.len().min(room));
            self.file.write_all_at(now, place)?;
            (at, rest) = (at + now.len() as u64, later);
        }
        self.file.write_all_at(&at.to_le_bytes(), WRITTEN_AT)?;
        self.written = at;
        Ok(())
    }

    /// At most `max` bytes from `from` on, which must be kept.
    pub(super) fn read(&self, from: u64, max: usize) -> io::Result<Vec<u8>> {
        let from = from.max(self.oldest());
        let left = usize::try_from(self.written.saturating_sub(from)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(max)];
        let mut done = 0;
        while done < bytes.len() {
            let (place, room) = place(from + done as u64);
            let end = bytes.len().min(done + room);
            self.file.read_exact_at(&mut bytes[done..end], place)?;
            done = end;
        }
        Ok(bytes)
    }
}

/// Where in the file an offset is, and how many bytes follow it there without a break.
fn place(at: u64) -> (u64, usize) {
    let inside = at % RING_BYTES;
    (HEAD_BYTES + inside, usize::try_from(RING_BYTES - inside).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn another_worker_goes_on_where_one_stopped() {
        let mut tape = Tape::new("a name").unwrap();
        tape.append(b"abc").unwrap();
        let (mut again, name) = Tape::resume(tape.file.try_clone().unwrap().into()).unwrap();
        assert_eq!(name, "a name");
        again.append(b"def").unwrap();
        assert_eq!(again.read(1, 100).unwrap(), b"bcdef");
        assert!(Tape::resume(file::in_memory("x").unwrap().into()).is_err());
        assert!(Tape::new(&"x".repeat(5000)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_was_written(pieces in proptest::collection::vec(1usize..300_000, 1..12), from in 0u64..2_000_000, max in 0usize..200_000) {
            let mut tape = Tape::new("x").unwrap();
            let mut model: Vec<u8> = Vec::new();
            for (n, length) in pieces.into_iter().enumerate() {
                let piece: Vec<u8> = (0..length).map(|at| u8::try_from((at * 7 + n) % 251).unwrap()).collect();
                tape.append(&piece).unwrap();
                model.extend(piece);
            }
            let end = model.len();
            prop_assert_eq!(tape.end(), end as u64);
            let begin = usize::try_from(from.max(tape.oldest())).unwrap().min(end);
            prop_assert_eq!(tape.read(from, max).unwrap(), &model[begin..end.min(begin + max)]);
        }
    }
}
