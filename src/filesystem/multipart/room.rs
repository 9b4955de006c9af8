//! `Room`: how many bytes the parts of all uploads may be together.
//!
//! It is counted when it is needed for the first time, and followed from then on. Another worker may change the folder meanwhile, so
//! before anybody is refused it is counted again, if that was not a moment ago.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// A count looks at every part there is, so a full folder is not counted for each write that is refused.
const COUNT_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(super) struct Room {
    bytes_max: u64,
    /// Of parts that are not yet whole.
    coming: AtomicU64,
    /// Of those that are.
    stored: Mutex<Option<Counted>>,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    bytes: u64,
    at: Instant,
}

impl Room {
    /// So much.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, coming: AtomicU64::new(0), stored: Mutex::new(None) }
    }

    /// Takes room for bytes that come. They are to be given back by `came`, also after an error.
    pub(super) fn coming(&self, bytes: u64, count: impl Fn() -> Result<u64>) -> Result<()> {
        let coming = self.coming.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |counted: Counted| counted.bytes.saturating_add(coming) <= self.bytes_max;
        match *stored {
            Some(counted) if fits(counted) => return Ok(()),
            Some(counted) if counted.at.elapsed() < COUNT_AGAIN_AFTER => {}
            _ => {
                let counted = Counted { bytes: count()?, at: Instant::now() };
                *stored = Some(counted);
                if fits(counted) {
                    return Ok(());
                }
            }
        }
        Err(Error::UploadsFull { bytes_max: self.bytes_max })
    }

    /// Gives back the room of bytes that have come, or will not.
    pub(super) fn came(&self, bytes: u64) {
        self.coming.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// A part is stored, or removed, or both.
    pub(super) fn changed(&self, more: u64, less: u64) {
        if let Some(counted) = &mut *self.stored.lock().unwrap_or_else(PoisonError::into_inner) {
            counted.bytes = counted.bytes.saturating_add(more).saturating_sub(less);
        }
    }
}
