//! A log as an earlier worker left it: found again in its files, and told to the journal.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::{Books, Log, lock};
use crate::clock;
use crate::custody::Deposit;
use crate::id::ProcessId;
use crate::log::keeping::Kept;
use crate::log::order::Order;
use crate::log::order_file::OrderFile;
use crate::log::record::{LogHistory, LogRecord, StreamHistory};
use crate::log::segment::Segment;
use crate::log::{LogDir, OutputStream};
use crate::sys::pipe::Taken;

/// How much is moved at a time out of a pipe that nobody writes to.
const TAKE_BYTES: usize = 1024 * 1024;

/// What the keeper held of a log.
#[derive(Debug, Default)]
pub(crate) struct LogDeposits {
    /// Files in memory, by their numbers.
    pub(crate) memory: BTreeMap<u32, OwnedFd>,
    /// What each stream had in hand.
    pub(crate) stagings: [Option<OwnedFd>; 2],
}

/// A segment that was found, and where its bytes end.
struct FoundSegment {
    segment: Arc<Segment>,
    end: u64,
}

impl Log {
    /// Finds a log again. What its files hold is what it holds, whether or not anybody was told.
    ///
    /// Blocks on the disk.
    pub(crate) fn restore(
        dir: &Arc<LogDir>,
        id: ProcessId,
        name: String,
        history: LogHistory,
        mut deposits: LogDeposits,
    ) -> Arc<Self> {
        let log = Self::new(dir, id, name);
        let (order_file, runs) = OrderFile::restore(dir, id);
        let mut linked = [0; 2];
        for stream in OutputStream::BOTH {
            let told = &history.streams[stream as usize];
            let (mut found, parts) = on_disk(dir, id, stream, told);
            found.extend(in_memory(dir, id, told, &mut deposits.memory));
            found.sort_by_key(|found| found.segment.base());
            linked[stream as usize] = parts;
            let mut account = lock(&log.account);
            let extents = account.stream_mut(stream);
            for FoundSegment { segment, end } in &found {
                extents.lose(segment.base().max(extents.end()));
                if *end > extents.end() {
                    let bytes = end - extents.end();
                    dir.add(bytes, segment, extents.grow(segment, *end));
                }
            }
            let ordered = runs.iter().filter(|run| run.stream() == stream).map(|run| run.end()).max();
            extents.lose(extents.end().max(told.end).max(ordered.unwrap_or(0)));
            let end = extents.end();
            drop(account);
            let last = found.pop().filter(|last| last.end == end && !last.segment.is_memory());
            let memories = told.memory.keys().max().map_or(0, |number| number / 2 + 1);
            lock(&log.writers[stream as usize]).resume(end, parts, memories, last.map(|last| last.segment));
        }
        {
            let mut account = lock(&log.account);
            account.order = Order::restore(runs);
            // In what order the last bytes were read is not known: one stream after the other.
            for stream in OutputStream::BOTH {
                let end = account.stream(stream).end();
                if account.order.end(stream) < end {
                    account.order.push(stream, end, clock::now_ms());
                }
            }
            account.boundaries = history.boundaries.into();
            account.sealed = history.sealed;
        }
        *lock(&log.books) = Books { order_file, linked };
        for stream in OutputStream::BOTH {
            if let Some(staging) = deposits.stagings[stream as usize].take() {
                // Its bytes come before those of the pipe, and nobody writes to it any more.
                while matches!(log.take(stream, &staging, TAKE_BYTES), Ok(Taken::Bytes(_))) {
                    log.settle(stream);
                }
                drop(Deposit::resumed(&dir.custody, Kept::Staging(stream).key(id)));
            }
        }
        // Made, and not told of: nothing is in them.
        for number in deposits.memory.into_keys() {
            drop(Deposit::resumed(&dir.custody, Kept::Memory(number).key(id)));
        }
        log
    }

