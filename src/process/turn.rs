//! `Turn`: how many starts may be between what the keeper is told before a command is born and what it is told after.
//!
//! A worker may be killed there. Then the keeper knows of a start and of no child. A child that lives is known by its mark; one that
//! has ended before anybody looked has no environment any more, and only its lane (`sys/lane.rs`) is left. So there is one such
//! start in each lane, and the child is its. One that a hung file system holds up does not hold up others for longer than
//! `TURN_MAX`.

use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::sys::lane::{self, InLane, Lane};

/// Fifty times what a start takes.
const TURN_MAX: Duration = Duration::from_millis(25);

/// The lanes, of the whole operating system process, as children are.
static LANES: LazyLock<Mutex<Vec<Occupied>>> = LazyLock::new(|| {
    let lanes: &[Lane] = if lane::is_known() { &[Lane::Plain, Lane::Marked] } else { &[Lane::Plain] };
    Mutex::new(lanes.iter().map(|lane| Occupied { lane: *lane, turns: 0, since: None }).collect())
});

/// A turn is over.
static OVER: Condvar = Condvar::new();

/// A lane, and who is in it.
#[derive(Debug)]
struct Occupied {
    lane: Lane,
    /// Turns so far; the last one is the present one.
    turns: u64,
    since: Option<Instant>,
}

/// The right to start a command from the calling thread, for as long as it lives.
#[derive(Debug)]
pub(super) struct Turn {
    at: usize,
    number: u64,
    _in_lane: InLane,
}

impl Turn {
    /// Waits for it.
    pub(super) fn take() -> Self {
        let mut lanes = lock();
        loop {
            let left = |lane: &Occupied| {
                lane.since.map_or(Duration::ZERO, |since| TURN_MAX.saturating_sub(since.elapsed()))
            };
            let soonest = lanes.iter().enumerate().map(|(at, lane)| (left(lane), at)).min();
            match soonest {
                Some((Duration::ZERO, at)) => {
                    let occupied = &mut lanes[at];
                    occupied.turns += 1;
                    occupied.since = Some(Instant::now());
                    let (number, lane) = (occupied.turns, occupied.lane);
                    drop(lanes);
                    return Self { at, number, _in_lane: InLane::enter(lane) };
                }
                Some((left, _)) => {
                    lanes = OVER.wait_timeout(lanes, left).unwrap_or_else(PoisonError::into_inner).0;
                }
                None => lanes = OVER.wait(lanes).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// The lane of what is started.
    pub(super) fn lane(&self) -> Lane {
        lock()[self.at].lane
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut lanes = lock();
        // Another may have gone on without waiting for this one.
        if lanes[self.at].turns == self.number {
            lanes[self.at].since = None;
            OVER.notify_one();
        }
    }
}

fn lock() -> MutexGuard<'static, Vec<Occupied>> {
    LANES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_that_hang_hold_nobody_up_for_long() {
        let lanes = lock().len();
        let hung: Vec<Turn> = (0..lanes).map(|_| Turn::take()).collect();
        let began = Instant::now();
        let next = Turn::take();
        assert!(began.elapsed() >= TURN_MAX / 2, "they had their turn");
        // What comes late takes nothing from who has the turn now.
        drop(hung);
        let lanes = lock();
        assert!(lanes[next.at].turns > next.number || lanes[next.at].since.is_some());
    }
}
