//! `Sandbox`: the handle to the core that the HTTP layer gets. Cheap to clone.

mod figures;
mod opening;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_io::Timer;
use smol::lock::Semaphore;

use crate::attempt::Attempt;
use crate::capabilities::{Keeper, Report};
use crate::clock;
use crate::config::{Config, Secret};
use crate::custody::{Custody, Exited, Handover, Key};
use crate::degradation::{Degradation, Trouble};
use crate::drives::Drives;
use crate::environment::Reloaded;
use crate::error::{Error, Result};
use crate::filesystem::{Files, Uploads};
use crate::id::ProcessId;
use crate::log::Pump;
use crate::network::monitor::Monitors;
use crate::network::tunnel::{Settings, Tunnel, TunnelRecord};
use crate::network::{Port, Which, ports};
use crate::process::{
    self, Adopted, EndRequest, Gate, Intents, Origin, Process, ProcessCounters, ProcessSpec, Shell, Started,
    Supervisor, Tail,
};
use crate::runtime::Runtime;
use crate::scale_file::ScaleFile;
use crate::sys::census::Census;
use crate::sys::packets::Packets;
use crate::terminal::{self, Terminals, Viewer};
use crate::underway::Underway;

use opening::{
    Start, family, home, keep_in_order, open_terminals, open_uploads, process_table, resume_monitors,
    started_in,
};

pub(crate) use figures::{Figures, OutputFigures, OwnFigures, ProcessFigures};

/// The process that orphans are handed to.
const INIT_PID: u32 = 1;

/// How long whoever is in the middle of something is waited for when another worker is to take over.
const RETIRE_PATIENCE: Duration = Duration::from_secs(5);

/// Walks through `/proc` for the ports of a process at one time: each takes a processor or two for some milliseconds.
static LOOKS: Semaphore = Semaphore::new(2);

/// The memory that requests of finished processes may take together: a request may be 16 MiB, and 1,000 are remembered.
const FINISHED_REQUEST_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Clients that look at terminals at one time: each may send 256 KiB in one message, so they hold 64 MiB at most.
const VIEWERS_MAX: usize = 256;

/// So many workers that died within `DEATHS_RECENT` are a trouble and no accident.
const DEATHS_IN_A_ROW: u32 = 3;
const DEATHS_RECENT: Duration = Duration::from_mins(1);

/// Everything that runs in this sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Sandbox {
    supervisor: Arc<Supervisor>,
    /// The files.
    pub(crate) files: Files,
    /// Files that come in parts.
    pub(crate) uploads: Uploads,
    /// The tunnel of an earlier worker.
    tunnelled: Option<TunnelRecord>,
    /// Shells that people look at.
    pub(crate) terminals: Terminals,
    /// Remote folders.
    pub(crate) drives: Drives,
    home: Option<PathBuf>,
    working_dir: PathBuf,
    /// How long workers before this one have been there.
    up_before: Duration,
    started: Instant,
    /// When the daemon started, and when this worker did.
    started_ms: (u64, u64),
    /// How often a worker was started because the one before had died.
    restarts: u32,
    looks: figures::Looks,
}

/// Workers that died in a row.
struct Deaths {
    count: u32,
    last: String,
}

impl Deaths {
    /// Says so for as long as they count as recent.
    async fn tell(self, degradation: Arc<Degradation>) {
        let Self { count, last } = self;
        let reason = format!("the worker died {count} times within a minute; the last time, {last}");
        degradation.set(Trouble::Workers, reason);
        Timer::after(DEATHS_RECENT).await;
        degradation.clear(Trouble::Workers);
    }
}

