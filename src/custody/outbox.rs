//! `Outbox`: messages to the keeper, in order, without waiting for it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::keeper::protocol::{FromWorker, encode};
use crate::sys::bell::Bell;
use crate::sys::packets::Packets;

/// How long room is waited for before it is looked at again whether the keeper is still there.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The pause before it is tried again.
const PAUSE: Duration = Duration::from_millis(1);

/// So many messages are left unread by a keeper that nobody rings for. With four descriptors each they are far from what a queue
/// and the limit of descriptors under way hold.
const UNRUNG_MAX: u32 = 16;

/// The sending side of the pair.
#[derive(Debug)]
pub(crate) struct Outbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    packets: Arc<Packets>,
    bell: Option<Bell>,
    /// Held while a message is sent, so that messages keep their order.
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Not empty while a thread waits for room.
    waiting: VecDeque<(Vec<u8>, Vec<OwnedFd>)>,
    /// Messages since the bell was rung.
    unrung: u32,
    /// The keeper is gone.
    is_broken: bool,
}

impl Outbox {
    /// An empty one.
    pub(crate) fn new(packets: Arc<Packets>, bell: Option<Bell>) -> Self {
        Self { shared: Arc::new(Shared { packets, bell, queue: Mutex::default() }) }
    }

    /// Whether the keeper is gone.
    pub(super) fn is_broken(&self) -> bool {
        self.shared.lock().is_broken
    }

    /// Finds out whether the keeper is gone without saying anything to it.
    pub(super) fn check(&self) {
        if matches!(self.shared.packets.receive(), Ok(None)) {
            self.shared.lock().give_up(&io::ErrorKind::BrokenPipe.into());
        }
    }

    /// Sends a message, or queues it when the keeper's queue is full. A keeper that is gone gets nothing.
    pub(super) fn send(&self, message: &FromWorker, descriptors: &[BorrowedFd<'_>]) {
        let mut queue = self.shared.lock();
        if queue.is_broken {
            return;
        }
        let Ok(bytes) = encode(message) else { return };
        if queue.waiting.is_empty() {
            match self.shared.packets.send(&bytes, descriptors) {
                Ok(()) => return self.shared.ring(&mut queue, is_urgent(message)),
                Err(error) if is_too_large(&error) => {
                    tracing::error!(?message, "the keeper cannot be told");
                    return;
                }
                Err(error) if is_full(&error) => {
                    let shared = self.shared.clone();
                    blocking::unblock(move || shared.send_waiting()).detach();
                }
                Err(error) => return queue.give_up(&error),
            }
        }
        // The caller may close its own: these are copies.
        let copies: io::Result<Vec<OwnedFd>> =
            descriptors.iter().map(BorrowedFd::try_clone_to_owned).collect();
        match copies {
            Ok(copies) => queue.waiting.push_back((bytes, copies)),
            Err(error) => tracing::error!(%error, "the keeper could not be given all"),
        }
    }
}

impl Shared {
    /// Rings the bell, if it is time.
    fn ring(&self, queue: &mut Queue, is_urgent: bool) {
        queue.unrung += 1;
        if is_urgent || queue.unrung >= UNRUNG_MAX {
            queue.unrung = 0;
            if let Some(bell) = &self.bell {
                bell.ring();
            }
        }
    }

    /// Sends what waits, in order, as room comes.
    #[expect(clippy::disallowed_methods, reason = "the kernel has no event for fewer descriptors under way")]
    fn send_waiting(&self) {
        loop {
            {
                let mut queue = self.lock();
                while let Some((bytes, descriptors)) = queue.waiting.front() {
                    let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
                    match self.packets.send(bytes, &borrowed) {
                        Ok(()) => drop(queue.waiting.pop_front()),
                        Err(error) if is_full(&error) => break,
                        Err(error) if is_too_large(&error) => drop(queue.waiting.pop_front()),
                        Err(error) => return queue.give_up(&error),
                    }
                }
                self.ring(&mut queue, true);
                if queue.waiting.is_empty() {
                    return;
                }
            }
            // It may have been stopped, or be slow. Too many descriptors on their way are no lack of room: the pause is for those.
            std::thread::sleep(PAUSE);
            self.packets.wait_for_room(LOOK_AGAIN).ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn give_up(&mut self, error: &io::Error) {
        if self.is_broken {
            return;
        }
        tracing::error!(%error, "the keeper is gone: commands would not survive the end of this worker");
        self.is_broken = true;
        self.waiting.clear();
    }
}

/// Whether somebody waits for what the keeper does about it. The others only have to be there when this worker is dead.
fn is_urgent(message: &FromWorker) -> bool {
    !matches!(message, FromWorker::Hold { .. } | FromWorker::Born { .. } | FromWorker::Drop { .. })
}

/// Too long, or with too many descriptors: no fault of the keeper's.
fn is_too_large(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}

/// The queue is full, or too many descriptors are under way at once.
fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::ETOOMANYREFS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::protocol::{Key, decode};

    #[test]
    fn a_message_that_is_too_large_is_no_dead_keeper() {
        let (ours, theirs) = Packets::pair().unwrap();
        let outbox = Outbox::new(Arc::new(ours), None);
        outbox.send(&FromWorker::Refused { why: "x".repeat(10_000) }, &[]);
        assert!(!outbox.is_broken());
        outbox.send(&FromWorker::Serving {}, &[]);
        assert!(matches!(decode(&theirs.wait().unwrap().unwrap().bytes), Ok(FromWorker::Serving {})));
    }

    #[test]
    fn what_does_not_fit_comes_later_and_in_order() {
        const MESSAGES: u64 = 20_000;
        let (ours, theirs) = Packets::pair().unwrap();
        let outbox = Outbox::new(Arc::new(ours), None);
        let key = |serial| Key { boot: 1, serial, run: 0 };
        for serial in 0..MESSAGES {
            outbox.send(&FromWorker::Drop { key: key(serial) }, &[]);
        }
        assert!(!outbox.shared.lock().waiting.is_empty(), "the queue was never full");
        for serial in 0..MESSAGES {
            let packet = theirs.wait().unwrap().unwrap();
            let message: FromWorker = decode(&packet.bytes).unwrap();
            assert_eq!(message, FromWorker::Drop { key: key(serial) });
        }
        drop(theirs);
        outbox.send(&FromWorker::Drop { key: key(0) }, &[]);
        assert!(outbox.is_broken());
    }
}
