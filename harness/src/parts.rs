//! The processes that a daemon is made of.

use std::fs;

/// The newest child of a keeper that is a worker: an older one serves what it had begun. `None` while there is none, and for a
/// daemon of one process.
pub(crate) fn worker_of(keeper: i32) -> Option<i32> {
    let children = fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).ok()?;
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).rfind(|pid| is_worker(*pid))
}

/// Whether a process calls itself a worker.
pub(crate) fn is_worker(pid: i32) -> bool {
    fs::read(format!("/proc/{pid}/comm")).is_ok_and(|name| name == b"boxd-worker\n")
}

/// Resident memory in bytes.
pub(crate) fn resident_bytes(pid: i32) -> Option<u64> {
    kib(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, &["VmRSS:"])
}

/// Memory that no other process shares, in bytes.
pub(crate) fn private_bytes(pid: i32) -> Option<u64> {
    kib(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?, &["Private_Clean:", "Private_Dirty:"])
}

/// The sum of some lines that say a number of KiB.
fn kib(text: &str, names: &[&str]) -> Option<u64> {
    let number = |name: &&str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    names.iter().map(number).sum::<Option<u64>>().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added() {
        let text = "Rss:  100 kB\nPrivate_Clean:     4 kB\nPrivate_Dirty:    12 kB\n";
        assert_eq!(kib(text, &["Private_Clean:", "Private_Dirty:"]), Some(16 * 1024));
        assert_eq!(kib(text, &["VmRSS:"]), None);
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(resident_bytes(own).unwrap() >= private_bytes(own).unwrap());
        assert_eq!(worker_of(own), None);
    }
}
