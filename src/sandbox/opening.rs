//! What a sandbox begins with: where this worker starts, and the parts that its settings make.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{DEATHS_IN_A_ROW, Deaths, FINISHED_REQUEST_BYTES_MAX, FromKeeper, VIEWERS_MAX};
use crate::config::Config;
use crate::custody::{Custody, Held, Journal, Key, Orphaned, Outbox};
use crate::environment::Environment;
use crate::filesystem::{Files, Pending, Root, UploadBounds, Uploads, sweep};
use crate::id::IdSource;
use crate::log::{LogDir, LogLimits};
use crate::network::monitor::record::MonitorHistory;
use crate::network::monitor::{CALLS_MAX, Family};
use crate::process::{History, Memory, ProcessTable, StartupCommand, Supervisor};
use crate::runtime::Runtime;
use crate::sys::census::Census;
use crate::sys::descriptors;
use crate::sys::stat::Stat;
use crate::terminal::{self, Terminals};
use crate::user;

/// The part of the daemon's descriptors that output in memory may take. The keeper holds each of those files too.
const MEMORY_FILES_SHARE: u64 = 4;

/// How the living processes of what a client calls by this pid are found.
pub(super) fn family(supervisor: &Arc<Supervisor>, pid: i64) -> Arc<Family> {
    let number = u32::try_from(pid).ok().filter(|pid| *pid > 0);
    let Some(number) = number else { return Arc::new(|_: &Census| None) };
    if let Some(process) = supervisor.table.by_pid(number) {
        return Arc::new(move |census: &Census| {
            // Read before the look: what is over then has nobody who could come later.
            let is_over = process.state().is_over();
            Some(process.lineage(census)).filter(|pids| !(is_over && pids.is_empty()))
        });
    }
    // A pid that comes again is another process.
    let started = Stat::read(number).map(|stat| stat.started);
    Arc::new(move |census: &Census| {
        let is_same = started.is_some() && census.started(number) == started;
        is_same.then(|| census.family(number))
    })
}

/// Goes on telling those whom an earlier worker told, and starts what looks and tells.
pub(super) fn resume_monitors(supervisor: &Arc<Supervisor>, history: MonitorHistory) {
    let monitors = &supervisor.monitors;
    for ((pid, callback), told) in history.monitors {
        monitors.resume(pid, &callback, family(supervisor, pid), told);
    }
    // Detached: they run as long as the daemon.
    supervisor.runtime.spawn(monitors.clone().watch()).detach();
    for number in 0..CALLS_MAX {
        supervisor.runtime.spawn(monitors.clone().deliver(number)).detach();
    }
}

/// What remembers processes.
pub(super) fn process_table(config: &Config) -> Arc<ProcessTable> {
    let memory = Memory {
        count_max: config.retention.finished_max,
        age: config.retention.finished_age,
        bytes_max: FINISHED_REQUEST_BYTES_MAX,
    };
    ProcessTable::new(memory, config.bounds.processes_max)
}

/// The folder that the daemon was started in, by its name, also when it is deleted: it can be made again.
pub(super) fn started_in() -> io::Result<PathBuf> {
    std::env::current_dir().or_else(|error| {
        let there = std::fs::read_link("/proc/self/cwd")?;
        // The kernel marks it.
        let name = there.as_os_str().as_bytes().strip_suffix(b" (deleted)").ok_or(error)?;
        Ok(PathBuf::from(OsStr::from_bytes(name)))
    })
}

pub(super) fn home(config: &Config) -> Option<PathBuf> {
    let own_home = || user::home(std::env::var_os("HOME"));
    config.user.as_ref().map_or_else(own_home, |user| Some(user.home.clone()))
}

pub(super) fn open_terminals(config: &Config, supervisor: &Supervisor) -> Terminals {
    let bounds = terminal::Bounds {
        sessions_max: config.terminals.sessions_max,
        viewers_max: VIEWERS_MAX,
        idle: config.terminals.idle,
    };
    let whose = (config.user.clone(), supervisor.environment.clone());
    Terminals::new(bounds, whose, supervisor.logs.custody.clone(), supervisor.runtime.clone())
}

pub(super) fn open_uploads(config: &Config, runtime: &Runtime) -> Uploads {
    let bounds = UploadBounds {
        expiry: config.uploads.expiry,
        count_max: config.uploads.count_max,
        bytes_max: config.uploads.bytes_max,
    };
    let uploads = Uploads::new(&std::env::temp_dir(), bounds);
    // Detached: it runs as long as the daemon.
    runtime.spawn(uploads.clone().expire()).detach();
    uploads
}

pub(super) fn confining(folder: &Path, errno: rustix::io::Errno) -> io::Error {
    let error = io::Error::from(errno);
    io::Error::new(error.kind(), format!("--root {} cannot be used: {error}", folder.display()))
}

