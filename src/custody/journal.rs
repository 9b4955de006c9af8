//! `Journal`: a file in memory to which records are appended, and which the next worker reads.
//!
//! ```text
//! "boxdjnl1"  { length: u32, kind: u8, 3 zeroes, bytes, zeroes up to 8 }…
//! ```
//! A record is written first and its length afterwards, so a writer that is killed in between leaves a length of zero, which
//! is the end. Lengths stand at multiples of eight and never cross a page. Kinds are the owners': one that a reader does not
//! know is passed over.
//!
//! When it has grown, it is written anew. Meanwhile every record goes to the old file and to the new one, so whoever noted
//! something need not know.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::sys::file;
use crate::sys::shared_memory::SharedMemory;

/// Names the format and its version.
const HEAD: &[u8; 8] = b"boxdjnl1";

/// The head of a record.
const RECORD_HEAD: usize = 8;

/// A journal is written anew when it is this long, and several times as long as when it was new.
const DUE_BYTES: usize = 4 * 1024 * 1024;
const DUE_GROWTH: usize = 4;

/// A record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Whose.
    pub(crate) kind: u8,
    pub(crate) bytes: Vec<u8>,
}

/// The journal that is written to.
#[derive(Debug)]
pub(crate) struct Journal {
    /// Held while a record is written.
    files: Mutex<Files>,
}

#[derive(Debug)]
struct Files {
    present: Part,
    /// Written beside the present one until it knows all.
    successor: Option<Part>,
    /// How often one was begun.
    rewritings: u64,
    /// Another worker writes it.
    is_closed: bool,
}

#[derive(Debug)]
struct Part {
    memory: SharedMemory,
    end: usize,
    /// How long it was when it knew all.
    begun_with: usize,
}

impl Part {
    fn new() -> io::Result<Self> {
        let mut memory = SharedMemory::new(file::growing("boxd-journal")?)?;
        memory.publish(0, *HEAD)?;
        Ok(Self { memory, end: HEAD.len(), begun_with: 0 })
    }

    fn append(&mut self, kind: u8, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let padded = bytes.len().next_multiple_of(RECORD_HEAD);
        // With its head, so that both are in one window.
        let record = self.memory.space(self.end, RECORD_HEAD + padded + RECORD_HEAD)?;
        let (text, behind) = record[RECORD_HEAD..].split_at_mut(bytes.len());
        text.copy_from_slice(bytes);
        // What a failed attempt may have left there is no length.
        behind.fill(0);
        let [a, b, c, d] = length.to_le_bytes();
        self.memory.publish(self.end, [a, b, c, d, kind, 0, 0, 0])?;
        self.end += RECORD_HEAD + padded;
        Ok(())
    }

    /// What was written.
    fn contents(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.end];
        self.memory.file().read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

impl Journal {
    /// An empty one.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self::of(Part::new()?))
    }

    /// Goes on with one that another worker wrote, and gives what it wrote. A file that is none is an error.
    pub(crate) fn resume(file: OwnedFd) -> io::Result<(Self, Vec<Frame>)> {
        let file = File::from(file);
        let (frames, end) = parse(&file::contents(&file)?).ok_or_else(other_version)?;
        let present = Part { memory: SharedMemory::new(file)?, end, begun_with: 0 };
        Ok((Self::of(present), frames))
    }

    fn of(present: Part) -> Self {
        let files = Files { present, successor: None, rewritings: 0, is_closed: false };
        Self { files: Mutex::new(files) }
    }

    /// Appends a record.
    pub(super) fn append(&self, kind: u8, record: &impl Serialize) -> io::Result<()> {
        let bytes = serde_json::to_vec(record)?;
        let mut files = self.lock();
        if files.is_closed {
            return Ok(());
        }
        let noted = files.present.append(kind, &bytes);
        if let Some(successor) = &mut files.successor
            && let Err(error) = successor.append(kind, &bytes)
        {
            // One that does not know all must not take the place of the other.
            files.successor = None;
            return Err(error);
        }
        noted
    }

