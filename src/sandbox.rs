//! `Sandbox`: the handle to the core that the HTTP layer gets. Cheap to clone.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::config::Config;
use crate::custody::{self, Custody, Exited, Handover, Held, Journal, Key, Word};
use crate::error::{Error, Result};
use crate::id::{IdSource, ProcessId};
use crate::log::{LogDir, LogLimits, Pump};
use crate::process::{
    self, Adopted, EndRequest, History, Intents, Memory, Process, ProcessSpec, ProcessTable, Shell, Started,
    Supervisor, Underway,
};
use crate::runtime::Runtime;
use crate::sys::packets::Packets;
use crate::sys::signals::Orders;

/// The process that orphans are handed to.
const INIT_PID: u32 = 1;

/// The memory that requests of finished processes may take together: a request may be 16 MiB, and 1,000 are remembered.
const FINISHED_REQUEST_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Everything that runs in this sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Sandbox {
    supervisor: Arc<Supervisor>,
    home: Option<PathBuf>,
    working_dir: PathBuf,
    started: Instant,
    started_ms: u64,
}

impl Sandbox {
    /// Opens the log folder, starts the threads, and goes on where an earlier worker was killed.
    pub(crate) fn open(config: &Config, runtime: &Runtime, kept: Option<FromKeeper>) -> io::Result<Self> {
        let Start { ids, custody, history, held, strays, packets, since_ms } = Start::new(kept)?;
        let limits = LogLimits {
            file_bytes_max: config.retention.file_bytes_max,
            total_bytes_max: config.retention.total_bytes_max,
            memory_bytes_max: config.retention.memory_bytes_max,
        };
        let age = config.retention.finished_age;
        let logs = LogDir::open(&config.log_dir, ids.boot(), limits, age, custody.clone())?;
        let pump = Pump::start(config.pump_threads, Box::new(runtime.clone()))?;
        let table = ProcessTable::new(Memory {
            count_max: config.retention.finished_max,
            age: config.retention.finished_age,
            bytes_max: FINISHED_REQUEST_BYTES_MAX,
        });
        let shell = Shell::find(config.shell.clone(), config.shell_args.clone(), std::env::var_os("PATH"));
        let supervisor = Arc::new(Supervisor {
            ids,
            table,
            pump,
            logs,
            shell,
            runtime: runtime.clone(),
            signalling: Arc::default(),
            intents: Intents::default(),
            adopted: Adopted::default(),
        });
        if history.boot.is_none() {
            supervisor.tell_boot();
        }
        supervisor.adopt(history, held, strays);
        if let Some((packets, orders)) = packets {
            follow_keeper(supervisor.clone(), packets, orders)?;
        }
        if std::process::id() == INIT_PID {
            process::reap_as_init()?;
        }
        // Detached: it runs as long as the daemon.
        runtime.spawn(supervisor.clone().expire_finished()).detach();
        Ok(Self {
            supervisor,
            home: std::env::var_os("HOME").map(PathBuf::from),
            working_dir: std::env::current_dir()?,
            started: Instant::now(),
            started_ms: since_ms.unwrap_or_else(clock::now_ms),
        })
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
    pub(crate) fn signalling(&self) -> Arc<Underway> {
        self.supervisor.signalling.clone()
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
        self.supervisor.table.by_id(id)
    }

    /// All processes in the order in which they were started.
    pub(crate) fn all(&self) -> Vec<Arc<Process>> {
        self.supervisor.table.all()
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

    /// How long the daemon has been up, and when it started in milliseconds since 1970.
    pub(crate) fn uptime(&self) -> (Duration, u64) {
        (self.started.elapsed(), self.started_ms)
    }
}

/// What a worker has of its keeper.
#[derive(Debug)]
pub(crate) struct FromKeeper {
    pub(crate) packets: Arc<Packets>,
    pub(crate) orders: Orders,
    pub(crate) handover: Handover,
}

/// Where this worker begins.
struct Start {
    ids: IdSource,
    custody: Custody,
    history: History,
    held: BTreeMap<Key, Held>,
    strays: Vec<Exited>,
    packets: Option<(Arc<Packets>, Orders)>,
    since_ms: Option<u64>,
}

impl Start {
    fn new(kept: Option<FromKeeper>) -> io::Result<Self> {
        let Some(FromKeeper { packets, orders, handover }) = kept else {
            return Ok(Self {
                ids: IdSource::new(),
                custody: Custody::none(),
                history: History::default(),
                held: BTreeMap::new(),
                strays: Vec::new(),
                packets: None,
                since_ms: None,
            });
        };
        let (journal, frames) = match handover.journal {
            Some(journal) => Journal::resume(journal)?,
            None => (Journal::new()?, Vec::new()),
        };
        let history = History::read(&frames).map_err(io::Error::other)?;
        let ids = history.boot.map_or_else(IdSource::new, |boot| IdSource::resume(boot, history.next));
        Ok(Self {
            ids,
            custody: Custody::new(packets.clone(), journal)?,
            history,
            held: handover.held,
            strays: handover.strays,
            packets: Some((packets, orders)),
            since_ms: Some(handover.since_ms),
        })
    }
}

/// Hears the keeper, on a thread of its own, as long as both live.
fn follow_keeper(supervisor: Arc<Supervisor>, packets: Arc<Packets>, orders: Orders) -> io::Result<()> {
    let run = move || {
        while let Some(word) = custody::next_word(&packets) {
            match word {
                Word::Exited(key, exited) => {
                    // Not here: a disk that stalls would hold up the exits of others.
                    let supervisor = supervisor.clone();
                    blocking::unblock(move || supervisor.told_exit(key, exited)).detach();
                }
                Word::End => orders.give(),
            }
        }
        supervisor.logs.custody.check();
        orders.keeper_is_gone();
    };
    std::thread::Builder::new().name("boxd-keeper".to_owned()).spawn(run)?;
    Ok(())
}