    /// Finds what another worker has written since. Bytes that are in no file that is found are not there yet.
    pub(crate) fn follow_files(&self, told: &LogHistory) {
        for stream in OutputStream::BOTH {
            let told = &told.streams[stream as usize];
            let mut account = lock(&self.account);
            let known =
                account.stream(stream).segments().filter(|segment| !segment.is_memory()).last().cloned();
            let mut part = known.as_ref().map_or(0, |segment| segment.number());
            let last_told = told.bases.keys().max().copied().unwrap_or(0);
            let before = account.stream(stream).end();
            loop {
                let segment = known.clone().filter(|segment| segment.number() == part);
                match self.dir.find(self.id, stream, part) {
                    Some((path, size)) => {
                        let extents = account.stream_mut(stream);
                        let base = told.bases.get(&part).copied().unwrap_or(extents.end());
                        let segment = segment.unwrap_or_else(|| Segment::found(base, part, path));
                        let end = segment.base() + size;
                        if end > extents.end() {
                            extents.lose(segment.base().max(extents.end()));
                            extents.grow(&segment, end);
                        }
                    }
                    None if part > last_told => break,
                    None => {}
                }
                part += 1;
            }
            let end = account.stream(stream).end();
            if end > before {
                account.order.push(stream, end, clock::now_ms());
            }
        }
        self.changed.notify(usize::MAX);
    }

    /// Takes over what another worker says of this log, once everything before it was found.
    pub(crate) fn follow_record(&self, record: &LogRecord) {
        {
            let mut account = lock(&self.account);
            match record {
                LogRecord::Lost { stream, end, .. } => {
                    let extents = account.stream_mut(*stream);
                    extents.lose(extents.end().max(*end));
                }
                LogRecord::RunEnded { boundary, .. } => account.follow_boundary(*boundary),
                LogRecord::Sealed { at, .. } => account.sealed = Some(*at),
                LogRecord::Segment { .. } | LogRecord::Memory { .. } => {}
            }
        }
        self.changed.notify(usize::MAX);
    }

    /// Notes everything that the next worker must know of this log.
    pub(crate) fn tell(&self) {
        let account = lock(&self.account);
        for stream in OutputStream::BOTH {
            let extents = account.stream(stream);
            self.dir.note(extents.segments().filter_map(|segment| segment.record(self.id, stream)));
            if !account.ends_stored(stream) {
                self.dir.note([LogRecord::Lost { id: self.id, stream, end: extents.end() }]);
            }
        }
        let boundaries = account.boundaries.iter().copied();
        self.dir.note(boundaries.map(|boundary| LogRecord::RunEnded { id: self.id, boundary }));
        self.dir.note(account.sealed.map(|at| LogRecord::Sealed { id: self.id, at }));
    }
}

/// The files of a stream, oldest first, and how many there have been.
fn on_disk(
    dir: &LogDir,
    id: ProcessId,
    stream: OutputStream,
    told: &StreamHistory,
) -> (Vec<FoundSegment>, u32) {
    let mut found: Vec<FoundSegment> = Vec::new();
    let mut parts = 0;
    let last_told = told.bases.keys().max().copied().unwrap_or(0);
    let mut part =
        told.bases.keys().min().copied().filter(|_| dir.find(id, stream, 0).is_none()).unwrap_or(0);
    while let Some(file) = dir.find(id, stream, part).map(Some).or((part <= last_told).then_some(None)) {
        if let Some((path, size)) = file {
            // A file that is not told of, which a journal written anew can make, follows the one before it.
            let follows = found.last().map_or(0, |last| last.end);
            let base = told.bases.get(&part).copied().unwrap_or(follows);
            parts = part + 1;
            let segment = Segment::found(base, part, path);
            if size > 0 {
                found.push(FoundSegment { segment, end: base + size });
            } else {
                // Made for a byte that is still in its pipe.
                segment.remove();
            }
        }
        part += 1;
    }
    (found, parts.max(told.bases.keys().max().map_or(0, |last| last + 1)))
}

/// The files in memory that the keeper held of a stream.
fn in_memory(
    dir: &LogDir,
    id: ProcessId,
    told: &StreamHistory,
    held: &mut BTreeMap<u32, OwnedFd>,
) -> Vec<FoundSegment> {
    let found = told.memory.iter().filter_map(|(number, base)| {
        let file = File::from(held.remove(number)?);
        let size = file.metadata().ok()?.len();
        let deposit = Deposit::resumed(&dir.custody, Kept::Memory(*number).key(id));
        let segment = Segment::in_memory(*base, *number, file, Some(deposit));
        (size > 0).then_some(FoundSegment { segment, end: base + size })
    });
    found.collect()
}
