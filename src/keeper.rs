//! The keeper: the process that outlives the worker.
//!
//! `boxd serve` is two processes of one program. The **worker** does the work: HTTP, commands, logs. The **keeper** holds what
//! must not go with a worker, so that the next one can go on where the last one was killed:
//!
//! - the listening sockets, so that a connection waits in the backlog and is not refused;
//! - of each run of a command: boxd's ends of its pipes, its pidfd, and, once it has ended as an orphan, how;
//! - the worker's journal: a file in memory, which holds everything the worker knows.
//!
//! It is PID 1 of a container or the child subreaper of its descendants, so commands whose worker was killed become its
//! children: it records how they end, reaps them, and tells the next worker. While a worker lives, its commands are its own
//! children, and nothing here can take their exits. Other orphans are reaped and forgotten.
//!
//! **Protocol** (`protocol.rs` has the messages). One `SOCK_SEQPACKET` pair a worker; messages of at most 4 KiB, descriptors
//! beside them.
//!
//! ```text
//! keeper                                    worker
//!   │ ── start, with one end of the pair ──> │
//!   │ <─────────────── Hello ─────────────── │
//!   │ ── Look, if a start was cut short ───> │ looks which children of the keeper live
//!   │ <─────────────── Looked ────────────── │
//!   │ ── Welcome + listeners, Journal,       │
//!   │    Held…, Exited…, Stray…, Ready ────> │ restores
//!   │ <────── Journal, Serving ───────────── │
//!   │ <── Hold (before a spawn) ──────────── │
//!   │ <── Born + pidfd (after it) ────────── │ a command
//!   │ <── Drop (reaped, pipes at their end)─ │
//! ```
//! A worker is replaced on purpose like this; until `Retired` nothing has changed, and each failure leaves the present one:
//!
//! ```text
//! present worker              keeper                       candidate
//!   │ ── Upgrade + program ───> │ ── start ─────────────────> │
//!   │ <───────────── Retire ─── │ <──────────────── Hello ─── │
//!   │ ── Retired ─────────────> │ ── Welcome … Ready ───────> │ is the present worker
//!   │ ── Connection…, Exited… ─>│ ── Connection…, Exited… ──> │
//!   │ serves what it had begun, and ends
//! ```
//! What the worker has sent is in the kernel's hands and is read when the worker is dead, before anything else is done. So
//! the keeper need not read each message when it comes: a worker that serves rings a bell (an eventfd) for what is urgent
//! and now and then for the rest, and the processors are left to the commands. The keeper never waits for a worker: what
//! does not fit into its queue is sent when there is room. A worker that dies is started again, at once the first time and
//! then with a growing pause.
//!
//! **Invariants.** One thread; blocks only in `poll`; no HTTP, no runtime; an exit is recorded before it is reaped; a message
//! that makes no sense is passed over.

mod entry;
mod hear;
pub(crate) mod protocol;
pub(crate) mod renewal;
mod speak;
mod worker;

