//! `Supervisor`: starts processes, records their ends, restarts them, kills them when their time is up, and ends them when
//! a client asks.
//!
//! A start runs on the blocking pool to its end, also when the client has left meanwhile. An exit is handled on the pump
//! thread that saw it. Only a restart and a timeout need a task of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::FutureExt;
use rustix::process::Signal;

use super::adopt::Adopted;
use super::counters::ProcessCounters;
use super::end::EndRequest;
use super::gate::Gate;
use super::intent::{Intent, Intents};
use super::limits::{self, ControlGroup};
use super::process::{Process, Run};
use super::spawn::{Place, Shell, Spawned, spawn};
use super::spec::{ProcessSpec, RestartPolicy};
use super::state::{Asked, Ending, Exit, Next};
use super::stdin::Stdin;
use super::table::{ProcessTable, Reservation};
use super::{children, long_command, tree};
use crate::attempt::Attempt;
use crate::clock;
use crate::custody::{Deposit, Exited};
use crate::environment::{Environment, Given};
use crate::error::{Error, Result};
use crate::id::{IdSource, ProcessId};
use crate::log::{Attachment, ExitWatch, Intake, Kept, Log, LogDir, Offsets, Pump, Readers};
use crate::network::Monitors;
use crate::network::tunnel::Tunnel;
use crate::runtime::Runtime;
use crate::scale_file::ScaleFile;
use crate::sys::pidfd::{ExitStatus, PidFd};
use crate::sys::usage::ResourceUsage;
use crate::underway::Underway;
use crate::user::Identity;

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Started {
    /// Already in the table, and running.
    pub(crate) process: Arc<Process>,
    /// Spares the output from its first byte on, until whoever asked for the start follows it: a command can print more than is
    /// kept before that.
    pub(crate) first_byte: Attachment,
}

/// The group of nobody: every descendant counts as having left it.
const NO_GROUP: u32 = 0;

/// What starting and supervising needs. One for the daemon.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub(crate) ids: IdSource,
    pub(crate) table: Arc<ProcessTable>,
    pub(crate) pump: Arc<Pump>,
    pub(crate) logs: Arc<LogDir>,
    pub(crate) shell: Shell,
    /// Whose the commands are; `None` is the daemon's own user.
    pub(crate) user: Option<Identity>,
    /// Keeps the host awake.
    pub(crate) scale_file: Arc<ScaleFile>,
    /// What commands are given.
    pub(crate) environment: Arc<Environment>,
    pub(crate) runtime: Runtime,
    /// Signals on their way to trees.
    pub(crate) signalling: Underway,
    /// Closed when another worker takes over.
    pub(crate) gate: Gate,
    /// Starts that are under way.
    pub(crate) intents: Intents,
    /// Commands whose exits the keeper tells.
    pub(crate) adopted: Adopted,
    /// Who is told of new ports.
    pub(crate) monitors: Monitors,
    /// The tunnel.
    pub(crate) tunnel: Tunnel,
    /// The last upgrade.
    pub(crate) attempt: Attempt,
    /// What is counted of starts and ends.
    pub(crate) counters: ProcessCounters,
}

impl Supervisor {
    /// Starts a command and enters it into the table. Once begun, it is done whole: dropping the future does not undo it.
    pub(crate) async fn start(self: &Arc<Self>, spec: ProcessSpec) -> Result<Started> {
        let asked = Instant::now();
        let pass = self.gate.enter()?;
        let reservation = self.table.reserve(&spec.name).inspect_err(|_| self.counters.failed.count())?;
        let this = self.clone();
        // Not on an executor thread: a hung file system can hold the start for ever.
        let start = move || {
            let _pass = pass;
            let started = this.start_blocking(spec, reservation);
            match &started {
                Ok(_) => this.counters.spawn.observe(asked.elapsed()),
                Err(_) => this.counters.failed.count(),
            }
            started
        };
        blocking::unblock(start).await
    }

    fn start_blocking(self: &Arc<Self>, spec: ProcessSpec, reservation: Reservation) -> Result<Started> {
        let id = self.ids.next();
        if spec.keep_alive {
            // Before the command runs: the host could put the sandbox to sleep beside it.
            let tries = self.scale_file.hold(id);
            smol::block_on(self.scale_file.told(tries));
        }
        let started = self.start_as(id, spec, reservation);
        if started.is_err() {
            self.scale_file.let_go(id);
        }
        started
    }

