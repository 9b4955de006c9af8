//! `ProcessTable`: every process that was started and is not yet forgotten, by boxd's id, by name and by pid.
//!
//! A name leads to its latest process, and so does a pid: an operating system pid may come again, boxd's id does not.
//! Finished processes are forgotten by count, by age and by the size of their requests, the longest finished first; running ones never.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_listener::{Event, EventListener};

use super::process::Process;
use super::spec::Origin;
use crate::clock;
use crate::error::{Error, Result};
use crate::id::ProcessId;

/// How many finished processes are remembered, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// More than this many: the longest finished is forgotten.
    pub(crate) count_max: usize,
    /// Finished longer ago than this: forgotten.
    pub(crate) age: Duration,
    /// Their requests take more bytes than this together: the longest finished is forgotten.
    pub(crate) bytes_max: usize,
}

/// The table.
#[derive(Debug)]
pub(crate) struct ProcessTable {
    memory: Memory,
    /// Processes that may run at one time.
    running_max: usize,
    /// Held for a few lines at a time.
    entries: Mutex<Entries>,
    /// A process has finished.
    finished: Event,
}

#[derive(Debug, Default)]
struct Entries {
    by_id: BTreeMap<ProcessId, Arc<Process>>,
    by_name: HashMap<String, ProcessId>,
    by_pid: HashMap<u32, ProcessId>,
    /// Names whose commands are just being started.
    reserved: HashSet<String>,
    /// When each finished process ended, on the clock that never jumps; the longest finished first.
    finished: VecDeque<(u64, ProcessId)>,
    /// What the requests of the finished take.
    finished_bytes: usize,
}

/// A name that nobody else can take until this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    table: Arc<ProcessTable>,
    name: String,
}

impl ProcessTable {
    /// An empty table.
    pub(crate) fn new(memory: Memory, running_max: usize) -> Arc<Self> {
        Arc::new(Self { memory, running_max, entries: Mutex::default(), finished: Event::new() })
    }

    /// Takes a name while its command is being started, and a place among those that run.
    pub(crate) fn reserve(self: &Arc<Self>, name: &str) -> Result<Reservation> {
        let mut entries = self.lock();
        let running = entries.named(name).is_some_and(|p| !p.state().is_over());
        if !running && !entries.reserved.contains(name) && !entries.has_room(self.running_max) {
            return Err(Error::TooManyProcesses { max: self.running_max });
        }
        if running || !entries.reserved.insert(name.to_owned()) {
            return Err(Error::NameInUse { name: name.to_owned() });
        }
        Ok(Reservation { table: self.clone(), name: name.to_owned() })
    }

    /// Whether a name was used by a process that is still remembered.
    pub(crate) fn knows_name(&self, name: &str) -> bool {
        self.lock().by_name.contains_key(name)
    }

    /// Enters a process that was started.
    pub(crate) fn insert(&self, process: Arc<Process>) {
        let mut entries = self.lock();
        if process.spec.origin == Origin::Client {
            entries.by_name.insert(process.spec.name.clone(), process.id);
            entries.by_pid.insert(process.state().pid, process.id);
        }
        entries.by_id.insert(process.id, process);
    }

    /// Takes a process out that could not be watched after all.
    pub(crate) fn remove(&self, process: &Process) {
        self.lock().forget(process.id);
    }

    /// The process of boxd's own id.
    pub(crate) fn by_id(&self, id: ProcessId) -> Option<Arc<Process>> {
        self.lock().by_id.get(&id).cloned()
    }

    /// The latest process of a pid that clients know.
    pub(crate) fn by_pid(&self, pid: u32) -> Option<Arc<Process>> {
        let entries = self.lock();
        entries.by_id.get(entries.by_pid.get(&pid)?).cloned()
    }

