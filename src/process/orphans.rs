//! Reaping orphans. A process whose parent has died is handed to PID 1, which must reap it, or it stays a zombie for ever.

use std::io;

use super::{children, tree};
use crate::sys::pidfd;
use crate::sys::signals::ChildSignals;

/// Reaps orphans on a thread of its own, as long as the daemon lives.
///
/// Only PID 1 of a container is handed any; elsewhere each SIGCHLD would be a look at `/proc` for nothing.
pub(crate) fn reap_as_init() -> io::Result<()> {
    let mut signals = ChildSignals::new()?;
    let run = move || {
        loop {
            signals.wait();
            reap();
        }
    };
    std::thread::Builder::new().name("boxd-init".to_owned()).spawn(run)?;
    Ok(())
}

/// Reaps the children that have ended and are no commands of ours.
///
/// A command may be reaped by its own watcher between the look and the end of this, and its pid given to a new one. So each
/// is taken only if it is still the process that was seen.
fn reap() {
    let seen = tree::zombies_of(std::process::id());
    for pid in children::strangers(seen.keys().copied().collect()) {
        if tree::started(pid) == seen.get(&pid).copied() {
            pidfd::reap_child(pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn an_orphan_is_reaped() {
        rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1)).unwrap();
        // The shell ends at once, so its child becomes ours.
        let output = Command::new("sh").args(["-c", "(:) & echo $!"]).output().unwrap();
        let orphan: u32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        let began = Instant::now();
        while tree::started(orphan).is_some() {
            assert!(began.elapsed() < Duration::from_secs(20), "a zombie is left");
            reap();
        }
    }
}
