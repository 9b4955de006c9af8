//! `Stats`: what a process and its descendants use now, or have used by the end.
//!
//! The runs that are over are known from the kernel's account of each exit. What lives is read from `/proc`, one by one. A process
//! with control groups has its CPU time and memory from those, which miss nobody.

use std::fs;
use std::time::Duration;

use super::process::Process;
use super::tree;

/// What `/proc` counts in: `USER_HZ`, which is 100 on every architecture that Linux runs on today.
const TICK: Duration = Duration::from_millis(10);

/// What a tree uses and has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// CPU time outside of the kernel, all runs together.
    pub(crate) user: Duration,
    /// The same inside.
    pub(crate) system: Duration,
    /// Memory of the living processes.
    pub(crate) rss_bytes: u64,
    /// With a control group for memory the most that the tree held, page cache included; else the most that one process held.
    pub(crate) peak_bytes: u64,
    /// Bytes read from storage.
    pub(crate) read_bytes: u64,
    /// Bytes written to storage.
    pub(crate) written_bytes: u64,
    /// Threads that live.
    pub(crate) threads: u64,
    /// Processes that live.
    pub(crate) processes: u64,
    /// A control group counted the CPU time.
    pub(crate) by_group: bool,
}

impl Stats {
    /// Of a process. Walks through `/proc`: call it where waiting is allowed.
    pub(crate) fn of(process: &Process) -> Self {
        let group = process.group.get();
        // The members first: one that ends meanwhile is then counted by its parent or by the exit, or not, but never twice.
        let members = tree::family(process.id, group.map(AsRef::as_ref));
        let living: Vec<Member> = members.into_iter().filter_map(Member::read).collect();
        let past = process.state().usage.unwrap_or_default();
        let sum = |of: fn(&Member) -> u64| living.iter().map(of).sum::<u64>();
        let mut stats = Self {
            user: Duration::from_micros(past.user_us) + living.iter().map(|m| m.user).sum::<Duration>(),
            system: Duration::from_micros(past.system_us) + living.iter().map(|m| m.system).sum::<Duration>(),
            rss_bytes: sum(|m| m.rss_bytes),
            peak_bytes: living.iter().map(|m| m.peak_bytes).fold(past.max_rss_bytes, u64::max),
            read_bytes: past.read_bytes + sum(|m| m.read_bytes),
            written_bytes: past.written_bytes + sum(|m| m.written_bytes),
            threads: sum(|m| m.threads),
            processes: living.len() as u64,
            by_group: false,
        };
        if let Some(counted) = group.map(|group| group.usage()) {
            if let Some((user, system)) = counted.cpu {
                (stats.user, stats.system, stats.by_group) = (user, system, true);
            }
            stats.rss_bytes = counted.rss_bytes.unwrap_or(stats.rss_bytes);
            stats.peak_bytes = counted.peak_bytes.unwrap_or(stats.peak_bytes);
        }
        stats
    }
}

/// One living process as `/proc` shows it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Member {
    /// Its own time and that of the children it waited for.
    user: Duration,
    system: Duration,
    rss_bytes: u64,
    peak_bytes: u64,
    read_bytes: u64,
    written_bytes: u64,
    threads: u64,
}

impl Member {
    /// `None` when it is gone.
    pub(super) fn read(pid: u32) -> Option<Self> {
        let file = |name: &str| fs::read(format!("/proc/{pid}/{name}")).ok();
        let text = |name: &str| file(name).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        // Another user's input and output are nobody's to read.
        Self::parse(&text("stat")?, &text("status")?, &text("io").unwrap_or_default())
    }

    /// All the CPU time.
    pub(super) fn cpu(&self) -> Duration {
        self.user + self.system
    }

    fn parse(stat: &str, status: &str, io: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<u32>().ok();
        let line = |text: &str, name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            value.split_ascii_whitespace().next()?.parse::<u64>().ok()
        };
        // One that is about to be a zombie has no memory any more.
        let kib = |name: &str| line(status, name).unwrap_or_default() * 1024;
        Some(Self {
            user: TICK * (ticks(11)?.saturating_add(ticks(13)?)),
            system: TICK * (ticks(12)?.saturating_add(ticks(14)?)),
            rss_bytes: kib("VmRSS"),
            peak_bytes: kib("VmHWM"),
            read_bytes: line(io, "read_bytes").unwrap_or_default(),
            written_bytes: line(io, "write_bytes").unwrap_or_default(),
            threads: line(status, "Threads")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_read_from_three_files() {
        let stat = "12 (a) b) R 7 12 0 0 -1 4194560 1 2 3 4 150 25 30 5 20 0 3 0 991 0";
        let status = "Name:\ta\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t3\n";
        let io = "rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 1\n";
        let expect = Member {
            user: TICK * 180,
            system: TICK * 30,
            rss_bytes: 1 << 20,
            peak_bytes: 2 << 20,
            read_bytes: 4096,
            written_bytes: 8192,
            threads: 3,
        };
        assert_eq!(Member::parse(stat, status, io), Some(expect));
        assert_eq!(Member::parse("12 (a", status, io), None);
        assert!(
            Member::read(std::process::id()).is_some_and(|member| member.rss_bytes > 0 && member.threads > 0)
        );
    }
}
