//! `Hub`: the one inotify descriptor of the daemon, and who is told of which folder. `Watching`: where it is found.
//!
//! It is there while somebody watches. A watch of the kernel belongs to a folder, not to a path, so two watchers of one folder share it.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_io::Async;
use async_task::Task;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::inbox::Inbox;
use super::record::Record;
use crate::runtime::Runtime;

/// What one system call reads: some hundred records.
const READ_BYTES: usize = 16 * 1024;

/// Reads in a row: more than the kernel holds by default, so that what had happened before is there afterwards.
const READS_MAX: usize = 256;

/// What is asked of the kernel about a folder. Files without a name count as removed: ours are such while they are written.
const WATCHED: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::EXCL_UNLINK)
    .union(WatchFlags::MASK_ADD);

/// What is asked of the folder above a watched one. Whoever watches that itself has asked for more, and keeps it.
const WATCHED_ABOVE: WatchFlags =
    WatchFlags::DELETE.union(WatchFlags::MOVED_FROM).union(WatchFlags::ONLYDIR).union(WatchFlags::MASK_ADD);

/// Finds the hub, or makes it.
#[derive(Debug, Default)]
pub(in super::super) struct Watching {
    hub: Mutex<Weak<Hub>>,
}

impl Watching {
    /// The hub; its records are read on the runtime's threads.
    pub(super) fn hub(&self, runtime: &Runtime) -> Result<Arc<Hub>, Errno> {
        let mut known = lock(&self.hub);
        if let Some(hub) = known.upgrade() {
            return Ok(hub);
        }
        let hub = Arc::new(Hub::new(runtime)?);
        *known = Arc::downgrade(&hub);
        Ok(hub)
    }

    /// Gives up the folders of a watcher that is gone. The last one's go with the descriptor.
    pub(super) fn leave(&self, hub: Arc<Hub>, inbox: &Arc<Inbox>, folders: impl Iterator<Item = i32>) {
        {
            let mut known = lock(&self.hub);
            // Nobody can find it any more once this is said under the lock.
            if Arc::strong_count(&hub) == 1 {
                *known = Weak::new();
                drop(hub);
                return;
            }
        }
        folders.for_each(|folder| hub.remove(inbox, folder));
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Hub {
    shared: Arc<Shared>,
    /// Bytes in all inboxes.
    pub(super) inbox_bytes: Arc<AtomicUsize>,
    /// Held while a watch is added or removed, so that one is not removed for the last who has it while another takes it over.
    changing: Mutex<()>,
    /// Reads as long as the hub is there.
    _reader: Task<()>,
}

#[derive(Debug)]
struct Shared {
    inotify: Async<OwnedFd>,
    /// Who is told of a folder. Held for a few lines.
    table: Mutex<HashMap<i32, Vec<Told>>>,
    /// Held while records are read and handed out, which waits for nothing.
    reading: Mutex<()>,
}

/// One who is told of a folder.
#[derive(Debug, Clone)]
struct Told {
    inbox: Arc<Inbox>,
    /// Only of this name in it.
    only: Option<OsString>,
}

impl Hub {
    fn new(runtime: &Runtime) -> Result<Self, Errno> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let inotify = Async::new_nonblocking(inotify)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let shared = Arc::new(Shared { inotify, table: Mutex::default(), reading: Mutex::default() });
        let reader = shared.clone();
        let reader = runtime.spawn(async move {
            while let Ok(()) = reader.inotify.readable().await {
                if let Err(error) = reader.read() {
                    tracing::error!(%error, "watched folders can no longer be followed");
                    return;
                }
            }
        });
        Ok(Self { shared, inbox_bytes: Arc::default(), changing: Mutex::default(), _reader: reader })
    }

    /// Watches the folder that `path` leads to on this host; with `only`, whether this name goes from it. May wait for a disk.
    pub(super) fn add(&self, inbox: &Arc<Inbox>, path: &Path, only: Option<&OsStr>) -> Result<i32, Errno> {
        let _changing = lock(&self.changing);
        let mask = if only.is_some() { WATCHED_ABOVE } else { WATCHED };
        let folder = inotify::add_watch(self.shared.inotify.get_ref(), path, mask)?;
        let mut table = lock(&self.shared.table);
        let told = table.entry(folder).or_default();
        match told.iter_mut().find(|known| Arc::ptr_eq(&known.inbox, inbox)) {
            Some(known) if only.is_none() => known.only = None,
            Some(_) => {}
            None => told.push(Told { inbox: inbox.clone(), only: only.map(OsStr::to_owned) }),
        }
        Ok(folder)
    }

    /// Tells a watcher no longer of a folder.
    pub(super) fn remove(&self, inbox: &Arc<Inbox>, folder: i32) {
        let _changing = lock(&self.changing);
        {
            let mut table = lock(&self.shared.table);
            let Some(told) = table.get_mut(&folder) else { return };
            told.retain(|known| !Arc::ptr_eq(&known.inbox, inbox));
            if !told.is_empty() {
                return;
            }
            table.remove(&folder);
        }
        // It is gone already when the folder is.
        inotify::remove_watch(self.shared.inotify.get_ref(), folder).ok();
    }

    /// Hands out what has happened up to now.
    pub(super) fn read(&self) -> io::Result<()> {
        self.shared.read()
    }
}

impl Shared {
    fn read(&self) -> io::Result<()> {
        let _reading = lock(&self.reading);
        let mut space = [MaybeUninit::<u8>::uninit(); READ_BYTES];
        let mut records = inotify::Reader::new(self.inotify.get_ref(), &mut space);
        let mut reads = 0;
        loop {
            if records.is_buffer_empty() {
                reads += 1;
                if reads > READS_MAX {
                    return Ok(());
                }
            }
            match records.next() {
                Ok(event) => self.hand_out(&event.into()),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn hand_out(&self, record: &Record) {
        let mut table = lock(&self.table);
        if record.mask.contains(ReadFlags::QUEUE_OVERFLOW) {
            let mut told: Vec<_> = table.values().flatten().map(|told| &told.inbox).collect();
            told.sort_unstable_by_key(|inbox| Arc::as_ptr(inbox));
            told.dedup_by_key(|inbox| Arc::as_ptr(inbox));
            for inbox in told {
                inbox.push(record.clone());
            }
            return;
        }
        // The kernel has removed the watch.
        let told = if record.mask.contains(ReadFlags::IGNORED) {
            table.remove(&record.wd)
        } else {
            table.get(&record.wd).cloned()
        };
        for Told { inbox, only } in told.into_iter().flatten() {
            if only.is_none_or(|only| only == record.name) {
                inbox.push(record.clone());
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
