//! `Stat`: what `/proc/<pid>/stat` says of a process, and which processes there are.

use std::fs::{self, File};
use std::io::Read;

/// A line is some 50 numbers and a name.
const LINE_BYTES_MAX: usize = 2048;

/// `PF_KTHREAD` among the flags in `/proc/<pid>/stat`.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// A process at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// It has ended.
    pub(crate) is_dead: bool,
    /// It is a part of the kernel.
    pub(crate) is_kernel: bool,
    /// Whose child it is.
    pub(crate) parent: u32,
    /// Its process group.
    pub(crate) group: u32,
    /// How many threads it has.
    pub(crate) threads: u32,
    /// In clock ticks since boot: with the pid it names one process.
    pub(crate) started: u64,
}

impl Stat {
    /// Reads it; `None` when there is no such process.
    pub(crate) fn read(pid: u32) -> Option<Self> {
        let mut line = [0; LINE_BYTES_MAX];
        let length = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut line).ok()?;
        Self::parse(&line[..length])
    }

    /// The fields behind the command's name, which stands in parentheses and may hold any byte, some itself (proc(5)).
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let name_end = line.iter().rposition(|byte| *byte == b')')?;
        let mut fields = std::str::from_utf8(&line[name_end + 1..]).ok()?.split_ascii_whitespace();
        Some(Self {
            is_dead: matches!(fields.next()?, "Z" | "X"),
            parent: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
            is_kernel: fields.nth(3)?.parse::<u32>().ok()? & KERNEL_THREAD != 0,
            threads: fields.nth(10)?.parse().ok()?,
            started: fields.nth(1)?.parse().ok()?,
        })
    }
}

/// The pids of all processes that can be seen.
pub(crate) fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_from_behind_the_name() {
        let rest = "0 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 991 0";
        let expect =
            Stat { is_dead: false, is_kernel: false, parent: 7, group: 12, threads: 1, started: 991 };
        assert_eq!(Stat::parse(format!("12 (sh) S 7 12 {rest}").as_bytes()), Some(expect));
        let expect = Stat { is_dead: true, is_kernel: true, parent: 9, group: 12, threads: 1, started: 991 };
        assert_eq!(
            Stat::parse(format!("12 (a) Z 1 (b) Z 9 12 {}", rest.replace("4194560", "2129984")).as_bytes()),
            Some(expect)
        );
        assert_eq!(Stat::parse(b"12 sh S"), None);
        assert!(Stat::read(std::process::id()).is_some_and(|stat| !stat.is_dead && stat.started > 0));
    }
}
