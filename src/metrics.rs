//! `Counter`, `Gauge` and `Histogram`: numbers that are changed where something happens, and read when somebody asks.
//!
//! Each is one atomic or a few, changed in relaxed order: no lock, no wake-up, no order among them. What is read at one time may thus
//! be some nanoseconds apart. They begin at nothing with each worker, which is what those who collect such numbers expect. It knows neither
//! what is counted nor how it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(crate) fn count(&self) {
        self.add(1);
    }

    /// So many more.
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many are there now.
#[derive(Debug, Default, Clone)]
pub(crate) struct Gauge(Arc<AtomicU64>);

/// One of those that a gauge counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Gauge {
    /// Counts one for as long as the answer lives.
    pub(crate) fn enter(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }

    /// How many there are.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long something took, each time.
#[derive(Debug)]
pub(crate) struct Histogram {
    /// The upper ends of all buckets but the last, which has none; ascending.
    bounds: &'static [Duration],
    /// What fell into each, not what fell into those before it: one addition a time.
    buckets: Box<[Counter]>,
    /// In microseconds, so that half a million years of commands fit.
    sum_us: Counter,
}

/// What a histogram says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Distribution {
    /// How many took no longer than this.
    pub(crate) up_to: Vec<(Duration, u64)>,
    /// How many there were.
    pub(crate) count: u64,
    /// How long all took together, in whole microseconds each.
    pub(crate) sum: Duration,
}

impl Histogram {
    /// Nothing yet.
    pub(crate) fn new(bounds: &'static [Duration]) -> Self {
        debug_assert!(bounds.is_sorted(), "a bucket ends where the next begins");
        let buckets = (0..=bounds.len()).map(|_| Counter::default()).collect();
        Self { bounds, buckets, sum_us: Counter::default() }
    }

    /// It took so long this time.
    pub(crate) fn observe(&self, time: Duration) {
        let bucket = self.bounds.partition_point(|bound| *bound < time);
        self.buckets[bucket].count();
        self.sum_us.add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// What it says now. The count is that of the buckets, whatever is added meanwhile.
    pub(crate) fn read(&self) -> Distribution {
        let mut count = 0;
        let mut totals = self.buckets.iter().map(|bucket| {
            count += bucket.get();
            count
        });
        let up_to = self.bounds.iter().copied().zip(totals.by_ref()).collect();
        totals.for_each(drop);
        Distribution { up_to, count, sum: Duration::from_micros(self.sum_us.get()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: [Duration; 3] =
        [Duration::from_millis(1), Duration::from_millis(10), Duration::from_millis(100)];

    #[test]
    fn a_gauge_counts_those_that_live() {
        let gauge = Gauge::default();
        let (one, two) = (gauge.enter(), gauge.enter());
        assert_eq!(gauge.get(), 2);
        drop(one);
        assert_eq!(gauge.get(), 1);
        drop(two);
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    fn what_ends_at_a_bound_is_within_it() {
        let histogram = Histogram::new(&BOUNDS);
        for us in [0, 1_000, 1_001, 10_000, 100_000, 100_001, 5_000_000] {
            histogram.observe(Duration::from_micros(us));
        }
        let Distribution { up_to, count, sum } = histogram.read();
        assert_eq!(up_to.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [2, 4, 5]);
        assert_eq!((count, sum), (7, Duration::from_micros(5_212_002)));
    }

    proptest! {
        #[test]
        fn buckets_hold_those_before_them_and_all_are_counted(times in proptest::collection::vec(0u64..1_000_000, 0..50)) {
            let histogram = Histogram::new(&BOUNDS);
            for us in &times {
                histogram.observe(Duration::from_micros(*us));
            }
            let Distribution { up_to, count, sum } = histogram.read();
            for (bound, n) in &up_to {
                let expect = times.iter().filter(|us| Duration::from_micros(**us) <= *bound).count();
                prop_assert_eq!(*n, expect as u64);
            }
            prop_assert!(up_to.is_sorted_by_key(|(_, n)| *n));
            prop_assert_eq!(count, times.len() as u64);
            prop_assert_eq!(sum, Duration::from_micros(times.iter().sum()));
        }
    }
}