    fn start_as(
        self: &Arc<Self>,
        id: ProcessId,
        spec: ProcessSpec,
        reservation: Reservation,
    ) -> Result<Started> {
        if self.table.knows_name(&spec.name) {
            // The link by name would show an earlier process for as long as this one is silent.
            self.logs.unlink(&spec.name, None);
        }
        let group = ControlGroup::of(id, &spec.limits)?;
        let intent = Intent::note(self, id, &spec);
        let given = self.environment.given();
        let spawned = self.spawn(&spec, &self.place((id, 0), group.as_deref(), &given))?;
        let log = Log::new(&self.logs, id, spec.name.clone());
        let (run, intake) = self.split(spawned, &log, 0)?;
        let first_byte = Attachment::new(log.clone(), Offsets::default(), true);
        let process = Process::new(id, spec, log, intake.pid, run);
        if let Some(group) = group {
            process.group.set(group).expect("it was just made");
        }
        self.table.insert(process.clone());
        intent.fulfilled(&process);
        drop(reservation);
        if let Err(error) = self.watch(&process, intake) {
            self.table.remove(&process);
            process.tell_forgotten();
            return Err(error);
        }
        self.arm(&process);
        Ok(Started { process, first_byte })
    }

    fn spawn(&self, spec: &ProcessSpec, place: &Place<'_>) -> Result<Spawned> {
        if long_command::is_long(&spec.command) {
            // It goes into the log folder, which somebody may have deleted. What cannot be helped is told by the start.
            self.logs.restore().ok();
        }
        spawn(spec, place)
    }

    /// Asks a process to end. The answer says whether there was anything to do; the end itself is seen later.
    pub(crate) async fn end(
        self: &Arc<Self>,
        process: &Arc<Process>,
        wanted: EndRequest,
        identifier: &str,
    ) -> Result<()> {
        let _pass = self.gate.enter()?;
        let asked = process.ask(wanted.ending, None);
        let is_over = process.state().is_over();
        let grace = wanted.grace.filter(|_| !is_over);
        if let Some(grace) = grace {
            // Before the signal: whatever becomes of that, the time is up then.
            process.record_grace(clock::boot_ms().saturating_add(millis(grace)));
            // Detached: it ends with the grace or with the last of the tree.
            self.runtime.spawn(self.clone().kill_unheeding(process.clone(), grace)).detach();
        }
        match asked {
            Asked::NotRunning => return Err(Error::NotRunning { identifier: identifier.to_owned() }),
            // A stop may have left descendants that did not heed it.
            Asked::Already if is_over && wanted.ending == Ending::Kill => {
                Self::signal_descendants(process, wanted.signal, NO_GROUP).await;
            }
            Asked::Already if is_over || !wanted.is_explicit => {}
            Asked::Ended => {
                self.finish(process);
                // No run is there, but children of an earlier one may be.
                Self::signal_descendants(process, wanted.signal, NO_GROUP).await;
            }
            Asked::Already | Asked::Signal => {
                self.signal(process, wanted.signal).await.map_err(|source| Error::Signal {
                    signal: wanted.name(),
                    identifier: identifier.to_owned(),
                    source,
                })?;
            }
        }
        Ok(())
    }

    /// Kills what a stop has not ended in time, also what is left of a tree whose command has heeded it.
    pub(super) async fn kill_unheeding(self: Arc<Self>, process: Arc<Process>, grace: Duration) {
        let mut time_up = Timer::after(grace);
        let is_over = async {
            process.over().await;
            true
        };
        let was_heeded = is_over
            .or(async {
                (&mut time_up).await;
                false
            })
            .await;
        if was_heeded {
            let (id, groups) = (process.id, process.group.get().cloned());
            if blocking::unblock(move || tree::family(id, groups.as_deref()).is_empty()).await {
                return;
            }
            time_up.await;
        }
        let _pass = self.gate.pass().await;
        match process.ask(Ending::Kill, None) {
            Asked::Signal => {
                if let Err(error) = self.signal(&process, Signal::KILL).await {
                    tracing::warn!(process = %process.id, %error, "a command that did not stop could not be killed");
                }
            }
            Asked::Ended => self.finish(&process),
            Asked::Already if was_heeded => {
                Self::signal_descendants(&process, Signal::KILL, NO_GROUP).await;
            }
            Asked::Already | Asked::NotRunning => {}
        }
    }

    /// Forgets finished processes as they grow old. Runs as long as the daemon.
    pub(crate) async fn expire_finished(self: Arc<Self>) {
        loop {
            let finished = self.table.finished();
            match self.table.next_expiry() {
                Some(left) => drop(Timer::after(left).await),
                None => finished.await,
            }
            let _pass = self.gate.pass().await;
            let forgotten = self.table.expire();
            blocking::unblock(move || forget(&forgotten)).await;
        }
    }

