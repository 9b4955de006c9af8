//! Copying files and folders: `POST /filesystem-copy`.
//!
//! Links are copied as links, what has no bytes and is no folder is refused, and nothing that somebody else puts in the way is
//! followed. With `no_overwrite` each entry is made exclusively, by the call that makes it, so there is no moment between a look
//! and the deed; what was made before the first refusal stays.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use super::folder::{FOLDER_MODE, into_folder, make_folders};
use super::listing::Listing;
use super::path::{Place, check_depth};
use super::root::{Entry, is_link, look};
use super::transfer::copy_all;
use super::{Files, Info, Upload};
use crate::error::{Error, Result};

/// Copies `source` to `destination`, or into it when it is a folder.
pub(crate) fn copy(files: &Files, source: &Place, destination: &Place, no_overwrite: bool) -> Result<()> {
    copy_to(files, source, &into_folder(files, source, destination), How { no_overwrite, is_move: false })
}

/// How files are copied.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    /// What is there is refused.
    pub(super) no_overwrite: bool,
    /// What is made has the owner, all permissions and the times of what it is made from.
    pub(super) is_move: bool,
}

/// Copies `source` to `destination` itself.
pub(super) fn copy_to(files: &Files, source: &Place, destination: &Place, how: How) -> Result<()> {
    let from =
        files.root.entry(&source.absolute).map_err(|errno| Error::file("lstat", &source.absolute, errno))?;
    let Some(stat) = from.stat else { return Err(Error::file("lstat", &source.absolute, Errno::NOENT)) };
    if let Some(parent) = destination.absolute.parent() {
        make_folders(files, parent, FOLDER_MODE)?;
    }
    let failed = |errno| Error::file("open", &destination.absolute, errno);
    let to = files.root.entry(&destination.absolute).map_err(failed)?;
    let info = Info::new(&stat);
    if let Some(there) = &to.stat {
        if how.no_overwrite {
            return Err(Error::FileExists { path: destination.absolute.clone() });
        }
        let there = files
            .root
            .stat(&destination.absolute, true)
            .map_or_else(|_| Info::new(there), |stat| Info::new(&stat));
        if (there.device, there.inode) == (info.device, info.inode) {
            return Err(Error::CopyRefused {
                why: "source and destination are the same file",
                path: source.absolute.clone(),
            });
        }
    }
    if info.is_folder() && is_inside(&to.folder, &info).map_err(failed)? {
        return Err(Error::CopyRefused {
            why: "cannot copy a directory into itself",
            path: destination.given.clone(),
        });
    }
    let deed = Copy {
        files: files.clone(),
        how,
        source: source.absolute.clone(),
        destination: destination.absolute.clone(),
    };
    deed.entry((&from.folder, &from.name), (&to.folder, &to.name), Path::new(""))
}

