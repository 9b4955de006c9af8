//! The upkeep of a log: its books on disk, and what is dropped of it. Only threads that may block on the disk come here.

use std::sync::atomic::Ordering;

use super::account::Account;
use super::{Log, lock};
use crate::clock;
use crate::log::retention::{Budget, Weight};
use crate::log::segment::{Extent, Extents};
use crate::log::{OutputStream, retention};

/// A stream is not cut below this, except that all of it goes when no follower is about to read it.
const FLOOR_BYTES: u64 = 256 * 1024;

/// A stream keeps so much in memory while the disk refuses, whether somebody follows it or not.
const MEMORY_BYTES_MAX: u64 = 1024 * 1024;

/// The part of the memory of all logs that one stream may take for followers who are about to read it. A follower that is
/// further behind than this is lapped at once and by all of it: so it meets one gap, and has room again.
const FOLLOWED_SHARE: u64 = 8;

/// Whether the last segment of a stream stays, which may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Stays,
    /// All of the stream goes, unless a follower worth sparing has yet to read something of it.
    Goes,
}

impl Log {
    /// What can wait until the readers have been woken: the order on disk, the link by name, and retention.
    ///
    /// Blocks as long as the disk does: only the pump calls it.
    pub(crate) fn settle(&self, stream: OutputStream) {
        {
            let mut books = lock(&self.books);
            if self.is_removed() {
                return;
            }
            let missing = books.order_file.missing(&lock(&self.account).order);
            if let Some(missing) = missing {
                books.order_file.write(&self.dir, self.id, &missing);
            }
            let parts = lock(&self.writers[stream as usize]).parts();
            if parts > books.linked[stream as usize] {
                books.linked[stream as usize] = parts;
                self.dir.link(&self.name, self.id, stream, parts - 1);
            }
        }
        self.trim_stream(stream);
        self.dir.enforce_budgets();
    }

    /// Drops what nobody is spared for any more.
    pub(in crate::log) fn trim(&self) {
        for stream in OutputStream::BOTH {
            self.trim_stream(stream);
        }
    }

    /// Drops what a stream has beyond its cap, or all of a forgotten one, and gives the bytes that this freed.
    fn trim_stream(&self, stream: OutputStream) -> u64 {
        if self.dir.custody.is_retired() {
            // The files are another worker's.
            return 0;
        }
        if self.is_removed() {
            self.retain(stream, FLOOR_BYTES, Last::Goes)
        } else {
            self.retain(stream, self.dir.limits.file_bytes_max, Last::Stays)
        }
    }

    /// What this log has to give up before others when the budget is spent.
    pub(in crate::log) fn weight(&self, budget: Budget) -> Option<Weight> {
        let account = lock(&self.account);
        let stored = match budget {
            Budget::All => account.stored(),
            Budget::Memory | Budget::MemoryFiles => account.stdout.in_memory() + account.stderr.in_memory(),
        };
        Weight::new(stored, account.sealed.is_some(), self.id)
    }

    /// Whether the process is over and nobody reads its output.
    pub(in crate::log) fn is_idle(&self) -> bool {
        let account = lock(&self.account);
        account.sealed.is_some() && account.followers.is_empty()
    }

    /// Bytes kept only because a follower has yet to read them.
    pub(in crate::log) fn protected_bytes(&self) -> u64 {
        let account = lock(&self.account);
        if self.is_removed() {
            return account.stored();
        }
        let cap = self.dir.limits.file_bytes_max;
        // Whole segments are dropped, so up to two of them over the cap are nobody's protection.
        let segment_bytes = retention::segment_bytes(cap, self.dir.limits.total_bytes_max);
        let over = |extents: &Extents| {
            let over_cap = extents.stored().saturating_sub(cap.saturating_add(2 * segment_bytes));
            over_cap.max(extents.in_memory().saturating_sub(MEMORY_BYTES_MAX))
        };
        over(&account.stdout) + over(&account.stderr)
    }

    /// Takes the followers' protection away and gives the bytes that this freed.
    pub(in crate::log) fn unprotect(&self) -> u64 {
        tracing::warn!(process = %self.id, "log budget spent: followers of this process lose output they have not read");
        self.unprotected.store(true, Ordering::Relaxed);
        OutputStream::BOTH.into_iter().map(|stream| self.trim_stream(stream)).sum()
    }

    /// Drops the older half of each stream, down to a floor, and gives the bytes that this freed.
    pub(in crate::log) fn halve(&self, budget: Budget) -> u64 {
        let halve = match budget {
            Budget::All => Self::halve_stream,
            Budget::Memory | Budget::MemoryFiles => Self::halve_memory,
        };
        OutputStream::BOTH.into_iter().map(|stream| halve(self, stream)).sum()
    }

