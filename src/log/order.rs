//! `Order`: in which order the bytes of the two streams were read, as runs of (stream, end offset, time).
//!
//! Pure. Bytes of one stream that follow each other closely are one run. The number of runs is bounded: past the bound
//! runs close to each other merge, so the order becomes coarser and no byte is lost.

use std::collections::VecDeque;

use super::{Offsets, OutputStream};

/// Runs kept of one process. 16 bytes each: 64 KiB at most.
const RUNS_MAX: usize = 4096;

/// Bytes of one stream read within this time of a run's first byte belong to that run.
const RUN_SPAN_MS: u64 = 50;

/// The stream stands in the top bit of the end offset, so that a run takes 16 bytes in memory and in the order file.
const STDERR_BIT: u64 = 1 << 63;

/// The bytes of one stream up to `end` that no earlier run of that stream covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    tagged_end: u64,
    /// When its first byte was read: milliseconds since 1970.
    pub(crate) at_ms: u64,
}

impl Run {
    /// The size of a run on disk.
    pub(crate) const BYTES: u64 = 16;

    /// A run of `stream` up to the offset `end`.
    pub(crate) fn new(stream: OutputStream, end: u64, at_ms: u64) -> Self {
        let tag = if stream == OutputStream::Stderr { STDERR_BIT } else { 0 };
        Self { tagged_end: end | tag, at_ms }
    }

    /// Whose bytes.
    pub(crate) fn stream(self) -> OutputStream {
        if self.tagged_end & STDERR_BIT == 0 { OutputStream::Stdout } else { OutputStream::Stderr }
    }

    /// The offset behind its last byte.
    pub(crate) fn end(self) -> u64 {
        self.tagged_end & !STDERR_BIT
    }

    /// The run that was written as these bytes.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        Self { tagged_end: word(0), at_ms: word(8) }
    }

    /// The form on disk, little endian.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.tagged_end.to_le_bytes());
        bytes[8..].copy_from_slice(&self.at_ms.to_le_bytes());
        bytes
    }
}

/// A reader's memory of where it was, so that it need not search from the start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hint {
    epoch: u32,
    index: u64,
}

/// The runs of one process, oldest first.
#[derive(Debug)]
pub(crate) struct Order {
    runs: VecDeque<Run>,
    /// Number of the front run since the last merge; hints are in these numbers.
    first: u64,
    /// Counts merges, which renumber the runs.
    epoch: u32,
    /// The next bytes start a run of their own.
    broken: bool,
    runs_max: usize,
}

impl Default for Order {
    fn default() -> Self {
        Self::with_bound(RUNS_MAX)
    }
}

impl Order {
    fn with_bound(runs_max: usize) -> Self {
        Self { runs: VecDeque::new(), first: 0, epoch: 0, broken: false, runs_max }
    }

    /// The order that these runs make.
    pub(crate) fn restore(runs: Vec<Run>) -> Self {
        Self { runs: runs.into(), ..Self::default() }
    }

    /// Says that `stream` now reaches `end`.
    pub(crate) fn push(&mut self, stream: OutputStream, end: u64, at_ms: u64) {
        let broken = std::mem::take(&mut self.broken);
        if let Some(last) = self.runs.back_mut()
            && last.stream() == stream
            && !broken
            // A clock that was set back begins a new run: the time of the old one would be shown for ever.
            && at_ms.checked_sub(last.at_ms).is_some_and(|since| since < RUN_SPAN_MS)
        {
            *last = Run::new(stream, end, last.at_ms);
            return;
        }
        self.runs.push_back(Run::new(stream, end, at_ms));
        if self.runs.len() > self.runs_max {
            self.coarsen();
        }
    }

    /// How far the runs of a stream reach.
    pub(crate) fn end(&self, stream: OutputStream) -> u64 {
        self.runs.iter().rev().find(|run| run.stream() == stream).map_or(0, |run| run.end())
    }

    /// Makes the next bytes start a run of their own (a new run of the command begins).
    pub(crate) fn break_run(&mut self) {
        self.broken = true;
    }

    /// The first run with bytes behind `from` for which `wanted` holds. `hint` makes a walk along the log cheap.
    pub(crate) fn next(
        &self,
        from: Offsets,
        hint: &mut Hint,
        wanted: impl Fn(OutputStream) -> bool,
    ) -> Option<Run> {
        if hint.epoch != self.epoch || hint.index < self.first {
            *hint = Hint { epoch: self.epoch, index: self.first };
        }
        let skip = usize::try_from(hint.index - self.first).unwrap_or(usize::MAX);
        let mut unread =
            self.runs.iter().enumerate().skip(skip).filter(|(_, run)| run.end() > from[run.stream()]);
        let first = unread.clone().next().map_or(self.runs.len(), |(index, _)| index);
        // The last run may still grow, so the hint stays on it.
        hint.index = self.first + first.min(self.runs.len().saturating_sub(1)) as u64;
        unread.find(|(_, run)| wanted(run.stream())).map(|(_, run)| *run)
    }

