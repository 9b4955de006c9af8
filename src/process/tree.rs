//! The descendants of a process: who they are, and signals to those that have left its group.
//!
//! They are known by the mark in their environment and by parentage below a marked process. What cleared its environment
//! and was orphaned escapes this view.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use super::limits::ControlGroup;
use super::spawn::MARK;
use crate::id::ProcessId;
use crate::keeper::protocol::SOCKET;
use crate::sys::census::Census;
use crate::sys::pidfd::PidFd;
use crate::sys::stat::{Stat, pids};

/// The process table is looked at this often at most: a tree that forks faster than it is killed must not hold a thread
/// for ever.
const ROUNDS_MAX: usize = 100;

/// How often a process in the middle of an execve is looked at, and the pause between two looks.
const EXEC_LOOKS_MAX: usize = 100;
const EXEC_PAUSE: Duration = Duration::from_millis(1);

/// No process has more ancestors than this that are looked at.
const DEPTH_MAX: usize = 1000;

/// Bytes of a process's name (`TASK_COMM_LEN`, less the zero).
const NAME_MAX: usize = 15;

/// A living child of the keeper's that leads a process group, as commands do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Orphan {
    pub(crate) pid: u32,
    /// In clock ticks since boot.
    pub(crate) started: u64,
    /// The id in its environment.
    pub(crate) mark: Option<String>,
    /// It has not executed its program yet: it is still a copy of a worker.
    pub(crate) is_unborn: bool,
}

/// The living children of the keeper that lead a group, the oldest first. The calling worker is none of them.
pub(crate) fn orphans_of(keeper: u32) -> Vec<Orphan> {
    let (own, ours) = (std::process::id(), std::env::var_os(MARK));
    let programs = [program(own), program(keeper)];
    let mut orphans: Vec<Orphan> = pids()
        .filter_map(|pid| Some((pid, Stat::read(pid)?)))
        .filter(|(pid, stat)| *pid != own && !stat.is_dead && stat.parent == keeper)
        .filter_map(|(pid, stat)| {
            let environ = environ(pid, stat);
            let value = |name: &str| {
                let start = format!("{name}=");
                environ.split(|b| *b == 0).find_map(|variable| variable.strip_prefix(start.as_bytes()))
            };
            // A daemon that a command of ours has started has another mark than this one.
            let is_unborn = is_copy(pid, stat, &programs, value(SOCKET).is_some())
                && value(MARK) == ours.as_ref().map(|mark| mark.as_encoded_bytes());
            let mark =
                value(MARK).map(|mark| String::from_utf8_lossy(mark).into_owned()).filter(|_| !is_unborn);
            // Before its program runs it may not lead its group yet.
            (is_unborn || stat.group == pid).then_some(Orphan { pid, started: stat.started, mark, is_unborn })
        })
        .collect();
    orphans.sort_by_key(|orphan| orphan.started);
    orphans
}

/// The pids of the living processes that belong to a process of boxd's.
pub(crate) fn members(id: ProcessId) -> HashSet<u32> {
    family(id, None)
}

/// The same, with those that its control groups know of: they cannot evade.
pub(crate) fn family(id: ProcessId, groups: Option<&ControlGroup>) -> HashSet<u32> {
    scan(id, groups).into_keys().collect()
}

/// The living processes that belong to a process of boxd's: those of its present run, parents first, and behind them those that were
/// orphaned. Far fewer environments are read for it than for `family`, so what was orphaned by something else than its
/// parents' end is not seen.
pub(crate) fn lineage(
    census: &Census,
    id: ProcessId,
    run: Option<u32>,
    groups: Option<&ControlGroup>,
) -> Vec<u32> {
    let mut lineage = run.map(|pid| census.family(pid)).unwrap_or_default();
    let mut seen: HashSet<u32> = lineage.iter().copied().collect();
    let grouped = groups.map(ControlGroup::members).unwrap_or_default();
    let mark = format!("{MARK}={id}");
    // An orphan goes to somebody above its parents, and above those are we.
    let adopters: HashSet<u32> = census.ancestors(std::process::id()).collect();
    for (pid, stat) in census.all() {
        let is_orphan = || adopters.contains(&stat.parent) && has_mark(&environ(pid, stat), &mark);
        if !seen.contains(&pid) && (grouped.contains(&pid) || is_orphan()) {
            let found = census.family(pid).into_iter().filter(|pid| seen.insert(*pid));
            lineage.extend(found);
        }
    }
    lineage
}

/// Whether each of these is this process, another of its program above it (its keeper), or a descendant of one of the two.
pub(crate) fn are_ours(pids: &[u32]) -> bool {
    let own = std::process::id();
    let keeper = Stat::read(own).map(|stat| stat.parent).filter(|parent| program(*parent) == program(own));
    let is_ours = |pid: u32| {
        let chain = std::iter::successors(Some(pid), |pid| Stat::read(*pid).map(|stat| stat.parent));
        chain.take(DEPTH_MAX).any(|pid| pid == own || Some(pid) == keeper)
    };
    pids.iter().all(|pid| is_ours(*pid))
}

