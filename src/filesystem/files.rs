//! `Files`: the handle to the files of this sandbox. Cheap to clone.
//!
//! All that is done to files is a plain call that may wait for a disk, so it runs where waiting is allowed: `Files::run` takes it
//! there, and makes it the workload user's when there is one.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use smol::lock::Semaphore;

use super::path::{self, Place};
use super::pending::Pending;
use super::root::{Entry, Root};
use super::watch::Watching;
use crate::error::{Error, Result};
use crate::metrics::Gauge;
use crate::sys::credentials::{Assumed, Ids};
use crate::user::Accounts;

/// Writers that go on at one time without looking at each other; two files may share a turn.
const TURNS: usize = 64;

/// Listings, searches and the like that are at work at one time. Fewer would leave a processor idle while one waits for a disk; more only
/// share the processors with everybody else (300 at once made a start wait for 2 s on two of them).
const HEAVY_MAX: usize = 8;

/// Bytes of names that all listings together may hold.
const NAMES_BYTES_MAX: usize = 512 << 20;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    shared: Arc<Shared>,
    /// Whether it is for files that are the daemon's own.
    as_daemon: bool,
}

/// What all handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// What of the host is seen.
    pub(crate) root: Root,
    /// Where relative paths begin.
    pub(crate) working_dir: PathBuf,
    /// What `~` stands for.
    pub(crate) home: Option<PathBuf>,
    /// Whose the operations are; `None` is the daemon's own user.
    pub(crate) user: Option<Ids>,
    /// The names of owners and groups.
    pub(crate) accounts: Accounts,
    /// What a new file is not permitted, whatever is asked for.
    pub(crate) umask: u32,
    /// Who watches what.
    pub(super) watching: Watching,
    /// Work that may take the processor for long.
    pub(crate) heavy: Heavy,
    /// Bytes of names that listings hold now.
    names_bytes: AtomicUsize,
    /// Where names of ours are noted.
    pub(super) pending: Option<Pending>,
    turns: [Mutex<()>; TURNS],
}

/// Whose turn it is to do what may take the processor for long.
#[derive(Debug)]
pub(crate) struct Heavy {
    /// One for each that may be at work.
    pub(crate) permits: Arc<Semaphore>,
    /// How many have come to their end.
    pub(crate) done: AtomicU64,
    /// Those whose turn it is.
    pub(crate) working: Gauge,
    /// Those who wait for their turn.
    pub(crate) waiting: Gauge,
}

impl Files {
    /// A handle.
    pub(crate) fn new(root: Root, working_dir: &Path, home: Option<PathBuf>, user: Option<Ids>) -> Self {
        let working_dir = path::clean(&[b"/", working_dir.as_os_str().as_bytes()].concat());
        let shared = Shared {
            root,
            working_dir,
            home,
            user,
            accounts: Accounts::default(),
            umask: umask(),
            watching: Watching::default(),
            heavy: Heavy {
                permits: Arc::new(Semaphore::new(HEAVY_MAX)),
                done: AtomicU64::new(0),
                working: Gauge::default(),
                waiting: Gauge::default(),
            },
            names_bytes: AtomicUsize::new(0),
            pending: None,
            turns: std::array::from_fn(|_| Mutex::new(())),
        };
        Self { shared: Arc::new(shared), as_daemon: false }
    }

    /// The same, for files that are the daemon's own and not the workload user's.
    pub(crate) fn as_daemon(&self) -> Self {
        Self { shared: self.shared.clone(), as_daemon: true }
    }

    /// The same, with a place for the names that files have for an instant. To be said before there is a second handle.
    pub(crate) fn noting(mut self, pending: Option<Pending>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.pending = pending;
        }
        self
    }

    /// What a path means; `~` is the home folder, textually, as the known server has it.
    ///
    /// # Errors
    /// `HomeUnknown`.
    pub(crate) fn place(&self, given: &[u8]) -> Result<Place> {
        let expanded = match given.strip_prefix(b"~") {
            Some(rest) => {
                let home = self.shared.home.as_ref().ok_or(Error::HomeUnknown)?;
                [home.as_os_str().as_bytes(), rest].concat()
            }
            None if given.is_empty() => b".".to_vec(),
            None => given.to_vec(),
        };
        Ok(Place::new(&path::collapse(&expanded), &self.shared.working_dir))
    }

    /// The same without `~`: for routes that do not know it.
    pub(crate) fn plain_place(&self, given: &[u8]) -> Place {
        Place::new(given, &self.shared.working_dir)
    }

    /// Does something where waiting is allowed, as the workload user.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        deed: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = self.clone();
        blocking::unblock(move || this.act(|| deed(&this))).await
    }

    /// Does something here, as the workload user.
    pub(crate) fn act<T>(&self, deed: impl FnOnce() -> Result<T>) -> Result<T> {
        let user = self.shared.user.as_ref().filter(|_| !self.as_daemon);
        let assumed = user.map(Assumed::new).transpose();
        let _assumed = assumed.map_err(|source| Error::File {
            action: "act as the workload user in",
            path: "/".into(),
            source,
        })?;
        deed()
    }

    /// Room for the names of a listing; none yet.
    pub(super) fn names_room(&self) -> NamesRoom {
        NamesRoom { files: self.clone(), bytes: 0 }
    }

    /// The turn of an entry: who holds it is the only one of us who changes it.
    pub(super) fn turn(&self, entry: &Entry) -> Result<Turn<'_>, Errno> {
        let folder = rustix::fs::fstat(&entry.folder)?;
        let mut hasher = DefaultHasher::new();
        (folder.st_dev, folder.st_ino, &entry.name).hash(&mut hasher);
        let turn = usize::try_from(hasher.finish() % TURNS as u64).unwrap_or(0);
        let guard = self.shared.turns[turn].lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Turn { number: turn, _guard: guard })
    }
}

/// The turn of some entries.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    /// Which one.
    pub(super) number: usize,
    _guard: MutexGuard<'a, ()>,
}

/// Room that the names of a listing take, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct NamesRoom {
    files: Files,
    bytes: usize,
}

impl NamesRoom {
    /// Takes more room; an error when all listings together would take too much.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<()> {
        self.bytes += bytes;
        let held = self.files.shared.names_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if held <= NAMES_BYTES_MAX { Ok(()) } else { Err(Error::FilesBusy) }
    }
}

impl Drop for NamesRoom {
    fn drop(&mut self) {
        self.files.shared.names_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The daemon's own, which it never changes.
fn umask() -> u32 {
    // Asking sets it: not while other threads make files. `/proc` says it to everybody.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|digits| u32::from_str_radix(digits.trim(), 8).ok()).unwrap_or(0o022)
}

impl std::ops::Deref for Files {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}
