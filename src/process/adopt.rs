//! Going on where an earlier worker was killed: its processes, their pipes, their clocks.
//!
//! Commands that were started by an earlier worker are the keeper's children now. Everything else is as if this worker had
//! started them: their pipes are read, their time is up when it was to be up, and a signal that was asked for and not sent is
//! sent.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::end::EndRequest;
use super::limits;
use super::process::{Process, Run};
use super::record::{self, History, ProcessRecord, Remembered};
use super::spec::RestartPolicy;
use super::state::{Ending, Exit, State};
use super::stdin::Stdin;
use super::supervise::{Supervisor, exit, forget};
use crate::clock;
use crate::custody::{Deposit, Exited, Held, Key, Orphaned, SLOT_STDERR, SLOT_STDIN, SLOT_STDOUT};
use crate::id::ProcessId;
use crate::log::{ExitWatch, Intake, Kept, Log, LogDeposits};
use crate::sys::pidfd::{ExitStatus, PidFd};

/// The exit code of a command whose end nobody saw.
const EXIT_UNSEEN: Exit = Exit::Code(-1);

/// Runs whose exits the keeper tells.
#[derive(Debug, Default)]
pub(crate) struct Adopted {
    runs: Mutex<HashMap<Key, Arc<Intake>>>,
}

impl Adopted {
    fn knows(&self, key: Key) -> bool {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&key)
    }
}

/// What the keeper held of one process.
#[derive(Debug, Default)]
pub(super) struct Belongings {
    /// By the number of the run.
    pub(super) runs: BTreeMap<u32, Held>,
    log: LogDeposits,
}

impl Belongings {
    /// Sorts what the keeper held by process.
    pub(super) fn sort(held: BTreeMap<Key, Held>, boot: u32) -> HashMap<u64, Self> {
        let mut sorted: HashMap<u64, Self> = HashMap::new();
        for (key, mut held) in held.into_iter().filter(|(key, _)| key.boot == boot) {
            let belongings = sorted.entry(key.serial).or_default();
            match Kept::of(key) {
                Kept::Run(run) => drop(belongings.runs.insert(run, held)),
                Kept::Staging(stream) => {
                    belongings.log.stagings[stream as usize] = held.descriptors.pop_first().map(|(_, fd)| fd);
                }
                Kept::Memory(number) => {
                    belongings.log.memory.extend(held.descriptors.pop_first().map(|(_, fd)| (number, fd)));
                }
            }
        }
        sorted
    }
}

impl Supervisor {
    /// Takes over everything that an earlier worker knew. Blocks on the disk.
    pub(crate) fn adopt(self: &Arc<Self>, history: History, held: BTreeMap<Key, Held>, orphaned: Orphaned) {
        let keys: Vec<Key> = held.keys().copied().collect();
        let mut belongings = Belongings::sort(held, self.ids.boot());
        super::unborn::find(self, &history, &mut belongings, orphaned);
        let mut ended = Vec::new();
        for (id, remembered) in history.processes {
            let theirs = belongings.remove(&id.serial()).unwrap_or_default();
            ended.extend(self.adopt_process(id, remembered, theirs));
        }
        // What belongs to nobody that is known.
        let is_nobodys = |key: &Key| key.boot != self.ids.boot() || belongings.contains_key(&key.serial);
        for key in keys.into_iter().filter(is_nobodys) {
            drop(Deposit::resumed(&self.logs.custody, key));
        }
        for process in self.table.all() {
            if process.state().keeps_alive(&process.spec) {
                self.scale_file.hold(process.id);
                // It may have ended meanwhile, with nobody to let go.
                if process.state().is_over() {
                    self.scale_file.let_go(process.id);
                }
            }
        }
        ended.sort_by_key(|process| {
            let state = process.state();
            (state.ended_boot_ms, state.ended_ms)
        });
        for process in ended {
            forget(&self.table.finish(&process));
        }
    }