use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;
use std::os::fd::{OwnedFd, RawFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;

use crate::clock;
use crate::sys::lane::Lane;
use crate::sys::packets::{DESCRIPTORS_MAX, Packets};
use crate::sys::pidfd::{self, ExitStatus};
use crate::sys::signals::{self, SignalFd};
use crate::sys::wait::{self, Ended};
use crate::sys::{code_pages, descriptors, oom};
use entry::Entries;
use protocol::{Exited, Report};
use worker::{Forked, Notice, Program, Role, Stage, Worker};

/// The pause before a worker is started again after a second death in a row, and its bound; it doubles.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A worker that lived this long was no part of a row.
const CALM: Duration = Duration::from_secs(10);

/// Deaths are counted over this time.
const RECENT: Duration = Duration::from_mins(1);

/// How long a candidate may take to say hello, and the present worker to retire.
const SWAP_MAX: Duration = Duration::from_secs(30);

/// A worker that has been told so often to go away goes.
const TOLD_MAX: u32 = 2;

/// So many listeners are handed over in one message, beside the bell.
pub(crate) const LISTENERS_MAX: usize = DESCRIPTORS_MAX - 1;

/// Exits of strangers remembered while a start is cut short.
const STRAYS_MAX: usize = 64;

/// A connection on its way from one worker to the next, and what was read of it.
#[derive(Debug)]
struct Passed {
    on_loopback: bool,
    descriptors: Vec<OwnedFd>,
}

/// An upgrade that is under way, or whose worker has not served yet.
#[derive(Debug)]
struct Upgrade {
    note: String,
    /// The candidate's, and then the one to go back to.
    other: Program,
}

/// The state of the keeper.
struct Keeper {
    since_ms: u64,
    listeners: Vec<TcpListener>,
    signals: SignalFd,
    program: Program,
    entries: Entries,
    journal: Option<OwnedFd>,
    workers: Vec<Worker>,
    /// When to start the next worker.
    start_at: Option<Instant>,
    pause: Duration,
    deaths: VecDeque<Instant>,
    died: Option<String>,
    strays: Vec<(Exited, Option<Lane>)>,
    connections: VecDeque<Passed>,
    upgrade: Option<Upgrade>,
    upgrades: u32,
    /// How often a worker has died that was to go on.
    restarts: u32,
    report: Option<Report>,
    /// The worker that has just looked which children live.
    has_looked: Option<Pid>,
    /// The worker is of another program since.
    is_renewal_due: bool,
    /// How often it was told to go away.
    told_to_end: u32,
    /// A worker has accepted connections: until then a failure to start is the user's to see.
    has_served: bool,
}

/// Goes on in the place of a keeper of another program, which has left its state behind.
pub(crate) fn go_on(state: RawFd) -> Result<ExitCode, String> {
    let keeper = take_signals()
        .and_then(|signals| Keeper::renewed(state, signals))
        .map_err(|error| format!("the keeper before cannot be followed: {error}"))?;
    descriptors::keep_to_ourselves();
    descriptors::raise_limit();
    keep(keeper)
}

/// In which process `run` has come back.
#[derive(Debug)]
pub(crate) enum Comeback {
    /// In the keeper, which is to end with this code.
    Keeper(ExitCode),
    /// In the first worker, whose end of the pair this is.
    Worker(Packets),
}

/// Keeps a worker until SIGTERM or SIGINT. The listeners are handed to each worker. Comes back in the process of the first worker
/// as well. Only for a program of one thread.
pub(crate) fn run(listeners: Vec<TcpListener>) -> Result<Comeback, String> {
    let said = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    descriptors::keep_to_ourselves();
    descriptors::raise_limit();
    let signals = take_signals().map_err(said("signals cannot be handled"))?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| format!("orphans cannot be adopted: {error}"))?;
    // Only a privileged one may; the worker says why not.
    oom::protect_daemon().ok();
    let program = Program::current().map_err(said("the program cannot be found"))?;
    let worker = match Worker::fork().map_err(said("the worker cannot be started"))? {
        Forked::Keeper(worker) => worker,
        Forked::Worker(packets) => return Ok(Comeback::Worker(packets)),
    };
    let keeper = Keeper {
        since_ms: clock::now_ms(),
        listeners,
        signals,
        program,
        entries: Entries::default(),
        journal: None,
        workers: vec![worker],
        start_at: None,
        pause: Duration::ZERO,
        deaths: VecDeque::new(),
        died: None,
        strays: Vec::new(),
        connections: VecDeque::new(),
        upgrade: None,
        upgrades: 0,
        restarts: 0,
        report: None,
        has_looked: None,
        is_renewal_due: false,
        told_to_end: 0,
        has_served: false,
    };
    keep(keeper).map(Comeback::Keeper)
}

fn take_signals() -> io::Result<SignalFd> {
    SignalFd::new(&[signals::TERM, signals::INT, signals::HUP, signals::CHLD])
}

fn keep(mut keeper: Keeper) -> Result<ExitCode, String> {
    // Little of what a start needs is needed from here on.
    code_pages::let_go();
    loop {
        keeper.wait().map_err(|error| format!("the keeper cannot wait: {error}"))?;
        while let Some(signal) = keeper.signals.take() {
            keeper.handle(signal);
        }
        // What a dead worker has said comes before its death.
        keeper.listen();
        if let Some(code) = keeper.reap() {
            return Ok(code);
        }
        keeper.hand_over_to_who_has_looked();
        if keeper.told_to_end > 0 && keeper.workers.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        keeper.speak();
        keeper.mind_the_time();
        keeper.renew();
    }
}

