//! `Process`: the server's own process, on this machine, and what a case does to it.
//!
//! It is held by a pidfd, so that nobody else's process is ever meant when its id is used again.

use std::{
    cell::Cell,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use crate::{bench::server::pause, fixture::Part, parts};

/// Nobody is told when a worker is there.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    held: OwnedFd,
    asked_to_end: Cell<bool>,
    /// What was started is dead by the case's wish, and the rest of it may live.
    is_killed: Cell<bool>,
}

impl Process {
    /// Takes hold of a process: the keeper, or the server as a whole when it is one process.
    ///
    /// # Errors
    /// There is none with this id.
    pub(crate) fn hold(pid: Pid) -> std::io::Result<Self> {
        let held = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Self { pid, held, asked_to_end: Cell::new(false), is_killed: Cell::new(false) })
    }

    /// Its id.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether a case has sent it SIGTERM.
    pub(crate) fn is_asked_to_end(&self) -> bool {
        self.asked_to_end.get()
    }

    /// Whether a case has killed it.
    pub(crate) fn is_killed(&self) -> bool {
        self.is_killed.get()
    }

    /// Asks it to end, by SIGTERM.
    pub(crate) fn signal(&self) {
        self.asked_to_end.set(true);
        // One that has ended already is found out when its end is looked at.
        let _sent: bool = pidfd_send_signal(&self.held, Signal::TERM).is_ok();
    }

    /// Waits for its end; whether it came in time.
    pub(crate) fn ends_within(&self, time: Duration) -> bool {
        is_over(&self.held, time).unwrap_or(false)
    }

    /// Ends a part of it by SIGKILL, and waits until that part is gone.
    ///
    /// # Errors
    /// A sentence when there is no such part, or it doesn't go in time.
    pub(crate) fn kill(&self, part: Part, within: Duration) -> Result<(), String> {
        if part == Part::Keeper {
            self.is_killed.set(true);
            return end(&self.held, within).map_err(|error| format!("the keeper {error}"));
        }
        let worker = self.next_worker(Instant::now() + within).ok_or("the daemon has no worker")?;
        pidfd_open(worker, PidfdFlags::empty())
            .map_err(|error| format!("can't be killed: {error}"))
            .and_then(|held| end(&held, within))
            .map_err(|error| format!("the worker {error}"))
    }

    /// The worker, or, where the last one was killed a moment ago, the next.
    fn next_worker(&self, until: Instant) -> Option<Pid> {
        loop {
            match parts::worker_of(self.pid.as_raw_pid()).and_then(Pid::from_raw) {
                None if Instant::now() < until => pause(LOOK_AGAIN),
                worker => return worker,
            }
        }
    }
}

fn end(held: &OwnedFd, within: Duration) -> Result<(), String> {
    pidfd_send_signal(held, Signal::KILL).map_err(|error| format!("can't be killed: {error}"))?;
    match is_over(held, within) {
        Ok(true) => Ok(()),
        Ok(false) => Err("doesn't go after SIGKILL".to_owned()),
        Err(error) => Err(format!("can't be waited for: {error}")),
    }
}

/// Whether a process ends in time.
fn is_over(held: &OwnedFd, within: Duration) -> std::io::Result<bool> {
    let timeout = Timespec::try_from(within).map_err(std::io::Error::other)?;
    Ok(poll(&mut [PollFd::new(held, PollFlags::IN)], Some(&timeout))? == 1)
}
