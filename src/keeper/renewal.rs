//! The keeper replaced by another program in place (`execve`): same process, same children, same descriptors.
//!
//! After an upgrade the worker is of the new program and the keeper of the old one. When nothing is under way, the keeper
//! writes what it knows into a file in memory, lets its descriptors be inherited, and executes the program of the worker, which
//! has proven that it speaks the same version. If that fails, the keeper goes on as it is.

use std::collections::VecDeque;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use super::Keeper;
use super::entry::{Entries, Entry};
use super::protocol::{Exited, Key, Report, VERSION};
use super::worker::{Program, Role, Stage, Worker};
use crate::sys::descriptors::{self, inherited};
use crate::sys::lane::Lane;
use crate::sys::packets::Packets;
use crate::sys::pidfd::PidFd;
use crate::sys::signals::SignalFd;
use crate::sys::{exec, file};

/// The variable that names the descriptor of the state.
pub(crate) const STATE: &str = "BOXD_KEEPER_STATE";

/// What a keeper knows; descriptors by their numbers.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    version: u32,
    since_ms: u64,
    upgrades: u32,
    #[serde(default)]
    restarts: u32,
    report: Option<Report>,
    died: Option<String>,
    listeners: Vec<RawFd>,
    journal: Option<RawFd>,
    program: PathBuf,
    program_file: Option<RawFd>,
    entries: Vec<HeldState>,
    workers: Vec<WorkerState>,
}

#[derive(Debug, Serialize, Deserialize)]
struct HeldState {
    key: Key,
    lane: Option<Lane>,
    descriptors: Vec<(u32, RawFd)>,
    child: Option<(u32, RawFd)>,
    exited: Option<Exited>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WorkerState {
    pid: i32,
    socket: RawFd,
    bell: RawFd,
    is_retired: bool,
}

impl Keeper {
    /// Becomes the program of the worker, if there is nothing to say to anybody. Comes back when it could not.
    pub(super) fn renew(&mut self) {
        let is_quiet = self.upgrade.is_none()
            && self.connections.is_empty()
            && self.strays.is_empty()
            && self.told_to_end == 0
            && self.current().is_some_and(|worker| worker.stage == Stage::Serving)
            && self.workers.iter().all(|worker| worker.notices.is_empty() && worker.role != Role::Candidate);
        if !self.is_renewal_due || !is_quiet {
            return;
        }
        // Once, whatever comes of it.
        self.is_renewal_due = false;
        let state = self.state();
        if let Err(error) = self.exec(&state) {
            self.report = self.report.take().map(|report| Report {
                error: report.error.or_else(|| Some(format!("the keeper is still the one before: {error}"))),
                ..report
            });
        }
        for descriptor in self.descriptors() {
            fcntl_setfd(descriptor, FdFlags::CLOEXEC).ok();
        }
    }

    fn exec(&self, state: &State) -> io::Result<()> {
        let file = file::sealed("boxd-keeper", &serde_json::to_vec(state)?)?;
        for descriptor in self.descriptors().into_iter().chain([file.as_fd()]) {
            fcntl_setfd(descriptor, FdFlags::empty())?;
        }
        let text = |text: &std::ffi::OsStr| CString::new(text.as_bytes()).map_err(io::Error::other);
        let mut arguments = vec![text("boxd".as_ref())?];
        for argument in self.program.arguments() {
            arguments.push(text(argument)?);
        }
        let mut variables = vec![CString::new(format!("{STATE}={}", file.as_raw_fd()))?];
        for (name, value) in std::env::vars_os().filter(|(name, _)| name != STATE) {
            variables.push(text(&[name.as_os_str(), value.as_os_str()].join("=".as_ref()))?);
        }
        let program = text(self.program.path().as_os_str())?;
        Err(descriptors::with_given_limit(|| exec::execve(&program, &arguments, &variables)))
    }

