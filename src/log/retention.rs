//! What of a stream is given up, and whom it spares. Pure.
//!
//! A stream keeps its last `cap` bytes, and the rest of the segment in which they begin. An attached follower that makes
//! progress is spared: nothing that it has yet to read is dropped, until the daemon's disk budget is spent. Then the largest
//! logs pay (`Weight`).

use std::cmp::Reverse;

use crate::id::ProcessId;

/// A follower that has not moved for this long, while there was something to read, is spared no longer.
pub(crate) const STALL_MS: u64 = 30_000;

/// The bounds of a segment's size: a segment is what is dropped at once, and making one costs some ten microseconds.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 4096..=8 * 1024 * 1024;

/// The size at which a stream goes on in a new segment: of a stream `cap` bytes are kept, of all together `total`.
pub(crate) fn segment_bytes(cap: u64, total: u64) -> u64 {
    (cap.min(total / 4) / 8).clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end())
}

/// How many of the oldest segments, given by their ends, are dropped of a stream that reaches `end`.
///
/// `spared` is the lowest offset that a spared follower has yet to read. The last segment is written to and stays.
pub(crate) fn droppable(
    ends: impl ExactSizeIterator<Item = u64>,
    end: u64,
    cap: u64,
    spared: Option<u64>,
) -> usize {
    let limit = end.saturating_sub(cap).min(spared.unwrap_or(u64::MAX));
    let last = ends.len().saturating_sub(1);
    ends.take(last).take_while(|segment_end| *segment_end <= limit).count()
}

/// Whether a follower has lost its protection: it did not move for `STALL_MS` and its oldest unread byte is as old.
pub(crate) fn is_stalled(now_ms: u64, moved_ms: u64, oldest_unread_ms: u64) -> bool {
    now_ms.saturating_sub(moved_ms.max(oldest_unread_ms)) >= STALL_MS
}

/// What all logs together have so much of and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    /// Output, wherever it is kept.
    All,
    /// Output in memory, while the disk takes none.
    Memory,
    /// The files that this is in.
    MemoryFiles,
}

/// How much a log has to give up when the budget is spent: the one that weighs most pays first.
///
/// Logs of the same order of magnitude weigh alike, so that of many outputs of about one size the oldest goes, and those of
/// commands that still write go last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Weight {
    /// The binary logarithm of the bytes stored.
    magnitude: u32,
    is_over: bool,
    age: Reverse<ProcessId>,
    /// Nothing is left to halve.
    is_indivisible: bool,
}

/// The last segment of a stream that is written to weighs as much as a finished output of an eighth of its size.
const INDIVISIBLE_MAGNITUDES: u32 = 3;

impl Weight {
    /// The weight of a log; `None` when it stores nothing.
    pub(crate) fn new(stored: u64, is_over: bool, id: ProcessId) -> Option<Self> {
        let magnitude = stored.checked_ilog2()?;
        Some(Self { magnitude, is_over, age: Reverse(id), is_indivisible: false })
    }

    /// The weight of the same log once there is nothing to halve.
    pub(crate) fn indivisible(self) -> Self {
        let less = if self.is_over { 0 } else { INDIVISIBLE_MAGNITUDES };
        Self { magnitude: self.magnitude.saturating_sub(less), is_indivisible: true, ..self }
    }

    /// Whether there is nothing to halve.
    pub(crate) fn is_indivisible(self) -> bool {
        self.is_indivisible
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_bytes_are_kept() {
        #[track_caller]
        fn check(ends: &[u64], cap: u64, spared: Option<u64>, expect: usize) {
            let end = ends.last().copied().unwrap_or(0);
            assert_eq!(droppable(ends.iter().copied(), end, cap, spared), expect);
        }
        check(&[], 10, None, 0);
        check(&[10], 0, None, 0);
        check(&[10, 20, 30], 20, None, 1);
        check(&[10, 20, 30], 21, None, 0);
        check(&[10, 20, 30], 0, None, 2);
        check(&[10, 20, 30], 0, Some(19), 1);
        check(&[10, 20, 30], 0, Some(0), 0);
    }

    #[test]
    fn a_segment_is_a_part_of_the_cap() {
        let of = |cap| segment_bytes(cap, 1 << 40);
        assert_eq!([0, 64 << 10, 32 << 20, 1 << 40].map(of), [4096, 8 << 10, 4 << 20, 8 << 20]);
        assert_eq!(
            [0, 1 << 20, 64 << 20].map(|total| segment_bytes(32 << 20, total)),
            [4096, 32 << 10, 2 << 20]
        );
    }

    #[test]
    fn the_largest_pays_and_among_equals_the_oldest_finished() {
        let ids = crate::id::IdSource::new();
        let (old, young) = (ids.next(), ids.next());
        #[track_caller]
        fn check(more: (u64, bool, ProcessId), less: (u64, bool, ProcessId)) {
            assert!(Weight::new(more.0, more.1, more.2) > Weight::new(less.0, less.1, less.2));
        }
        check((4000, false, young), (1000, true, old));
        check((2100, true, old), (4000, true, young));
        check((2100, true, young), (4000, false, old));
        check((1, true, old), (0, true, old));
        let written = Weight::new(8000, false, old).map(Weight::indivisible);
        assert!(Weight::new(1024, true, young) > written && written > Weight::new(500, true, old));
    }

    #[test]
    fn a_follower_is_stalled_only_with_something_to_read() {
        assert!(!is_stalled(100_000, 90_000, 0));
        assert!(!is_stalled(100_000, 0, 90_000));
        assert!(is_stalled(100_000, 60_000, 70_000));
    }

    proptest! {
        #[test]
        fn never_more_than_allowed(
            lens in proptest::collection::vec(1u64..1 << 30, 0..20), cap in 0u64..1 << 34, spared: Option<u64>,
        ) {
            let ends: Vec<u64> = lens.iter().scan(0, |end, len| { *end += len; Some(*end) }).collect();
            let end = ends.last().copied().unwrap_or(0);
            let n = droppable(ends.iter().copied(), end, cap, spared);
            let start = if n == 0 { 0 } else { ends[n - 1] };
            prop_assert!(n == 0 || (end - start >= cap && n < ends.len()));
            prop_assert!(n == 0 || spared.is_none_or(|s| start <= s));
        }
    }
}