    /// Nothing is written from now on: it is another worker's.
    pub(super) fn close(&self) {
        let mut files = self.lock();
        files.is_closed = true;
        files.successor = None;
    }

    /// The records of a copy of one.
    pub(crate) fn read(bytes: &[u8]) -> io::Result<Vec<Frame>> {
        Ok(parse(bytes).ok_or_else(other_version)?.0)
    }

    /// A copy of it that nobody can change.
    pub(super) fn sealed_copy(&self) -> io::Result<OwnedFd> {
        let files = self.lock();
        Ok(file::sealed("boxd-journal", &files.present.contents()?)?.into())
    }

    /// Where what another worker notes from now on can be read.
    pub(super) fn reader(&self) -> io::Result<JournalReader> {
        let files = self.lock();
        Ok(JournalReader { file: files.present.memory.file().try_clone()?, at: files.present.end as u64 })
    }

    /// A descriptor of it, for others.
    pub(crate) fn file(&self) -> io::Result<OwnedFd> {
        Ok(self.lock().present.memory.file().try_clone()?.into())
    }

    /// Whether it should be written anew.
    pub(super) fn is_due(&self) -> bool {
        let files = self.lock();
        let present = &files.present;
        files.successor.is_none() && present.end > DUE_BYTES.max(present.begun_with * DUE_GROWTH)
    }

    /// How often a new file was begun.
    pub(super) fn rewritings(&self) -> u64 {
        self.lock().rewritings
    }

    /// Begins a new file beside the present one; false when somebody has done so.
    pub(super) fn begin_successor(&self) -> io::Result<bool> {
        let successor = Part::new()?;
        let mut files = self.lock();
        let is_first = files.successor.is_none();
        files.successor.get_or_insert(successor);
        files.rewritings += u64::from(is_first);
        Ok(is_first)
    }

