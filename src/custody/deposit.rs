//! `Deposit`: descriptors in the keeper's hands, for as long as this lives.

use std::os::fd::BorrowedFd;

use super::Custody;
use crate::keeper::protocol::Key;
use crate::sys::lane::Lane;
use crate::sys::pidfd::PidFd;

/// The slot of an entry that holds nothing else.
pub(super) const SLOT: u32 = 0;

/// An entry of the keeper's; dropping it lets the descriptors go.
#[derive(Debug)]
pub(crate) struct Deposit {
    custody: Custody,
    key: Key,
}

impl Deposit {
    /// Gives a copy of the descriptor to the keeper, if there is one.
    pub(crate) fn new(custody: &Custody, key: Key, descriptor: BorrowedFd<'_>) -> Self {
        Self::of(custody, key, None, &[(SLOT, descriptor)])
    }

    /// Gives copies of several descriptors, each with its slot, and tells the lane of the command that they are for.
    pub(crate) fn of(
        custody: &Custody,
        key: Key,
        lane: Option<Lane>,
        held: &[(u32, BorrowedFd<'_>)],
    ) -> Self {
        custody.hold(key, lane, held);
        Self { custody: custody.clone(), key }
    }

    /// One that the keeper has had since an earlier worker.
    pub(crate) fn resumed(custody: &Custody, key: Key) -> Self {
        Self { custody: custody.clone(), key }
    }

    /// Names the child that the descriptors belong to.
    pub(crate) fn born(&self, child: &PidFd) {
        self.custody.born(self.key, child);
    }
}

impl Drop for Deposit {
    fn drop(&mut self) {
        self.custody.forget(self.key);
    }
}