impl Sandbox {
    /// Opens the log folder, starts the threads, and goes on where an earlier worker was killed.
    pub(crate) fn open(config: &Config, runtime: &Runtime, kept: Option<FromKeeper>) -> io::Result<Self> {
        let start = Start::new(kept)?;
        let (home, working_dir) = (home(config), started_in()?);
        let logs = start.open_logs(config, &working_dir)?;
        let files = start.open_files(config, home.clone(), &working_dir)?;
        let Start { ids, mut history, mut held, orphaned, since_ms, deaths, environment, restarts, .. } =
            start;
        let pump = Pump::start(config.pump_threads, Box::new(runtime.clone()))?;
        let shell = Shell::find(config.shell.clone(), config.shell_args.clone(), std::env::var_os("PATH"));
        let (degradation, custody) = (logs.degradation.clone(), logs.custody.clone());
        let scale_file = Arc::new(ScaleFile::new(&config.scale_file, degradation, custody));
        let supervisor = Arc::new(Supervisor {
            ids,
            table: process_table(config),
            pump,
            monitors: Monitors::new(logs.custody.clone()),
            tunnel: Tunnel::new(logs.custody.clone()),
            attempt: Attempt::new(logs.custody.clone(), history.attempt.take()),
            logs,
            shell,
            user: config.user.clone(),
            scale_file,
            environment: Arc::new(environment),
            runtime: runtime.clone(),
            signalling: Underway::default(),
            gate: Gate::default(),
            intents: Intents::default(),
            adopted: Adopted::default(),
            counters: ProcessCounters::default(),
        });
        if history.boot.is_none() {
            supervisor.tell_boot();
        }
        process::watch_for_oom();
        if !config.control_groups {
            process::without_groups();
        }
        let (monitored, tunnelled) = (std::mem::take(&mut history.monitors), history.tunnel.take());
        let terminals = open_terminals(config, &supervisor);
        // Before the processes, which let go what is none of theirs.
        terminals.adopt(&mut held);
        supervisor.adopt(history, held, orphaned);
        resume_monitors(&supervisor, monitored);
        if std::process::id() == INIT_PID {
            process::reap_as_init()?;
        }
        if let Some(deaths) = deaths {
            runtime.spawn(deaths.tell(supervisor.logs.degradation.clone())).detach();
        }
        keep_in_order(config, &supervisor);
        let uploads = open_uploads(config, runtime);
        Ok(Self {
            drives: Drives::new(config, supervisor.clone()),
            supervisor,
            files,
            uploads,
            tunnelled,
            terminals,
            home,
            working_dir,
            // The daemon is as old as its keeper.
            up_before: since_ms.map_or(Duration::ZERO, |since_ms| {
                Duration::from_millis(clock::now_ms().saturating_sub(since_ms))
            }),
            started: Instant::now(),
            started_ms: (since_ms.unwrap_or_else(clock::now_ms), clock::now_ms()),
            restarts,
            looks: figures::Looks::default(),
        })
    }

    /// The keeper has reaped a command of an earlier worker. Blocks as long as the disk does.
    pub(crate) fn told_exit(&self, key: Key, exited: Exited) {
        if !self.terminals.told_exit(key, exited) {
            self.supervisor.told_exit(key, exited);
        }
    }

    /// The keeper is gone. What only it could tell is looked for here.
    pub(crate) fn keeper_is_gone(&self) {
        self.custody().check();
        self.supervisor.watch_adopted();
    }

    /// Gives everything to the next worker: changes nothing, reads no output and keeps no clock any more. What is open goes on
    /// with what the next worker does. An error changes nothing.
    pub(crate) async fn retire(&self) -> Result<Arc<Tail>, String> {
        if !self.supervisor.gate.close(RETIRE_PATIENCE).await {
            return Err("a request that changes something does not come to its end".to_owned());
        }
        if !self.supervisor.pump.stop(RETIRE_PATIENCE).await {
            self.supervisor.gate.open();
            return Err("output that is being stored holds a disk up".to_owned());
        }
        if !self.terminals.hold(RETIRE_PATIENCE).await {
            self.supervisor.pump.go_on();
            self.supervisor.gate.open();
            return Err("a terminal that begins or ends holds it up".to_owned());
        }
        // All that can fail comes before the word that makes it another's.
        let tail = self.follow_the_next();
        if tail.is_ok() {
            // Its device has a name that only one can have.
            self.supervisor.tunnel.retire().await;
            self.custody().retire();
            self.supervisor.monitors.retire();
            self.supervisor.pump.release();
            self.terminals.hand_over();
        } else {
            self.terminals.go_on();
            self.supervisor.pump.go_on();
            self.supervisor.gate.open();
        }
        tail
    }

