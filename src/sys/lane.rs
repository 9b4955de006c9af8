//! `Lane`: a mark that a thread hands down to what it starts, and that can still be read when that has ended.
//!
//! A zombie has no environment, no descriptors and no program any more; two things of the task are still there. They are
//! inherited over fork and execve, take no privilege to set, and mean nothing to a command:
//!
//! - the **timer slack** (`prctl(2)`, `PR_SET_TIMERSLACK`; 50,000 ns by default): a few nanoseconds more. To read it of another
//!   process takes `CAP_SYS_NICE` (`proc_pid_timerslack_ns(5)`), which a container's root may not have.
//! - two **flags** of what to do about broken memory (`PR_MCE_KILL`): "its policy is its own", with the kernel's usual policy, and
//!   "kill early", which means nothing where the policy is not its own.

use std::fs;
use std::num::NonZeroU64;
use std::sync::LazyLock;

use rustix::thread::{current_timer_slack, set_current_timer_slack};

/// Lanes where the slack can be read. More starts than that at a time wait for each other.
const BY_SLACK: u8 = 32;

/// `PF_MCE_PROCESS` and `PF_MCE_EARLY` of the kernel's `include/linux/sched.h`.
const PF_MCE_PROCESS: u64 = 0x80;
const PF_MCE_EARLY: u64 = 0x0800_0000;

/// The slack of whoever is in no lane, in nanoseconds: what the keeper was started with, and each thread of its workers.
static PLAIN_SLACK: LazyLock<u64> = LazyLock::new(|| current_timer_slack().unwrap_or_default());

/// The marks of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Lane {
    flag: Flag,
    /// Nanoseconds above the plain slack.
    slack: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Flag {
    None,
    OwnPolicy,
    Early,
}

impl Lane {
    /// All that can be told apart here. The calling thread is in none.
    pub(crate) fn all() -> Vec<Self> {
        LazyLock::force(&PLAIN_SLACK);
        let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
        if slack_of(parent).is_some_and(|slack| slack > 0) {
            return (0..BY_SLACK).map(|slack| Self { flag: Flag::None, slack }).collect();
        }
        let flags: &[Flag] =
            if set_flag(Flag::None) { &[Flag::None, Flag::OwnPolicy, Flag::Early] } else { &[Flag::None] };
        flags.iter().map(|flag| Self { flag: *flag, slack: 0 }).collect()
    }

    /// The lane of a process that is not reaped. `None`: it cannot be seen.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        // Behind the name, which may hold anything: state, ppid, pgrp, session, tty_nr, tpgid, flags (proc(5)).
        let flags: u64 = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(6)?.parse().ok()?;
        let flag = match (flags & PF_MCE_PROCESS, flags & PF_MCE_EARLY) {
            (0, 0) => Flag::None,
            (0, _) => Flag::Early,
            _ => Flag::OwnPolicy,
        };
        let slack = match slack_of(pid) {
            Some(slack) => slack.checked_sub(*PLAIN_SLACK)?.try_into().ok()?,
            // Where it cannot be read, no lane is made of it.
            None => 0,
        };
        Some(Self { flag, slack })
    }

    /// Both marks, whatever they are: the thread may have one from a thread in another lane that has made it.
    fn put_on(self) {
        set_flag(self.flag);
        set_slack(*PLAIN_SLACK + u64::from(self.slack));
    }

    fn take_off(self) {
        if self.flag != Flag::None {
            set_flag(Flag::None);
        }
        if self.slack > 0 {
            set_slack(*PLAIN_SLACK);
        }
    }
}

/// The calling thread is in a lane for as long as this lives.
#[derive(Debug)]
pub(crate) struct InLane(Lane);

impl InLane {
    /// Enters one of `Lane::all`.
    pub(crate) fn enter(lane: Lane) -> Self {
        lane.put_on();
        Self(lane)
    }

    /// Which.
    pub(crate) fn lane(&self) -> Lane {
        self.0
    }
}

impl Drop for InLane {
    fn drop(&mut self) {
        self.0.take_off();
    }
}

/// `None`: it cannot be read.
fn slack_of(pid: u32) -> Option<u64> {
    fs::read_to_string(format!("/proc/{pid}/timerslack_ns")).ok()?.trim_end().parse().ok()
}

fn set_slack(nanoseconds: u64) {
    // Every number but 0, which would be the default, is taken.
    set_current_timer_slack(NonZeroU64::new(nanoseconds)).ok();
}

/// Whether the kernel knows it.
#[expect(unsafe_code, reason = "rustix has no PR_MCE_KILL")]
fn set_flag(flag: Flag) -> bool {
    let call = |what: libc::c_int, policy: libc::c_int| {
        let (what, policy, none) = (
            libc::c_ulong::from(what.unsigned_abs()),
            libc::c_ulong::from(policy.unsigned_abs()),
            0 as libc::c_ulong,
        );
        // SAFETY: this prctl takes numbers only and touches no memory of ours.
        unsafe { libc::prctl(libc::PR_MCE_KILL, what, policy, none, none) == 0 }
    };
    match flag {
        Flag::None => call(libc::PR_MCE_KILL_SET, libc::PR_MCE_KILL_LATE) && call(libc::PR_MCE_KILL_CLEAR, 0),
        Flag::OwnPolicy => call(libc::PR_MCE_KILL_SET, libc::PR_MCE_KILL_LATE),
        // Clearing leaves the policy that was set.
        Flag::Early => {
            call(libc::PR_MCE_KILL_SET, libc::PR_MCE_KILL_EARLY) && call(libc::PR_MCE_KILL_CLEAR, 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::sys::pidfd::PidFd;

    #[expect(clippy::disallowed_methods, reason = "what a command inherits")]
    fn check(lane: Lane) {
        let mut child = {
            let _lane = InLane::enter(lane);
            Command::new("true").spawn().unwrap()
        };
        PidFd::open(child.id()).unwrap().wait_exit().unwrap();
        assert_eq!(Lane::of(child.id()), Some(lane));
        child.wait().unwrap();
    }

    #[test]
    fn a_zombie_shows_its_lane() {
        let lanes = Lane::all();
        lanes.iter().rev().chain(&lanes[..1]).for_each(|lane| check(*lane));
    }

    #[test]
    fn a_zombie_shows_its_flag_as_well() {
        // Kernels without memory failure handling know none.
        if set_flag(Flag::None) {
            for flag in [Flag::Early, Flag::OwnPolicy, Flag::Early, Flag::None] {
                check(Lane { flag, slack: 0 });
            }
        }
    }
}
