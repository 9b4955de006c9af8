//! `Attempt`: what was asked for last of an upgrade and how far that has come, as the next worker finds it.
//!
//! The keeper knows of an upgrade only once it is asked to replace the worker. A worker that dies before that would leave what the
//! upgrade before has come to, and whoever waits for this one would take that for its end.
//!
//! It does not know what it keeps: the text is `upgrade`'s.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::custody::Custody;

/// The kind of the record in the journal.
pub(crate) const KIND: u8 = 8;

/// See the module.
#[derive(Debug)]
pub(crate) struct Attempt {
    custody: Custody,
    /// Held while it is noted, so that records keep the order of the changes.
    noted: Mutex<Option<AttemptRecord>>,
}

/// As it stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AttemptRecord {
    /// How far it has come.
    status: String,
}

impl Attempt {
    /// With what an earlier worker has noted.
    pub(crate) fn new(custody: Custody, noted: Option<AttemptRecord>) -> Self {
        Self { custody, noted: Mutex::new(noted) }
    }

    /// What was noted last.
    pub(crate) fn last(&self) -> Option<String> {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.as_ref().map(|record| record.status.clone())
    }

    /// Notes how far it has come.
    pub(crate) fn note(&self, status: String) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let record = AttemptRecord { status };
        self.custody.note(KIND, &record);
        *noted = Some(record);
    }

    /// Notes it once more, in a journal that is written anew.
    pub(crate) fn tell(&self) {
        if let Some(record) = &*self.noted.lock().unwrap_or_else(PoisonError::into_inner) {
            self.custody.note(KIND, record);
        }
    }
}
