//! One bit that a thread hands down to what it starts, and that can still be read when that has ended.
//!
//! A zombie has no environment, no descriptors and no program any more; the flags of the task are still there. The one used
//! is `PF_MCE_PROCESS`: "this task's policy for broken memory is its own". The policy that is set with it is the kernel's default, so
//! nothing but the bit changes (`prctl(2)`, `PR_MCE_KILL`). It is inherited over fork and execve and needs no privilege.

use std::fs;

/// `PF_MCE_PROCESS` of `include/linux/sched.h`.
const PF_MCE_PROCESS: u64 = 0x80;

/// One of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Lane {
    /// Without the bit.
    Plain,
    /// With it.
    Marked,
}

/// The calling thread is in a lane for as long as this lives.
#[derive(Debug)]
pub(crate) struct InLane(Lane);

impl InLane {
    /// Enters it. A thread may have the bit from whoever started the program, so the other lane is entered as well. `Lane::Marked`
    /// only where `is_known`.
    pub(crate) fn enter(lane: Lane) -> Self {
        set(lane == Lane::Marked);
        Self(lane)
    }
}

impl Drop for InLane {
    fn drop(&mut self) {
        if self.0 == Lane::Marked {
            set(false);
        }
    }
}

/// Whether the kernel knows the bit. The calling thread is without it afterwards.
pub(crate) fn is_known() -> bool {
    set(false)
}

/// The lane of a process that is not reaped. `None`: it cannot be seen.
pub(crate) fn of(pid: u32) -> Option<Lane> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // Behind the name, which may hold anything: state, ppid, pgrp, session, tty_nr, tpgid, flags (proc(5)).
    let flags: u64 = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(6)?.parse().ok()?;
    Some(if flags & PF_MCE_PROCESS == 0 { Lane::Plain } else { Lane::Marked })
}

#[expect(unsafe_code, reason = "rustix has no PR_MCE_KILL")]
fn set(is_marked: bool) -> bool {
    let arguments: [libc::c_ulong; 4] = if is_marked {
        [libc::PR_MCE_KILL_SET as _, libc::PR_MCE_KILL_LATE as _, 0, 0]
    } else {
        [libc::PR_MCE_KILL_CLEAR as _, 0, 0, 0]
    };
    let [first, second, third, fourth] = arguments;
    // SAFETY: this prctl takes numbers only and touches no memory of ours.
    unsafe { libc::prctl(libc::PR_MCE_KILL, first, second, third, fourth) == 0 }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "what a command inherits")]
    fn a_zombie_shows_its_lane() {
        if !is_known() {
            return;
        }
        for lane in [Lane::Plain, Lane::Marked, Lane::Plain] {
            let mut child = {
                let _lane = InLane::enter(lane);
                Command::new("true").spawn().unwrap()
            };
            crate::sys::pidfd::PidFd::open(child.id()).unwrap().wait_exit().unwrap();
            assert_eq!(of(child.id()), Some(lane));
            child.wait().unwrap();
        }
    }
}
