//! What the worker gives into the keeper's custody, so that the next worker can go on where this one is killed.
//!
//! Two things: descriptors (`Custody::hold` and the like), and the journal, a file in memory into which every change is
//! written before anybody outside can learn of it. Without a keeper all of it does nothing.
//!
//! Nothing here waits for the keeper: what its queue does not take now is sent by a thread of the blocking pool, in order. A
//! keeper that is gone is noticed and said in `/health`; the worker goes on without.

mod deposit;
mod handover;
mod journal;
mod outbox;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use serde::Serialize;

use crate::keeper::protocol::{FromWorker, ToWorker, decode};
use crate::sys::packets::{Packet, Packets};
use crate::sys::pidfd::PidFd;

pub(crate) use crate::keeper::protocol::{Exited, Key};
pub(crate) use deposit::Deposit;
pub(crate) use handover::{Handover, Held};
pub(crate) use journal::{Frame, Journal};
use outbox::Outbox;

/// Slots of a run's descriptors.
pub(crate) const SLOT_STDOUT: u32 = 0;
pub(crate) const SLOT_STDERR: u32 = 1;
pub(crate) const SLOT_STDIN: u32 = 2;

/// The handle. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Custody {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    outbox: Outbox,
    journal: Journal,
}

impl Custody {
    /// Nobody keeps anything.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// The keeper at the other end of `packets`, and a journal, which it is given.
    pub(crate) fn new(packets: Arc<Packets>, journal: Journal) -> io::Result<Self> {
        let inner = Inner { outbox: Outbox::new(packets), journal };
        let file = inner.journal.file()?;
        inner.outbox.send(&FromWorker::Journal {}, &[file.as_fd()]);
        Ok(Self { inner: Some(Arc::new(inner)) })
    }

    /// Whether there is a keeper, or was.
    pub(crate) fn is_kept(&self) -> bool {
        self.inner.is_some()
    }

    /// Whether the keeper is there to take what it is given.
    pub(crate) fn is_well(&self) -> bool {
        self.inner.as_ref().is_none_or(|inner| !inner.outbox.is_broken())
    }

    /// Looks whether the keeper is still there.
    pub(crate) fn check(&self) {
        if let Some(inner) = &self.inner {
            inner.outbox.check();
        }
    }

    /// Says that the worker accepts connections.
    pub(crate) fn serving(&self) {
        self.say(&FromWorker::Serving {}, &[]);
    }

    /// Gives descriptors away for as long as the entry lives.
    pub(crate) fn hold(&self, key: Key, held: &[(u32, BorrowedFd<'_>)]) {
        let (slots, descriptors): (Vec<u32>, Vec<BorrowedFd<'_>>) = held.iter().copied().unzip();
        self.say(&FromWorker::Hold { key, slots }, &descriptors);
    }

    /// Names the child of an entry.
    pub(crate) fn born(&self, key: Key, child: &PidFd) {
        self.say(&FromWorker::Born { key, pid: child.pid() }, &[child.as_fd()]);
    }

    /// Takes a descriptor back: as long as it is held, the other side of its pipe sees no end.
    pub(crate) fn release(&self, key: Key, slot: u32) {
        self.say(&FromWorker::Release { key, slots: vec![slot] }, &[]);
    }

    /// Says that nothing of an entry is needed any more.
    pub(crate) fn forget(&self, key: Key) {
        self.say(&FromWorker::Drop { key }, &[]);
    }

    /// Writes into the journal. `kind` says whose record it is.
    ///
    /// The write is into memory. It can fail when memory is short; then the next worker knows less, which is logged.
    pub(crate) fn note(&self, kind: u8, record: &impl Serialize) {
        let Some(inner) = &self.inner else { return };
        if let Err(error) = inner.journal.append(kind, record) {
            tracing::error!(%error, "the journal cannot be written: the next worker would not know all");
        }
    }

    /// Whether the journal has grown so much that it should be written anew.
    pub(crate) fn is_journal_due(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.journal.is_due())
    }

    /// Writes the journal anew: `tell` notes everything that is known. What is noted meanwhile by others is not lost.
    pub(crate) fn rewrite_journal(&self, tell: impl FnOnce()) -> io::Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        if !inner.journal.begin_successor()? {
            return Ok(());
        }
        tell();
        inner.journal.finish_successor(|file| {
            inner.outbox.send(&FromWorker::Journal {}, &[file.as_fd()]);
        });
        Ok(())
    }

    fn say(&self, message: &FromWorker, descriptors: &[BorrowedFd<'_>]) {
        if let Some(inner) = &self.inner {
            inner.outbox.send(message, descriptors);
        }
    }
}

/// What the keeper says to a worker that serves.
#[derive(Debug)]
pub(crate) enum Word {
    /// A command of an earlier worker has ended.
    Exited(Key, Exited),
    /// Go away.
    End,
}

/// Waits for the next word of the keeper's. `None`: the keeper is gone.
pub(crate) fn next_word(packets: &Packets) -> Option<Word> {
    loop {
        let Packet { bytes, .. } = packets.wait().ok()??;
        match decode(&bytes) {
            Ok(ToWorker::Exited { key, exited }) => return Some(Word::Exited(key, exited)),
            Ok(ToWorker::End {}) => return Some(Word::End),
            // What a newer keeper says besides.
            _ => {}
        }
    }
}
