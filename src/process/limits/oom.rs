//! Whether the kernel's out-of-memory killer took a command.
//!
//! The kernel tells nobody whom it killed for want of memory, but it counts. A command with a group of its own for memory has
//! its own count. For the others it is the count of the daemon's group, which they share, or of the whole machine where that
//! group is not seen: when a SIGKILL that boxd did not send ends a command and the count has grown a moment ago, the killer is
//! taken to be the kernel. The count is looked at when a command fails, so a growth is as old as the first failure after it, and a
//! later SIGKILL is not blamed on it. Two commands that SIGKILL ends at one moment, one of them by somebody else, cannot be told
//! apart, and a command that only lost a child ends by its own exit code and is not said to be taken.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ControlGroup;
use super::control_group::find;
use super::layout::Layout;

/// So long after it was seen a growth may still be the end of a command: the kernel counts before it takes the memory back, and
/// another command may fail meanwhile.
const RECENT: Duration = Duration::from_secs(1);

/// The count. Held for a look.
static SEEN: Mutex<Seen> = Mutex::new(Seen { count: 0, grown: None });

/// The file with the count.
static FILE: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let layout = Layout::parse(&read("cgroup"), &read("mountinfo"));
    let v1 = layout.v1.get("memory").map(|own| own.join("memory.oom_control"));
    let v2 = layout.unified.map(|own| own.join("memory.events"));
    let files = [v1, v2, Some("/proc/vmstat".into())];
    files.into_iter().flatten().find(|file| count_in(file).is_some())
});

/// Begins to count, before the first command is started.
pub(crate) fn begin() {
    let mut seen = lock();
    seen.look(count(), Instant::now());
    // Before there was a command.
    seen.grown = None;
}

/// Where the count is. `None`: the kernel does not count.
pub(crate) fn source() -> Option<&'static Path> {
    FILE.as_deref()
}

/// Looks at the count when a command has failed in a way that is not the killer's.
pub(crate) fn look() {
    lock().look(count(), Instant::now());
}

/// Whether a command that a SIGKILL not of boxd's has just ended was taken by the kernel, as far as can be told.
pub(crate) fn was_taken(group: Option<&ControlGroup>) -> bool {
    // Also when the group knows better: in version 2 its kills count for the daemon's group as well.
    let has_grown = {
        let (mut seen, now) = (lock(), Instant::now());
        seen.look(count(), now);
        seen.take(now)
    };
    group.and_then(ControlGroup::lost_to_oom).unwrap_or(has_grown)
}

/// What is known of the count.
#[derive(Debug)]
struct Seen {
    /// How many processes had been killed at the last look.
    count: u64,
    /// When the last growth was seen that no command was taken for.
    grown: Option<Instant>,
}

impl Seen {
    fn look(&mut self, count: u64, now: Instant) {
        if count > std::mem::replace(&mut self.count, count) {
            self.grown = Some(now);
        }
    }

    /// Takes the growth for a command, if it is recent. Each is taken once.
    fn take(&mut self, now: Instant) -> bool {
        self.grown.take().is_some_and(|grown| now.saturating_duration_since(grown) <= RECENT)
    }
}

fn lock() -> MutexGuard<'static, Seen> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count() -> u64 {
    FILE.as_deref().and_then(count_in).unwrap_or_default()
}

fn count_in(file: &Path) -> Option<u64> {
    find(&fs::read_to_string(file).ok()?, "oom_kill")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(100);

    #[test]
    fn an_old_kill_is_not_blamed_on_the_next_sigkill() {
        let now = Instant::now();
        let mut seen = Seen { count: 3, grown: None };
        // A command that lost a child fails; much later somebody kills another.
        seen.look(4, now);
        seen.look(4, now + RECENT + MOMENT);
        assert!(!seen.take(now + RECENT + MOMENT));
    }

    #[test]
    fn a_command_that_fails_beside_a_kill_does_not_hide_it() {
        let now = Instant::now();
        let mut seen = Seen { count: 3, grown: None };
        seen.look(4, now);
        seen.look(4, now + MOMENT);
        assert!(seen.take(now + MOMENT));
        assert!(!seen.take(now + MOMENT), "it was taken for one command");
    }
}
