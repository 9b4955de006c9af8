//! `Folders`: tells when a file may have changed that somebody has put into the place of another, by the folders of the files.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use async_io::Async;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

/// A file is there, whole: it was closed by who wrote it, or got its name.
const WATCHED: WatchFlags = WatchFlags::CLOSE_WRITE.union(WatchFlags::MOVED_TO).union(WatchFlags::CREATE);

/// Where Kubernetes has the files of a secret: each file is a link through it, and it changes for all of them.
const DATA: &str = "..data";

/// Room for some events.
const EVENT_BYTES: usize = 4 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Folders {
    paths: BTreeSet<PathBuf>,
    names: BTreeSet<OsString>,
    /// None where nothing can be watched.
    inotify: Option<Async<OwnedFd>>,
}

impl Folders {
    /// Of some files. Nothing is watched yet.
    pub(super) fn of(files: impl Iterator<Item = PathBuf>) -> Self {
        let (mut paths, mut names) = (BTreeSet::new(), BTreeSet::from([OsString::from(DATA)]));
        for file in files {
            paths.extend(file.parent().map(PathBuf::from));
            names.extend(file.file_name().map(OsString::from));
        }
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
        Self { paths, names, inotify: inotify.and_then(|inotify| Async::new_nonblocking(inotify).ok()) }
    }

    /// Watches the folders that there are. One that is another one by now is watched, too. Blocks as long as a disk does.
    pub(super) fn watch(&self) {
        let Some(inotify) = &self.inotify else { return };
        for path in &self.paths {
            // What cannot be watched is looked at by the clock.
            inotify::add_watch(inotify.get_ref(), path, WATCHED).ok();
        }
    }

    /// Completes when something has happened to one of the files; never where nothing can be watched.
    pub(super) async fn changed(&self) {
        if let Some(inotify) = &self.inotify {
            while inotify.readable().await.is_ok() {
                match self.read(inotify.get_ref()) {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(%error, "files of tokens can no longer be watched");
                        break;
                    }
                }
            }
        }
        std::future::pending::<()>().await;
    }

    /// Takes the events that are there; whether one of them is about a file of ours.
    fn read(&self, inotify: &OwnedFd) -> Result<bool, Errno> {
        let mut space = [MaybeUninit::<u8>::uninit(); EVENT_BYTES];
        let mut events = inotify::Reader::new(inotify, &mut space);
        let mut is_ours = false;
        loop {
            match events.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    is_ours |= event.events().contains(ReadFlags::QUEUE_OVERFLOW)
                        || name.is_some_and(|name| self.names.contains(name));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(is_ours),
                Err(errno) => return Err(errno),
            }
        }
    }
}
