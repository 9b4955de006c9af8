//! `Census`: all processes that can be seen, and who descends from whom.

use std::collections::{BTreeMap, HashMap};

use super::spread::spread;
use super::stat::{Stat, pids};

/// No process has more ancestors than this that are looked at.
const DEPTH_MAX: usize = 1000;

/// The living processes. They are read one after the other, so it is no picture of one instant.
#[derive(Debug)]
pub(crate) struct Census {
    living: BTreeMap<u32, Stat>,
    /// Who has which children, by pid.
    children: HashMap<u32, Vec<u32>>,
}

impl Census {
    /// Looks at all of them.
    pub(crate) fn take() -> Self {
        let pids: Vec<u32> = pids().collect();
        let stats = spread(&pids, |pid| Stat::read(*pid).filter(|stat| !stat.is_dead));
        Self::of(pids.into_iter().zip(stats).filter_map(|(pid, stat)| Some((pid, stat?))).collect())
    }

    fn of(living: BTreeMap<u32, Stat>) -> Self {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (pid, stat) in &living {
            children.entry(stat.parent).or_default().push(*pid);
        }
        Self { living, children }
    }

    /// All, by pid.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, Stat)> {
        self.living.iter().map(|(pid, stat)| (*pid, *stat))
    }

    /// When a process started, in clock ticks since boot; `None` when there is no such process.
    pub(crate) fn started(&self, pid: u32) -> Option<u64> {
        self.living.get(&pid).map(|stat| stat.started)
    }

    /// A process and its descendants: parents first, siblings by pid. Nothing when there is no such process.
    pub(crate) fn family(&self, pid: u32) -> Vec<u32> {
        let mut family: Vec<u32> = self.living.contains_key(&pid).then_some(pid).into_iter().collect();
        let mut next = 0;
        // Pids that changed hands while they were read could make a circle, which is no longer than all of them.
        while let Some(parent) = family.get(next).filter(|_| family.len() <= self.living.len()) {
            let found = self.children.get(parent).into_iter().flatten();
            family.extend(found.copied().collect::<Vec<_>>());
            next += 1;
        }
        family
    }

    /// A process, its parent, and so on.
    pub(crate) fn ancestors(&self, pid: u32) -> impl Iterator<Item = u32> {
        let parent = |pid: &u32| self.living.get(pid).map(|stat| stat.parent);
        std::iter::successors(Some(pid), parent).take(DEPTH_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(parents: &[(u32, u32)]) -> Census {
        let stat =
            |parent| Stat { is_dead: false, is_kernel: false, parent, group: 1, threads: 1, started: 1 };
        Census::of(parents.iter().map(|(pid, parent)| (*pid, stat(*parent))).collect())
    }

    #[test]
    fn a_family_is_told_from_the_top() {
        let census = census(&[(1, 0), (9, 1), (5, 9), (7, 9), (3, 7), (4, 5), (8, 1)]);
        assert_eq!(census.family(9), [9, 5, 7, 4, 3]);
        assert_eq!(census.family(8), [8]);
        assert!(census.family(2).is_empty());
        assert!(census.family(0).is_empty());
        assert_eq!(census.ancestors(3).collect::<Vec<_>>(), [3, 7, 9, 1, 0]);
    }

    #[test]
    fn a_circle_has_an_end() {
        let census = census(&[(2, 3), (3, 2)]);
        assert!(census.family(2).len() <= 4);
        assert_eq!(census.ancestors(2).count(), DEPTH_MAX);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any child will do")]
    fn a_child_is_a_descendant_and_a_dead_one_has_none() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let family = Census::take().family(std::process::id());
        assert_eq!(family.first(), Some(&std::process::id()));
        assert!(family.contains(&child.id()));
        child.kill().unwrap();
        // Dead, and not reaped.
        while Stat::read(child.id()).is_some_and(|stat| !stat.is_dead) {
            std::thread::yield_now();
        }
        assert!(Census::take().family(child.id()).is_empty());
        child.wait().unwrap();
    }
}
