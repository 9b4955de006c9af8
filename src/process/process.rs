//! `Process`: one entry of the table. What it is never changes (`spec`); where it stands is published with an event.

use std::borrow::Cow;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use event_listener::Event;
use rustix::process::Signal;

use super::limits::{ControlGroup, LimitKind};
use super::record::{self, ProcessRecord};
use super::spec::ProcessSpec;
use super::state::{Asked, Ending, Exit, Next, State};
use super::stdin::Stdin;
use super::tree;
use super::usage::Usage;
use crate::clock;
use crate::custody::Custody;
use crate::id::ProcessId;
use crate::log::Log;
use crate::sys::census::Census;
use crate::sys::pidfd::PidFd;

/// The running command of a process: what signals and input go to.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) pidfd: Arc<PidFd>,
    pub(crate) stdin: Option<Arc<Stdin>>,
}

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Process {
    /// boxd's own key.
    pub(crate) id: ProcessId,
    /// The checked request.
    pub(crate) spec: ProcessSpec,
    /// Its output.
    pub(crate) log: Arc<Log>,
    custody: Custody,
    /// Its control groups, if its limits need any.
    pub(crate) group: OnceLock<Arc<ControlGroup>>,
    /// Held for a few lines at a time.
    inner: Mutex<Inner>,
    changed: Event,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// `None` between runs and after the end.
    run: Option<Run>,
}

impl Process {
    /// A process whose first run has just started. `tell` or `tell_state` must follow once others can find it.
    pub(crate) fn new(id: ProcessId, spec: ProcessSpec, log: Arc<Log>, pid: u32, run: Run) -> Arc<Self> {
        let state = State::started(pid, clock::now_ms(), clock::boot_ms());
        Self::restored(id, spec, log, state, Some(run))
    }

    /// A process that an earlier worker started.
    pub(crate) fn restored(
        id: ProcessId,
        spec: ProcessSpec,
        log: Arc<Log>,
        state: State,
        run: Option<Run>,
    ) -> Arc<Self> {
        let (custody, changed) = (log.custody().clone(), Event::new());
        let (group, inner) = (OnceLock::new(), Mutex::new(Inner { state, run }));
        Arc::new(Self { id, spec, log, custody, group, inner, changed })
    }

    /// Where it stands now.
    pub(crate) fn state(&self) -> State {
        self.lock().state.clone()
    }

    /// Completes when `holds` is true of the state; at once if it is already. Never misses a change.
    pub(crate) async fn until(&self, holds: impl Fn(&State) -> bool) -> State {
        loop {
            let changed = self.changed.listen();
            let state = self.state();
            if holds(&state) {
                return state;
            }
            changed.await;
        }
    }

    /// Completes when the process is over.
    pub(crate) async fn over(&self) -> State {
        self.until(State::is_over).await
    }

    /// The present run, if there is one.
    pub(crate) fn run(&self) -> Option<Run> {
        self.lock().run.clone()
    }

    /// The living processes that belong to it; see `tree::lineage`. Walks through `/proc`: call it where waiting is allowed.
    pub(crate) fn lineage(&self, census: &Census) -> Vec<u32> {
        let run = self.run().map(|run| run.pidfd.pid());
        tree::lineage(census, self.id, run, self.group.get().map(AsRef::as_ref))
    }

    /// Records what the present run used, if that is known, and what the kernel did to it. Its exit is recorded next.
    pub(crate) fn record_measures(&self, usage: Option<Usage>, limit: Option<LimitKind>, is_oom: bool) {
        self.lock().state.measured(usage, limit, is_oom);
    }

    /// Records how and when (milliseconds since 1970) the present run ended. The exit must not be reaped before.
    pub(crate) fn record_exit(&self, exit: Exit, at_ms: u64) -> Next {
        let mut inner = self.lock();
        let next = inner.state.exited(exit, at_ms, self.spec.restart);
        inner.state.ended_at_boot(clock::boot_of(at_ms));
        inner.run = None;
        self.note(&inner);
        next
    }

