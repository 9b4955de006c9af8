//! `Turn`: how many starts may be between what the keeper is told before a command is born and what it is told after.
//!
//! A worker may be killed there. Then the keeper knows of a start and of no child. A child that lives is known by its mark; one that
//! has ended before anybody looked has no environment any more, and only its lane (`sys/lane.rs`) is left. So there is one such
//! start in each lane, and the child is its. One that a hung file system holds up does not hold up others for longer than
//! `TURN_MAX`.

use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::sys::lane::{InLane, Lane};

/// Fifty times what a start takes.
const TURN_MAX: Duration = Duration::from_millis(25);

/// The lanes, of the whole operating system process, as children are.
static LANES: LazyLock<Mutex<Vec<Occupied>>> = LazyLock::new(|| {
    Mutex::new(Lane::all().into_iter().map(|lane| Occupied { lane, turns: 0, since: None }).collect())
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
    in_lane: InLane,
}

impl Turn {
    /// Waits for it.
    pub(super) fn take() -> Self {
        let mut lanes = lock();
        loop {
            let (at, left) = soonest(&lanes, Instant::now());
            if left.is_zero() {
                let occupied = &mut lanes[at];
                occupied.turns += 1;
                occupied.since = Some(Instant::now());
                return Self { at, number: occupied.turns, in_lane: InLane::enter(occupied.lane) };
            }
            lanes = OVER.wait_timeout(lanes, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The lane of what is started.
    pub(super) fn lane(&self) -> Lane {
        self.in_lane.lane()
    }
}

/// The lane to enter next, and how long it must not be: a free one, or else the one that was held longest. There is always one.
fn soonest(lanes: &[Occupied], now: Instant) -> (usize, Duration) {
    let left = |since| TURN_MAX.saturating_sub(now.saturating_duration_since(since));
    let next = lanes.iter().enumerate().min_by_key(|(_, lane)| lane.since);
    next.map(|(at, lane)| (at, lane.since.map_or(Duration::ZERO, left))).unwrap_or_default()
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
    fn a_free_lane_comes_before_one_that_is_held_too_long() {
        let began = Instant::now();
        let held = |for_ms: u64| Some(began + Duration::from_millis(100 - for_ms));
        let lanes = |since: &[Option<Instant>]| -> Vec<Occupied> {
            let lane = Lane::all()[0];
            since.iter().map(|since| Occupied { lane, turns: 1, since: *since }).collect()
        };
        let now = began + Duration::from_millis(100);
        let next = |since: &[Option<Instant>]| soonest(&lanes(since), now);
        assert_eq!(next(&[held(1), held(90), None]), (2, Duration::ZERO));
        assert_eq!(next(&[held(1), held(30), held(20)]), (1, Duration::ZERO));
        assert_eq!(next(&[held(1), held(20), held(5)]), (1, Duration::from_millis(5)));
    }

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
