//! `Turn`: one start at a time is between what the keeper is told before a command is born and what it is told after.
//!
//! A worker may be killed there. Then the keeper knows of a start and of no child, and a child that ends before anybody has looked
//! at it is told from the children of other such starts by nothing: a zombie has no environment any more. So there is only one
//! such start, and the child is its. One that a hung file system holds up does not hold up others for longer than `TURN_MAX`.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Fifty times what a start takes.
const TURN_MAX: Duration = Duration::from_millis(25);

/// Of the whole operating system process, as children are.
static TURNS: Mutex<Turns> = Mutex::new(Turns { next: 0, holder: None });

/// A turn is over.
static OVER: Condvar = Condvar::new();

#[derive(Debug)]
struct Turns {
    next: u64,
    /// The number of the present turn, and since when.
    holder: Option<(u64, Instant)>,
}

/// The right to start a command, for as long as it lives.
#[derive(Debug)]
pub(super) struct Turn {
    number: u64,
}

impl Turn {
    /// Waits for it.
    pub(super) fn take() -> Self {
        let mut turns = lock();
        while let Some((_, since)) = turns.holder {
            let left = TURN_MAX.saturating_sub(since.elapsed());
            if left.is_zero() {
                break;
            }
            turns = OVER.wait_timeout(turns, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let number = turns.next;
        turns.next += 1;
        turns.holder = Some((number, Instant::now()));
        Self { number }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = lock();
        // Another may have gone on without waiting for this one.
        if turns.holder.is_some_and(|(number, _)| number == self.number) {
            turns.holder = None;
            OVER.notify_one();
        }
    }
}

fn lock() -> MutexGuard<'static, Turns> {
    TURNS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_hangs_holds_nobody_up_for_long() {
        let hung = Turn::take();
        let began = Instant::now();
        let second = Turn::take();
        assert!(began.elapsed() >= TURN_MAX / 2, "the first had its turn");
        // What comes late takes nothing from who has the turn now.
        drop(hung);
        assert!(lock().holder.is_some_and(|(number, _)| number >= second.number));
    }
}