    fn follow_the_next(&self) -> Result<Arc<Tail>, String> {
        let failed = |error| format!("the next worker cannot be followed: {error}");
        let journal = self.custody().reader().map_err(failed)?.ok_or("there is no keeper")?;
        Tail::follow(self.supervisor.clone(), journal).map_err(failed)
    }

    /// How many processes are known.
    pub(crate) fn count(&self) -> usize {
        self.supervisor.table.all().len()
    }

    /// What the keeper has.
    pub(crate) fn custody(&self) -> &Custody {
        &self.supervisor.logs.custody
    }

    /// Starts a command.
    pub(crate) async fn start(&self, spec: ProcessSpec) -> Result<Started> {
        self.supervisor.start(spec).await
    }

    /// The signals on their way to trees. What a kill is to reach must not outlive the daemon's end.
    pub(crate) fn signalling(&self) -> Underway {
        self.supervisor.signalling.clone()
    }

    /// Ends the start-up command: by SIGTERM, and by SIGKILL when the time is up.
    pub(crate) async fn end_startup(&self, patience: Duration) {
        self.supervisor.clone().end_startup(patience).await;
    }

    /// Asks a process to end.
    pub(crate) async fn end(
        &self,
        process: &Arc<Process>,
        wanted: EndRequest,
        identifier: &str,
    ) -> Result<()> {
        self.supervisor.end(process, wanted, identifier).await
    }

    /// The process that a client calls `identifier`; see `ProcessTable::find`.
    pub(crate) fn find(&self, identifier: &str, name_first: bool) -> Option<Arc<Process>> {
        self.supervisor.table.find(identifier, name_first)
    }

    /// The process of boxd's own id.
    pub(crate) fn by_id(&self, id: ProcessId) -> Option<Arc<Process>> {
        self.supervisor.table.by_id(id).filter(|process| process.spec.origin == Origin::Client)
    }

    /// All processes that clients are shown, in the order in which they were started.
    pub(crate) fn all(&self) -> Vec<Arc<Process>> {
        let mut all = self.supervisor.table.all();
        all.retain(|process| process.spec.origin == Origin::Client);
        all
    }

    /// The ports of the process that clients know by this pid, in whichever run it is, or else of that process of the host; its
    /// descendants' with them.
    pub(crate) async fn ports(&self, pid: i64) -> Result<Vec<Port>> {
        let known = u32::try_from(pid).ok().and_then(|pid| self.supervisor.table.by_pid(pid));
        let turn = LOOKS.acquire().await;
        let look = move || {
            // The look's and not the client's, who may leave.
            let _turn = turn;
            match known {
                Some(process) => ports::held_by(&process.lineage(&Census::take()), Which::Owned),
                None => ports::of(pid),
            }
        };
        // There is no other trouble: see `visible_from`.
        blocking::unblock(look).await.map_err(|_| Error::Descriptors)
    }

    /// Tells `callback` of each port that this process opens; see `ports` for which that is. It ends with the process.
    pub(crate) fn start_monitor(&self, pid: i64, callback: &str) -> Result<()> {
        let _pass = self.supervisor.gate.enter()?;
        self.supervisor.monitors.start(pid, callback, family(&self.supervisor, pid))
    }

    /// Tells nobody any more of what this process opens.
    pub(crate) fn stop_monitor(&self, pid: i64) -> Result<()> {
        let _pass = self.supervisor.gate.enter()?;
        self.supervisor.monitors.stop(pid);
        Ok(())
    }

