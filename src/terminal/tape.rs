//! `Tape`: what a terminal has shown, as a ring in a file in memory, so that it outlives the worker that wrote it.
//!
//! ```text
//! 0        8         16      24    26                4096                      4096 + RING_BYTES
//! │ format │ written │ armed │ len │ session's name … │ the byte at offset n is at n modulo RING_BYTES │
//! ```
//! Offsets only grow. A terminal is read right into the ring, through a mapping, because whoever is killed between a read and a write has lost
//! what was read: a reader often loses its processor just there, to the program that it has made room for. The place is filled with `BLANK`
//! before, and `armed` says so; the next worker takes what stands there behind `written`, up to the last byte that is not blank. So a killed worker
//! loses nothing but bytes 0xff, which no text has, at the very end.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

use crate::sys::file;
use crate::sys::shared_memory::SharedMemory;

/// Names the format and its version.
const FORMAT: &[u8; 8] = b"boxdtty1";

/// Where the counts and the name stand, and where the ring begins.
const WRITTEN_AT: u64 = 8;
const ARMED_AT: u64 = 16;
const NAME_AT: u64 = 24;
const HEAD_BYTES: u64 = 4096;

/// What is kept of a terminal: five times what is replayed, so that a viewer may fall behind a little. 64 terminals take 32 MiB.
pub(super) const RING_BYTES: u64 = 512 * 1024;

/// Bytes that one read takes at most; the kernel gives 4,095 of a terminal at a time.
const READ_BYTES: usize = 4096;

/// Stands where nothing was read yet.
const BLANK: u8 = 0xff;

/// See the module.
#[derive(Debug)]
pub(super) struct Tape {
    memory: SharedMemory,
    written: u64,
}

impl Tape {
    /// An empty one.
    pub(super) fn new(session: &str) -> io::Result<Self> {
        let file = file::growing("boxd-terminal")?;
        let length = u16::try_from(session.len()).map_err(io::Error::other)?;
        let name = [&length.to_le_bytes(), session.as_bytes()].concat();
        if name.len() as u64 > HEAD_BYTES - NAME_AT {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        file.write_all_at(&name, NAME_AT)?;
        file.write_all_at(&0_u64.to_le_bytes(), WRITTEN_AT)?;
        file.write_all_at(&u64::MAX.to_le_bytes(), ARMED_AT)?;
        file.write_all_at(FORMAT, 0)?;
        Ok(Self { memory: SharedMemory::new(file)?, written: 0 })
    }

    /// One that an earlier worker wrote, and the session's name. A file that is none is an error.
    pub(super) fn resume(file: OwnedFd) -> io::Result<(Self, String)> {
        let file = File::from(file);
        let number = |at| {
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes, at).map(|()| u64::from_le_bytes(bytes))
        };
        let (mut format, mut length) = ([0; 8], [0; 2]);
        file.read_exact_at(&mut format, 0)?;
        if format != *FORMAT {
            return Err(io::Error::other("the terminal is of another version"));
        }
        let (written, armed) = (number(WRITTEN_AT)?, number(ARMED_AT)?);
        file.read_exact_at(&mut length, NAME_AT)?;
        let mut name = vec![0; usize::from(u16::from_le_bytes(length))];
        file.read_exact_at(&mut name, NAME_AT + 2)?;
        let mut tape = Self { memory: SharedMemory::new(file)?, written };
        if armed == written {
            let (place, room) = room(written);
            let found = tape.memory.space(place, room)?.iter().rposition(|byte| *byte != BLANK);
            tape.count(found.map_or(0, |last| last + 1))?;
        }
        Ok((tape, String::from_utf8(name).map_err(io::Error::other)?))
    }