impl Keeper {
    /// Waits until there is something to do.
    fn wait(&self) -> io::Result<()> {
        let mut sources = vec![PollFd::new(&self.signals, PollFlags::IN)];
        for worker in &self.workers {
            // Whoever rings is not listened to for each word. Its end is seen all the same.
            let mut wanted = if worker.rings() { PollFlags::empty() } else { PollFlags::IN };
            wanted.set(PollFlags::OUT, worker.next_notice().is_some());
            sources.push(PollFd::new(worker, wanted));
            sources.push(PollFd::new(&worker.bell, PollFlags::IN));
        }
        let now = Instant::now();
        let candidate = self.workers.iter().find(|worker| worker.is_candidate());
        let at = self.start_at.into_iter().chain(candidate.map(|worker| worker.began + SWAP_MAX)).min();
        let left = at.map(|at| at.saturating_duration_since(now));
        let timeout = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        match poll(&mut sources, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Passes a signal on. A worker that needs to be told too often is killed.
    fn handle(&mut self, signal: i32) {
        match signal {
            signals::TERM | signals::INT => {
                self.told_to_end += 1;
                self.start_at = None;
                for worker in &mut self.workers {
                    worker.notices.push_back(Notice::End);
                    if self.told_to_end > TOLD_MAX || worker.role == Role::Candidate {
                        worker.kill();
                    }
                }
            }
            signals::HUP => self.notify_current(Notice::Reload),
            _ => {}
        }
    }

    /// Reads what the workers have said.
    fn listen(&mut self) {
        for worker in &self.workers {
            // Before it is read: what comes afterwards rings anew.
            worker.bell.silence();
        }
        for pid in self.workers.iter().map(|worker| worker.pid).collect::<Vec<_>>() {
            while let Some(packet) = self.worker(pid).and_then(Worker::receive) {
                self.hear(pid, packet);
            }
        }
    }

    /// Reaps all children that have ended; gives the exit code when the keeper is to end with its worker.
    fn reap(&mut self) -> Option<ExitCode> {
        while let Ok(Some(Ended { pid, status })) = wait::peek_any() {
            let exited = Exited { pid, status, at_ms: clock::now_ms(), usage: None };
            if let Some(n) =
                self.workers.iter().position(|worker| worker.pid.as_raw_pid().unsigned_abs() == pid)
            {
                // It may have spoken since.
                self.listen();
                let worker = self.workers.remove(n);
                pidfd::reap_child(pid);
                if let Some(code) = self.worker_died(&worker, status) {
                    return Some(code);
                }
                continue;
            }
            // Its worker may have named it and ended since anybody listened.
            self.listen();
            if let Some((key, usage)) = self.entries.key_of_child(pid) {
                self.entries.record(key, Exited { usage: Some(usage), ..exited });
                self.notify_current(Notice::Exited(key));
            } else if self.entries.expects_child() && pidfd::leads_a_group(pid) {
                self.remember_stray(exited, Lane::of(pid));
            }
            pidfd::reap_child(pid);
        }
        None
    }

    fn remember_stray(&mut self, exited: Exited, lane: Option<Lane>) {
        let is_taking_over = self.current().is_some_and(|worker| worker.stage < Stage::Serving);
        if self.strays.len() == STRAYS_MAX {
            if is_taking_over {
                // Those are told by their places.
                return;
            }
            self.strays.remove(0);
        }
        self.strays.push((exited, lane));
        if is_taking_over {
            self.notify_current(Notice::Stray(self.strays.len() - 1));
        }
    }

    /// Plans the next worker, unless the end was wanted or no worker ever came up.
    fn worker_died(&mut self, worker: &Worker, status: ExitStatus) -> Option<ExitCode> {
        let how = match status {
            ExitStatus::Code(code) => format!("it ended with code {code}"),
            ExitStatus::Signal(signal) => format!("signal {signal} took it"),
        };
        match worker.role {
            Role::Retired => {
                if !self.workers.iter().any(|worker| worker.role == Role::Retired) {
                    self.notify_current(Notice::Alone);
                }
                return None;
            }
            Role::Candidate => {
                if !worker.is_given_up {
                    self.upgrade_failed(how);
                }
                return None;
            }
            Role::Current => {}
        }
        let code = match status {
            ExitStatus::Code(code) => u8::try_from(code).unwrap_or(u8::MAX),
            ExitStatus::Signal(_) => 1,
        };
        if self.told_to_end > 0 || (!self.has_served && matches!(status, ExitStatus::Code(_))) {
            self.told_to_end = self.told_to_end.max(1);
            return self.workers.is_empty().then(|| ExitCode::from(code));
        }
        self.give_up_candidate(format!("the worker that was to make way is gone: {how}"));
        self.roll_back(worker, &how);
        let now = Instant::now();
        self.restarts = self.restarts.saturating_add(1);
        self.deaths.push_back(now);
        self.deaths.retain(|at| now.duration_since(*at) < RECENT);
        self.died = Some(how);
        if worker.began.elapsed() > CALM {
            self.pause = Duration::ZERO;
        }
        self.start_at = Some(now + self.pause);
        self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
        None
    }

    /// Starts the next worker when it is time, and gives a candidate up that takes too long.
    fn mind_the_time(&mut self) {
        let now = Instant::now();
        let candidate = self.workers.iter().find(|worker| worker.is_candidate());
        if candidate.is_some_and(|candidate| now.duration_since(candidate.began) >= SWAP_MAX) {
            self.give_up_candidate(format!("it takes longer than {} s", SWAP_MAX.as_secs()));
            self.notify_current(Notice::UpgradeFailed);
        }
        if self.current().is_some() || self.start_at.is_none_or(|at| at > now) || self.told_to_end > 0 {
            return;
        }
        match Worker::start(&self.program, Role::Current) {
            Ok(worker) => {
                self.workers.push(worker);
                self.start_at = None;
            }
            // Short of memory or descriptors: that passes.
            Err(_) => self.start_at = Some(now + PAUSE_MAX),
        }
    }

    fn worker(&self, pid: Pid) -> Option<&Worker> {
        self.workers.iter().find(|worker| worker.pid == pid)
    }

    /// The worker that does the work.
    fn current(&self) -> Option<&Worker> {
        self.workers.iter().find(|worker| worker.role == Role::Current)
    }

    /// Has something said to it.
    fn notify_current(&mut self, notice: Notice) {
        let current = self.workers.iter_mut().find(|worker| worker.role == Role::Current);
        if let Some(worker) = current {
            worker.notices.push_back(notice);
        }
    }
}
