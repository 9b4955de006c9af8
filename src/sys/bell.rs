//! A counter that one process raises and another waits for (`eventfd`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

/// A bell. Rung several times before anybody looks, it has been rung.
#[derive(Debug)]
pub(crate) struct Bell {
    fd: OwnedFd,
}

impl Bell {
    /// One that was not rung.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { fd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    /// Rings. Nobody is waited for.
    pub(crate) fn ring(&self) {
        // It fails only when it has been rung 2^64 times and nobody has looked.
        rustix::io::write(&self.fd, &1u64.to_ne_bytes()).ok();
    }

    /// Forgets that it was rung.
    pub(crate) fn silence(&self) {
        rustix::io::read(&self.fd, &mut [0; 8]).ok();
    }
}

impl From<OwnedFd> for Bell {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
