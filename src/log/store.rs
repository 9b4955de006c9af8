//! `Log`: the two streams of one process, their order, and who follows them.
//!
//! The pump writes (`take`), the supervisor marks ends of runs and the end of all (`end_run`, `seal`), readers ask what
//! comes next (`plan`) and are woken by `changed`. Each stream has one writer at a time; readers only take the short lock
//! of the account.

mod account;
mod attachment;
mod restore;
mod upkeep;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::{Event, EventListener};

use super::counters::LogCounters;
use super::order_file::OrderFile;
use super::record::LogRecord;
use super::segment::{Extents, Segment};
use super::writer::{Piece, Writer};
use super::{LogDir, Offsets, OutputStream, retention};
use crate::clock;
use crate::custody::Custody;
use crate::id::ProcessId;
use crate::sys::pipe::Taken;
use account::Account;
use attachment::Progress;

pub(crate) use account::{Boundary, Plan, PlannedRead, Position, Question};
pub(crate) use attachment::Attachment;
pub(crate) use restore::LogDeposits;

/// The log of one process.
#[derive(Debug)]
pub(crate) struct Log {
    id: ProcessId,
    name: String,
    dir: Arc<LogDir>,
    /// Held by a pump thread while it moves bytes of that stream.
    writers: [Mutex<Writer>; 2],
    /// Held by a pump thread while it writes the order down.
    books: Mutex<Books>,
    /// Held for a few lines at a time.
    account: Mutex<Account>,
    changed: Event,
    /// Followers have lost their protection: the budget is spent.
    unprotected: AtomicBool,
    /// The process is forgotten. Set under the account's lock.
    removed: AtomicBool,
    /// Runs whose pipes are still read.
    intakes: AtomicUsize,
}

/// What is written beside the bytes.
#[derive(Debug, Default)]
struct Books {
    order_file: OrderFile,
    /// How many files of each stream there were when its link by name was made.
    linked: [u32; 2],
}

impl Log {
    /// An empty log. It makes no file before the first byte.
    pub(crate) fn new(dir: &Arc<LogDir>, id: ProcessId, name: String) -> Arc<Self> {
        let segment_bytes = retention::segment_bytes(dir.limits.file_bytes_max, dir.limits.total_bytes_max);
        let log = Arc::new(Self {
            id,
            name,
            dir: dir.clone(),
            writers: OutputStream::BOTH.map(|stream| Mutex::new(Writer::new(id, stream, segment_bytes))),
            books: Mutex::default(),
            account: Mutex::default(),
            changed: Event::new(),
            unprotected: AtomicBool::new(false),
            removed: AtomicBool::new(false),
            intakes: AtomicUsize::new(0),
        });
        dir.register(id, Arc::downgrade(&log));
        log
    }

    /// Moves up to `max` bytes of `stream` out of the pipe into the log and wakes the readers. `settle` must follow.
    ///
    /// Blocks as long as the disk does: only the pump calls it.
    pub(crate) fn take(&self, stream: OutputStream, from: &OwnedFd, max: usize) -> io::Result<Taken> {
        let put = &mut |piece| self.publish(stream, &piece);
        let mut writer = lock(&self.writers[stream as usize]);
        let taken = if self.is_removed() {
            writer.discard(from, max, put)
        } else {
            writer.take(&self.dir, from, max, put)
        }?;
        drop(writer);
        if let Taken::Bytes(_) = taken {
            self.changed.notify(usize::MAX);
        }
        Ok(taken)
    }

    /// The command writes more to `stream` than its pipe holds.
    pub(crate) fn set_busy(&self, stream: OutputStream, pipe: &OwnedFd) {
        lock(&self.writers[stream as usize]).set_busy(&self.dir, pipe);
    }

    /// Whether a stream has a pipe of its own inside the kernel.
    #[cfg(test)]
    pub(in crate::log) fn is_busy(&self, stream: OutputStream) -> bool {
        lock(&self.writers[stream as usize]).is_busy()
    }