    /// Signals the process group, and then the descendants that have left it.
    pub(super) async fn signal(&self, process: &Process, signal: Signal) -> std::io::Result<()> {
        let _underway = self.signalling.begin();
        let group = process.signal_group(signal)?;
        process.record_signalled();
        Self::signal_descendants(process, signal, group).await;
        Ok(())
    }

    /// Signals the descendants that are not in `group`.
    async fn signal_descendants(process: &Process, signal: Signal, group: u32) {
        let (id, groups) = (process.id, process.group.get().cloned());
        blocking::unblock(move || tree::signal_strays(id, group, signal, groups.as_deref())).await;
    }

    /// Divides a start into what signals go to and what the pump reads.
    fn split(&self, spawned: Spawned, log: &Arc<Log>, run: u32) -> Result<(Run, NewRun)> {
        let Spawned { child, pidfd, outputs, stdin, deposit } = spawned;
        let pid = pidfd.pid();
        let new = NewRun { child, pidfd: pidfd.clone(), outputs, pid, log: log.clone(), deposit };
        let key = Kept::Run(run).key(log.id());
        match stdin.map(|stdin| Stdin::new(stdin, &self.logs.custody, key)).transpose() {
            Ok(stdin) => Ok((Run { pidfd, stdin: stdin.map(Arc::new) }, new)),
            Err(source) => {
                new.abandon();
                let path = self.shell.program.clone();
                Err(Error::Spawn { action: "cannot open the stdin of", path, source })
            }
        }
    }

    /// Gives a run to the pump and starts its clock.
    fn watch(self: &Arc<Self>, process: &Arc<Process>, new: NewRun) -> Result<()> {
        let NewRun { child, pidfd, outputs, log, deposit, .. } = new;
        let (this, watched) = (self.clone(), process.clone());
        let (kept, reaper) = (pidfd.clone(), pidfd.clone());
        let key = Kept::Run(process.state().run).key(process.id);
        let on_exit = Box::new(move |status: ExitStatus, at_ms: u64, usage: Option<ResourceUsage>| {
            if this.logs.custody.is_retired() {
                // Another worker's to record, and this one's to reap: it is the parent.
                let exited = Exited { pid: reaper.pid(), status, at_ms, usage };
                this.logs.custody.tell_exit(key, exited);
                drop(child);
                children::reap(reaper.pid(), || reaper.reap()).ok();
                return;
            }
            limits::record_measures(&watched, exit(status), usage);
            let next = watched.record_exit(exit(status), at_ms);
            this.after_exit(&watched, next, exit(status));
            // The Child leaves the reactor before it is reaped: the end of a pidfd would wake it for nothing.
            drop(child);
            // Recorded, so it may be reaped. The exit was seen, so this does not wait.
            if let Err(error) = children::reap(reaper.pid(), || reaper.reap()) {
                tracing::warn!(process = %watched.id, %error, "a command could not be reaped");
            }
        });
        let watch = ExitWatch::Child(pidfd, on_exit);
        let intake = Intake::new(log, outputs, watch, deposit);
        if let Err(source) = self.pump.attach(intake) {
            kill_and_reap(kept);
            let path = self.shell.program.clone();
            return Err(Error::Spawn { action: "cannot watch", path, source });
        }
        self.start_clock(process);
        Ok(())
    }

    /// Starts the clock of the present run, if its time is limited.
    pub(super) fn start_clock(self: &Arc<Self>, process: &Arc<Process>) {
        if let Some(timeout) = process.spec.timeout {
            let state = process.state();
            // Both are whole milliseconds: the difference may be one too much, and nothing is killed too early.
            let passed = clock::boot_ms().saturating_sub(state.started_boot_ms).saturating_sub(1);
            let passed = Duration::from_millis(passed);
            let left = timeout.saturating_sub(passed);
            self.runtime.spawn(self.clone().kill_late(process.clone(), state.run, left)).detach();
        }
    }