    /// The process that a client calls `identifier`: the latest of that pid, or the latest of that name. A number is a pid
    /// first, unless `name_first`.
    pub(crate) fn find(&self, identifier: &str, name_first: bool) -> Option<Arc<Process>> {
        let entries = self.lock();
        let pid = identifier.bytes().all(|b| b.is_ascii_digit()).then(|| identifier.parse().ok()).flatten();
        let by_pid = || pid.and_then(|pid: u32| entries.by_id.get(entries.by_pid.get(&pid)?).cloned());
        let by_name = || entries.named(identifier).cloned();
        if name_first { by_name().or_else(by_pid) } else { by_pid().or_else(by_name) }
    }

    /// The process of the daemon's command line, if it was started.
    pub(crate) fn startup(&self) -> Option<Arc<Process>> {
        self.lock().by_id.values().find(|process| process.spec.origin == Origin::Startup).cloned()
    }

    /// All processes in the order in which they were started, those included that clients are not shown.
    pub(crate) fn all(&self) -> Vec<Arc<Process>> {
        self.lock().by_id.values().cloned().collect()
    }

    /// Counts a process as finished, and gives those that are forgotten for it.
    pub(crate) fn finish(&self, process: &Process) -> Vec<Arc<Process>> {
        if process.spec.origin == Origin::Startup {
            // Forgotten, it would be started again.
            return Vec::new();
        }
        let forgotten = {
            let mut entries = self.lock();
            entries.finished_bytes += process.spec.bytes();
            let ended = (process.state().ended_boot_ms.unwrap_or_else(clock::boot_ms), process.id);
            // Several threads count the finished, and one may overtake another.
            let place = entries.finished.partition_point(|earlier| *earlier < ended);
            entries.finished.insert(place, ended);
            entries.forget_excess(self.memory)
        };
        self.finished.notify(1);
        forgotten
    }

    /// Forgets what is too old, and gives it.
    pub(crate) fn expire(&self) -> Vec<Arc<Process>> {
        self.lock().forget_excess(self.memory)
    }

    /// How long the longest finished process is still remembered; `None` when none is finished.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        let (ended_ms, _) = *self.lock().finished.front()?;
        let age = Duration::from_millis(clock::boot_ms().saturating_sub(ended_ms));
        Some(self.memory.age.saturating_sub(age))
    }

    /// Completes when a process has finished since the call.
    pub(crate) fn finished(&self) -> EventListener {
        self.finished.listen()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn named(&self, name: &str) -> Option<&Arc<Process>> {
        self.by_id.get(self.by_name.get(name)?)
    }

    /// Whether one more may run.
    fn has_room(&self, running_max: usize) -> bool {
        let starting = self.reserved.len();
        let at_most = self.by_id.len().saturating_sub(self.finished.len()) + starting;
        if at_most < running_max {
            return true;
        }
        // One that is over counts as finished a moment later, and a client that has seen its end may start the next.
        let running = self.by_id.values().filter(|process| !process.state().is_over()).count();
        running + starting < running_max
    }

    fn forget(&mut self, id: ProcessId) -> Option<Arc<Process>> {
        let process = self.by_id.remove(&id)?;
        if self.by_name.get(&process.spec.name) == Some(&id) {
            self.by_name.remove(&process.spec.name);
        }
        let pid = process.state().pid;
        if self.by_pid.get(&pid) == Some(&id) {
            self.by_pid.remove(&pid);
        }
        Some(process)
    }

    fn forget_excess(&mut self, memory: Memory) -> Vec<Arc<Process>> {
        let now = clock::boot_ms();
        let age_ms = u64::try_from(memory.age.as_millis()).unwrap_or(u64::MAX);
        let mut forgotten = Vec::new();
        while let Some((ended_ms, id)) = self.finished.front().copied()
            && (self.finished.len() > memory.count_max
                || self.finished_bytes > memory.bytes_max
                || now.saturating_sub(ended_ms) >= age_ms)
        {
            self.finished.pop_front();
            if let Some(process) = self.forget(id) {
                self.finished_bytes -= process.spec.bytes();
                forgotten.push(process);
            }
        }
        forgotten
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.table.lock().reserved.remove(&self.name);
    }
}