    /// The file, for the keeper.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.memory.file().as_fd()
    }

    /// The offset behind the last byte.
    pub(super) fn end(&self) -> u64 {
        self.written
    }

    /// The offset of the oldest byte that is kept. What is to be read next takes the place of what was before it.
    pub(super) fn oldest(&self) -> u64 {
        (self.written + READ_BYTES as u64).saturating_sub(RING_BYTES)
    }

    /// Reads on from a terminal, once, without waiting. An error of the memory's is ENOMEM: then something was lost.
    pub(super) fn read_on(&mut self, terminal: impl AsFd) -> Result<usize, Errno> {
        let Ok(space) = self.arm() else {
            // The terminal is not to stand still for want of memory.
            return rustix::io::read(terminal, &mut [0; READ_BYTES]).and(Err(Errno::NOMEM));
        };
        let read = rustix::io::read(terminal, space)?;
        self.count(read).map_err(|_| Errno::NOMEM)?;
        Ok(read)
    }

    /// At most `max` bytes from `from` on, which must be kept.
    pub(super) fn read(&self, from: u64, max: usize) -> io::Result<Vec<u8>> {
        let from = from.max(self.oldest());
        let left = usize::try_from(self.written.saturating_sub(from)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(max)];
        let mut done = 0;
        while done < bytes.len() {
            let at = (from + done as u64) % RING_BYTES;
            let room = usize::try_from(RING_BYTES - at).unwrap_or(usize::MAX);
            let end = bytes.len().min(done + room);
            self.memory.file().read_exact_at(&mut bytes[done..end], HEAD_BYTES + at)?;
            done = end;
        }
        Ok(bytes)
    }

    /// The place for what is read next, blank.
    fn arm(&mut self) -> io::Result<&mut [u8]> {
        let (place, room) = room(self.written);
        self.memory.space(place, room)?.fill(BLANK);
        self.memory.file().write_all_at(&self.written.to_le_bytes(), ARMED_AT)?;
        self.memory.space(place, room)
    }

    /// So much has been read there.
    fn count(&mut self, read: usize) -> io::Result<()> {
        let written = self.written + read as u64;
        self.memory.file().write_all_at(&written.to_le_bytes(), WRITTEN_AT)?;
        self.written = written;
        Ok(())
    }

    /// Writes on without a terminal.
    #[cfg(test)]
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let space = self.arm()?;
            let (now, later) = rest.split_at(rest.len().min(space.len()));
            space[..now.len()].copy_from_slice(now);
            self.count(now.len())?;
            rest = later;
        }
        Ok(())
    }
}

/// Where in the file one read from an offset goes, and how many bytes it may take.
fn room(at: u64) -> (usize, usize) {
    let inside = at % RING_BYTES;
    let left = usize::try_from(RING_BYTES - inside).unwrap_or(READ_BYTES);
    (usize::try_from(HEAD_BYTES + inside).unwrap_or(usize::MAX), left.min(READ_BYTES))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn another_worker_goes_on_where_one_stopped() {
        let mut tape = Tape::new("a name").unwrap();
        tape.append(b"abc").unwrap();
        let (mut again, name) = Tape::resume(tape.as_fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!(name, "a name");
        again.append(b"def").unwrap();
        assert_eq!(again.read(1, 100).unwrap(), b"bcdef");
        assert!(Tape::resume(file::in_memory("x").unwrap().into()).is_err());
        assert!(Tape::new(&"x".repeat(5000)).is_err());
    }

    #[test]
    fn what_was_read_and_not_counted_is_found() {
        #[track_caller]
        fn check(before: usize, read: &[u8], found: &[u8]) {
            let mut tape = Tape::new("x").unwrap();
            tape.append(&vec![b'-'; before]).unwrap();
            tape.arm().unwrap()[..read.len()].copy_from_slice(read);
            // Killed here.
            let (again, _) = Tape::resume(tape.as_fd().try_clone_to_owned().unwrap()).unwrap();
            assert_eq!(again.read(before as u64, 10_000).unwrap(), found);
        }
        check(0, b"", b"");
        check(0, b"abc\xffd", b"abc\xffd");
        check(1000, "é\0".as_bytes(), "é\0".as_bytes());
        check(700_000, &[b'x'; READ_BYTES], &[b'x'; READ_BYTES]);
        // At the end of the ring a read is short.
        let edge = usize::try_from(RING_BYTES).unwrap() - 3;
        check(edge, b"abc", b"abc");
        // No text has it.
        check(5, b"abc\xff", b"abc");
    }

    #[test]
    fn what_was_counted_is_not_found_again() {
        let mut tape = Tape::new("x").unwrap();
        tape.append(b"abc").unwrap();
        let (again, _) = Tape::resume(tape.as_fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!(again.end(), 3);
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
