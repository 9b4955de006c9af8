//! `Arrivals`: when bytes came, as far as it matters to whether a reader stands still. Pure.
//!
//! The order of a log has times too, but those are for people: a wall clock that jumps must neither take a reader's protection
//! away nor make it last.

use std::collections::VecDeque;

use super::retention::STALL_MS;
use super::{Offsets, OutputStream};

/// Between two notes: a byte counts as this much younger than it is, at most.
const NOTE_EVERY_MS: u64 = 1000;

/// Notes of how far the streams reached at which time, on the clock that never jumps. Some thirty at most.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    notes: VecDeque<(u64, Offsets)>,
}

impl Arrivals {
    /// The streams reach these ends now.
    pub(crate) fn note(&mut self, ends: Offsets, now_ms: u64) {
        if self.notes.back().is_some_and(|(at, _)| now_ms.saturating_sub(*at) < NOTE_EVERY_MS) {
            return;
        }
        // One that is old enough to tell a reader that stands still is kept; older ones tell no more.
        while self.notes.get(1).is_some_and(|(at, _)| now_ms.saturating_sub(*at) >= STALL_MS) {
            self.notes.pop_front();
        }
        self.notes.push_back((now_ms, ends));
    }

    /// When a byte had come at the latest; `None` when that was just now, or it has not come.
    pub(crate) fn came_ms(&self, stream: OutputStream, offset: u64) -> Option<u64> {
        self.notes.iter().find(|(_, ends)| ends[stream] > offset).map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(stdout: u64) -> Offsets {
        Offsets { stdout, stderr: 0 }
    }

    #[test]
    fn a_byte_came_when_the_stream_first_reached_beyond_it() {
        let mut arrivals = Arrivals::default();
        arrivals.note(ends(10), 5000);
        arrivals.note(ends(20), 5500);
        arrivals.note(ends(30), 6000);
        let came = |offset| arrivals.came_ms(OutputStream::Stdout, offset);
        assert_eq!([0, 9, 10, 29, 30].map(came), [Some(5000), Some(5000), Some(6000), Some(6000), None]);
        assert_eq!(arrivals.came_ms(OutputStream::Stderr, 0), None);
    }

    #[test]
    fn notes_are_few_and_an_old_byte_stays_old() {
        let mut arrivals = Arrivals::default();
        for second in 1..=1000 {
            arrivals.note(ends(second), second * 1000);
            let age = second * 1000 - arrivals.came_ms(OutputStream::Stdout, 0).expect("it came");
            assert!(age >= STALL_MS.min((second - 1) * 1000), "{age} ms after {second} s");
        }
        assert!(arrivals.notes.len() <= 33, "{}", arrivals.notes.len());
    }
}