    /// Takes one process over, and gives it if it was over.
    fn adopt_process(
        self: &Arc<Self>,
        id: ProcessId,
        remembered: Remembered,
        mut theirs: Belongings,
    ) -> Option<Arc<Process>> {
        let Remembered { spec, state, log } = remembered;
        let mut is_news = state.is_none();
        let born = theirs.runs.get(&0).and_then(|held| held.child.as_ref()).map(PidFd::pid);
        let Some(mut state) = state.or_else(|| born.map(super::unborn::late_state)) else {
            self.logs.custody.note(record::KIND, &ProcessRecord::Forgotten { id });
            for run in theirs.runs.into_keys() {
                drop(Deposit::resumed(&self.logs.custody, Kept::Run(run).key(id)));
            }
            return None;
        };
        let last_boundary = log.boundaries.last().map(|boundary| boundary.run);
        let log = Log::restore(&self.logs, id, spec.name.clone(), log, theirs.log);
        // The next run was started, and nobody lived to say so.
        if state.is_backing_off()
            && theirs.runs.get(&(state.run + 1)).is_some_and(|held| held.child.is_some())
        {
            end_run(&log, &state, last_boundary);
            state.restarted(clock::now_ms(), clock::boot_ms());
            is_news = true;
        }
        let is_running = !state.is_over() && !state.is_backing_off();
        let present = theirs.runs.get_mut(&state.run).filter(|_| is_running);
        let run = present.and_then(|held| self.resume_run(id, state.run, held));
        let process = Process::restored(id, spec, log, state.clone(), run);
        limits::find_groups(&process);
        self.table.insert(process.clone());
        if is_news {
            process.tell();
        }
        for (number, held) in theirs.runs {
            let is_present = is_running && number == state.run;
            if is_news
                && is_present
                && held.exited.is_none()
                && let Some(run) = process.run()
            {
                super::spawn::set_limits(run.pidfd.pid(), &process.spec);
            }
            if !is_present && held.child.is_none() && held.exited.is_none() {
                // Its start was cut short, and the next one may have the same number: let go before that begins.
                drop(held);
                drop(Deposit::resumed(&self.logs.custody, Kept::Run(number).key(id)));
                continue;
            }
            self.resume_intake(&process, number, held, is_present);
        }
        if is_running && process.run().is_none() && process.state() == state {
            tracing::error!(process = %id, "the end of a command was seen by nobody");
            let next = process.record_exit(EXIT_UNSEEN, clock::now_ms());
            self.after_exit(&process, next, EXIT_UNSEEN);
        }
        self.resume_clocks(&process, &state, last_boundary);
        state.is_over().then_some(process)
    }

    /// What signals and input go to.
    fn resume_run(&self, id: ProcessId, run: u32, held: &mut Held) -> Option<Run> {
        let pidfd = Arc::new(held.child.take()?);
        let key = Kept::Run(run).key(id);
        let stdin = held.descriptors.remove(&SLOT_STDIN);
        let stdin = stdin.and_then(|pipe| Stdin::new(pipe, &self.logs.custody, key).ok()).map(Arc::new);
        Some(Run { pidfd, stdin })
    }

    /// Goes on reading the pipes of a run, and deals with its exit if it is the present one.
    fn resume_intake(self: &Arc<Self>, process: &Arc<Process>, run: u32, mut held: Held, is_present: bool) {
        let key = Kept::Run(run).key(process.id);
        let pipes = [SLOT_STDOUT, SLOT_STDERR].map(|slot| held.descriptors.remove(&slot));
        let watch =
            if is_present { ExitWatch::Told(self.on_told_exit(process, key)) } else { ExitWatch::Past };
        let deposit = Deposit::resumed(&self.logs.custody, key);
        let intake = match self.pump.attach(Intake::new(process.log.clone(), pipes, watch, deposit)) {
            Ok(intake) => intake,
            Err(error) => {
                tracing::error!(process = %process.id, %error, "output of a command can no longer be read");
                return;
            }
        };
        if !is_present {
            self.pump.catch_up(&intake);
            return;
        }
        match held.exited {
            Some(exited) => self.told(&intake, exited),
            None => {
                self.adopted.runs.lock().unwrap_or_else(PoisonError::into_inner).insert(key, intake);
            }
        }
    }

    fn on_told_exit(self: &Arc<Self>, process: &Arc<Process>, key: Key) -> crate::log::OnExit {
        let (this, process) = (self.clone(), process.clone());
        Box::new(move |status: ExitStatus, at_ms: u64, usage| {
            this.adopted.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            limits::record_measures(&process, exit(status), usage);
            let next = process.record_exit(exit(status), at_ms);
            this.after_exit(&process, next, exit(status));
        })
    }

    fn told(&self, intake: &Arc<Intake>, exited: Exited) {
        let Exited { status, at_ms, usage, .. } = exited;
        self.pump.exited(intake, status, at_ms, usage);
    }

