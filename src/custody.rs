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

use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::keeper::protocol::{FromWorker, ToWorker, decode, encode};
use crate::sys::file;
use crate::sys::lane::Lane;
use crate::sys::packets::{MESSAGE_BYTES_MAX, Packet, Packets};
use crate::sys::pidfd::PidFd;

pub(crate) use crate::keeper::protocol::{Exited, Key, Report};
pub(crate) use deposit::Deposit;
pub(crate) use handover::{Handover, Held, Orphaned, Survivor};
pub(crate) use journal::{Frame, Journal, JournalReader};
pub(crate) use outbox::Outbox;

/// Bytes of a `Welcome`, without the note of an upgrade.
const WELCOME_BYTES_MAX: usize = 512;

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
    /// Another worker has taken everything over: whatever this one lets go is that one's.
    is_retired: AtomicBool,
    /// A retired worker follows the journal.
    is_followed: AtomicBool,
}

impl Custody {
    /// Nobody keeps anything.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// The keeper at the other end of `outbox`, and a journal, which it is given.
    pub(crate) fn new(outbox: Outbox, journal: Journal, is_followed: bool) -> io::Result<Self> {
        let inner = Inner {
            outbox,
            journal,
            is_retired: AtomicBool::new(false),
            is_followed: AtomicBool::new(is_followed),
        };
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

    /// Says whether a retired worker follows the journal.
    pub(crate) fn set_followed(&self, is_followed: bool) {
        if let Some(inner) = &self.inner {
            inner.is_followed.store(is_followed, Ordering::SeqCst);
        }
    }

    /// Whether another worker has taken everything over.
    pub(crate) fn is_retired(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.is_retired.load(Ordering::SeqCst))
    }

    /// Where what is noted from now on can be read. `None` without a keeper.
    pub(crate) fn reader(&self) -> io::Result<Option<JournalReader>> {
        self.inner.as_ref().map(|inner| inner.journal.reader()).transpose()
    }

    /// Gives everything over: from now on nothing is held, dropped or noted.
    pub(crate) fn retire(&self) {
        if let Some(inner) = &self.inner {
            inner.is_retired.store(true, Ordering::SeqCst);
            inner.journal.close();
            inner.outbox.send(&FromWorker::Retired {}, &[]);
        }
    }

    /// Says that it cannot be replaced now.
    pub(crate) fn refuse(&self, why: &str) {
        self.say(&FromWorker::Refused { why: why.to_owned() }, &[]);
    }

    /// Asks to be replaced by a worker of this program. An error when the keeper cannot be told.
    pub(crate) fn ask_for_upgrade(
        &self,
        path: &str,
        note: String,
        program: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let message = FromWorker::Upgrade { path: path.to_owned(), note };
        // The note comes back among other words.
        if encode(&message)?.len() > MESSAGE_BYTES_MAX - WELCOME_BYTES_MAX {
            return Err(io::Error::other("its path is too long"));
        }
        self.say(&message, &[program]);
        Ok(())
    }

    /// A copy of everything that was noted, which nobody can change.
    pub(crate) fn journal_copy(&self) -> io::Result<Option<OwnedFd>> {
        self.inner.as_ref().map(|inner| inner.journal.sealed_copy()).transpose()
    }

    /// Says how a command ended whose next worker cannot see it.
    pub(crate) fn tell_exit(&self, key: Key, exited: Exited) {
        if let Some(inner) = &self.inner {
            inner.outbox.send(&FromWorker::Exited { key, exited }, &[]);
        }
    }

    /// Gives a connection to the next worker, and what was read of its next request.
    pub(crate) fn pass_connection(
        &self,
        socket: BorrowedFd<'_>,
        on_loopback: bool,
        read: &[u8],
    ) -> io::Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let message = FromWorker::Connection { on_loopback };
        if read.is_empty() {
            inner.outbox.send(&message, &[socket]);
        } else {
            let file = file::in_memory("boxd-request")?;
            file.write_all_at(read, 0)?;
            inner.outbox.send(&message, &[socket, file.as_fd()]);
        }
        Ok(())
    }

    /// Says that the worker begins to accept connections.
    pub(crate) fn serving(&self) {
        self.say(&FromWorker::Serving {}, &[]);
    }

    /// Gives descriptors away for as long as the entry lives.
    pub(crate) fn hold(&self, key: Key, lane: Option<Lane>, held: &[(u32, BorrowedFd<'_>)]) {
        let (slots, descriptors): (Vec<u32>, Vec<BorrowedFd<'_>>) = held.iter().copied().unzip();
        self.say(&FromWorker::Hold { key, slots, lane }, &descriptors);
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
        let Some(inner) = self.inner.as_ref().filter(|_| !self.is_retired()) else { return };
        if let Err(error) = inner.journal.append(kind, record) {
            tracing::error!(%error, "the journal cannot be written: the next worker would not know all");
        }
        if inner.is_followed.load(Ordering::SeqCst) {
            inner.outbox.send(&FromWorker::Noted {}, &[]);
        }
    }

    /// How often the journal has begun to be written anew.
    pub(crate) fn rewritings(&self) -> u64 {
        self.inner.as_ref().map_or(0, |inner| inner.journal.rewritings())
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
        if let Some(inner) = self.inner.as_ref().filter(|_| !self.is_retired()) {
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
    /// Be replaced by a worker of the program on disk.
    Reload,
    /// The next worker waits: stop.
    Retire,
    /// The next worker came to nothing.
    UpgradeFailed(String),
    /// A connection of an earlier worker's, and what it has read of the next request.
    Connection { socket: TcpStream, on_loopback: bool, read: Vec<u8> },
    /// What the next worker notes from now on.
    Journal(OwnedFd),
    /// The next worker has noted something.
    Noted,
    /// No retired worker is left.
    Alone,
}

/// Waits for the next word of the keeper's. `None`: the keeper is gone.
pub(crate) fn next_word(packets: &Packets) -> Option<Word> {
    loop {
        let Packet { bytes, descriptors } = match packets.wait() {
            Ok(packet) => packet?,
            // It came without its descriptors: none was free.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => continue,
            Err(_) => return None,
        };
        let mut descriptors = descriptors.into_iter();
        match decode(&bytes) {
            Ok(ToWorker::Exited { key, exited }) => return Some(Word::Exited(key, exited)),
            Ok(ToWorker::End {}) => return Some(Word::End),
            Ok(ToWorker::Reload {}) => return Some(Word::Reload),
            Ok(ToWorker::Noted {}) => return Some(Word::Noted),
            Ok(ToWorker::Alone {}) => return Some(Word::Alone),
            Ok(ToWorker::Retire {}) => return Some(Word::Retire),
            Ok(ToWorker::UpgradeFailed { why }) => return Some(Word::UpgradeFailed(why)),
            Ok(ToWorker::Connection { on_loopback }) => {
                let Some(socket) = descriptors.next().map(TcpStream::from) else { continue };
                let read = descriptors.next().and_then(|file| file::contents(&File::from(file)).ok());
                return Some(Word::Connection { socket, on_loopback, read: read.unwrap_or_default() });
            }
            Ok(ToWorker::Journal {}) => {
                if let Some(journal) = descriptors.next() {
                    return Some(Word::Journal(journal));
                }
            }
            // What a newer keeper says besides.
            _ => {}
        }
    }
}