    /// From now on nothing can be moved into a stream's pipe inside the kernel.
    #[cfg(test)]
    pub(in crate::log) fn break_staging(&self, stream: OutputStream) {
        lock(&self.writers[stream as usize]).break_staging();
    }

    /// Says that a run ended where the streams stand now, and that another follows.
    pub(crate) fn end_run(&self, run: u32, attempt: u32, exit_code: i32, delay_ms: u64) {
        {
            let mut account = lock(&self.account);
            let boundary = account.end_run(run, attempt, exit_code, delay_ms);
            self.dir.note([LogRecord::RunEnded { id: self.id, boundary }]);
        }
        self.changed.notify(usize::MAX);
    }

    /// Says that the process is over where the streams stand now. What its descendants write later is still kept, but the
    /// streams of its followers end here.
    pub(crate) fn seal(&self) {
        {
            let mut account = lock(&self.account);
            let at = account.ends();
            account.sealed = Some(at);
            self.dir.note([LogRecord::Sealed { id: self.id, at }]);
            account.order.shrink();
        }
        self.changed.notify(usize::MAX);
        self.close_if_done();
    }

    /// A run's pipes are read from now on.
    pub(crate) fn begin_intake(&self) {
        self.intakes.fetch_add(1, Ordering::SeqCst);
    }

    /// A run's pipes are read no more.
    pub(crate) fn end_intake(&self) {
        self.intakes.fetch_sub(1, Ordering::SeqCst);
        self.close_if_done();
    }

    /// Another run may follow until the log is sealed, and go on in the same files.
    pub(crate) fn close_if_done(&self) {
        if self.sealed().is_some() && self.intakes.load(Ordering::SeqCst) == 0 {
            self.close();
        }
    }

    /// Closes the files: nobody holds the pipes any more. Readers open them again.
    pub(crate) fn close(&self) {
        for writer in &self.writers {
            lock(writer).close();
        }
        lock(&self.books).order_file.close();
        let account = lock(&self.account);
        for segment in account.stdout.segments().chain(account.stderr.segments()) {
            segment.close();
        }
    }

    /// Forgets the process: its files are deleted, and what its descendants write from now on is kept nowhere. What a
    /// reader that is making progress has yet to read goes when that reader does, or when the budget is spent.
    pub(crate) fn remove(&self) {
        {
            let account = lock(&self.account);
            self.removed.store(true, Ordering::Relaxed);
            if account.ends().total() == 0 {
                return;
            }
        }
        self.trim();
        lock(&self.books).order_file.close();
        self.dir.remove_order(self.id);
        self.dir.unlink(&self.name, Some(self.id));
    }

    /// How far the streams reach.
    pub(crate) fn ends(&self) -> Offsets {
        lock(&self.account).ends()
    }

    /// Where the process's own output ended, once it is over.
    pub(crate) fn sealed(&self) -> Option<Offsets> {
        lock(&self.account).sealed
    }

    /// The oldest bytes that are still stored.
    pub(crate) fn starts(&self) -> Offsets {
        lock(&self.account).starts()
    }

    /// Whether a reader can have come to this position.
    pub(crate) fn reaches(&self, position: Position) -> bool {
        lock(&self.account).reaches(position)
    }

    /// When the last run ended after which another was to follow: milliseconds since 1970.
    pub(crate) fn last_run_ended_ms(&self) -> Option<u64> {
        lock(&self.account).boundaries.back().map(|boundary| boundary.at_ms)
    }

    /// Whether a run ended after which the command was started again.
    pub(crate) fn has_restarted(&self) -> bool {
        !lock(&self.account).boundaries.is_empty()
    }

    /// The position of a reader that begins at these offsets.
    pub(crate) fn position_at(&self, offsets: Offsets) -> Position {
        lock(&self.account).position_at(offsets)
    }

    /// Completes when the log has changed since the call.
    pub(crate) fn changed(&self) -> EventListener {
        self.changed.listen()
    }

    /// What a reader does next. Bytes that are dropped before it acts on the answer can still be read.
    pub(crate) fn plan(&self, question: Question<'_>) -> Plan {
        lock(&self.account).plan(question)
    }

