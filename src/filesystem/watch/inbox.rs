//! `Inbox`: records on their way to one watcher.
//!
//! It takes `INBOX_BYTES_MAX`, and all inboxes together `INBOXES_BYTES_MAX`. What comes beyond is dropped, and one record says so, at the
//! place where the first is missing.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use event_listener::{Event, EventListener};
use rustix::fs::inotify::ReadFlags;

use super::record::Record;

/// Room of one: about what the kernel itself holds by default (16,384 records).
const INBOX_BYTES_MAX: usize = 1 << 20;

/// Room of all together: that a thousand clients which read nothing cost less than a command.
const INBOXES_BYTES_MAX: usize = 64 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Held for a few lines.
    inner: Mutex<Inner>,
    /// Something came.
    event: Event,
    /// Bytes in all inboxes.
    all: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Inner {
    records: VecDeque<Record>,
    bytes: usize,
    /// Something was dropped, and nothing was taken since.
    is_full: bool,
}

impl Inbox {
    /// An empty one; `all` counts the bytes of all.
    pub(super) fn new(all: Arc<AtomicUsize>) -> Self {
        Self { inner: Mutex::default(), event: Event::new(), all }
    }

    /// Puts a record in, if there is room.
    pub(super) fn push(&self, record: Record) {
        {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            if inner.is_full {
                return;
            }
            let bytes = record.bytes();
            let fits = inner.bytes + bytes <= INBOX_BYTES_MAX
                && self.all.load(Ordering::Relaxed) + bytes <= INBOXES_BYTES_MAX;
            if fits {
                inner.bytes += bytes;
                self.all.fetch_add(bytes, Ordering::Relaxed);
                inner.records.push_back(record);
            } else {
                inner.is_full = true;
                inner.records.push_back(overflow());
            }
        }
        self.event.notify(usize::MAX);
    }

    /// Takes everything out.
    pub(super) fn take(&self) -> VecDeque<Record> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { records, bytes, .. } = std::mem::take(&mut *inner);
        self.all.fetch_sub(bytes, Ordering::Relaxed);
        records
    }

    /// Fires when something comes, at once if something is there.
    pub(super) fn listen(&self) -> EventListener {
        let listener = self.event.listen();
        if !self.inner.lock().unwrap_or_else(PoisonError::into_inner).records.is_empty() {
            self.event.notify(usize::MAX);
        }
        listener
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// Says that records are missing, as the kernel does.
pub(super) fn overflow() -> Record {
    Record { wd: -1, mask: ReadFlags::QUEUE_OVERFLOW, cookie: 0, name: OsString::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(n: usize) -> Record {
        Record { wd: 1, mask: ReadFlags::CREATE, cookie: 0, name: format!("{n:0>200}").into() }
    }

    #[test]
    fn what_is_too_much_is_one_overflow() {
        let all = Arc::new(AtomicUsize::new(0));
        let inbox = Inbox::new(all.clone());
        for n in 0..10_000 {
            inbox.push(record(n));
        }
        assert!(all.load(Ordering::Relaxed) <= INBOX_BYTES_MAX);
        let mut taken = inbox.take();
        assert_eq!(taken.pop_back(), Some(overflow()));
        assert!(taken.len() > 3000 && taken.iter().enumerate().all(|(n, taken)| *taken == record(n)));
        inbox.push(record(1));
        assert_eq!(inbox.take(), [record(1)]);
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn all_inboxes_together_have_a_bound() {
        let all = Arc::new(AtomicUsize::new(0));
        let inboxes: Vec<_> = (0..100).map(|_| Inbox::new(all.clone())).collect();
        for inbox in &inboxes {
            (0..4000).for_each(|n| inbox.push(record(n)));
        }
        assert!(all.load(Ordering::Relaxed) <= INBOXES_BYTES_MAX);
        assert_eq!(inboxes[99].take(), [overflow()]);
        drop(inboxes);
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }
}