/// Whether a folder is `inner` or lies below it: by looking at all folders above, so links on the way count as what they are.
fn is_inside(folder: &OwnedFd, inner: &Info) -> Result<bool, Errno> {
    let mut at = rustix::io::fcntl_dupfd_cloexec(folder, 0)?;
    let mut last = None;
    loop {
        let stat = rustix::fs::fstat(&at)?;
        let id = (stat.st_dev, stat.st_ino);
        if id == (inner.device, inner.inode) {
            return Ok(true);
        }
        // The root is its own parent.
        if last == Some(id) {
            return Ok(false);
        }
        last = Some(id);
        at =
            rustix::fs::openat(&at, "..", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    }
}

struct Copy {
    files: Files,
    how: How,
    source: PathBuf,
    destination: PathBuf,
}

/// A folder that is being copied.
struct Level {
    listing: Listing,
    next: usize,
    to: OwnedFd,
    /// Below what was asked for.
    path: PathBuf,
    /// What it is made from, when it is new.
    from: Option<Stat>,
}

impl Copy {
    /// Copies one entry and all below it, without recursion: trees may be deeper than stacks.
    fn entry(&self, from: (&OwnedFd, &OsStr), to: (&OwnedFd, &OsStr), path: &Path) -> Result<()> {
        let mut levels: Vec<Level> = self.one(from, to, path)?.into_iter().collect();
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.listing.entry(level.next).map(|(name, _)| name.to_owned()) else {
                if let Some(done) = levels.pop()
                    && let Some(from) = &done.from
                {
                    // It was kept writable while it was filled.
                    rustix::fs::fchmod(&done.to, Mode::from_raw_mode(from.st_mode & 0o777))
                        .map_err(|errno| self.failed("chmod", &done.path, errno))?;
                    self.keep(&done.to, from);
                }
                continue;
            };
            level.next += 1;
            let path = level.path.join(&name);
            let next = self.one((level.listing.folder(), &name), (&level.to, &name), &path)?;
            check_depth(levels.len(), &self.source)?;
            levels.extend(next);
        }
        Ok(())
    }

    /// Copies one entry; gives a folder to go on with.
    fn one(&self, from: (&OwnedFd, &OsStr), to: (&OwnedFd, &OsStr), path: &Path) -> Result<Option<Level>> {
        let Some(stat) = look(from.0, from.1).map_err(|errno| self.failed_at_source("lstat", path, errno))?
        else {
            // It has gone since its folder was read.
            return Ok(None);
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => self.folder(from, to, path, &stat).map(Some),
            FileType::Symlink => self.link(from, to, path, &stat).map(|()| None),
            FileType::RegularFile => self.file(from, to, path, &stat).map(|()| None),
            _ => Err(Error::CopyRefused { why: "cannot copy special file", path: below(&self.source, path) }),
        }
    }

    fn folder(
        &self,
        from: (&OwnedFd, &OsStr),
        to: (&OwnedFd, &OsStr),
        path: &Path,
        stat: &Stat,
    ) -> Result<Level> {
        let mode = stat.st_mode & 0o777;
        let open = |folder: &OwnedFd, name: &OsStr| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(folder, name, flags, Mode::empty())
        };
        let folder = open(from.0, from.1).map_err(|errno| self.failed_at_source("open", path, errno))?;
        let place = Place { given: below(&self.source, path), absolute: below(&self.source, path) };
        let listing = Listing::of(&self.files, folder, &place)?;
        let is_new = match rustix::fs::mkdirat(to.0, to.1, Mode::from_raw_mode(mode | 0o700)) {
            Ok(()) => true,
            Err(Errno::EXIST) if self.how.no_overwrite => return Err(self.exists(path)),
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(self.failed("mkdir", path, errno)),
        };
        let opened = open(to.0, to.1).map_err(|errno| match errno {
            Errno::NOTDIR | Errno::LOOP => Error::CopyRefused {
                why: "destination is not a directory",
                path: below(&self.destination, path),
            },
            errno => self.failed("open", path, errno),
        })?;
        Ok(Level { listing, next: 0, to: opened, path: path.to_owned(), from: is_new.then_some(*stat) })
    }

    fn link(&self, from: (&OwnedFd, &OsStr), to: (&OwnedFd, &OsStr), path: &Path, stat: &Stat) -> Result<()> {
        let target = rustix::fs::readlinkat(from.0, from.1, Vec::new())
            .map_err(|errno| self.failed_at_source("readlink", path, errno))?;
        match rustix::fs::symlinkat(&target, to.0, to.1) {
            Err(Errno::EXIST) if self.how.no_overwrite => Err(self.exists(path)),
            Err(Errno::EXIST) => {
                match rustix::fs::unlinkat(to.0, to.1, AtFlags::empty()) {
                    Err(Errno::ISDIR | Errno::PERM) => {
                        return Err(Error::CopyRefused {
                            why: "cannot replace a directory with a symlink",
                            path: below(&self.destination, path),
                        });
                    }
                    result => result.map_err(|errno| self.failed("remove", path, errno))?,
                }
                rustix::fs::symlinkat(&target, to.0, to.1)
                    .map_err(|errno| self.failed("symlink", path, errno))
            }
            result => result.map_err(|errno| self.failed("symlink", path, errno)),
        }?;
        if self.how.is_move {
            let (uid, gid) = (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
            rustix::fs::chownat(to.0, to.1, uid, gid, AtFlags::SYMLINK_NOFOLLOW).ok();
        }
        Ok(())
    }

    fn file(&self, from: (&OwnedFd, &OsStr), to: (&OwnedFd, &OsStr), path: &Path, stat: &Stat) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let source = rustix::fs::openat(from.0, from.1, flags, Mode::empty())
            .map_err(|errno| self.failed_at_source("open", path, errno))?;
        let mode = Mode::from_raw_mode(stat.st_mode & 0o777);
        let make = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut opened = rustix::fs::openat(to.0, to.1, make, mode);
        if matches!(opened, Err(Errno::EXIST)) {
            if self.how.no_overwrite {
                return Err(self.exists(path));
            }
            if !self.remove_link(to, path)? {
                return self.over_existing((&source.into(), stat), to, path);
            }
            opened = rustix::fs::openat(to.0, to.1, make, mode);
        }
        let target = File::from(opened.map_err(|errno| self.failed("open", path, errno))?);
        copy_all(&File::from(source), &target).map_err(|errno| {
            // Half a file under a whole one's name would be taken for it, and hold the room that was missing.
            rustix::fs::unlinkat(to.0, to.1, AtFlags::empty()).ok();
            self.failed("write", path, errno)
        })?;
        self.keep(&target, stat);
        Ok(())
    }

    /// Gives what is moved the owner, the permissions and the times that it had, as far as that is allowed, as `mv` does.
    fn keep(&self, opened: impl AsFd, from: &Stat) {
        if !self.how.is_move {
            return;
        }
        let (uid, gid) = (Uid::from_raw(from.st_uid), Gid::from_raw(from.st_gid));
        // The bits for setuid and setgid mean the owner that it had.
        let is_owned = rustix::fs::fchown(&opened, Some(uid), Some(gid)).is_ok();
        let bits = if is_owned { 0o7777 } else { 0o1777 };
        rustix::fs::fchmod(&opened, Mode::from_raw_mode(from.st_mode & bits)).ok();
        let time = |seconds, nanoseconds: u64| rustix::fs::Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds.try_into().unwrap_or(0),
        };
        let times = rustix::fs::Timestamps {
            last_access: time(from.st_atime, from.st_atime_nsec),
            last_modification: time(from.st_mtime, from.st_mtime_nsec),
        };
        rustix::fs::futimens(&opened, &times).ok();
    }

    /// Removes a link that is in the way: where it leads is nobody's to say, under a root least of all. False when there is none.
    fn remove_link(&self, (folder, name): (&OwnedFd, &OsStr), path: &Path) -> Result<bool> {
        let failed = |errno| self.failed("remove", path, errno);
        if !look(folder, name).map_err(failed)?.as_ref().is_some_and(is_link) {
            return Ok(false);
        }
        rustix::fs::unlinkat(folder, name, AtFlags::empty()).map_err(failed)?;
        Ok(true)
    }

    /// Gives a file that is there other bytes, as every write does: it has the old ones until all new ones have come.
    fn over_existing(
        &self,
        (source, from): (&File, &Stat),
        (folder, name): (&OwnedFd, &OsStr),
        path: &Path,
    ) -> Result<()> {
        let failed = |errno| self.failed("open", path, errno);
        let refused = |why, path| Err(Error::CopyRefused { why, path });
        let stat = look(folder, name).map_err(failed)?;
        let at = below(&self.destination, path);
        match stat.as_ref().map(Info::new) {
            Some(there) if (there.device, there.inode) == (from.st_dev, from.st_ino) => {
                return refused("source and destination are the same file", below(&self.source, path));
            }
            Some(there) if !there.is_file() && !there.is_folder() => {
                return refused("cannot copy special file", at);
            }
            _ => {}
        }
        let folder = rustix::io::fcntl_dupfd_cloexec(folder, 0).map_err(failed)?;
        let entry = Entry { folder, name: name.to_owned(), stat };
        let place = Place { given: at.clone(), absolute: at.clone() };
        let mut upload = Upload::onto(&self.files, &entry, &place)?;
        upload.take_file(source)?;
        upload.commit_to(&entry, &at).map_err(failed)?.map(drop)
    }

    fn exists(&self, path: &Path) -> Error {
        Error::FileExists { path: below(&self.destination, path) }
    }

    fn failed(&self, action: &'static str, path: &Path, errno: Errno) -> Error {
        Error::file(action, below(&self.destination, path), errno)
    }

    fn failed_at_source(&self, action: &'static str, path: &Path, errno: Errno) -> Error {
        Error::file(action, below(&self.source, path), errno)
    }
}

