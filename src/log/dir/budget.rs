//! The budget of all logs together, and who pays when it is spent.
//!
//! Followers lose their protection first. Then the largest log is halved, again and again, and goes whole when there is
//! nothing to halve. What is stored is thus at most the budget, what each pump thread has in hand, and of each stream that a
//! follower is about to read a segment and 256 KiB.

use std::collections::BinaryHeap;
use std::sync::{Arc, PoisonError, Weak};

use super::LogDir;
use crate::log::store::Log;

/// The part of the budget that is set free at once: what is done for each log when the budget is spent is not done again
/// for the next byte.
const SLACK: u64 = 16;

impl LogDir {
    /// Gets the stored bytes under the budget.
    ///
    /// Blocks as long as the disk does: only the pump calls it.
    pub(in crate::log) fn enforce_budget(&self) {
        let max = self.limits.total_bytes_max;
        while self.stored() > max {
            // Who comes while another is at it waits: it would store more in the meantime.
            let _one = self.enforcing.lock().unwrap_or_else(PoisonError::into_inner);
            let before = self.stored();
            if before > max {
                self.shrink(max - max / SLACK);
                if self.stored() >= before {
                    return;
                }
            }
        }
    }

    /// Drops output until no more than `goal` bytes are stored, as far as that can be.
    fn shrink(&self, goal: u64) {
        let logs: Vec<Arc<Log>> = {
            let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
            logs.values().filter_map(Weak::upgrade).collect()
        };
        let mut protected: Vec<_> =
            logs.iter().map(|log| (log.protected_bytes(), log)).filter(|(bytes, _)| *bytes > 0).collect();
        protected.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (_, log) in protected {
            if self.stored() <= goal {
                return;
            }
            log.unprotect();
        }
        let mut heap: BinaryHeap<_> =
            logs.iter().enumerate().filter_map(|(n, log)| Some((log.weight()?, n))).collect();
        while self.stored() > goal
            && let Some((weight, n)) = heap.pop()
        {
            let log = &logs[n];
            if weight.is_indivisible() {
                log.clear();
            } else if log.halve() == 0 {
                heap.push((weight.indivisible(), n));
            } else if let Some(weight) = log.weight() {
                heap.push((weight, n));
            }
        }
    }
}
