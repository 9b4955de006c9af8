//! `Segment`: one file that holds a stretch of a stream; `Extents`: which offsets of a stream are stored, and where.
//!
//! A short output is one segment. A long one is many, and as it ages whole segments are dropped from its head: deleting a
//! file throws its bytes away before they are written out, while a hole punched into a file writes them to the disk first.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::OutputStream;
use super::record::LogRecord;
use crate::custody::Deposit;
use crate::id::ProcessId;

/// A file of log bytes. The byte at stream offset `o` stands at file offset `o - base`.
#[derive(Debug)]
pub(crate) struct Segment {
    base: u64,
    /// Which file of the stream, or which file in memory of the process.
    number: u32,
    /// `None`: the file is memory without a name.
    path: Option<PathBuf>,
    /// Guards the handle only; never held while reading or writing.
    handle: Mutex<Handle>,
    /// It was taken out of the account for good. Set under the account's lock.
    is_given_up: AtomicBool,
}

#[derive(Debug)]
enum Handle {
    /// The stream is still written to, or the file has no name to open it by again. With the keeper's copy of a file in memory.
    Kept { file: Arc<File>, _deposit: Option<Deposit> },
    /// Opened again by its name by whoever reads, and closed with the last reader.
    Lent(Weak<File>),
}

impl Segment {
    /// A segment on disk, file number `part` of its stream, whose first byte has the stream offset `base`.
    pub(crate) fn on_disk(base: u64, part: u32, path: PathBuf, file: File) -> Arc<Self> {
        Self::new(base, part, Some(path), Handle::Kept { file: Arc::new(file), _deposit: None })
    }

    /// One that is there already; it is opened by whoever needs it.
    pub(crate) fn found(base: u64, part: u32, path: PathBuf) -> Arc<Self> {
        Self::new(base, part, Some(path), Handle::Lent(Weak::new()))
    }

    /// A segment in memory, and the keeper's copy of it.
    pub(crate) fn in_memory(base: u64, number: u32, file: File, deposit: Option<Deposit>) -> Arc<Self> {
        Self::new(base, number, None, Handle::Kept { file: Arc::new(file), _deposit: deposit })
    }

    fn new(base: u64, number: u32, path: Option<PathBuf>, handle: Handle) -> Arc<Self> {
        let (handle, is_given_up) = (Mutex::new(handle), AtomicBool::new(false));
        Arc::new(Self { base, number, path, handle, is_given_up })
    }

    /// Which file of the stream it is, or which file in memory of the process.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// What the next worker needs to know of it to find it; nothing when it can guess.
    pub(crate) fn record(&self, id: ProcessId, stream: OutputStream) -> Option<LogRecord> {
        let Self { base, number, .. } = *self;
        if self.is_memory() {
            return Some(LogRecord::Memory { id, stream, number, base });
        }
        (number > 0 || base > 0).then_some(LogRecord::Segment { id, stream, part: number, base })
    }

    /// The stream offset of the file's first byte.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Whether its bytes count against memory instead of the disk.
    pub(crate) fn is_memory(&self) -> bool {
        self.path.is_none()
    }

    /// The open file, opened again when it was closed.
    pub(crate) fn file(&self) -> io::Result<Arc<File>> {
        let mut handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        match &*handle {
            Handle::Kept { file, .. } => Ok(file.clone()),
            Handle::Lent(file) => {
                if let Some(file) = file.upgrade() {
                    return Ok(file);
                }
                let path = self.path.as_ref().ok_or(io::ErrorKind::NotFound)?;
                let file = Arc::new(File::options().read(true).write(true).open(path)?);
                *handle = Handle::Lent(Arc::downgrade(&file));
                Ok(file)
            }
        }
    }

    /// Closes the file as soon as nobody reads it: nothing more is written.
    pub(crate) fn close(&self) {
        if !self.is_memory() {
            self.lend();
        }
    }

