//! `Folder`: an open folder of a search. They are counted, because a thousand searches at once must leave descriptors for the rest.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::filesystem::Info;

/// Folders that all searches hold open before they stop to open some ahead: a quarter of the descriptors of a small limit.
const PLENTY: usize = 1024;

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// See the module.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// One that is open.
    pub(super) fn new(opened: OwnedFd) -> Self {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Self(opened)
    }

    /// One in this one. A link is not followed.
    pub(super) fn open(&self, name: &OsStr) -> Result<Self, Errno> {
        let flags =
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(&self.0, name, flags, Mode::empty()).map(Self::new)
    }

    /// A regular file in this one; `None` when it is none, or cannot be read. A link is not followed, nothing is waited for.
    ///
    /// # Errors
    /// The daemon has no descriptor left.
    pub(super) fn open_file(&self, name: &OsStr) -> Result<Option<(File, Info)>, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.0, name, flags, Mode::empty()) {
            Err(errno @ (Errno::MFILE | Errno::NFILE)) => return Err(errno),
            Err(_) => return Ok(None),
            Ok(file) => File::from(file),
        };
        let info = rustix::fs::fstat(&file).map(|stat| Info::new(&stat));
        Ok(info.ok().filter(Info::is_file).map(|info| (file, info)))
    }

    /// Which folder of the machine it is.
    pub(super) fn id(&self) -> Result<(u64, u64), Errno> {
        rustix::fs::fstat(&self.0).map(|stat| (stat.st_dev, stat.st_ino))
    }

    /// The descriptor.
    pub(super) fn fd(&self) -> &OwnedFd {
        &self.0
    }

    /// Whether so many are open that no more should be than are needed now.
    pub(super) fn are_plenty() -> bool {
        OPEN.load(Ordering::Relaxed) >= PLENTY
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}