/// `top` itself when there is nothing below it.
fn below(top: &Path, path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { top.to_owned() } else { top.join(path) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn files() -> (Files, PathBuf) {
        let dir = std::env::temp_dir().join(format!("boxd-cp-{}", fastrand::u64(..)));
        std::fs::create_dir(&dir).unwrap();
        (Files::new(super::super::root::Root::whole(), &dir, None, None), dir)
    }

    fn copied(files: &Files, from: &str, to: &str, no_overwrite: bool) -> Result<(), String> {
        let place = |text: &str| files.place(text.as_bytes()).unwrap();
        copy(files, &place(from), &place(to), no_overwrite).map_err(|error| error.to_string())
    }

    #[test]
    fn trees_are_copied_with_links_as_links() {
        let (files, dir) = files();
        std::fs::create_dir_all(dir.join("a/b")).unwrap();
        std::fs::write(dir.join("a/b/f"), "text").unwrap();
        symlink("b/f", dir.join("a/l")).unwrap();
        symlink("nowhere", dir.join("a/dangling")).unwrap();
        assert_eq!(copied(&files, "a", "new/c", true), Ok(()));
        assert_eq!(std::fs::read_to_string(dir.join("new/c/b/f")).unwrap(), "text");
        assert_eq!(std::fs::read_link(dir.join("new/c/dangling")).unwrap(), Path::new("nowhere"));
        assert!(copied(&files, "a", "new/c/a", true).is_ok());
        // Into a folder that is there.
        assert!(copied(&files, "a/b/f", "new", true).is_ok());
        assert!(copied(&files, "a/b/f", "new", true).unwrap_err().contains("already exists"));
        std::fs::write(dir.join("a/b/f"), "other").unwrap();
        let old = File::open(dir.join("new/f")).unwrap();
        assert!(copied(&files, "a/b/f", "new", false).is_ok());
        // The old bytes are whole as long as somebody reads them: they were replaced, and not cut off first.
        assert_eq!(std::io::read_to_string(old).unwrap(), "text");
        assert_eq!(std::fs::read_to_string(dir.join("new/f")).unwrap(), "other");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_cannot_be_copied_is_refused() {
        let (files, dir) = files();
        std::fs::create_dir_all(dir.join("a/b")).unwrap();
        symlink(dir.join("a/b"), dir.join("way")).unwrap();
        std::fs::write(dir.join("f"), "x").unwrap();
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, dir.join("fifo"), FileType::Fifo, mode, 0).unwrap();
        #[track_caller]
        fn check(result: Result<(), String>, expect: &str) {
            let text = result.unwrap_err();
            assert!(text.contains(expect), "{text}");
        }
        check(copied(&files, "a", "a/b/c", false), "cannot copy a directory into itself");
        check(copied(&files, "a", "way/c", false), "cannot copy a directory into itself");
        check(copied(&files, "f", "f", false), "source and destination are the same file");
        std::fs::write(dir.join("a/b/kept"), "kept").unwrap();
        check(copied(&files, "a/b", "a", false), "source and destination are the same file");
        std::fs::create_dir(dir.join("names")).unwrap();
        std::fs::hard_link(dir.join("a/b/kept"), dir.join("names/kept")).unwrap();
        std::fs::rename(dir.join("names"), dir.join("b")).unwrap();
        check(copied(&files, "a/b", ".", false), "source and destination are the same file");
        assert_eq!(std::fs::read_to_string(dir.join("a/b/kept")).unwrap(), "kept");
        check(copied(&files, "fifo", "g", false), "cannot copy special file");
        check(copied(&files, "none", "g", false), "no such file or directory");
        check(copied(&files, "a", "f", false), "destination is not a directory");
        assert_eq!(std::fs::metadata(dir.join("f")).unwrap().size(), 1);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
