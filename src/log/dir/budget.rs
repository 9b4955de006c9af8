//! The budgets of all logs together, and who pays when one is spent.
//!
//! Of all output: followers lose their protection first. Of output in memory: who is over and read by nobody pays first, the
//! oldest first. Then, of each, the largest log is halved, again and again, and goes whole when there is nothing to halve.
//! What is stored is thus at most the budget, what each pump thread has in hand, and of each stream that a follower is about
//! to read a segment and 256 KiB.

use std::collections::BinaryHeap;
use std::sync::{Arc, PoisonError, Weak};

use super::LogDir;
use crate::log::retention::Budget;
use crate::log::store::Log;

/// The part of the budget that is set free at once: what is done for each log when the budget is spent is not done again
/// for the next byte.
const SLACK: u64 = 16;

impl LogDir {
    /// Gets the stored bytes under the budgets.
    ///
    /// Blocks as long as the disk does: only the pump calls it.
    pub(in crate::log) fn enforce_budgets(&self) {
        for budget in [Budget::All, Budget::Memory, Budget::MemoryFiles] {
            self.enforce(budget);
        }
    }

    fn enforce(&self, budget: Budget) {
        let max = match budget {
            Budget::All => self.limits.total_bytes_max,
            Budget::Memory => self.limits.memory_bytes_max,
            Budget::MemoryFiles => self.limits.memory_files_max,
        };
        while self.used(budget) > max {
            // Who comes while another is at it waits: it would store more in the meantime.
            let _one = self.enforcing.lock().unwrap_or_else(PoisonError::into_inner);
            let before = self.used(budget);
            if before > max {
                self.shrink(budget, max - max / SLACK);
                if self.used(budget) >= before {
                    return;
                }
            }
        }
    }

    fn used(&self, budget: Budget) -> u64 {
        match budget {
            Budget::All => self.stored(),
            Budget::Memory => self.stored_in_memory(),
            Budget::MemoryFiles => self.memory_files(),
        }
    }

    /// Drops output until no more than `goal` bytes are used, as far as that can be.
    fn shrink(&self, budget: Budget, goal: u64) {
        let logs: Vec<Arc<Log>> = {
            let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
            logs.values().filter_map(Weak::upgrade).collect()
        };
        match budget {
            Budget::All => self.unprotect(&logs, goal),
            Budget::Memory | Budget::MemoryFiles => self.clear_idle(&logs, budget, goal),
        }
        let mut heap: BinaryHeap<_> =
            logs.iter().enumerate().filter_map(|(n, log)| Some((log.weight(budget)?, n))).collect();
        while self.used(budget) > goal
            && let Some((weight, n)) = heap.pop()
        {
            let log = &logs[n];
            if weight.is_indivisible() {
                log.clear(budget);
            } else if log.halve(budget) == 0 {
                heap.push((weight.indivisible(), n));
            } else if let Some(weight) = log.weight(budget) {
                heap.push((weight, n));
            }
        }
    }

    /// Takes the protection of followers away, who has most of it first.
    fn unprotect(&self, logs: &[Arc<Log>], goal: u64) {
        let mut protected: Vec<_> =
            logs.iter().map(|log| (log.protected_bytes(), log)).filter(|(bytes, _)| *bytes > 0).collect();
        protected.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (_, log) in protected {
            if self.used(Budget::All) <= goal {
                return;
            }
            log.unprotect();
        }
    }

    /// Drops what is in memory of processes that are over and read by nobody, the oldest first.
    fn clear_idle(&self, logs: &[Arc<Log>], budget: Budget, goal: u64) {
        let mut idle: Vec<_> = logs.iter().filter(|log| log.is_idle()).collect();
        idle.sort_by_key(|log| log.id());
        for log in idle {
            if self.used(budget) <= goal {
                return;
            }
            log.clear(budget);
        }
    }
}