    /// Forgets the runs that lie wholly before what is still stored.
    pub(crate) fn forget_before(&mut self, starts: Offsets) {
        while let Some(run) = self.runs.front()
            && run.end() <= starts[run.stream()]
        {
            self.runs.pop_front();
            self.first += 1;
        }
    }

    /// How often runs were merged; a merge renumbers them.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// How many runs there are.
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// The runs from number `from` on (or from the first that is not forgotten), and the number of the first.
    pub(crate) fn since(&self, from: u64) -> (u64, Vec<Run>) {
        let from = from.max(self.first);
        let skip = usize::try_from(from - self.first).unwrap_or(usize::MAX);
        (from, self.runs.iter().skip(skip).copied().collect())
    }

    /// Gives back memory that a finished process no longer needs.
    pub(crate) fn shrink(&mut self) {
        self.runs.shrink_to_fit();
    }

    /// Merges each four neighbours into at most one run for each stream.
    fn coarsen(&mut self) {
        let old: Vec<Run> = std::mem::take(&mut self.runs).into();
        for window in old.chunks(4) {
            let mut merged: Vec<Run> = Vec::with_capacity(2);
            for run in window {
                match merged.iter_mut().find(|m| m.stream() == run.stream()) {
                    Some(m) => *m = Run::new(run.stream(), run.end(), m.at_ms),
                    None => merged.push(*run),
                }
            }
            self.runs.extend(merged);
        }
        self.first = 0;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::OutputStream::{Stderr, Stdout};
    use super::*;

    /// Walks the whole order like a reader does and gives the bytes of each run in turn.
    fn walk(order: &Order) -> Vec<(OutputStream, u64, u64)> {
        let (mut at, mut hint, mut seen) = (Offsets::default(), Hint::default(), Vec::new());
        while let Some(run) = order.next(at, &mut hint, |_| true) {
            seen.push((run.stream(), at[run.stream()], run.end()));
            at[run.stream()] = run.end();
        }
        seen
    }

    #[test]
    fn runs_follow_the_order_of_reading() {
        let mut order = Order::default();
        for (stream, end, at_ms) in
            [(Stdout, 4, 1000), (Stdout, 9, 1049), (Stderr, 2, 1049), (Stdout, 12, 1049), (Stdout, 13, 1200)]
        {
            order.push(stream, end, at_ms);
        }
        assert_eq!(walk(&order), [(Stdout, 0, 9), (Stderr, 0, 2), (Stdout, 9, 12), (Stdout, 12, 13)]);
    }

    #[test]
    fn a_reader_may_pass_over_a_stream() {
        let mut order = Order::default();
        order.push(Stdout, 4, 0);
        order.push(Stderr, 2, 0);
        let run = order.next(Offsets::default(), &mut Hint::default(), |s| s == Stderr);
        assert_eq!(run.map(|r| (r.stream(), r.end())), Some((Stderr, 2)));
    }

    #[test]
    fn a_break_starts_a_new_run() {
        let mut order = Order::default();
        order.push(Stdout, 4, 0);
        order.break_run();
        order.push(Stdout, 5, 0);
        assert_eq!(walk(&order), [(Stdout, 0, 4), (Stdout, 4, 5)]);
    }

    #[test]
    fn what_was_dropped_is_forgotten_and_hints_still_hold() {
        let mut order = Order::default();
        let (mut hint, mut at) = (Hint::default(), Offsets::default());
        for i in 1..=10 {
            order.push(Stdout, i, i * 1000);
        }
        for _ in 0..3 {
            let run = order.next(at, &mut hint, |_| true).expect("a run");
            at.stdout = run.end();
        }
        order.forget_before(Offsets { stdout: 7, stderr: 0 });
        assert_eq!(order.len(), 3);
        assert_eq!(order.next(at, &mut hint, |_| true).map(Run::end), Some(8));
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_however_coarse(
            writes in proptest::collection::vec((any::<bool>(), 1u64..50, 0u64..100), 0..200),
            bound in 4usize..64,
        ) {
            let mut order = Order::with_bound(bound);
            let (mut ends, mut now) = (Offsets::default(), 0);
            let (mut at, mut hint) = (Offsets::default(), Hint::default());
            for (i, (err, bytes, pause)) in writes.iter().enumerate() {
                let stream = if *err { Stderr } else { Stdout };
                ends[stream] += bytes;
                now += pause;
                order.push(stream, ends[stream], now);
                prop_assert!(order.runs.len() <= bound);
                // A reader that walks now and then never goes back and never passes the end.
                if i % 3 == 0 && let Some(run) = order.next(at, &mut hint, |_| true) {
                    prop_assert!(run.end() > at[run.stream()] && run.end() <= ends[run.stream()]);
                    at[run.stream()] = run.end();
                }
            }
            let total: u64 = walk(&order).iter().map(|(_, from, to)| to - from).sum();
            prop_assert_eq!(total, ends.total());
            while let Some(run) = order.next(at, &mut hint, |_| true) {
                at[run.stream()] = run.end();
            }
            prop_assert_eq!(at, ends);
        }
    }
}
