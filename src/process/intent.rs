//! `Intents`: commands that are about to be started. Each is noted before, so that a worker that is killed in the middle of
//! a start leaves a word of what was wanted.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::process::Process;
use super::record::{self, ProcessRecord};
use super::spec::ProcessSpec;
use super::supervise::Supervisor;
use crate::id::ProcessId;

/// Starts that are under way, for a journal that is written anew meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Intents {
    under_way: Mutex<BTreeMap<ProcessId, ProcessSpec>>,
}

/// One of them. Dropping it says that it came to nothing.
#[derive(Debug)]
pub(crate) struct Intent {
    supervisor: Arc<Supervisor>,
    id: ProcessId,
    /// How often the journal had been written anew.
    rewritings: u64,
    is_fulfilled: bool,
}

impl Intents {
    /// Notes all of them again.
    pub(super) fn tell(&self, supervisor: &Supervisor) {
        for (id, spec) in &*self.lock() {
            let intent = ProcessRecord::Intent { id: *id, spec: Cow::Borrowed(spec) };
            supervisor.logs.custody.note(record::KIND, &intent);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProcessId, ProcessSpec>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intent {
    /// Notes one.
    pub(super) fn note(supervisor: &Arc<Supervisor>, id: ProcessId, spec: &ProcessSpec) -> Self {
        let custody = &supervisor.logs.custody;
        let rewritings = custody.rewritings();
        if custody.is_kept() {
            // Entered first: a journal that is written anew has it from here or from there.
            supervisor.intents.lock().insert(id, spec.clone());
            custody.note(record::KIND, &ProcessRecord::Intent { id, spec: Cow::Borrowed(spec) });
        }
        Self { supervisor: supervisor.clone(), id, rewritings, is_fulfilled: false }
    }

    /// The process is in the table: notes where it stands, and the rest again if the journal has begun to be written anew since.
    pub(super) fn fulfilled(mut self, process: &Process) {
        self.is_fulfilled = true;
        if self.supervisor.logs.custody.rewritings() == self.rewritings {
            process.tell_state();
        } else {
            process.tell();
        }
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        let custody = &self.supervisor.logs.custody;
        if custody.is_kept() {
            if !self.is_fulfilled {
                custody.note(record::KIND, &ProcessRecord::Forgotten { id: self.id });
            }
            self.supervisor.intents.lock().remove(&self.id);
        }
    }
}
