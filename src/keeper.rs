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
//!   │ ── Welcome + listeners, Journal,       │
//!   │    Held…, Exited…, Stray…, Ready ────> │ restores
//!   │ <────── Journal, Serving ───────────── │
//!   │ <── Hold (before a spawn) ──────────── │
//!   │ <── Born + pidfd (after it) ────────── │ a command
//!   │ <── Drop (reaped, pipes at their end)─ │
//! ```
//! What the worker has sent is in the kernel's hands and is read when the worker is dead, before anything else is done. The
//! keeper never waits for a worker: what does not fit into its queue is sent when there is room. A worker that dies is started
//! again, at once the first time and then with a growing pause.
//!
//! **Invariants.** One thread; blocks only in `poll`; no HTTP, no runtime; an exit is recorded before it is reaped; a message
//! that makes no sense is passed over.

mod entry;
pub(crate) mod protocol;
mod worker;

use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::clock;
use crate::sys::packets::Packet;
use crate::sys::pidfd::{self, ExitStatus, PidFd};
use crate::sys::signals::{self, SignalFd};
use crate::sys::{descriptors, oom, wait};
use entry::Entries;
use protocol::{Exited, FromWorker, Key, ToWorker, VERSION, decode};
use worker::{Notice, Program, Worker};

/// The pause before a worker is started again after a second death in a row, and its bound; it doubles.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A worker that lived this long was no part of a row.
const CALM: Duration = Duration::from_secs(10);

/// Deaths are counted over this time.
const RECENT: Duration = Duration::from_mins(1);

/// A worker that has been told so often to go away goes.
const TOLD_MAX: u32 = 2;

/// Exits of strangers remembered while a start is cut short.
const STRAYS_MAX: usize = 64;

/// The state of the keeper.
struct Keeper {
    since_ms: u64,
    listeners: Vec<TcpListener>,
    signals: SignalFd,
    program: Program,
    entries: Entries,
    journal: Option<OwnedFd>,
    worker: Option<Worker>,
    /// When to start the next worker.
    start_at: Option<Instant>,
    pause: Duration,
    deaths: VecDeque<Instant>,
    died: Option<String>,
    strays: Vec<Exited>,
    /// How often it was told to go away.
    told_to_end: u32,
    /// A worker has accepted connections: until then a failure to start is the user's to see.
    has_served: bool,
}

/// Keeps a worker until SIGTERM or SIGINT. The listeners are handed to each worker.
pub(crate) fn run(listeners: Vec<TcpListener>) -> Result<ExitCode, String> {
    let said = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    descriptors::keep_to_ourselves();
    descriptors::raise_limit();
    let signals = SignalFd::new(&[signals::TERM, signals::INT, signals::HUP, signals::CHLD])
        .map_err(said("signals cannot be handled"))?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| format!("orphans cannot be adopted: {error}"))?;
    // Only a privileged one may; the worker says why not.
    oom::protect_daemon().ok();
    let program = Program::current().map_err(said("the program cannot be found"))?;
    let worker = Worker::start(&program).map_err(said("the worker cannot be started"))?;
    let mut keeper = Keeper {
        since_ms: clock::now_ms(),
        listeners,
        signals,
        program,
        entries: Entries::default(),
        journal: None,
        worker: Some(worker),
        start_at: None,
        pause: Duration::ZERO,
        deaths: VecDeque::new(),
        died: None,
        strays: Vec::new(),
        told_to_end: 0,
        has_served: false,
    };
    loop {
        keeper.wait().map_err(said("the keeper cannot wait"))?;
        while let Some(signal) = keeper.signals.take() {
            keeper.handle(signal);
        }
        // What a dead worker has said comes before its death.
        keeper.listen();
        if let Some(code) = keeper.reap() {
            return Ok(code);
        }
        if keeper.told_to_end > 0 && keeper.worker.is_none() {
            return Ok(ExitCode::SUCCESS);
        }
        keeper.speak();
        keeper.start_worker();
    }
}

