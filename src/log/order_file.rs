//! The order on disk, beside the stream files: 16-byte runs behind an 8-byte head.
//!
//! It lets a log be read in order after a crash. It is written behind the bytes it speaks of and need not be complete:
//! what lies past its last run counts as one run of each stream. A single run needs no file, so a command with one short
//! output has none. It only grows, until a merge makes it shorter and it is written anew; so it is after the disk has refused it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use super::dir::{LogDir, RETRY_AFTER};
use super::order::{Order, Run};
use crate::id::ProcessId;

/// Names the format and its version.
const HEAD: &[u8; 8] = b"boxdord1";

/// The order file of one process, made with its second run.
#[derive(Debug, Default)]
pub(crate) struct OrderFile {
    file: Option<File>,
    /// The merge count of the order that the file shows.
    epoch: u32,
    /// How many runs stand in the file; the last of them may have grown since.
    written: u64,
    /// Writing failed: not again before this.
    retry: Option<Instant>,
    /// The process is over: the file stays as it is.
    closed: bool,
}

/// The runs that the file lacks.
#[derive(Debug)]
pub(crate) struct Missing {
    epoch: u32,
    /// Number of the first of `runs`.
    from: u64,
    runs: Vec<Run>,
}

impl OrderFile {
    /// The file that an earlier worker wrote, and the runs in it. None of either when there is no file that makes sense.
    pub(crate) fn restore(dir: &LogDir, id: ProcessId) -> (Self, Vec<Run>) {
        let read = |file: File| {
            let mut bytes = vec![0; usize::try_from(file.metadata().ok()?.len()).ok()?];
            file.read_exact_at(&mut bytes, 0).ok()?;
            let runs: Vec<Run> = bytes
                .strip_prefix(HEAD)?
                .chunks_exact(16)
                .filter_map(|run| Some(Run::from_bytes(run.try_into().ok()?)))
                .collect();
            let written = runs.len() as u64;
            Some((Self { file: Some(file), written, ..Self::default() }, runs))
        };
        dir.open_order(id).and_then(read).unwrap_or_default()
    }

    /// What `order` has that the file has not.
    pub(crate) fn missing(&self, order: &Order) -> Option<Missing> {
        if self.closed
            || self.retry.is_some_and(|at| at > Instant::now())
            || (self.file.is_none() && order.len() < 2)
        {
            return None;
        }
        let from = if self.epoch == order.epoch() && self.file.is_some() {
            self.written.saturating_sub(1)
        } else {
            0
        };
        let (from, runs) = order.since(from);
        Some(Missing { epoch: order.epoch(), from, runs })
    }

    /// Writes them. Failure costs order after a crash, never bytes; the whole file is written anew when the disk takes it again.
    pub(crate) fn write(&mut self, dir: &LogDir, id: ProcessId, missing: &Missing) {
        let written = self.try_write(dir, id, missing);
        if let Err(error) = &written
            && self.retry.is_none()
        {
            tracing::warn!(process = %id, %error, "the order of the streams is not written to disk for now");
        }
        self.retry = written.is_err().then(|| Instant::now() + RETRY_AFTER);
        if written.is_err() {
            self.file = None;
        }
    }

    /// Closes the file; nothing more is written.
    pub(crate) fn close(&mut self) {
        self.file = None;
        self.closed = true;
    }

    fn try_write(&mut self, dir: &LogDir, id: ProcessId, missing: &Missing) -> io::Result<()> {
        let bytes: Vec<u8> = missing.runs.iter().flat_map(|run| run.to_bytes()).collect();
        match &self.file {
            Some(file) if missing.epoch == self.epoch => {
                file.write_all_at(&bytes, HEAD.len() as u64 + missing.from * Run::BYTES)?;
            }
            _ => self.file = Some(dir.replace_order(id, &[HEAD.as_slice(), &bytes].concat())?),
        }
        self.epoch = missing.epoch;
        self.written = missing.from + missing.runs.len() as u64;
        Ok(())
    }
}
