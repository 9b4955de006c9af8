//! `Content`: the lines of all files below a folder that have a text, files in the order of the walk.
//!
//! A turn takes some files from the walk and searches them on the processors that are free, while the files of the next turn are
//! collected; then it tells what was found, as far as all files before it are through. So the order is that of one thread, and
//! what is held is bounded: a file with more hits is left, and gone on with in the next turn.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::io::Errno;

use super::folder::Folder;
use super::job::{Job, Turn};
use super::needle::Needle;
use super::scan::{Eye, Hit, Wish};
use super::sieve::Sieve;
use super::stop::Stop;
use super::walk::{Scope, Walk};
use crate::error::{Error, Result};
use crate::filesystem::listing::Kind;
use crate::filesystem::{Files, Place};

/// Files of the first turn, which answers soon where there is much to find, and of later ones, which are twice as many each.
const BATCH_FILES: usize = 32;
const BATCH_FILES_MAX: usize = 2048;

/// Entries that are looked at for one batch when few of them are files that fit.
const BATCH_ENTRIES_MAX: usize = 8192;

/// Folders that the files of one batch hold open.
const BATCH_FOLDERS_MAX: usize = 128;

/// Files that are worth a second thread.
const FILES_PER_THREAD: usize = 8;

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct ContentOptions {
    /// The text, as it is.
    pub(crate) query: String,
    /// What is looked for instead.
    pub(crate) needle: Option<Needle>,
    /// Whether upper and lower case differ.
    pub(crate) case_sensitive: bool,
    /// Only files whose names fit it; when it has a slash, whose paths do.
    pub(crate) file_pattern: Option<String>,
    /// Not those that fit this.
    pub(crate) exclude_pattern: Option<String>,
    /// Lines around each hit that are told with it.
    pub(crate) context_lines: usize,
    /// How many hits are enough; `None` is no bound.
    pub(crate) hits_max: Option<usize>,
    /// Where.
    pub(crate) scope: Scope,
}

/// What was found in a file, or in a part of it.
#[derive(Debug)]
pub(crate) struct FileHits {
    /// Below the folder.
    pub(crate) path: PathBuf,
    /// In the order of the lines, one a line.
    pub(crate) hits: Vec<Hit>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Content {
    walk: Walk,
    stop: Stop,
    /// `None` when nothing can be found.
    needle: Option<Needle>,
    sieve: Sieve,
    context_lines: usize,
    left: Option<usize>,
    batch: usize,
    jobs: VecDeque<Mutex<Job>>,
    /// Some of them were left in an earlier turn.
    is_behind: bool,
    eyes: Vec<Mutex<Eye>>,
}

impl Content {
    /// Begins in a folder.
    pub(crate) fn open(files: &Files, place: &Place, options: ContentOptions, stop: Stop) -> Result<Self> {
        let walk = Walk::open(files, place, options.scope, stop.clone())?;
        Ok(Self {
            walk,
            stop,
            needle: options.needle.or_else(|| Needle::new(&options.query, options.case_sensitive)),
            sieve: Sieve::new(options.file_pattern, options.exclude_pattern),
            context_lines: options.context_lines,
            left: options.hits_max,
            batch: BATCH_FILES,
            jobs: VecDeque::new(),
            is_behind: false,
            eyes: Vec::new(),
        })
    }

