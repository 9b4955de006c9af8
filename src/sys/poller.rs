//! An epoll set whose events are taken by several threads.
//!
//! Every source is one-shot: after an event exactly one thread works on it, and no other sees it before that thread
//! re-arms it. So a thread that is held up by a disk holds up the sources in its hands and nothing else.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

/// Events taken by one call: a small number spreads a burst over the threads.
const EVENTS_PER_WAIT: usize = 16;

/// An epoll set of readable sources, each known by a token of the caller's.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    /// An empty set.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    /// Adds a source; its first event comes as soon as it is readable or closed.
    pub(crate) fn add(&self, source: impl AsFd, token: u64) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, source, EventData::new_u64(token), one_shot())?)
    }

    /// Asks for the next event of a source whose last event has been handled.
    pub(crate) fn rearm(&self, source: impl AsFd, token: u64) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, source, EventData::new_u64(token), one_shot())?)
    }

    /// Takes a source out. An event of it may still be in another thread's hands.
    pub(crate) fn remove(&self, source: impl AsFd) {
        // It can only fail when the source is not in the set, which is what was asked for.
        epoll::delete(&self.epoll, source).ok();
    }

    /// Blocks until something is readable and hands each token to `on_event`.
    pub(crate) fn wait(&self, mut on_event: impl FnMut(u64)) -> io::Result<()> {
        let mut space = [MaybeUninit::<Event>::uninit(); EVENTS_PER_WAIT];
        match epoll::wait(&self.epoll, &mut space, None) {
            Ok((events, _)) => {
                for event in events {
                    on_event({ event.data }.u64());
                }
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

fn one_shot() -> EventFlags {
    EventFlags::IN | EventFlags::ONESHOT
}