    /// What is needed to start a run.
    fn place<'a>(
        &'a self,
        (id, run): (ProcessId, u32),
        group: Option<&'a ControlGroup>,
        given: &'a Given,
    ) -> Place<'a> {
        Place {
            id,
            run,
            shell: &self.shell,
            log_dir: self.logs.path(),
            custody: &self.logs.custody,
            group,
            user: self.user.as_ref(),
            given,
        }
    }

    pub(super) fn after_exit(self: &Arc<Self>, process: &Arc<Process>, next: Next, exit: Exit) {
        match next {
            Next::End => self.finish(process),
            Next::Restart { attempt } => {
                process.log.end_run(process.state().run, attempt, exit.code(), millis(RestartPolicy::DELAY));
                process.announce();
                // Detached: it ends with the restart or with the process.
                self.runtime.spawn(self.clone().restart(process.clone(), RestartPolicy::DELAY)).detach();
            }
        }
    }

    /// The process is over: it counts as finished, and readers and waiters learn it and are served on this thread. Who has learnt it
    /// finds nothing in the table any more that was forgotten for it; what that leaves on disk goes after them.
    pub(super) fn finish(self: &Arc<Self>, process: &Arc<Process>) {
        if long_command::is_long(&process.spec.command) {
            std::fs::remove_file(long_command::path(self.logs.path(), process.id)).ok();
        }
        self.scale_file.let_go(process.id);
        self.counters.ended(process.state().reason());
        process.log.seal();
        let forgotten = self.table.finish(process);
        process.announce();
        self.runtime.serve();
        forget(&forgotten);
        if self.logs.custody.is_journal_due() {
            // Whoever hands over does not write it anew, and does not hand over meanwhile.
            if let Ok(pass) = self.gate.enter() {
                let this = self.clone();
                let rewrite = move || {
                    let _pass = pass;
                    this.rewrite_journal();
                };
                blocking::unblock(rewrite).detach();
            }
        }
    }

    /// Starts the next run after the pause, unless the process is ended before.
    pub(super) async fn restart(self: Arc<Self>, process: Arc<Process>, pause: Duration) {
        let pause = async {
            Timer::after(pause).await;
        };
        let ended = async {
            process.over().await;
        };
        pause.or(ended).await;
        if process.state().is_over() {
            return;
        }
        let pass = self.gate.pass().await;
        let restart = move || {
            let _pass = pass;
            self.restart_blocking(&process);
        };
        blocking::unblock(restart).await;
    }

    fn restart_blocking(self: &Arc<Self>, process: &Arc<Process>) {
        let run = process.state().run + 1;
        // Of this moment, like those of a process that is started now.
        let given = self.environment.given();
        let place = self.place((process.id, run), process.group.get().map(Arc::as_ref), &given);
        let started =
            self.spawn(&process.spec, &place).and_then(|spawned| self.split(spawned, &process.log, run));
        let result = started.and_then(|(run, new)| {
            if process.record_restart(run) {
                self.counters.restarts.count();
                self.watch(process, new)
            } else {
                new.abandon();
                Ok(())
            }
        });
        if let Err(error) = result {
            tracing::warn!(process = %process.id, %error, "a command could not be started again");
            if process.record_restart_failure() {
                self.finish(process);
            }
        }
    }

    /// Kills run number `run` when its time is up.
    async fn kill_late(self: Arc<Self>, process: Arc<Process>, run: u32, timeout: Duration) {
        let time_up = async {
            Timer::after(timeout).await;
            true
        };
        let done = async {
            process.until(|state| state.is_over() || state.run != run || state.is_backing_off()).await;
            false
        };
        if !time_up.or(done).await {
            return;
        }
        let _pass = self.gate.pass().await;
        if process.ask(Ending::Timeout, Some(run)) == Asked::Signal
            && let Err(error) = self.signal(&process, EndRequest::TIMEOUT.signal).await
        {
            tracing::error!(process = %process.id, %error, "a command whose time is up could not be killed");
        }
    }
}

/// A run between its start and the pump.
struct NewRun {
    /// `None` for one that was born into a control group.
    child: Option<async_process::Child>,
    pidfd: Arc<PidFd>,
    outputs: [Option<std::os::fd::OwnedFd>; 2],
    pid: u32,
    log: Arc<Log>,
    deposit: Deposit,
}

impl NewRun {
    /// Kills a run that nobody will watch.
    fn abandon(self) {
        kill_and_reap(self.pidfd);
    }
}

fn kill_and_reap(pidfd: Arc<PidFd>) {
    pidfd.signal_group(Signal::KILL, true).ok();
    blocking::unblock(move || {
        pidfd.wait_exit()?;
        children::reap(pidfd.pid(), || pidfd.reap())
    })
    .detach();
}

/// Deletes the files of processes that are no longer in the table.
pub(super) fn forget(processes: &[Arc<Process>]) {
    for process in processes {
        process.tell_forgotten();
        process.log.remove();
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn exit(status: ExitStatus) -> Exit {
    match status {
        ExitStatus::Code(code) => Exit::Code(code),
        ExitStatus::Signal(signal) => Exit::Signal(signal),
    }
}