/// Where this worker begins.
pub(super) struct Start {
    /// No worker was there before it.
    is_first: bool,
    pub(super) ids: IdSource,
    custody: Custody,
    pub(super) history: History,
    pub(super) held: BTreeMap<Key, Held>,
    pub(super) orphaned: Orphaned,
    pub(super) since_ms: Option<u64>,
    pub(super) deaths: Option<Deaths>,
    pub(super) environment: Environment,
    pub(super) restarts: u32,
}

impl Start {
    pub(super) fn new(kept: Option<FromKeeper>) -> io::Result<Self> {
        let Some(FromKeeper { packets, handover }) = kept else {
            return Ok(Self {
                is_first: true,
                ids: IdSource::new(),
                custody: Custody::none(),
                history: History::default(),
                held: BTreeMap::new(),
                orphaned: Orphaned::default(),
                since_ms: None,
                deaths: None,
                environment: Environment::open(std::env::vars_os(), Custody::none(), &[]),
                restarts: 0,
            });
        };
        let is_row = handover.recent_deaths >= DEATHS_IN_A_ROW;
        let died = handover.died.filter(|_| is_row);
        let deaths = died.map(|last| Deaths { count: handover.recent_deaths, last });
        let is_first = handover.journal.is_none();
        let (journal, frames) = match handover.journal {
            Some(journal) => Journal::resume(journal)?,
            None => (Journal::new()?, Vec::new()),
        };
        let history = History::read(&frames).map_err(io::Error::other)?;
        let ids = history.boot.map_or_else(IdSource::new, |boot| IdSource::resume(boot, history.next));
        let custody = Custody::new(Outbox::new(packets, handover.bell), journal, handover.is_followed)?;
        Ok(Self {
            is_first,
            ids,
            environment: Environment::open(std::env::vars_os(), custody.clone(), &frames),
            custody,
            history,
            held: handover.held,
            orphaned: handover.orphaned,
            since_ms: Some(handover.since_ms),
            deaths,
            restarts: handover.restarts,
        })
    }

    /// What the file API sees. That there is no root is an error for the first worker alone, too.
    pub(super) fn open_files(
        &self,
        config: &Config,
        home: Option<PathBuf>,
        here: &Path,
    ) -> io::Result<Files> {
        let notes = here.join(&config.log_dir);
        let (root, here) = match &config.root {
            None => (Root::whole(), here),
            // Inside a root the daemon stands nowhere.
            Some(folder) => (Root::confined(folder), Path::new("/")),
        };
        match (root.check(), &config.root) {
            (Err(errno), Some(folder)) if self.is_first => return Err(confining(folder, errno)),
            (Err(errno), _) => tracing::error!(%errno, "the file API sees no folder for now"),
            (Ok(()), _) => {}
        }
        let working_dir = config.working_dir.as_deref().unwrap_or(here);
        sweep(&notes, &root);
        let pending = Pending::new(&notes);
        if let Err(error) = &pending {
            tracing::debug!(%error, "names of files that are being replaced are not noted");
        }
        let user = config.user.as_ref().map(|user| user.ids.clone());
        Ok(Files::new(root, working_dir, home, user).noting(pending.ok()))
    }

    /// The folder of the logs. That it is of no use is an error for the first worker alone: the others find commands that run.
    pub(super) fn open_logs(&self, config: &Config, here: &Path) -> io::Result<Arc<LogDir>> {
        let limits = LogLimits {
            file_bytes_max: config.retention.file_bytes_max,
            total_bytes_max: config.retention.total_bytes_max,
            memory_bytes_max: config.retention.memory_bytes_max,
            memory_files_max: descriptors::limit() / MEMORY_FILES_SHARE,
        };
        let (path, boot, age) = (&here.join(&config.log_dir), self.ids.boot(), config.retention.finished_age);
        let logs = if self.is_first {
            let unusable = |error: io::Error| {
                let what = format!("the log folder {} cannot be used: {error}", path.display());
                io::Error::new(error.kind(), what)
            };
            LogDir::open(path, boot, limits, age, self.custody.clone()).map_err(unusable)?
        } else {
            LogDir::reopen(path, boot, limits, age, self.custody.clone())
        };
        if config.user.is_some() {
            logs.open_to_others();
        }
        Ok(logs)
    }
}

/// Starts what runs as long as the daemon, and the start-up command.
pub(super) fn keep_in_order(config: &Config, supervisor: &Arc<Supervisor>) {
    let runtime = &supervisor.runtime;
    // Detached: nobody waits for them.
    runtime.spawn(supervisor.scale_file.clone().keep_told()).detach();
    runtime.spawn(supervisor.logs.clone().try_while_refused()).detach();
    runtime.spawn(supervisor.clone().expire_finished()).detach();
    if let Some(command) = config.startup_command.clone() {
        runtime.spawn(supervisor.clone().start_once(StartupCommand(command))).detach();
    }
}