    /// Whether it was taken out of the account: nothing more goes into it.
    pub(crate) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed)
    }

    /// Whether its file was deleted by somebody else, so that nobody can read it any more.
    pub(crate) fn is_gone(&self) -> bool {
        let is_open = match &*self.handle.lock().unwrap_or_else(PoisonError::into_inner) {
            Handle::Kept { .. } => true,
            Handle::Lent(file) => file.strong_count() > 0,
        };
        !is_open && self.path.as_ref().is_some_and(|path| !path.exists())
    }

    /// Says that it is no longer in the account. `remove` must follow.
    pub(crate) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }

    fn lend(&self) {
        let mut handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Handle::Kept { file, .. } = &*handle {
            *handle = Handle::Lent(Arc::downgrade(file));
        }
    }

    /// Deletes the file, the keeper's copy included. Who has it open can go on reading; a writer that is quiet keeps nothing
    /// alive.
    pub(crate) fn remove(&self) {
        self.lend();
        if let Some(path) = &self.path {
            // Already gone is what was wanted; anything else is found by the sweep at the next start.
            std::fs::remove_file(path).ok();
        }
    }
}

/// A stored stretch of a stream: the offsets `start..end`, all in one segment.
#[derive(Debug, Clone)]
pub(crate) struct Extent {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) segment: Arc<Segment>,
}

impl Extent {
    /// How many bytes it holds.
    pub(crate) fn len(&self) -> u64 {
        self.end - self.start
    }
}

/// What stands at an offset.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// This extent holds it.
    Stored(&'a Extent),
    /// It is not stored; the next offset that is (or the end of the stream) is this.
    Lost(u64),
    /// The stream does not reach there yet.
    Beyond,
}

/// The stored stretches of one stream, in order, and the stream's end.
#[derive(Debug, Default)]
pub(crate) struct Extents {
    list: Vec<Extent>,
    end: u64,
}

impl Extents {
    /// The offset behind the last byte that was written, stored or not.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The first offset that is stored; the end when nothing is.
    pub(crate) fn start(&self) -> u64 {
        self.list.first().map_or(self.end, |e| e.start)
    }

    /// Bytes stored.
    pub(crate) fn stored(&self) -> u64 {
        self.list.iter().map(Extent::len).sum()
    }

