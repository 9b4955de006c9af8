//! Whom the kernel's out-of-memory killer takes first (`proc_pid_oom_score_adj(5)`: −1000 never, 1000 first).

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{self, Write};

/// The daemon's own adjustment: what the known server gives itself.
const DAEMON: i16 = -500;

/// A command's: one that eats the memory goes before the daemon.
const COMMAND: i16 = 500;

/// Makes the daemon a late choice. Only a privileged one may; the answer says why not.
pub(crate) fn protect_daemon() -> io::Result<()> {
    adjust("self", DAEMON)
}

/// Makes a command that was just started an early choice, its future children included.
pub(crate) fn offer(pid: u32) {
    // Raising is always allowed; a command that has ended already needs none.
    adjust(pid, COMMAND).ok();
}

/// The daemon's own score as it stands.
pub(crate) fn own() -> io::Result<i16> {
    let text = std::fs::read_to_string("/proc/self/oom_score_adj")?;
    text.trim().parse().map_err(io::Error::other)
}

fn adjust(pid: impl Display, score: i16) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(format!("/proc/{pid}/oom_score_adj"))?;
    file.write_all(score.to_string().as_bytes())
}