    /// The keeper has reaped the command of a run. Blocks as long as the disk does.
    pub(crate) fn told_exit(&self, key: Key, exited: Exited) {
        let intake = self.adopted.runs.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        // A run that this worker started itself is reaped here and told by nobody.
        if let Some(intake) = intake {
            self.told(&intake, exited);
        }
    }

    /// The keeper is gone, and nobody tells any more how a command ended that it had taken over: that it has is still to be seen.
    pub(crate) fn watch_adopted(self: &Arc<Self>) {
        for process in self.table.all() {
            let key = Kept::Run(process.state().run).key(process.id);
            let Some(run) = process.run().filter(|_| self.adopted.knows(key)) else { continue };
            let this = self.clone();
            let watch = async move {
                if let Err(error) = run.pidfd.exit_seen().await {
                    tracing::error!(process = %process.id, %error, "the end of a command will be seen by nobody");
                    return;
                }
                let status = ExitStatus::Code(EXIT_UNSEEN.code());
                let exited = Exited { pid: run.pidfd.pid(), status, at_ms: clock::now_ms(), usage: None };
                blocking::unblock(move || this.told_exit(key, exited)).await;
            };
            // Detached: it ends with the command.
            self.runtime.spawn(watch).detach();
        }
    }

    /// Goes on with what was to come: a restart, the end of its time, a signal, the end of its log.
    fn resume_clocks(self: &Arc<Self>, process: &Arc<Process>, state: &State, last_boundary: Option<u32>) {
        if let Some(kill_boot_ms) = state.kill_boot_ms {
            let left = Duration::from_millis(kill_boot_ms.saturating_sub(clock::boot_ms()));
            self.runtime.spawn(self.clone().kill_unheeding(process.clone(), left)).detach();
        }
        if state.is_over() {
            if process.log.sealed().is_none() {
                process.log.seal();
            }
            process.log.close_if_done();
            if process.group.get().is_some() {
                self.arm(process);
            }
            return;
        }
        if state.is_backing_off() {
            let at_ms = end_run(&process.log, state, last_boundary);
            let passed = Duration::from_millis(clock::now_ms().saturating_sub(at_ms));
            let left = RestartPolicy::DELAY.saturating_sub(passed);
            self.runtime.spawn(self.clone().restart(process.clone(), left)).detach();
        } else {
            self.start_clock(process);
        }
        self.arm(process);
        if let Some(ending) = state.unsent() {
            let signal = match ending {
                Ending::Stop => EndRequest::STOP.signal,
                Ending::Kill | Ending::Timeout | Ending::Limit(_) => EndRequest::KILL.signal,
            };
            let (this, process) = (self.clone(), process.clone());
            let send = async move {
                if let Err(error) = this.signal(&process, signal).await {
                    tracing::warn!(process = %process.id, %error, "a signal that was asked for could not be sent");
                }
            };
            self.runtime.spawn(send).detach();
        }
    }

    /// Writes the journal anew, with what is known now.
    pub(super) fn rewrite_journal(&self) {
        let custody = &self.logs.custody;
        let tell = || {
            self.tell_boot();
            self.environment.tell();
            self.intents.tell(self);
            let processes = self.table.all();
            for process in &processes {
                process.tell();
            }
            self.monitors.tell();
            self.tunnel.tell();
            self.attempt.tell();
            // Forgotten while it was told.
            for process in processes.iter().filter(|process| self.table.by_id(process.id).is_none()) {
                process.tell_forgotten();
            }
        };
        if let Err(error) = custody.rewrite_journal(tell) {
            tracing::error!(%error, "the journal cannot be written anew");
        }
    }

    /// Notes whose ids these are.
    pub(crate) fn tell_boot(&self) {
        let (boot, next) = (self.ids.boot(), self.ids.upcoming());
        self.logs.custody.note(record::KIND, &ProcessRecord::Boot { version: record::VERSION, boot, next });
    }
}

/// Says in the log that the last run ended, unless it is said already; gives when that was.
fn end_run(log: &Log, state: &State, last_boundary: Option<u32>) -> u64 {
    if last_boundary != Some(state.run) {
        let code = state.exit.map_or(EXIT_UNSEEN.code(), Exit::code);
        log.end_run(state.run, state.restarts + 1, code, super::supervise::millis(RestartPolicy::DELAY));
    }
    log.last_run_ended_ms().unwrap_or_else(clock::now_ms)
}
