//! Folders and names: making them, removing them, moving them, and what is changed of a file without touching its bytes.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::path::Place;
use super::root::{Entry, look};
use super::{Files, Info};
use crate::error::{Error, Result};

/// The permissions of a new folder for which none were asked; the umask takes its part.
pub(crate) const FOLDER_MODE: u32 = 0o755;

/// Makes a folder and those above it that are not there. One that is there is left as it is.
pub(crate) fn make_folders(files: &Files, path: &Path, mode: u32) -> Result<()> {
    let failed = |errno| Error::file("mkdir", path, errno);
    let mut missing = Vec::new();
    let mut at = path;
    let mut folder = loop {
        match files.root.folder(at) {
            Ok(folder) => break folder,
            Err(Errno::NOENT) => {
                let (Some(parent), Some(name)) = (at.parent(), at.file_name()) else {
                    return Err(failed(Errno::NOENT));
                };
                missing.push(name);
                at = parent;
            }
            Err(errno) => return Err(failed(errno)),
        }
    };
    while let Some(name) = missing.pop() {
        folder = make_one(&folder, name, mode).map_err(failed)?;
    }
    Ok(())
}

fn make_one(folder: &OwnedFd, name: &OsStr, mode: u32) -> Result<OwnedFd, Errno> {
    match rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(mode & 0o777)) {
        // Somebody else was faster, or it is a link that leads to nothing.
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removed {
    /// A file, a link or the like.
    File,
    /// A folder.
    Folder,
}

/// Something that is to be removed. A link is removed itself.
#[derive(Debug)]
pub(crate) struct Removal {
    entry: Entry,
    place: Place,
    /// What it is.
    pub(crate) what: Removed,
    /// Whether it is a folder, or a link to one, which clients of this API are told of as one.
    pub(crate) leads_to_folder: bool,
}

impl Removal {
    /// Finds it.
    pub(crate) fn find(files: &Files, place: &Place) -> Result<Self> {
        let (entry, info) = existing(files, place)?;
        let what = if info.is_folder() { Removed::Folder } else { Removed::File };
        let leads_to_folder = info.is_folder()
            || info.is_link()
                && files.root.stat(&place.absolute, true).is_ok_and(|stat| Info::new(&stat).is_folder());
        Ok(Self { entry, place: place.clone(), what, leads_to_folder })
    }

    /// Removes it; a folder with what is in it only when that is wanted.
    pub(crate) fn run(&self, recursive: bool) -> Result<()> {
        match self.what {
            Removed::File => remove_file(&self.entry, &self.place),
            Removed::Folder => remove_folder(&self.entry, &self.place, recursive),
        }
    }
}

fn existing(files: &Files, place: &Place) -> Result<(Entry, Info)> {
    let entry =
        files.root.entry(&place.absolute).map_err(|errno| Error::file("stat", &place.absolute, errno))?;
    match &entry.stat {
        Some(stat) => {
            let info = Info::new(stat);
            Ok((entry, info))
        }
        None => Err(Error::file("stat", &place.absolute, Errno::NOENT)),
    }
}

fn remove_file(entry: &Entry, place: &Place) -> Result<()> {
    rustix::fs::unlinkat(&entry.folder, &entry.name, AtFlags::empty())
        .map_err(|errno| Error::file("remove", &place.absolute, errno))
}

fn remove_folder(entry: &Entry, place: &Place, recursive: bool) -> Result<()> {
    let result = match rustix::fs::unlinkat(&entry.folder, &entry.name, AtFlags::REMOVEDIR) {
        // Solaris said `EXIST`; some file systems still do.
        Err(Errno::NOTEMPTY | Errno::EXIST) if recursive => clear(&entry.folder, &entry.name),
        Err(Errno::EXIST) => Err(Errno::NOTEMPTY),
        result => result,
    };
    result.map_err(|errno| Error::file("remove", &place.absolute, errno))
}

/// How often folders that are filled while they are cleared are cleared again.
const REFILLED_MAX: usize = 1000;

/// Folders on the way down that are held open. One for each of a tree would take all descriptors there are, from everybody.
const OPEN_MAX: usize = 64;

/// A folder that is being cleared.
struct Level {
    /// Closed in the meantime when there are many below it.
    folder: Option<OwnedFd>,
    /// What it is, so that it is known again.
    id: (u64, u64),
    /// Its name in the one before it.
    name: OsString,
    /// Folders in it that are not empty. All of them are noted at one look: a look for each would be a million looks at a million.
    full: Vec<OsString>,
}

impl Level {
    fn open(parent: &OwnedFd, name: OsString) -> Result<Self, Errno> {
        let folder = open_folder(parent, &name)?;
        let (id, full) = (id(&folder)?, clear_files(&folder)?);
        Ok(Self { folder: Some(folder), id, name, full })
    }

    /// Opens it again from one below it, if that is still below it.
    fn open_again(&mut self, below: &OwnedFd) -> Result<(), Errno> {
        if self.folder.is_none() {
            let folder = open_folder(below, "..".as_ref())?;
            if id(&folder)? != self.id {
                return Err(Errno::STALE);
            }
            self.folder = Some(folder);
        }
        Ok(())
    }
}

fn open_folder(parent: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

fn id(folder: &OwnedFd) -> Result<(u64, u64), Errno> {
    rustix::fs::fstat(folder).map(|stat| (stat.st_dev, stat.st_ino))
}

/// Removes a folder and all below it, by descriptors: a link that somebody puts in the way is removed and not followed.
pub(super) fn clear(parent: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    let mut levels = vec![Level::open(parent, name.to_owned())?];
    let mut refilled = 0;
    while let Some(Level { folder: Some(folder), full, .. }) = levels.last_mut() {
        if let Some(name) = full.pop() {
            match Level::open(folder, name) {
                Ok(below) => levels.push(below),
                // Somebody else removed it, or put something in its place, which the last look finds.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(errno) => return Err(errno),
            }
            if let Some(far) = levels.len().checked_sub(OPEN_MAX) {
                levels[far].folder = None;
            }
            continue;
        }
        let Some(Level { folder: Some(folder), id, name, .. }) = levels.pop() else { break };
        if let Some(above) = levels.last_mut() {
            above.open_again(&folder)?;
        }
        let above = levels.last().and_then(|level| level.folder.as_ref()).unwrap_or(parent);
        match rustix::fs::unlinkat(above, &name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            // Somebody filled it meanwhile, or the file system left entries out while others went: look again.
            Err(Errno::NOTEMPTY | Errno::EXIST) if refilled < REFILLED_MAX => {
                refilled += 1;
                let full = clear_files(&folder)?;
                levels.push(Level { folder: Some(folder), id, name, full });
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Removes all of a folder that is no folder, and empty folders; gives the names of those that are not empty.
fn clear_files(folder: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    use std::os::unix::ffi::OsStrExt;
    #[cfg(test)]
    tests::LOOKS.set(tests::LOOKS.get() + 1);
    let entries = rustix::fs::Dir::read_from(folder)?;
    let mut full = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let is_folder = match entry.file_type() {
            FileType::Unknown => look(folder, name)?.is_some_and(|stat| Info::new(&stat).is_folder()),
            kind => kind == FileType::Directory,
        };
        let flags = if is_folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        match rustix::fs::unlinkat(folder, name, flags) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST) if is_folder => full.push(name.to_owned()),
            Err(errno) => return Err(errno),
        }
    }
    Ok(full)
}

/// Gives a file another name, or another place on the same file system or another one.
///
/// A folder that is there is moved into, as `mv` does; missing folders above the new name are made.
pub(crate) fn move_to(files: &Files, source: &Place, destination: &Place, no_overwrite: bool) -> Result<()> {
    let (from, info) = existing(files, source)?;
    let destination = into_folder(files, source, destination);
    if let Some(parent) = destination.absolute.parent() {
        make_folders(files, parent, FOLDER_MODE)?;
    }
    let failed = |errno| Error::file("rename", &destination.absolute, errno);
    let to = files.root.entry(&destination.absolute).map_err(failed)?;
    let turn = files.turn(&to).map_err(failed)?;
    let flags = if no_overwrite { RenameFlags::NOREPLACE } else { RenameFlags::empty() };
    let renamed = match rustix::fs::renameat_with(&from.folder, &from.name, &to.folder, &to.name, flags) {
        // A kernel or a file system without the flag: a link cannot replace anything either.
        Err(Errno::INVAL | Errno::NOSYS) if no_overwrite && !info.is_folder() => {
            rustix::fs::linkat(&from.folder, &from.name, &to.folder, &to.name, AtFlags::empty())
                .and_then(|()| rustix::fs::unlinkat(&from.folder, &from.name, AtFlags::empty()))
        }
        result => result,
    };
    match renamed {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) if no_overwrite => Err(Error::FileExists { path: destination.absolute }),
        Err(Errno::XDEV) => {
            drop(turn);
            if !no_overwrite && info.is_folder() && to.stat.is_some_and(|stat| Info::new(&stat).is_folder()) {
                // As a rename has it: an empty folder makes room for another, and nothing is mixed with what is in a full one.
                rustix::fs::unlinkat(&to.folder, &to.name, AtFlags::REMOVEDIR).map_err(failed)?;
            }
            super::copy::copy_to(
                files,
                source,
                &destination,
                super::copy::How { no_overwrite, is_move: true },
            )?;
            Removal::find(files, source)?.run(true)
        }
        Err(errno) => Err(failed(errno)),
    }
}

/// Where a copy or a move ends: inside the destination when that is a folder.
pub(super) fn into_folder(files: &Files, source: &Place, destination: &Place) -> Place {
    let is_folder =
        files.root.stat(&destination.absolute, true).is_ok_and(|stat| Info::new(&stat).is_folder());
    if is_folder { destination.join(source.name()) } else { destination.clone() }
}

/// Makes a symbolic link.
pub(crate) fn link(files: &Files, target: &Path, place: &Place) -> Result<()> {
    let failed = |errno| Error::file("symlink", &place.absolute, errno);
    if let Some(parent) = place.absolute.parent() {
        make_folders(files, parent, FOLDER_MODE)?;
    }
    let entry = files.root.entry(&place.absolute).map_err(failed)?;
    match rustix::fs::symlinkat(target, &entry.folder, &entry.name) {
        Err(Errno::EXIST) => Err(Error::FileExists { path: place.absolute.clone() }),
        result => result.map_err(failed),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use super::*;

    thread_local! {
        /// How often this thread has looked through a folder.
        pub(super) static LOOKS: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn each_folder_is_looked_through_once() {
        let parent = std::env::temp_dir().join(format!("boxd-clear-{:016x}", fastrand::u64(..)));
        for n in 0..100 {
            let folder = parent.join(format!("wide/{n}"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("file"), "").unwrap();
        }
        let before = LOOKS.get();
        clear(&fs::File::open(&parent).unwrap().into(), "wide".as_ref()).unwrap();
        assert_eq!(LOOKS.get() - before, 101, "the wide one, and each in it");
        fs::remove_dir(&parent).unwrap();
    }
}
