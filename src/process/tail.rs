//! `Tail`: what a retired worker learns of the processes that another worker watches now.
//!
//! Its open streams and waits go on: their output is in the same files, and where the processes stand is in the same journal.
//! The kernel tells when a file has changed (inotify, which knows no files in memory), and the other worker when it has noted
//! something. Nothing is written.

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use super::record::{self, ProcessRecord};
use super::supervise::Supervisor;
use crate::custody::JournalReader;
use crate::id::ProcessId;
use crate::log::record::{self as log_record, LogHistory, LogRecord};

/// Room for some hundred events.
const EVENT_BYTES: usize = 16 * 1024;

/// The followed journal, and what it told of the logs.
#[derive(Debug)]
pub(crate) struct Tail {
    supervisor: Arc<Supervisor>,
    inotify: OwnedFd,
    /// Held while records are read and applied.
    reading: Mutex<Reading>,
}

#[derive(Debug)]
struct Reading {
    journal: JournalReader,
    logs: HashMap<ProcessId, LogHistory>,
}

impl Tail {
    /// Begins to follow what another worker notes, on a thread of its own, as long as this worker lives.
    pub(crate) fn follow(supervisor: Arc<Supervisor>, journal: JournalReader) -> io::Result<Arc<Self>> {
        let inotify = inotify::init(CreateFlags::CLOEXEC)?;
        // Somebody may have deleted it. What cannot be helped is the watch's to say.
        supervisor.logs.restore().ok();
        watch(&inotify, supervisor.logs.path())?;
        let reading = Mutex::new(Reading { journal, logs: HashMap::new() });
        let tail = Arc::new(Self { supervisor, inotify, reading });
        let this = tail.clone();
        std::thread::Builder::new().name("boxd-tail".to_owned()).spawn(move || this.run())?;
        Ok(tail)
    }

    /// Goes on with a journal that was written anew.
    pub(crate) fn switch(&self, journal: OwnedFd) {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner).journal = JournalReader::new(journal);
        self.read_journal();
    }

    fn run(&self) {
        // What happened before it was watched.
        self.read_logs(self.supervisor.table.all().iter().map(|process| process.id));
        self.read_journal();
        let mut space = [MaybeUninit::<u8>::uninit(); EVENT_BYTES];
        let mut events = inotify::Reader::new(&self.inotify, &mut space);
        loop {
            let mut changed: HashSet<ProcessId> = HashSet::new();
            loop {
                match events.next() {
                    Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => {
                        changed.extend(self.supervisor.table.all().iter().map(|process| process.id));
                    }
                    Ok(event) => changed.extend(event.file_name().and_then(id_in)),
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => {
                        tracing::error!(%error, "the next worker can no longer be followed");
                        return;
                    }
                }
                if events.is_buffer_empty() {
                    break;
                }
            }
            self.read_logs(changed);
            self.read_journal();
        }
    }

    fn read_logs(&self, changed: impl IntoIterator<Item = ProcessId>) {
        let reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = LogHistory::default();
        for process in changed.into_iter().filter_map(|id| self.supervisor.table.by_id(id)) {
            process.log.follow_files(reading.logs.get(&process.id).unwrap_or(&unknown));
        }
    }

    /// Reads what was noted since the last time.
    pub(crate) fn read_journal(&self) {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let frames = match reading.journal.read_on() {
            Ok(frames) => frames,
            Err(error) => {
                tracing::error!(%error, "the next worker can no longer be followed");
                return;
            }
        };
        for frame in frames {
            match frame.kind {
                log_record::KIND => {
                    if let Ok(record) = serde_json::from_slice(&frame.bytes) {
                        self.apply_to_log(&mut reading, &record);
                    }
                }
                record::KIND => {
                    if let Ok(ProcessRecord::State { id, state }) = serde_json::from_slice(&frame.bytes)
                        && let Some(process) = self.supervisor.table.by_id(id)
                    {
                        // What it had said before it ended is read before the end is known.
                        process.log.follow_files(reading.logs.entry(id).or_default());
                        process.follow_state(state);
                    }
                }
                _ => {}
            }
        }
    }

    fn apply_to_log(&self, reading: &mut Reading, record: &LogRecord) {
        let id = record.id();
        let told = reading.logs.entry(id).or_default();
        told.apply(record);
        let Some(process) = self.supervisor.table.by_id(id) else { return };
        // What a border stands behind is read before it.
        process.log.follow_files(told);
        process.log.follow_record(record);
    }
}

/// The process whose file this is.
fn id_in(name: &CStr) -> Option<ProcessId> {
    name.to_str().ok()?.split_once('.')?.0.parse().ok()
}

fn watch(inotify: &OwnedFd, path: &Path) -> io::Result<()> {
    inotify::add_watch(inotify, path, WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::{Custody, Journal, Outbox};
    use crate::log::OutputStream;
    use crate::process::tests::{Engine, spec};
    use crate::sys::packets::Packets;

    #[test]
    fn an_end_is_not_known_before_the_output() {
        let engine = Engine::new();
        let process = engine.start(spec("sleep 5")).unwrap();
        let over = engine.run("exit 3").state();
        let journal = Journal::new().unwrap();
        let reading = Reading { journal: JournalReader::new(journal.file().unwrap()), logs: HashMap::new() };
        let (ours, _keeper) = Packets::pair().unwrap();
        let next_worker = Custody::new(Outbox::new(Arc::new(ours), None), journal, true).unwrap();
        let inotify = inotify::init(CreateFlags::CLOEXEC).unwrap();
        let tail = Tail { supervisor: engine.supervisor.clone(), inotify, reading: Mutex::new(reading) };

        let _file = engine.supervisor.logs.create(process.id, OutputStream::Stderr, 0, 0).unwrap();
        let (path, _) = engine.supervisor.logs.find(process.id, OutputStream::Stderr, 0).unwrap();
        std::fs::write(path, "three\n").unwrap();
        next_worker.note(record::KIND, &ProcessRecord::State { id: process.id, state: over });
        tail.read_journal();
        assert!(process.state().is_over());
        assert_eq!(process.log.ends().stderr, 6);
    }
}