    /// The segments in use, oldest first.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.list.iter().map(|e| &e.segment)
    }

    /// Says that the stream goes on to `end` and that these bytes are in `segment`; whether they are the first there.
    pub(crate) fn grow(&mut self, segment: &Arc<Segment>, end: u64) -> bool {
        let start = self.end;
        self.end = end;
        match self.list.last_mut() {
            Some(last) if Arc::ptr_eq(&last.segment, segment) && last.end == start => {
                last.end = end;
                false
            }
            _ => {
                self.list.push(Extent { start, end, segment: segment.clone() });
                true
            }
        }
    }

    /// Says that the stream goes on to `end` and that these bytes are nowhere.
    pub(crate) fn lose(&mut self, end: u64) {
        self.end = end;
    }

    /// What stands at `offset`.
    pub(crate) fn at(&self, offset: u64) -> Found<'_> {
        if offset >= self.end {
            return Found::Beyond;
        }
        match self.list.iter().find(|e| e.end > offset) {
            Some(extent) if extent.start <= offset => Found::Stored(extent),
            Some(extent) => Found::Lost(extent.start),
            None => Found::Lost(self.end),
        }
    }

    /// The stored stretches, oldest first.
    pub(crate) fn list(&self) -> &[Extent] {
        &self.list
    }

    /// Whether some of the segment is stored.
    pub(crate) fn holds(&self, segment: &Arc<Segment>) -> bool {
        self.list.iter().rev().any(|e| Arc::ptr_eq(&e.segment, segment))
    }

    /// Gives up the oldest `n` stretches.
    pub(crate) fn give_up(&mut self, n: usize) -> Vec<Extent> {
        let freed: Vec<Extent> = self.list.drain(..n.min(self.list.len())).collect();
        for extent in &freed {
            extent.segment.give_up();
        }
        freed
    }

    /// Gives up all stretches of one segment.
    pub(crate) fn give_up_segment(&mut self, segment: &Arc<Segment>) -> Vec<Extent> {
        let (gone, kept) =
            std::mem::take(&mut self.list).into_iter().partition(|e| Arc::ptr_eq(&e.segment, segment));
        self.list = kept;
        gone
    }

    /// Bytes held in memory.
    pub(crate) fn in_memory(&self) -> u64 {
        self.list.iter().filter(|e| e.segment.is_memory()).map(Extent::len).sum()
    }

    /// Gives up the oldest stretches that are held in memory until no more than `keep` bytes are, but nothing behind `spared`,
    /// and never the one that is written to.
    pub(crate) fn give_up_memory(&mut self, keep: u64, spared: Option<u64>) -> Vec<Extent> {
        let mut in_memory = self.in_memory();
        let mut freed = Vec::new();
        let mut at = 0;
        while in_memory > keep && at + 1 < self.list.len() && self.list[at].end <= spared.unwrap_or(u64::MAX)
        {
            if self.list[at].segment.is_memory() {
                in_memory -= self.list[at].len();
                let extent = self.list.remove(at);
                extent.segment.give_up();
                freed.push(extent);
            } else {
                at += 1;
            }
        }
        freed
    }

    /// Gives up all that is held in memory.
    pub(crate) fn give_up_all_memory(&mut self) -> Vec<Extent> {
        let (gone, kept): (Vec<_>, _) =
            std::mem::take(&mut self.list).into_iter().partition(|e| e.segment.is_memory());
        self.list = kept;
        for extent in &gone {
            extent.segment.give_up();
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(base: u64) -> Arc<Segment> {
        Segment::in_memory(base, 0, crate::sys::file::in_memory("test").unwrap(), None)
    }

    fn disk(base: u64) -> Arc<Segment> {
        let file = crate::sys::file::in_memory("test").unwrap();
        Segment::on_disk(base, 0, PathBuf::from("/nonexistent/segment"), file)
    }

    #[test]
    fn offsets_are_stored_lost_or_beyond() {
        let (a, b) = (disk(0), disk(20));
        let mut extents = Extents::default();
        extents.grow(&a, 10);
        extents.lose(20);
        extents.grow(&b, 30);
        assert!(matches!(extents.at(9), Found::Stored(e) if e.end == 10));
        assert!(matches!(extents.at(10), Found::Lost(20)));
        assert!(matches!(extents.at(20), Found::Stored(e) if e.start == 20));
        assert!(matches!(extents.at(30), Found::Beyond));
        assert_eq!((extents.start(), extents.end(), extents.stored()), (0, 30, 20));
    }

    #[test]
    fn a_head_that_was_given_up_is_lost() {
        let (a, b) = (disk(0), disk(10));
        let mut extents = Extents::default();
        extents.grow(&a, 10);
        extents.grow(&b, 30);
        let freed: Vec<_> = extents.give_up(1).iter().map(|e| (e.start, e.end)).collect();
        assert_eq!(freed, [(0, 10)]);
        assert!(matches!(extents.at(3), Found::Lost(10)));
        assert_eq!(extents.start(), 10);
    }

    #[test]
    fn memory_is_given_up_oldest_first_and_disk_is_kept() {
        let mut extents = Extents::default();
        extents.grow(&disk(0), 10);
        for n in 0..4 {
            extents.grow(&memory(10 + n * 20), 30 + n * 20);
        }
        let freed: Vec<_> = extents.give_up_memory(40, None).iter().map(|e| (e.start, e.end)).collect();
        assert_eq!(freed, [(10, 30), (30, 50)]);
        assert!(matches!(extents.at(5), Found::Stored(_)));
        assert!(matches!(extents.at(10), Found::Lost(50)));
        assert!(extents.give_up_memory(0, Some(69)).is_empty(), "somebody has yet to read byte 69");
        // The one that is written to stays, however small the room.
        assert_eq!(extents.give_up_memory(0, None).len(), 1);
        assert!(matches!(extents.at(89), Found::Stored(_)));
        assert_eq!((extents.give_up_all_memory().len(), extents.in_memory(), extents.stored()), (1, 0, 10));
    }
}
