//! What the host allows: the bounds that hold when nobody sets them.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// Processes at one time where the host allows more.
const PROCESSES_MAX: u64 = 4096;

/// Connections at one time where the host allows more: with one follower on each that is about 200 MiB.
const CONNECTIONS_MAX: u64 = 8192;

/// A bound of the daemon leaves half of what the host has: to the descendants of commands, and to everything else that runs.
const SHARE: u64 = 2;

/// How many processes may run at one time.
pub(super) fn processes_max() -> usize {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse().ok();
    bound(
        PROCESSES_MAX,
        &[
            getrlimit(Resource::Nproc).current,
            number("/proc/sys/kernel/pid_max"),
            number("/proc/sys/kernel/threads-max"),
            // The group of a container, as it is seen from inside: cgroup v2, then v1. Without a limit it says `max`.
            number("/sys/fs/cgroup/pids.max"),
            number("/sys/fs/cgroup/pids/pids.max"),
        ],
    )
}

/// How many connections may be open at one time. The daemon raises its own limit of descriptors to the hard one.
pub(super) fn connections_max() -> usize {
    bound(CONNECTIONS_MAX, &[getrlimit(Resource::Nofile).maximum])
}

/// The least of `most` and the share of each limit that is known.
fn bound(most: u64, limits: &[Option<u64>]) -> usize {
    let least = limits.iter().flatten().map(|limit| limit / SHARE).fold(most, u64::min);
    usize::try_from(least.max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_limit_counts_by_half() {
        assert_eq!(bound(4096, &[]), 4096);
        assert_eq!(bound(4096, &[None, Some(1 << 22), Some(u64::MAX)]), 4096);
        assert_eq!(bound(4096, &[Some(32_768), Some(512), None]), 256);
        assert_eq!(bound(4096, &[Some(0)]), 1);
    }

    #[test]
    fn this_host_allows_some() {
        assert!(processes_max() >= 1 && connections_max() >= 1);
    }
}