    fn state(&self) -> State {
        let entries = self.entries.iter().map(|(key, entry)| HeldState {
            key,
            lane: entry.lane,
            descriptors: entry.descriptors.iter().map(|(slot, fd)| (*slot, fd.as_raw_fd())).collect(),
            child: entry.child.as_ref().map(|child| (child.pid(), child.as_fd().as_raw_fd())),
            exited: entry.exited,
        });
        let workers = self.workers.iter().map(|worker| WorkerState {
            pid: worker.pid.as_raw_pid(),
            socket: worker.as_fd().as_raw_fd(),
            bell: worker.bell.as_fd().as_raw_fd(),
            is_retired: worker.role == Role::Retired,
        });
        State {
            version: VERSION,
            since_ms: self.since_ms,
            upgrades: self.upgrades,
            restarts: self.restarts,
            report: self.report.clone(),
            died: self.died.clone(),
            listeners: self.listeners.iter().map(AsRawFd::as_raw_fd).collect(),
            journal: self.journal.as_ref().map(AsRawFd::as_raw_fd),
            program: self.program.path(),
            program_file: self.program.file().map(|file| file.as_raw_fd()),
            entries: entries.collect(),
            workers: workers.collect(),
        }
    }

    /// Everything that the next program needs to inherit.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut all: Vec<BorrowedFd<'_>> = self.listeners.iter().map(AsFd::as_fd).collect();
        all.extend(self.journal.as_ref().map(AsFd::as_fd));
        all.extend(self.program.file());
        all.extend(self.workers.iter().flat_map(|worker| [worker.as_fd(), worker.bell.as_fd()]));
        for (_, entry) in self.entries.iter() {
            all.extend(entry.descriptors.values().map(AsFd::as_fd));
            all.extend(entry.child.as_ref().map(AsFd::as_fd));
        }
        all
    }

    /// Goes on as a keeper of another program has left it.
    pub(super) fn renewed(state: RawFd, signals: SignalFd) -> io::Result<Self> {
        let state: State = serde_json::from_slice(&file::contents(&File::from(inherited(state)?))?)?;
        if state.version != VERSION {
            return Err(io::Error::other("the keeper's state is of another version"));
        }
        let mut entries = Entries::default();
        for HeldState { key, lane, descriptors, child, exited } in state.entries {
            let descriptors = descriptors.into_iter().map(|(slot, fd)| Ok((slot, inherited(fd)?)));
            let child = child.map(|(pid, fd)| Ok::<_, io::Error>(PidFd::from_parts(inherited(fd)?, pid)));
            let entry = Entry {
                lane,
                descriptors: descriptors.collect::<io::Result<_>>()?,
                child: child.transpose()?.flatten(),
                exited,
            };
            entries.insert(key, entry);
        }
        let mut workers = Vec::new();
        for WorkerState { pid, socket, bell, is_retired } in state.workers {
            let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?;
            workers.push(Worker {
                pid,
                packets: Packets::inherited(socket)?,
                bell: inherited(bell)?.into(),
                role: if is_retired { Role::Retired } else { Role::Current },
                began: Instant::now(),
                stage: if is_retired { Stage::Retiring } else { Stage::Serving },
                is_given_up: false,
                notices: VecDeque::new(),
            });
        }
        let listeners = state.listeners.into_iter().map(|fd| inherited(fd).map(TcpListener::from));
        let program_file = state.program_file.map(inherited).transpose()?.map(File::from);
        Ok(Self {
            since_ms: state.since_ms,
            listeners: listeners.collect::<io::Result<_>>()?,
            signals,
            program: Program::renewed(state.program, program_file),
            entries,
            journal: state.journal.map(inherited).transpose()?,
            workers,
            start_at: None,
            pause: Duration::ZERO,
            deaths: VecDeque::new(),
            died: state.died,
            strays: Vec::new(),
            connections: VecDeque::new(),
            upgrade: None,
            upgrades: state.upgrades,
            restarts: state.restarts,
            report: state.report,
            has_looked: None,
            is_renewal_due: false,
            told_to_end: 0,
            has_served: true,
        })
    }
}

/// The state that a keeper of another program has left, if there is one.
pub(crate) fn left_behind() -> Option<RawFd> {
    std::env::var(STATE).ok()?.parse().ok()
}
