//! Whether the kernel's out-of-memory killer took a command.
//!
//! The kernel tells nobody whom it killed for want of memory, but it counts. A command with a group of its own for memory has
//! its own count. For the others it is the count of the daemon's group, which they share, or of the whole machine where that
//! group is not seen: when a SIGKILL that boxd did not send ends a command and the count has grown since the last
//! look, the killer is taken to be the kernel. Two commands that SIGKILL ends at one moment, one of them by somebody else,
//! cannot be told apart, and a command that only lost a child ends by its own exit code and is not said to be taken.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::ControlGroup;
use super::control_group::find;
use super::layout::Layout;

/// How many processes had been killed at the last look. Held for a look: each growth is seen once.
static SEEN: Mutex<u64> = Mutex::new(0);

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
    has_grown();
}

/// Where the count is. `None`: the kernel does not count.
pub(crate) fn source() -> Option<&'static Path> {
    FILE.as_deref()
}

/// Whether a command that a SIGKILL not of boxd's has just ended was taken by the kernel, as far as can be told.
pub(crate) fn was_taken(group: Option<&ControlGroup>) -> bool {
    // Also when the group knows better: in version 2 its kills count for the daemon's group as well.
    let has_grown = has_grown();
    group.and_then(ControlGroup::lost_to_oom).unwrap_or(has_grown)
}

fn has_grown() -> bool {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let count = FILE.as_deref().and_then(count_in).unwrap_or_default();
    count > std::mem::replace(&mut seen, count)
}

fn count_in(file: &Path) -> Option<u64> {
    find(&fs::read_to_string(file).ok()?, "oom_kill")
}