    /// Enters the run that was started after a failure; false when the process was ended meanwhile.
    pub(crate) fn record_restart(&self, run: Run) -> bool {
        {
            let mut inner = self.lock();
            if !inner.state.is_backing_off() {
                return false;
            }
            inner.state.restarted(clock::now_ms(), clock::boot_ms());
            inner.run = Some(run);
            self.note(&inner);
        }
        self.announce();
        true
    }

    /// Records that the next run could not be started; false when the process was ended meanwhile.
    pub(crate) fn record_restart_failure(&self) -> bool {
        let mut inner = self.lock();
        let backing_off = inner.state.is_backing_off();
        if backing_off {
            inner.state.restart_failed(clock::now_ms());
            inner.state.ended_at_boot(clock::boot_ms());
            self.note(&inner);
        }
        backing_off
    }

    /// Records that somebody asks for the end, of run number `run` if given.
    pub(crate) fn ask(&self, ending: Ending, run: Option<u32>) -> Asked {
        let mut inner = self.lock();
        if run.is_some_and(|run| run != inner.state.run) {
            return Asked::Already;
        }
        let asked = inner.state.ask(ending, clock::now_ms());
        inner.state.ended_at_boot(clock::boot_ms());
        if matches!(asked, Asked::Signal | Asked::Ended) {
            self.note(&inner);
        }
        asked
    }

    /// Records that the signal of what was asked for was sent.
    pub(crate) fn record_signalled(&self) {
        let mut inner = self.lock();
        inner.state.signalled();
        self.note(&inner);
    }

    /// Records that what has not ended by then, on the clock that never jumps, is to be killed.
    pub(crate) fn record_grace(&self, until_boot_ms: u64) {
        let mut inner = self.lock();
        inner.state.kill_boot_ms = Some(until_boot_ms);
        self.note(&inner);
    }

    /// Notes everything that the next worker must know of this process, its log included.
    pub(crate) fn tell(&self) {
        if !self.custody.is_kept() {
            return;
        }
        {
            let inner = self.lock();
            let spec = Cow::Borrowed(&self.spec);
            self.custody.note(record::KIND, &ProcessRecord::Intent { id: self.id, spec });
            self.note(&inner);
        }
        self.log.tell();
    }

    /// Notes where it stands, when everything else is noted.
    pub(crate) fn tell_state(&self) {
        self.note(&self.lock());
    }

    /// Takes over where another worker says that it stands.
    pub(crate) fn follow_state(&self, state: State) {
        {
            let mut inner = self.lock();
            if state.is_over() || state.is_backing_off() {
                inner.run = None;
            }
            inner.state = state;
        }
        self.announce();
    }

    /// Notes that it is forgotten.
    pub(crate) fn tell_forgotten(&self) {
        self.custody.note(record::KIND, &ProcessRecord::Forgotten { id: self.id });
    }

    /// Notes where it stands, under the lock, so that records keep the order of the changes.
    fn note(&self, inner: &Inner) {
        if self.custody.is_kept() {
            let state = inner.state.clone();
            self.custody.note(record::KIND, &ProcessRecord::State { id: self.id, state });
        }
    }

    /// Signals the process group of the present run, if there is one, and gives the group's number (0: no run).
    pub(crate) fn signal_group(&self, signal: Signal) -> io::Result<u32> {
        // Under the lock: the exit of a run that is still entered has not been recorded, so it has not been reaped.
        let inner = self.lock();
        let Some(run) = &inner.run else { return Ok(0) };
        match run.pidfd.signal_group(signal, true) {
            // It has exited this moment.
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => {}
            result => result?,
        }
        Ok(run.pidfd.pid())
    }

    /// Wakes everybody who waits for a change.
    pub(crate) fn announce(&self) {
        self.changed.notify(usize::MAX);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