    fn halve_stream(&self, stream: OutputStream) -> u64 {
        self.unprotected.store(true, Ordering::Relaxed);
        let stored = lock(&self.account).stream(stream).stored();
        self.retain(stream, (stored / 2).max(FLOOR_BYTES), Last::Stays)
    }

    fn halve_memory(&self, stream: OutputStream) -> u64 {
        self.give_up(|account| {
            let extents = account.stream_mut(stream);
            // Who is lapped now is lapped by all that was kept for followers.
            let half = (extents.in_memory() / 2).min(MEMORY_BYTES_MAX);
            extents.give_up_memory(half, None)
        })
    }

    /// Drops both streams, or what of them is in memory, but not one whose end a follower is about to read: that one keeps its
    /// last bytes. Who writes goes on in a new segment.
    pub(in crate::log) fn clear(&self, budget: Budget) {
        for stream in OutputStream::BOTH {
            match budget {
                Budget::All => {
                    self.unprotected.store(true, Ordering::Relaxed);
                    self.retain(stream, FLOOR_BYTES, Last::Goes);
                }
                Budget::Memory | Budget::MemoryFiles => {
                    self.give_up(|account| {
                        let goes = self.is_read(account, stream);
                        if goes { account.stream_mut(stream).give_up_all_memory() } else { Vec::new() }
                    });
                }
            }
        }
    }

    /// Drops what a stream has beyond `cap` and gives the bytes that this freed.
    fn retain(&self, stream: OutputStream, cap: u64, last: Last) -> u64 {
        self.give_up(|account| {
            let (spared, spared_in_memory) = self.spared(account, stream);
            let goes_whole = last == Last::Goes && self.is_read(account, stream);
            let extents = account.stream_mut(stream);
            let ends = extents.list().iter().map(|extent| extent.end);
            let drop_first =
                if goes_whole { usize::MAX } else { retention::droppable(ends, extents.end(), cap, spared) };
            let mut freed = extents.give_up(drop_first);
            freed.extend(extents.give_up_memory(MEMORY_BYTES_MAX, spared_in_memory));
            freed
        })
    }

    /// Takes stretches of a stream out of the account, deletes them, and gives the bytes that this freed.
    fn give_up(&self, pick: impl FnOnce(&mut Account) -> Vec<Extent>) -> u64 {
        let freed = {
            let mut account = lock(&self.account);
            let freed = pick(&mut account);
            if !freed.is_empty() {
                let starts = account.starts();
                account.order.forget_before(starts);
            }
            freed
        };
        for extent in &freed {
            self.dir.sub(extent);
            // Who reads it now goes on to its end.
            extent.segment.remove();
        }
        freed.iter().map(Extent::len).sum()
    }

    /// The lowest offsets that a follower worth sparing has yet to read: of all, and of those that memory is kept for.
    fn spared(&self, account: &Account, stream: OutputStream) -> (Option<u64>, Option<u64>) {
        if account.followers.is_empty() || !self.is_protected() {
            return (None, None);
        }
        let share = self.dir.limits.memory_bytes_max / FOLLOWED_SHARE;
        let in_reach = account.stream(stream).end().saturating_sub(share);
        let unread = || self.unread(account, stream);
        (unread().min(), unread().filter(|at| *at >= in_reach).min())
    }

    /// Whether followers are spared: not while the budget is spent.
    fn is_protected(&self) -> bool {
        if self.unprotected.load(Ordering::Relaxed) {
            let calm = self.dir.stored() < self.dir.limits.total_bytes_max / 4 * 3;
            if !calm {
                return false;
            }
            self.unprotected.store(false, Ordering::Relaxed);
        }
        true
    }

    /// Whether no follower worth sparing has yet to read anything of a stream.
    fn is_read(&self, account: &Account, stream: OutputStream) -> bool {
        self.unread(account, stream).all(|at| at >= account.stream(stream).end())
    }

    /// The lowest offset that each follower worth sparing has yet to read.
    fn unread(&self, account: &Account, stream: OutputStream) -> impl Iterator<Item = u64> {
        let now = clock::boot_ms();
        let oldest = move |offset: u64| account.arrivals.came_ms(stream, offset).unwrap_or(now);
        let spared = account.followers.values().filter(move |p| {
            // A file of a forgotten process is kept for anybody who reads it.
            if !p.is_follower && !self.is_removed() {
                return false;
            }
            let moved = p.moved_ms();
            // The search for the age of the oldest unread byte is only needed when the follower stood still.
            now.saturating_sub(moved) < retention::STALL_MS
                || !retention::is_stalled(now, moved, oldest(p.offset(stream)))
        });
        spared.map(move |p| p.offset(stream))
    }
}