    /// Sets a tunnel up in place of the one that is there; `config` is what the next worker reads the settings from.
    pub(crate) async fn replace_tunnel(&self, settings: Settings, config: String) -> Result<()> {
        let _pass = self.supervisor.gate.enter()?;
        self.supervisor.tunnel.replace(settings, config).await
    }

    /// The tunnel.
    pub(crate) fn tunnel(&self) -> Tunnel {
        self.supervisor.tunnel.clone()
    }

    /// The last upgrade, for the next worker.
    pub(crate) fn attempt(&self) -> &Attempt {
        &self.supervisor.attempt
    }

    /// Takes the tunnel down.
    pub(crate) async fn stop_tunnel(&self) -> Result<()> {
        let _pass = self.supervisor.gate.enter()?;
        self.supervisor.tunnel.stop().await
    }

    /// The configuration of the tunnel to begin with: that of an earlier worker, or else of the environment.
    pub(crate) fn first_tunnel(&self, of_environment: Option<&Secret>) -> Option<String> {
        match &self.tunnelled {
            Some(record) => record.config.clone(),
            None => of_environment.map(|config| config.expose().to_owned()),
        }
    }

    /// Looks at the terminal of this name, which begins now if there is none.
    pub(crate) async fn view_terminal(&self, name: &str, wanted: terminal::Wanted) -> Result<Viewer> {
        self.terminals.view(name, wanted, || self.supervisor.ids.next()).await
    }

    /// The folder that a request means: nothing is the daemon's own, `~` is the home folder, slashes in a row are one.
    pub(crate) fn folder(&self, text: &str) -> Result<PathBuf> {
        if text.is_empty() {
            return Ok(self.working_dir.clone());
        }
        let expanded = match text.strip_prefix('~') {
            // Textually, like the known server: `~x` is not x's home.
            Some(rest) => format!("{}{rest}", self.home.as_ref().ok_or(Error::HomeUnknown)?.display()),
            None => text.to_owned(),
        };
        let mut folder = String::with_capacity(expanded.len());
        for c in expanded.chars() {
            if !(c == '/' && folder.ends_with('/')) {
                folder.push(c);
            }
        }
        Ok(folder.into())
    }

    /// Reads the variables anew that the platform sets. What is started from now on has them.
    pub(crate) async fn reload_environment(&self) -> Result<Reloaded> {
        self.supervisor.environment.reload(|| self.supervisor.gate.enter()).await
    }

    /// A variable as commands are given it; an empty one counts as not set.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.supervisor.environment.text(name)
    }

    /// Sets variables that the daemon itself provides. What is started from now on has them.
    pub(crate) fn provide_variables(&self, variables: impl IntoIterator<Item = (&'static str, OsString)>) {
        self.supervisor.environment.provide(variables);
    }

    /// What the host lets the daemon do. Walks about in the system: it runs where waiting is allowed.
    pub(crate) async fn capabilities(&self) -> Report {
        let logs = self.supervisor.logs.clone();
        let keeper = match (logs.custody.is_kept(), logs.custody.is_well()) {
            (false, _) => Keeper::Unwanted,
            (true, true) => Keeper::Running,
            (true, false) => Keeper::Gone,
        };
        blocking::unblock(move || Report::build(logs.path(), keeper)).await
    }

    /// Why the daemon is degraded: one sentence for each trouble; none when all is well.
    pub(crate) fn degradation(&self) -> Vec<String> {
        let mut reasons = self.supervisor.logs.degradation.reasons();
        if !self.supervisor.logs.custody.is_well() {
            reasons.push("the keeper is gone: commands would not survive the end of the worker".to_owned());
        }
        reasons
    }

    /// How long the daemon has been up, and when it started in milliseconds since 1970.
    pub(crate) fn uptime(&self) -> (Duration, u64) {
        (self.up_before + self.started.elapsed(), self.started_ms.0)
    }
}

/// What a worker has of its keeper.
#[derive(Debug)]
pub(crate) struct FromKeeper {
    pub(crate) packets: Arc<Packets>,
    pub(crate) handover: Handover,
}
