//! `Starting`: whether there is room for one more start.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::sys::descriptors;

/// A start that is under way and will want more descriptors.
///
/// The handle of a child is opened after the child runs, so a start that meets the limit there has run a command that
/// nobody watches. Starts are therefore refused while there is still room.
#[derive(Debug)]
pub(crate) struct Starting;

/// Starts that are under way.
static STARTING: AtomicU64 = AtomicU64::new(0);

/// Descriptors that a start wants behind its pipes: two handles of the child, and what std opens for a moment.
const DESCRIPTORS_PER_START: u64 = 4;

/// Descriptors that are left to the API, so that clients can still look and end things.
const DESCRIPTORS_KEPT: u64 = 16;

impl Starting {
    /// Counts a start, or refuses it. `newest` is a descriptor made just now: the kernel gives out the lowest free number, so all below it are taken.
    pub(crate) fn enter(newest: &OwnedFd) -> Result<Self> {
        let starting = STARTING.fetch_add(1, Ordering::SeqCst) + 1;
        let this = Self;
        let room = has_room(descriptors::number(newest), starting, descriptors::limit());
        if room { Ok(this) } else { Err(Error::Descriptors) }
    }
}

fn has_room(newest: u64, starting: u64, limit: u64) -> bool {
    newest + starting * DESCRIPTORS_PER_START + DESCRIPTORS_KEPT < limit
}

impl Drop for Starting {
    fn drop(&mut self) {
        STARTING.fetch_sub(1, Ordering::SeqCst);
    }
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
