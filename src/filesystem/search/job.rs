//! `Job`: one file that is to be searched, and what was found in it so far.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rustix::io::Errno;

use super::folder::Folder;
use super::scan::{Eye, Hit, Scan, Wish};
use super::stop::Stop;

/// Bytes that are read in one turn: then what was found is told.
const TURN_BYTES_MAX: u64 = 128 << 20;

/// Bytes of hits of one turn that wait for those of files before them.
const HELD_BYTES_MAX: usize = 4 << 20;

/// How far the search of a file is.
#[derive(Debug)]
enum State {
    New,
    Open(File, Scan),
    Done,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Job {
    folder: Arc<Folder>,
    /// Below the searched folder.
    pub(super) path: PathBuf,
    is_pseudo: bool,
    state: State,
    /// What was found and not told yet.
    pub(super) hits: Vec<Hit>,
}

/// What the jobs of one turn share.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    /// Every job of the turn looks for this.
    wish: Wish<'a>,
    /// Whether anybody wants it.
    stop: &'a Stop,
    /// Bytes of the hits of this turn.
    held: AtomicUsize,
    /// Bytes that were read.
    passed: AtomicU64,
}

impl<'a> Turn<'a> {
    /// A new one.
    pub(super) fn new(wish: Wish<'a>, stop: &'a Stop) -> Self {
        Self { wish, stop, held: AtomicUsize::new(0), passed: AtomicU64::new(0) }
    }

    /// Whether as much was found as is held at one time, or as much read, or nobody wants more.
    pub(super) fn is_full(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= HELD_BYTES_MAX
            || self.passed.load(Ordering::Relaxed) >= TURN_BYTES_MAX
            || self.stop.is_set()
    }
}

impl Job {
    /// A file of a folder; `path` ends with its name.
    pub(super) fn new(folder: Arc<Folder>, path: &Path, is_pseudo: bool) -> Self {
        Self { folder, path: path.to_owned(), is_pseudo, state: State::New, hits: Vec::new() }
    }

    /// Whether the whole file was searched.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The folder that it holds open.
    pub(super) fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// Searches some of the file. What cannot be read is at its end.
    ///
    /// # Errors
    /// The daemon has no descriptor left.
    pub(super) fn search(&mut self, eye: &mut Eye, turn: &Turn<'_>) -> Result<(), Errno> {
        if let State::New = self.state {
            self.state = self.open()?;
        }
        while let State::Open(file, scan) = &mut self.state {
            let (found, from) = (self.hits.len(), scan.passed());
            // Files before this one may have had hits since it was left.
            let hits_max = turn.wish.hits_max.saturating_sub(found);
            let wish = Wish { hits_max, ..turn.wish };
            let is_end = hits_max == 0 || scan.window(file, eye, wish, &mut self.hits).unwrap_or(true);
            let bytes: usize = self.hits[found..].iter().map(Hit::bytes).sum();
            turn.held.fetch_add(bytes, Ordering::Relaxed);
            turn.passed.fetch_add(scan.passed().saturating_sub(from), Ordering::Relaxed);
            if is_end || self.hits.len() >= turn.wish.hits_max {
                self.state = State::Done;
            }
            if turn.is_full() {
                break;
            }
        }
        Ok(())
    }

    /// Opens the file. Nothing is waited for, and what is no regular file is not read, whatever it was a moment ago.
    fn open(&self) -> Result<State, Errno> {
        let opened = self.folder.open_file(self.path.file_name().unwrap_or_default())?;
        Ok(opened.map_or(State::Done, |(file, info)| {
            let scan = if self.is_pseudo { Scan::pseudo() } else { Scan::new(info.size) };
            State::Open(file, scan)
        }))
    }
}