impl Keeper {
    /// Waits until there is something to do.
    fn wait(&self) -> io::Result<()> {
        let mut sources = vec![PollFd::new(&self.signals, PollFlags::IN)];
        if let Some(worker) = &self.worker {
            let wanted =
                if worker.notices.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
            sources.push(PollFd::new(worker, wanted));
        }
        let left = self.start_at.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        match poll(&mut sources, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Passes a signal on. A worker that needs to be told too often is killed.
    fn handle(&mut self, signal: i32) {
        if !matches!(signal, signals::TERM | signals::INT) {
            return;
        }
        self.told_to_end += 1;
        if let Some(worker) = &mut self.worker {
            worker.notices.push_back(Notice::End);
            if self.told_to_end > TOLD_MAX {
                worker.kill();
            }
        }
    }

    /// Reads what the worker has said.
    fn listen(&mut self) {
        while let Some(worker) = &self.worker {
            match worker.packets.receive() {
                Ok(Some(packet)) => self.hear(packet),
                // A message that came without its descriptors.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                // Nothing now, or nothing ever again: then its death is on its way.
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn hear(&mut self, packet: Packet) {
        let Packet { bytes, mut descriptors } = packet;
        let Ok(message) = decode::<FromWorker>(&bytes) else { return };
        match message {
            FromWorker::Hello { version } => {
                let Some(worker) = &mut self.worker else { return };
                if version == VERSION {
                    worker.notices.extend([Notice::Welcome, Notice::Journal]);
                    worker.notices.extend(self.entries.keys().into_iter().map(Notice::Held));
                    worker.notices.extend((0..self.strays.len()).map(Notice::Stray));
                    worker.notices.push_back(Notice::Ready);
                }
            }
            FromWorker::Hold { key, slots } => self.entries.hold(key, slots, descriptors),
            FromWorker::Born { key, pid } => {
                if let Some(child) = descriptors.pop().and_then(|fd| PidFd::from_parts(fd, pid)) {
                    self.entries.born(key, child);
                    // A worker has found out whose child it was that ended before.
                    if let Some(n) = self.strays.iter().position(|exited| exited.pid == pid) {
                        self.entries.record(key, self.strays.remove(n));
                    }
                }
            }
            FromWorker::Release { key, slots } => self.entries.release(key, &slots),
            FromWorker::Drop { key } => self.entries.drop_entry(key),
            FromWorker::Journal {} => self.journal = descriptors.pop().or(self.journal.take()),
            FromWorker::Serving {} => {
                self.has_served = true;
                self.strays.clear();
                if let Some(worker) = &mut self.worker {
                    worker.is_serving = true;
                }
            }
        }
    }

    /// Reaps all children that have ended; gives the exit code when the keeper is to end with its worker.
    fn reap(&mut self) -> Option<ExitCode> {
        while let Ok(Some(ended)) = wait::peek_any() {
            let exited = Exited { pid: ended.pid, status: ended.status, at_ms: clock::now_ms() };
            if self.worker.as_ref().is_some_and(|worker| worker.pid.as_raw_pid().unsigned_abs() == ended.pid)
            {
                // It may have spoken since.
                self.listen();
                pidfd::reap_child(ended.pid);
                if let Some(code) = self.worker_died(ended.status) {
                    return Some(code);
                }
                continue;
            }
            if let Some(key) = self.entries.key_of_child(ended.pid) {
                self.entries.record(key, exited);
                if let Some(worker) = &mut self.worker {
                    worker.notices.push_back(Notice::Exited(key));
                }
            } else if self.entries.expects_child()
                && pidfd::leads_a_group(ended.pid)
                && self.strays.len() < STRAYS_MAX
            {
                self.strays.push(exited);
                if let Some(worker) = self.worker.as_mut().filter(|worker| !worker.is_serving) {
                    worker.notices.push_back(Notice::Stray(self.strays.len() - 1));
                }
            }
            pidfd::reap_child(ended.pid);
        }
        None
    }

    /// Plans the next worker, unless the end was wanted or no worker ever came up.
    fn worker_died(&mut self, status: ExitStatus) -> Option<ExitCode> {
        let worker = self.worker.take()?;
        let code = match status {
            ExitStatus::Code(code) => u8::try_from(code).unwrap_or(u8::MAX),
            ExitStatus::Signal(_) => 1,
        };
        if self.told_to_end > 0 || (!self.has_served && matches!(status, ExitStatus::Code(_))) {
            return Some(ExitCode::from(code));
        }
        let now = Instant::now();
        self.deaths.push_back(now);
        self.deaths.retain(|at| now.duration_since(*at) < RECENT);
        self.died = Some(match status {
            ExitStatus::Code(code) => format!("it ended with code {code}"),
            ExitStatus::Signal(signal) => format!("signal {signal} took it"),
        });
        if worker.began.elapsed() > CALM {
            self.pause = Duration::ZERO;
        }
        self.start_at = Some(now + self.pause);
        self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
        None
    }

    /// Starts the next worker when it is time.
    fn start_worker(&mut self) {
        let now = Instant::now();
        if self.worker.is_some() || self.start_at.is_none_or(|at| at > now) {
            return;
        }
        match Worker::start(&self.program) {
            Ok(worker) => (self.worker, self.start_at) = (Some(worker), None),
            // Short of memory or descriptors: that passes.
            Err(_) => self.start_at = Some(now + PAUSE_MAX),
        }
    }

    /// Tells the worker what it has yet to be told, as much as there is room for.
    fn speak(&mut self) {
        while let Some(notice) = self.worker.as_ref().and_then(|worker| worker.notices.front().copied()) {
            if self.worker.as_ref().is_none_or(|worker| self.tell(worker, notice).is_err()) {
                return;
            }
            if let Some(worker) = &mut self.worker {
                worker.notices.pop_front();
            }
        }
    }

    fn tell(&self, worker: &Worker, notice: Notice) -> io::Result<()> {
        match notice {
            Notice::Welcome => {
                let welcome = ToWorker::Welcome {
                    version: VERSION,
                    since_ms: self.since_ms,
                    died: self.died.clone(),
                    recent_deaths: u32::try_from(self.deaths.len()).unwrap_or(u32::MAX),
                };
                let listeners: Vec<BorrowedFd<'_>> = self.listeners.iter().map(AsFd::as_fd).collect();
                worker.send(&welcome, &listeners)
            }
            Notice::Journal => match &self.journal {
                Some(journal) => worker.send(&ToWorker::Journal {}, &[journal.as_fd()]),
                None => Ok(()),
            },
            Notice::Held(key) => self.tell_held(worker, key),
            Notice::Exited(key) => match self.entries.get(key).and_then(|entry| entry.exited) {
                Some(exited) => worker.send(&ToWorker::Exited { key, exited }, &[]),
                None => Ok(()),
            },
            Notice::Stray(n) => match self.strays.get(n) {
                Some(exited) => worker.send(&ToWorker::Stray { exited: *exited }, &[]),
                None => Ok(()),
            },
            Notice::Ready => worker.send(&ToWorker::Ready {}, &[]),
            Notice::End => worker.send(&ToWorker::End {}, &[]),
        }
    }

    /// An entry with all its descriptors. One that was dropped meanwhile is none.
    fn tell_held(&self, worker: &Worker, key: Key) -> io::Result<()> {
        let Some(entry) = self.entries.get(key) else { return Ok(()) };
        let mut slots: Vec<u32> = entry.descriptors.keys().copied().collect();
        let mut descriptors: Vec<BorrowedFd<'_>> = entry.descriptors.values().map(AsFd::as_fd).collect();
        let pid = entry.child.as_ref().map(PidFd::pid);
        if let Some(child) = &entry.child {
            slots.push(protocol::SLOT_PIDFD);
            descriptors.push(child.as_fd());
        }
        worker.send(&ToWorker::Held { key, pid, slots, exited: entry.exited }, &descriptors)
    }
}
