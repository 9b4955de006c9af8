//! The children of the daemon: starts that are under way, and commands that are not reaped yet.
//!
//! Two need to know them: a start, which must not begin without room for what it opens, and the reaper of orphans,
//! which must never take the exit of a command.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::sys::descriptors;

/// Descriptors that a start wants behind its pipes: two handles of the child, and what std opens for a moment.
const DESCRIPTORS_PER_START: u64 = 4;

/// Descriptors that are left to the API, so that clients can still look and end things.
const DESCRIPTORS_KEPT: u64 = 16;

/// Of the whole operating system process, as children are.
static CHILDREN: Mutex<Children> =
    Mutex::new(Children { next: 0, starting: BTreeSet::new(), unreaped: BTreeSet::new() });

/// A start is over.
static STARTED: Condvar = Condvar::new();

#[derive(Debug)]
struct Children {
    /// The number of the next start.
    next: u64,
    /// Starts that are under way.
    starting: BTreeSet<u64>,
    /// Pids of commands that were started and not reaped.
    unreaped: BTreeSet<u32>,
}

/// A start that is under way.
///
/// The handle of a child is opened after the child runs, so a start that meets the limit there has run a command that
/// nobody watches. Starts are therefore refused while there is still room.
#[derive(Debug)]
pub(crate) struct Starting {
    number: u64,
}

impl Starting {
    /// Counts a start, or refuses it.
    ///
    /// `newest` is a descriptor made just now: the kernel gives out the lowest free number, so all below it are taken.
    pub(crate) fn enter(newest: &OwnedFd) -> Result<Self> {
        let mut children = lock();
        let starts = children.starting.len() as u64 + 1;
        if !has_room(descriptors::number(newest), starts, descriptors::limit()) {
            return Err(Error::Descriptors);
        }
        let number = children.next;
        children.next += 1;
        children.starting.insert(number);
        Ok(Self { number })
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        lock().starting.remove(&self.number);
        STARTED.notify_all();
    }
}

/// Enters the child that came of a start, while the start is still under way. It is reaped by `reap`.
pub(crate) fn born(_under_way: &Starting, pid: u32) {
    lock().unreaped.insert(pid);
}

/// Reaps a command that has ended. Nobody sees it half done: its pid may be another's from then on.
pub(crate) fn reap<T>(pid: u32, reap: impl FnOnce() -> T) -> T {
    let mut children = lock();
    let result = reap();
    children.unreaped.remove(&pid);
    result
}

/// Of pids that were seen before the call, those that are no command's. Waits for the starts that are under way, which
/// may have a child that is not entered yet.
pub(crate) fn strangers(mut pids: Vec<u32>) -> Vec<u32> {
    let children = lock();
    let next = children.next;
    let under_way = |children: &mut Children| children.starting.first().is_some_and(|first| *first < next);
    let children = STARTED.wait_while(children, under_way).unwrap_or_else(PoisonError::into_inner);
    pids.retain(|pid| !children.unreaped.contains(pid));
    pids
}

fn has_room(newest: u64, starts: u64, limit: u64) -> bool {
    newest + starts * DESCRIPTORS_PER_START + DESCRIPTORS_KEPT < limit
}

fn lock() -> MutexGuard<'static, Children> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_for_all_who_start_and_for_the_api() {
        assert!(has_room(79, 1, 100));
        assert!(!has_room(80, 1, 100));
        assert!(!has_room(79, 2, 100));
        assert!(has_room(0, 1, u64::MAX));
    }
}