/// Whether this is what a thread of a worker has made and what has not executed its own program yet. A worker that was started
/// has a variable to tell it by, and the first one has the keeper's program. It has one thread, where a worker has many, and the name
/// of the thread that made it, where what was executed has the name of its program.
fn is_copy(pid: u32, stat: Stat, programs: &[Option<PathBuf>], is_of_worker: bool) -> bool {
    let Some(program) = program(pid).filter(|_| stat.threads == 1) else { return false };
    let name = fs::read(proc(pid).join("comm")).unwrap_or_default();
    let executed = program.file_name().map(OsStr::as_encoded_bytes).unwrap_or_default();
    let is_thread = name.trim_ascii_end() != &executed[..executed.len().min(NAME_MAX)];
    is_thread && (is_of_worker || programs.contains(&Some(program)))
}

/// What a process runs. A file that was replaced or deleted since has another name than the new one.
fn program(pid: u32) -> Option<PathBuf> {
    fs::read_link(proc(pid).join("exe")).ok()
}

/// When a process started, in clock ticks since boot, as long as it is not reaped.
pub(crate) fn started(pid: u32) -> Option<u64> {
    Stat::read(pid).map(|stat| stat.started)
}

/// The children of `parent` that have ended and are not reaped, and when each started.
pub(crate) fn zombies_of(parent: u32) -> HashMap<u32, u64> {
    let stats = pids().filter_map(|pid| Some((pid, Stat::read(pid)?)));
    stats
        .filter(|(_, stat)| stat.is_dead && stat.parent == parent)
        .map(|(pid, stat)| (pid, stat.started))
        .collect()
}

/// Sends a signal to the descendants that are not in `group`; SIGKILL again and again until none is left.
pub(crate) fn signal_strays(id: ProcessId, group: u32, signal: Signal, groups: Option<&ControlGroup>) {
    let mut done: HashSet<(u32, u64)> = HashSet::new();
    for _ in 0..ROUNDS_MAX {
        let mut strays = scan(id, groups);
        strays.retain(|pid, stat| stat.group != group && !done.contains(&(*pid, stat.started)));
        if strays.is_empty() {
            return;
        }
        for (pid, stat) in strays {
            // Opened first and looked at again: a pid that changed hands in between is left alone.
            if let Ok(pidfd) = PidFd::open(pid)
                && Stat::read(pid).is_some_and(|now| now.started == stat.started)
            {
                // Gone by itself is as good.
                pidfd.signal(signal).ok();
            }
            done.insert((pid, stat.started));
        }
        if signal != Signal::KILL {
            return;
        }
    }
}

fn scan(id: ProcessId, groups: Option<&ControlGroup>) -> HashMap<u32, Stat> {
    let grouped = groups.map(ControlGroup::members).unwrap_or_default();
    let mark = format!("{MARK}={id}");
    let (mut members, mut others) = (HashMap::new(), HashMap::new());
    for pid in pids() {
        let Some(stat) = Stat::read(pid).filter(|stat| !stat.is_dead) else { continue };
        if grouped.contains(&pid) || has_mark(&environ(pid, stat), &mark) {
            members.insert(pid, stat)
        } else {
            others.insert(pid, stat)
        };
    }
    loop {
        let children: Vec<u32> = others
            .iter()
            .filter(|(_, stat)| members.contains_key(&stat.parent))
            .map(|(pid, _)| *pid)
            .collect();
        if children.is_empty() {
            return members;
        }
        for pid in children {
            members.extend(others.remove_entry(&pid));
        }
    }
}

/// The environment of a process; empty if it cannot be read.
///
/// In the middle of an execve the kernel shows neither an environment nor a command line. The kernel tells nobody when that is
/// over, so it is looked at again.
#[expect(
    clippy::disallowed_methods,
    reason = "there is no event for the end of an execve, and this thread may block"
)]
fn environ(pid: u32, stat: Stat) -> Vec<u8> {
    let read = || fs::read(proc(pid).join("environ")).unwrap_or_default();
    for _ in 0..EXEC_LOOKS_MAX {
        let environ = read();
        if !environ.is_empty() || stat.is_kernel {
            return environ;
        }
        let in_exec = fs::read(proc(pid).join("cmdline")).is_ok_and(|line| line.is_empty())
            && Stat::read(pid).is_some_and(|now| !now.is_dead && now.started == stat.started);
        if !in_exec {
            // It may have been, when the environment was read.
            return read();
        }
        std::thread::sleep(EXEC_PAUSE);
    }
    Vec::new()
}

fn proc(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

fn has_mark(environ: &[u8], mark: &str) -> bool {
    environ.split(|b| *b == 0).any(|variable| variable == mark.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_before_its_program_is_known() {
        let child = crate::sys::fork::start_stopped("true");
        // Other tests have children that are as unborn and not stopped.
        let is_stopped = |orphan: &Orphan| {
            fs::read_to_string(proc(orphan.pid).join("stat")).is_ok_and(|stat| stat.contains(") T "))
        };
        let own = std::process::id();
        let look = || orphans_of(own).into_iter().find(|orphan| orphan.is_unborn && is_stopped(orphan));
        let stopped = std::iter::repeat_with(look).flatten().next().unwrap();
        assert_eq!(stopped.mark, None);
        PidFd::open(stopped.pid).unwrap().signal(Signal::CONT).unwrap();
        assert!(child.join().unwrap().unwrap().wait().unwrap().success());
    }

    #[test]
    fn a_mark_is_a_whole_variable() {
        assert!(has_mark(b"A=1\0BOXD_PROCESS=x-1\0", "BOXD_PROCESS=x-1"));
        assert!(!has_mark(b"A=BOXD_PROCESS=x-1\0BOXD_PROCESS=x-11\0", "BOXD_PROCESS=x-1"));
    }
}