    /// Searches some more; `None` when there is no more, or it is enough. A turn may find nothing.
    pub(crate) fn turn(&mut self) -> Result<Option<Vec<FileHits>>> {
        let Some(needle) = &self.needle else { return Ok(None) };
        if self.left == Some(0) || self.stop.is_set() {
            return Ok(None);
        }
        if self.jobs.is_empty() {
            let (jobs, is_end) = collect(&mut self.walk, &self.sieve, self.batch)?;
            if jobs.is_empty() {
                return Ok((!is_end).then(Vec::new));
            }
            self.jobs = jobs;
        }
        let wanted = if self.is_behind || Folder::are_plenty() { 0 } else { self.batch };
        self.batch = (self.batch * 2).min(BATCH_FILES_MAX);
        let hits_max = self.left.unwrap_or(usize::MAX);
        let turn = Turn::new(Wish { needle, context_lines: self.context_lines, hits_max }, &self.stop);
        let helpers = Helpers::take((self.jobs.len() / FILES_PER_THREAD).saturating_sub(1));
        self.eyes.resize_with((helpers.0 + 1).max(self.eyes.len()), || Mutex::new(Eye::new()));
        let (jobs, next_job) = (self.jobs.make_contiguous(), AtomicUsize::new(0));
        let (walk, sieve, eyes) = (&mut self.walk, &self.sieve, &self.eyes);
        let work = |eye: &Mutex<Eye>| work(jobs, &next_job, eye, &turn);
        let more = thread::scope(|scope| {
            let work = &work;
            let helping: Vec<_> = eyes[1..=helpers.0]
                .iter()
                // Without another thread it takes longer.
                .filter_map(|eye| {
                    thread::Builder::new()
                        .name("search".to_owned())
                        .spawn_scoped(scope, move || work(eye))
                        .ok()
                })
                .collect();
            let more = collect(walk, sieve, wanted);
            let mut result = work(&eyes[0]);
            for helper in helping {
                result = result.and(helper.join().unwrap_or(Err(Errno::IO)));
            }
            result.map(|()| more)
        });
        let (more, _) = more.map_err(|errno| no_descriptor(errno, &self.walk))??;
        let found = self.told();
        self.is_behind = !self.jobs.is_empty();
        self.jobs.extend(more);
        Ok(Some(found))
    }

    /// What was found by all files in a row from the first, which is forgotten when it is through.
    fn told(&mut self) -> Vec<FileHits> {
        let mut found = Vec::new();
        while let Some(job) = self.jobs.front_mut() {
            let job = job.get_mut().unwrap_or_else(PoisonError::into_inner);
            let mut hits = std::mem::take(&mut job.hits);
            if let Some(left) = &mut self.left {
                hits.truncate(*left);
                *left -= hits.len();
            }
            if !hits.is_empty() {
                found.push(FileHits { path: job.path.clone(), hits });
            }
            if !job.is_done() || self.left == Some(0) {
                break;
            }
            self.jobs.pop_front();
        }
        found
    }
}

fn no_descriptor(errno: Errno, walk: &Walk) -> Error {
    Error::file("open", walk.path(), errno)
}

/// Takes files from the walk; and whether it is at its end.
fn collect(walk: &mut Walk, sieve: &Sieve, wanted: usize) -> Result<(VecDeque<Mutex<Job>>, bool)> {
    let mut jobs: VecDeque<Mutex<Job>> = VecDeque::new();
    let mut folders = 0;
    for _ in 0..BATCH_ENTRIES_MAX {
        if jobs.len() >= wanted || folders >= BATCH_FOLDERS_MAX {
            return Ok((jobs, false));
        }
        if !walk.advance()? {
            return Ok((jobs, true));
        }
        if walk.kind() != Kind::File || !sieve.lets_through(walk) {
            continue;
        }
        let Some(folder) = walk.folder().cloned() else { continue };
        let job = Job::new(folder, walk.path(), walk.is_pseudo);
        let last = jobs.back_mut().map(|job| job.get_mut().unwrap_or_else(PoisonError::into_inner));
        if last.is_none_or(|last| !std::sync::Arc::ptr_eq(last.folder(), job.folder())) {
            folders += 1;
        }
        jobs.push_back(Mutex::new(job));
    }
    Ok((jobs, false))
}

/// Searches files until there are none, or as much was found as is held at one time.
fn work(
    jobs: &[Mutex<Job>],
    next: &AtomicUsize,
    eye: &Mutex<Eye>,
    turn: &Turn<'_>,
) -> std::result::Result<(), Errno> {
    let mut eye = eye.lock().unwrap_or_else(PoisonError::into_inner);
    // The first file is always gone on with, so a turn comes to something.
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(job) = jobs.get(at).filter(|_| at == 0 || !turn.is_full()) else { return Ok(()) };
        let mut job = job.lock().unwrap_or_else(PoisonError::into_inner);
        if !job.is_done() {
            job.search(&mut eye, turn)?;
        }
    }
}

/// Threads that help the searches of the whole daemon: no more than there are processors.
struct Helpers(usize);

static HELPING: AtomicUsize = AtomicUsize::new(0);

impl Helpers {
    fn take(wanted: usize) -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let wanted = wanted.min(processors - 1);
        let mut taken = 0;
        HELPING
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |helping| {
                taken = wanted.min(processors.saturating_sub(helping));
                Some(helping + taken)
            })
            .ok();
        Self(taken)
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        HELPING.fetch_sub(self.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