    /// Takes a segment out of the account whose file is gone or too short: somebody else has changed it. Readers meet a
    /// gap. Where one file was deleted others may be: they go together, so that it is one gap.
    pub(crate) fn disown(&self, stream: OutputStream, segment: &Arc<Segment>) {
        let mut gone: Vec<_> = lock(&self.account).stream(stream).segments().cloned().collect();
        // Without the lock: it looks at the disk.
        gone.retain(|other| Arc::ptr_eq(other, segment) || other.is_gone());
        let mut account = lock(&self.account);
        let extents = account.stream_mut(stream);
        let freed: Vec<_> = gone.iter().flat_map(|segment| extents.give_up_segment(segment)).collect();
        drop(account);
        for extent in freed {
            tracing::warn!(process = %self.id, stream = stream.name(), "output is no longer where it was stored");
            self.dir.sub(&extent);
        }
    }

    /// How many bytes the slowest of its followers has yet to read; nothing when it has none.
    pub(in crate::log) fn lag(&self) -> u64 {
        let account = lock(&self.account);
        let end = account.sealed.unwrap_or_else(|| account.ends());
        let unread = |progress: &Progress| {
            let of = |stream| end[stream].saturating_sub(progress.offset(stream));
            OutputStream::BOTH.into_iter().map(of).sum()
        };
        let followers = account.followers.values().filter(|progress| progress.is_follower);
        followers.map(|progress| unread(progress)).max().unwrap_or(0)
    }

    /// What is counted of all logs.
    pub(in crate::log) fn counters(&self) -> &LogCounters {
        &self.dir.counters
    }

    /// Whose log it is.
    pub(crate) fn id(&self) -> ProcessId {
        self.id
    }

    /// Where the next worker learns of this process.
    pub(crate) fn custody(&self) -> &Custody {
        &self.dir.custody
    }

    /// Whether `offset` is the end of the stream.
    pub(crate) fn is_end(&self, stream: OutputStream, offset: u64) -> bool {
        lock(&self.account).stream(stream).end() == offset
    }

    fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Relaxed)
    }

    /// Enters a piece into the account.
    fn publish(&self, stream: OutputStream, piece: &Piece) {
        let mut account = lock(&self.account);
        let extents = account.stream_mut(stream);
        let before = extents.end();
        // While it was written its segment was given up, or the process was forgotten.
        let is_late = |segment: &Arc<Segment>, extents: &Extents| {
            segment.is_given_up() || (self.is_removed() && !extents.holds(segment))
        };
        let mut late = None;
        let end = match piece {
            Piece::Stored { segment, end } if is_late(segment, extents) => {
                extents.lose(*end);
                segment.give_up();
                late = Some(segment);
                *end
            }
            Piece::Stored { segment, end } => {
                let is_new = extents.grow(segment, *end);
                if is_new {
                    // Said when it was made too, but perhaps only to a journal that has been written anew since.
                    self.dir.note(segment.record(self.id, stream));
                }
                self.dir.add(end - before, segment, is_new);
                *end
            }
            Piece::Lost { end } => {
                extents.lose(*end);
                self.dir.counters.lost.add(end - before);
                if !self.is_removed() {
                    self.dir.note([LogRecord::Lost { id: self.id, stream, end: *end }]);
                }
                *end
            }
        };
        self.dir.counters.printed(stream).add(end - before);
        account.order.push(stream, end, clock::now_ms());
        let ends = account.ends();
        account.arrivals.note(ends, clock::boot_ms());
        drop(account);
        if let Some(segment) = late {
            segment.remove();
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.dir.unregister(self.id);
        let account = self.account.get_mut().unwrap_or_else(PoisonError::into_inner);
        for extents in [&mut account.stdout, &mut account.stderr] {
            for extent in extents.give_up(usize::MAX) {
                self.dir.sub(&extent);
                if *self.removed.get_mut() {
                    extent.segment.remove();
                }
            }
        }
    }
}

/// A lock whose holder cannot have left it half changed: no code that runs under these locks panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