    /// The new file knows all: it takes the place of the old one as soon as it was handed in.
    pub(super) fn finish_successor(&self, hand_in: impl FnOnce(&File)) {
        let mut files = self.lock();
        if let Some(mut successor) = files.successor.take() {
            hand_in(successor.memory.file());
            successor.begun_with = successor.end;
            files.present = successor;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a journal that another worker writes.
#[derive(Debug)]
pub(crate) struct JournalReader {
    file: File,
    at: u64,
}

impl JournalReader {
    /// From the beginning of one that was written anew.
    pub(crate) fn new(file: OwnedFd) -> Self {
        Self { file: file.into(), at: HEAD.len() as u64 }
    }

    /// What was noted since the last call.
    pub(crate) fn read_on(&mut self) -> io::Result<Vec<Frame>> {
        let left = self.file.metadata()?.len().saturating_sub(self.at);
        let mut bytes = vec![0; usize::try_from(left).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, self.at)?;
        let (_, length) = parse_records(&bytes);
        // A length that was seen has its record behind it; but one look may have seen the length last.
        bytes.truncate(length);
        self.file.read_exact_at(&mut bytes, self.at)?;
        self.at += length as u64;
        Ok(parse_records(&bytes).0)
    }
}

fn other_version() -> io::Error {
    io::Error::other("the state is of another version")
}

/// The records in these bytes and where they end; `None` for another format. A torn end is the end.
fn parse(bytes: &[u8]) -> Option<(Vec<Frame>, usize)> {
    let (frames, length) = parse_records(bytes.strip_prefix(HEAD)?);
    Some((frames, HEAD.len() + length))
}

fn parse_records(bytes: &[u8]) -> (Vec<Frame>, usize) {
    let (mut rest, mut frames) = (bytes, Vec::new());
    while let Some((head, behind)) = rest.split_first_chunk::<RECORD_HEAD>() {
        let [a, b, c, d, kind, ..] = *head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let (Some(record), true) = (behind.get(..length), length > 0) else { break };
        let Some(next) = behind.get(length.next_multiple_of(RECORD_HEAD)..) else { break };
        frames.push(Frame { kind, bytes: record.to_vec() });
        rest = next;
    }
    (frames, bytes.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(journal: &Journal) -> Vec<(u8, String)> {
        let (_, frames) = Journal::resume(journal.file().unwrap()).unwrap();
        frames.into_iter().map(|f| (f.kind, String::from_utf8(f.bytes).unwrap())).collect()
    }

    #[test]
    fn what_is_noted_while_it_is_written_anew_is_in_both() {
        let journal = Journal::new().unwrap();
        journal.append(1, &"old").unwrap();
        journal.begin_successor().unwrap();
        journal.append(2, &"meanwhile").unwrap();
        journal.append(1, &"all").unwrap();
        let before: Vec<String> = frames(&journal).into_iter().map(|(_, text)| text).collect();
        assert_eq!(before, ["\"old\"", "\"meanwhile\"", "\"all\""]);
        journal.finish_successor(|_| {});
        assert_eq!(frames(&journal), [(2, "\"meanwhile\"".to_owned()), (1, "\"all\"".to_owned())]);
    }

    #[test]
    fn it_is_due_when_it_has_grown() {
        let journal = Journal::new().unwrap();
        assert!(!journal.is_due());
        journal.append(1, &"x".repeat(5 << 20)).unwrap();
        assert!(journal.is_due());
        journal.begin_successor().unwrap();
        assert!(!journal.is_due(), "it is being written anew");
        journal.append(1, &"x".repeat(5 << 20)).unwrap();
        journal.finish_successor(|_| {});
        assert!(!journal.is_due(), "all of it is needed");
    }

    #[test]
    fn after_it_was_given_away_nothing_is_written() {
        let journal = Journal::new().unwrap();
        journal.append(1, &"mine").unwrap();
        journal.begin_successor().unwrap();
        journal.close();
        journal.append(1, &"late").unwrap();
        journal.finish_successor(|_| panic!("it would replace what the next worker writes"));
        assert_eq!(frames(&journal), [(1, "\"mine\"".to_owned())]);
    }

    #[test]
    fn another_format_is_refused() {
        assert_eq!(parse(b"boxdjnl2\0\0\0\0"), None);
        assert_eq!(parse(b"boxd"), None);
        assert_eq!(parse(b"boxdjnl1"), Some((Vec::new(), HEAD.len())));
    }

    proptest! {
        #[test]
        fn a_torn_end_loses_no_whole_record(texts in proptest::collection::vec(".{0,40}", 1..8), cut in 0usize..400) {
            let journal = Journal::new().unwrap();
            for text in &texts {
                journal.append(3, text).unwrap();
            }
            let file = File::from(journal.file().unwrap());
            let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
            file.read_exact_at(&mut bytes, 0).unwrap();
            let (whole, _) = parse(&bytes).unwrap();
            prop_assert_eq!(whole.len(), texts.len());
            let (torn, end) = parse(&bytes[..cut.clamp(HEAD.len(), bytes.len())]).unwrap();
            prop_assert!(torn.len() <= whole.len() && end <= bytes.len());
            prop_assert_eq!(&torn[..], &whole[..torn.len()]);
        }

        #[test]
        fn another_worker_goes_on_behind_a_torn_end(texts in proptest::collection::vec(".{0,40}", 1..5), junk in proptest::collection::vec(any::<u8>(), 0..40)) {
            let journal = Journal::new().unwrap();
            for text in &texts {
                journal.append(3, text).unwrap();
            }
            let file = File::from(journal.file().unwrap());
            let end = journal.lock().present.end;
            // A record whose length was never written.
            file.write_all_at(&junk, (end + RECORD_HEAD) as u64).unwrap();
            let (resumed, read) = Journal::resume(file.into()).unwrap();
            prop_assert_eq!(read.len(), texts.len());
            resumed.append(4, &"x").unwrap();
            let after = frames(&resumed);
            prop_assert_eq!(after.len(), texts.len() + 1);
            prop_assert_eq!(after.last().unwrap(), &(4, "\"x\"".to_owned()));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&[HEAD.as_slice(), &bytes].concat());
        }
    }
}
