//! `Target`: the folder that an archive is unpacked into, and how an entry of it is made.
//!
//! Every folder on the way to an entry is opened by its name in the one before, and a link among them is refused: so a link that
//! lies there, comes with the archive, or is put there meanwhile, leads nowhere.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;

use crate::filesystem::root::{Entry, look};
use crate::filesystem::staging::{Staging, fresh_name};
use crate::filesystem::{Files, Info, Place};

/// The permissions of a folder that the archive does not have itself; the umask takes its part.
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);

/// A folder can be filled while its own permissions are not yet given.
const FILLED_MODE: Mode = Mode::RWXU;

/// The permissions that an archive can give: no setuid, no setgid.
const FILE_BITS: u32 = 0o777;
const FOLDER_BITS: u32 = 0o1777;

/// See the module.
pub(super) struct Target {
    files: Files,
    place: Place,
    folder: OwnedFd,
    /// The folder that was needed last: entries of one folder stand side by side.
    last: Option<(Vec<u8>, OwnedFd)>,
}

impl Target {
    /// Into this folder.
    pub(super) fn new(files: &Files, place: &Place, folder: OwnedFd) -> Self {
        Self { files: files.clone(), place: place.clone(), folder, last: None }
    }

    /// A new file for the entry's bytes, in the entry's folder.
    pub(super) fn stage(&mut self, parts: &[&[u8]]) -> Result<Staging, Errno> {
        let (folder, _) = self.parent(parts, true)?;
        Staging::in_folder(folder, Mode::RUSR | Mode::WUSR)
    }

    /// Gives the file its permissions, its time and its name, in the place of what is there.
    pub(super) fn file(
        &mut self,
        parts: &[&[u8]],
        mut staging: Staging,
        mode: u32,
        modified: Option<i64>,
    ) -> Result<(), Errno> {
        rustix::fs::fchmod(&staging.file, Mode::from_raw_mode(mode & FILE_BITS))?;
        if let Some(modified) = modified {
            rustix::fs::futimens(&staging.file, &times(modified))?;
        }
        let (folder, name) = self.parent(parts, true)?;
        match staging.create(folder, name) {
            Err(Errno::EXIST) => {}
            result => return result,
        }
        self.replace(parts, |folder, name, note| staging.replace(folder, name, note))
    }

    /// Makes a folder, or takes the one that is there.
    pub(super) fn folder(&mut self, parts: &[&[u8]]) -> Result<(), Errno> {
        let (folder, name) = self.parent(parts, true)?;
        match rustix::fs::mkdirat(folder, name, FILLED_MODE) {
            Err(Errno::EXIST) => {
                let is_folder = look(folder, name)?.is_some_and(|stat| Info::new(&stat).is_folder());
                if is_folder { Ok(()) } else { Err(Errno::NOTDIR) }
            }
            result => result,
        }
    }

    /// Gives a folder its permissions and its time, when all is in it.
    pub(super) fn finish_folder(
        &mut self,
        parts: &[&[u8]],
        mode: u32,
        modified: Option<i64>,
    ) -> Result<(), Errno> {
        let (parent, name) = self.parent(parts, false)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
        if let Some(modified) = modified {
            rustix::fs::futimens(&folder, &times(modified))?;
        }
        rustix::fs::fchmod(&folder, Mode::from_raw_mode(mode & FOLDER_BITS))
    }

    /// Makes a link, in the place of what is there. What it says is nobody's business: nothing here follows it.
    pub(super) fn link(
        &mut self,
        parts: &[&[u8]],
        target: &[u8],
        modified: Option<i64>,
    ) -> Result<(), Errno> {
        let (folder, name) = self.parent(parts, true)?;
        let target = OsStr::from_bytes(target);
        match rustix::fs::symlinkat(target, folder, name) {
            Err(Errno::EXIST) => self.replace(parts, |folder, name, note| {
                let temporary = fresh_name();
                note(&temporary);
                rustix::fs::symlinkat(target, folder, &temporary)?;
                rename(folder, &temporary, name)
            })?,
            result => result?,
        }
        if let Some(modified) = modified {
            let (folder, name) = self.parent(parts, false)?;
            // Where a link has no time of its own, it has none.
            rustix::fs::utimensat(folder, name, &times(modified), AtFlags::SYMLINK_NOFOLLOW).ok();
        }
        Ok(())
    }

