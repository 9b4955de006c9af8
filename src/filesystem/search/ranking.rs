//! `Ranking`: the best of many, in bounded memory. Pure.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Paths of one ranking when any number is wanted.
const PATHS_MAX: usize = 100_000;

/// Bytes of these paths.
const BYTES_MAX: usize = 32 << 20;

/// One of the best.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ranked {
    /// How well it fits.
    pub(crate) score: u32,
    /// Below the folder.
    pub(crate) path: Vec<u8>,
    /// What it is.
    pub(crate) is_folder: bool,
}

impl Ord for Ranked {
    /// The better one is the smaller: the higher score, then the path that comes first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.cmp(&self.score).then_with(|| self.path.cmp(&other.path))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ranking {
    /// The worst is on top.
    best: BinaryHeap<Ranked>,
    bytes: usize,
    paths_max: usize,
}

impl Ranking {
    /// An empty one for so many; `None` is as many as there is room for.
    pub(super) fn new(results_max: Option<usize>) -> Self {
        Self {
            best: BinaryHeap::new(),
            bytes: 0,
            paths_max: results_max.unwrap_or(PATHS_MAX).clamp(1, PATHS_MAX),
        }
    }

    /// Takes one in if it is among the best.
    pub(super) fn add(&mut self, score: u32, path: &[u8], is_folder: bool) {
        let is_full = self.best.len() >= self.paths_max || self.bytes >= BYTES_MAX;
        let is_worse = |worst: &Ranked| (worst.score, path) > (score, worst.path.as_slice());
        if is_full && self.best.peek().is_some_and(is_worse) {
            return;
        }
        self.bytes += path.len();
        self.best.push(Ranked { score, path: path.to_owned(), is_folder });
        while self.best.len() > self.paths_max || self.bytes > BYTES_MAX && self.best.len() > 1 {
            self.bytes -= self.best.pop().map_or(0, |worst| worst.path.len());
        }
    }

    /// The best one first.
    pub(super) fn into_sorted(self) -> Vec<Ranked> {
        self.best.into_sorted_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_best_are_kept_in_order(
            all in prop::collection::vec((0u32..6, "[ab]{0,4}"), 0..40),
            max in 1usize..10,
        ) {
            let mut ranking = Ranking::new(Some(max));
            for (score, path) in &all {
                ranking.add(*score, path.as_bytes(), false);
            }
            let mut model = all.clone();
            model.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
            model.truncate(max);
            let found: Vec<_> =
                ranking.into_sorted().into_iter().map(|r| (r.score, String::from_utf8(r.path).unwrap())).collect();
            prop_assert_eq!(found, model);
        }
    }

    #[test]
    fn any_number_is_bounded_too() {
        let mut ranking = Ranking::new(None);
        for n in 0..PATHS_MAX + 10 {
            ranking.add(u32::try_from(n).unwrap(), b"x", false);
        }
        let best = ranking.into_sorted();
        assert_eq!((best.len(), best[0].score), (PATHS_MAX, 100_009));
    }
}
