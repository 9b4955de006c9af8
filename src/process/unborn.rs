//! Starts that the end of a worker cut short: was there a child, and which?
//!
//! The keeper holds the pipes of such a start and knows no child. If there is one, it is the keeper's by now: alive, with the
//! mark of its process in its environment; between `vfork` and `execve`, with the environment of the worker that is dead; or
//! ended and reaped, and then the keeper has told of it as a stray. In this order: who lives is looked up first (`survivors`), and the keeper
//! tells of the strays afterwards, so nobody ends unseen in between.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use super::adopt::Belongings;
use super::record::History;
use super::state::State;
use super::supervise::Supervisor;
use super::tree::{self, Orphan};
use crate::clock;
use crate::custody::{Orphaned, Survivor};
use crate::id::ProcessId;
use crate::log::Kept;
use crate::sys::lane::Lane;
use crate::sys::pidfd::PidFd;

/// How often children in the middle of an `execve` are looked at, and the pause between two looks.
const LOOKS_MAX: usize = 100;
const PAUSE: Duration = Duration::from_millis(2);

/// Finds the children of starts that were cut short, and enters them as if they had been told in time.
pub(super) fn find(
    supervisor: &Arc<Supervisor>,
    history: &History,
    belongings: &mut HashMap<u64, Belongings>,
    orphaned: Orphaned,
) {
    let mut unborn: Vec<(ProcessId, u32)> = Vec::new();
    for id in history.processes.keys() {
        let runs = belongings.get(&id.serial()).into_iter().flat_map(|theirs| &theirs.runs);
        unborn.extend(runs.filter(|(_, held)| held.child.is_none()).map(|(run, _)| (*id, *run)));
    }
    let is_wanted = |(id, run): &(ProcessId, u32)| {
        let state = history.processes.get(id).and_then(|remembered| remembered.state.as_ref());
        // A run that is over has no child any more.
        state.is_none_or(|state: &State| state.is_backing_off() && *run == state.run + 1)
    };
    unborn.retain(is_wanted);
    if unborn.is_empty() {
        return;
    }
    let Orphaned { mut strays, survivors } = orphaned;
    let mut living = survivors.unwrap_or_else(self::survivors);
    for (id, run) in unborn {
        let found = living.iter().position(|survivor| survivor.mark == id.to_string());
        let theirs = belongings.get_mut(&id.serial()).and_then(|theirs| theirs.runs.get_mut(&run));
        let Some(held) = theirs else { continue };
        if let Some(Survivor { child, .. }) = found.map(|n| living.remove(n)) {
            supervisor.logs.custody.born(Kept::Run(run).key(id), &child);
            // It may have ended since.
            let ended = strays.iter().position(|stray| stray.exited.pid == child.pid());
            held.exited = ended.map(|n| strays.remove(n).exited);
            held.child = Some(child);
        } else if let Some(n) = strays.iter().position(|stray| may_be(held.lane, stray.lane)) {
            // One start at a time is in a lane (`Turn`), so it is this one's. Only beside a start that a hung file system holds
            // up can there be two, and then it is the oldest for the oldest.
            let exited = strays.remove(n).exited;
            held.child = PidFd::of_past(exited.pid);
            held.exited = Some(exited);
        }
    }
}

/// Whether a command of one lane may be a child that was seen in another. A lane that nobody saw may be any.
fn may_be(started_in: Option<Lane>, seen_in: Option<Lane>) -> bool {
    started_in.is_none() || seen_in.is_none() || started_in == seen_in
}

/// The orphans that are commands of ours, or what these have started as a group of its own; the oldest first.
pub(crate) fn survivors() -> Vec<Survivor> {
    let survivor = |orphan: Orphan| {
        let child = PidFd::open(orphan.pid).ok()?;
        // Else the number is another's by now, and whoever had it was told of as a stray.
        let is_it = tree::started(orphan.pid) == Some(orphan.started);
        Some(Survivor { mark: orphan.mark?, child }).filter(|_| is_it)
    };
    settled_orphans().into_iter().filter_map(survivor).collect()
}

/// The orphans that lead a group, when none is on its way to its program any more.
#[expect(
    clippy::disallowed_methods,
    reason = "there is no event for the end of an execve, and nothing is served yet"
)]
fn settled_orphans() -> Vec<Orphan> {
    let keeper = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    for _ in 0..LOOKS_MAX {
        let orphans = tree::orphans_of(keeper);
        if orphans.iter().all(|orphan| !orphan.is_unborn) {
            return orphans;
        }
        std::thread::sleep(PAUSE);
    }
    let mut orphans = tree::orphans_of(keeper);
    for orphan in orphans.iter().filter(|orphan| orphan.is_unborn) {
        // Held up in an execve, on a file system that hangs. What nobody could name must not run.
        if let Ok(pidfd) = PidFd::open(orphan.pid) {
            pidfd.signal(Signal::KILL).ok();
        }
    }
    orphans.retain(|orphan| !orphan.is_unborn);
    orphans
}

/// The state of a process whose start was cut short and whose child was found.
pub(super) fn late_state(pid: u32) -> State {
    State::started(pid, clock::now_ms(), clock::boot_ms())
}