    /// Gives another name to a file below the folder.
    pub(super) fn hard_link(&mut self, parts: &[&[u8]], source: &[&[u8]]) -> Result<(), Errno> {
        let (from, old_name) = {
            let (folder, name) = self.parent(source, false)?;
            (rustix::io::fcntl_dupfd_cloexec(folder, 0)?, name.to_owned())
        };
        // A second name of a link, or of a device that lies there, is not what an archive can ask for.
        match look(&from, &old_name)? {
            Some(stat) if Info::new(&stat).is_file() => {}
            Some(_) => return Err(Errno::PERM),
            None => return Err(Errno::NOENT),
        }
        let (folder, name) = self.parent(parts, true)?;
        match rustix::fs::linkat(&from, &old_name, folder, name, AtFlags::empty()) {
            Err(Errno::EXIST) => {}
            result => return result,
        }
        self.replace(parts, |folder, name, note| {
            let temporary = fresh_name();
            note(&temporary);
            rustix::fs::linkat(&from, &old_name, folder, &temporary, AtFlags::empty())?;
            rename(folder, &temporary, name)
        })
    }

    /// Puts something in the place of what is there, by a name of ours that is noted for the case that we are killed.
    fn replace(
        &mut self,
        parts: &[&[u8]],
        deed: impl FnOnce(&OwnedFd, &OsStr, &dyn Fn(&OsStr)) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let path = self.place.absolute.join(OsStr::from_bytes(&parts.join(&b'/')));
        let files = self.files.clone();
        let (folder, name) = self.parent(parts, false)?;
        let entry =
            Entry { folder: rustix::io::fcntl_dupfd_cloexec(folder, 0)?, name: name.to_owned(), stat: None };
        let turn = files.turn(&entry)?;
        let note = |temporary: &OsStr| {
            if let Some(pending) = &files.pending {
                pending.note(turn.number, &path.with_file_name(temporary));
            }
        };
        let result = deed(&entry.folder, &entry.name, &note);
        if let Some(pending) = files.pending.as_ref().filter(|_| result.is_ok()) {
            pending.clear(turn.number);
        }
        result
    }

    /// The folder that an entry is in, and its name there. `INVAL`: it is the target itself.
    fn parent<'a>(&mut self, parts: &[&'a [u8]], make: bool) -> Result<(&OwnedFd, &'a OsStr), Errno> {
        let (name, above) = parts.split_last().ok_or(Errno::INVAL)?;
        let path = above.join(&b'/');
        if self.last.as_ref().is_none_or(|(last, _)| *last != path) {
            let mut at = rustix::io::fcntl_dupfd_cloexec(&self.folder, 0)?;
            for part in above {
                at = step(&at, OsStr::from_bytes(part), make)?;
            }
            self.last = Some((path, at));
        }
        let Some((_, folder)) = &self.last else { return Err(Errno::INVAL) };
        Ok((folder, OsStr::from_bytes(name)))
    }
}

/// Opens a folder in another one, and makes it when that is wanted.
fn step(at: &OwnedFd, name: &OsStr, make: bool) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(at, name, flags, Mode::empty());
    match open() {
        Err(Errno::NOENT) if make => match rustix::fs::mkdirat(at, name, FOLDER_MODE) {
            Ok(()) | Err(Errno::EXIST) => open(),
            Err(errno) => Err(errno),
        },
        result => result,
    }
}

/// Gives a temporary name up for another one.
fn rename(folder: impl AsFd, temporary: &OsString, name: &OsStr) -> Result<(), Errno> {
    let renamed = rustix::fs::renameat(&folder, temporary, &folder, name);
    // Two names of one file stay two names, whatever was renamed; after an error the temporary one is of no use.
    rustix::fs::unlinkat(&folder, temporary, AtFlags::empty()).ok();
    renamed
}

fn times(seconds: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: 0 },
    }
}
