//! `Attachment`: a reader's entry in a log, by which retention knows how far it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Log, lock};
use crate::clock;
use crate::log::{Offsets, OutputStream};

/// How far a reader is, for retention.
#[derive(Debug)]
pub(super) struct Progress {
    /// It is spared as long as the process is known; any other reader only once the process is forgotten.
    pub(super) is_follower: bool,
    offsets: [AtomicU64; 2],
    moved_ms: AtomicU64,
}

impl Progress {
    /// When it moved last, on the clock that never jumps.
    pub(super) fn moved_ms(&self) -> u64 {
        self.moved_ms.load(Ordering::Relaxed)
    }

    fn moved(&self, offsets: Offsets) {
        for stream in OutputStream::BOTH {
            self.offsets[stream as usize].store(offsets[stream], Ordering::Relaxed);
        }
        self.moved_ms.store(clock::boot_ms(), Ordering::Relaxed);
    }

    /// The next byte of a stream that it has yet to read.
    pub(super) fn offset(&self, stream: OutputStream) -> u64 {
        self.offsets[stream as usize].load(Ordering::Relaxed)
    }
}

/// A reader's entry in a log, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Attachment {
    log: Arc<Log>,
    number: u64,
    progress: Arc<Progress>,
}

impl Attachment {
    /// Enters a follower that retention must spare, or a reader that it need not.
    pub(crate) fn new(log: Arc<Log>, from: Offsets, is_follower: bool) -> Self {
        let progress =
            Arc::new(Progress { is_follower, offsets: Default::default(), moved_ms: AtomicU64::new(0) });
        progress.moved(from);
        let number = {
            let mut account = lock(&log.account);
            let number = account.next_follower;
            account.next_follower += 1;
            account.followers.insert(number, progress.clone());
            number
        };
        Self { log, number, progress }
    }

    /// Whether it is a follower, and no other reader.
    pub(crate) fn is_follower(&self) -> bool {
        self.progress.is_follower
    }

    /// Says that everything before `offsets` was handed on.
    pub(crate) fn moved(&self, offsets: Offsets) {
        self.progress.moved(offsets);
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        lock(&self.log.account).followers.remove(&self.number);
        // What was kept for this follower alone goes now: the command may write no more, and deleting files may block.
        if self.log.protected_bytes() > 0 {
            let log = self.log.clone();
            blocking::unblock(move || log.trim()).detach();
        }
    }
}
