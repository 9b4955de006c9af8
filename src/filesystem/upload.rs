//! `Upload`: a file that is written, from its first byte to its name.
//!
//! ```text
//! begin ─ write … write ─ commit ─> Created | Replaced | InPlace | Appended
//!    └──────── dropped: nothing has happened
//! ```
//! Whatever is read meanwhile is the old file, whole; from the commit on it is the new one, whole. That is not possible for a
//! file that has a second name, is a mount point, belongs to somebody else, or is one of the kernel's: those get their
//! bytes in place, at the commit, after all of them have come and room for them was found. `Written` says which it was.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Access, AtFlags, FallocateFlags, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use super::folder::make_folders;
use super::path::Place;
use super::root::{Entry, is_link, look};
use super::staging::Staging;
use super::transfer::copy_all;
use super::{Condition, Files, Info};
use crate::error::{Error, Result};

/// The permissions of a new file for which none were asked; the umask takes its part.
pub(crate) const FILE_MODE: u32 = 0o644;

/// How often a commit begins again because somebody else created or removed the file meanwhile: against one who does nothing else, every second
/// try fails, and of sixteen in a row one in 65,536 was met.
const COMMITS_MAX: usize = 64;

/// How a file is to be written.
#[derive(Debug, Clone, Default)]
pub(crate) struct WriteOptions {
    /// The permissions of a new file.
    pub(crate) mode: Option<u32>,
    /// Behind what the file has.
    pub(crate) append: bool,
    /// What must be there.
    pub(crate) condition: Condition,
}

impl WriteOptions {
    fn new_mode(&self) -> Mode {
        Mode::from_raw_mode(self.mode.unwrap_or(FILE_MODE) & 0o777)
    }
}

/// How a file was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// It is new.
    Created,
    /// It took the place of the old one.
    Replaced,
    /// The old one has new bytes.
    InPlace,
    /// The old one has more bytes.
    Appended,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// How.
    pub(crate) method: Method,
    /// The file as it is now.
    pub(crate) info: Info,
}

/// See the module. Every call may wait for the disk.
#[derive(Debug)]
pub(crate) struct Upload {
    files: Files,
    place: Place,
    options: WriteOptions,
    staging: Staging,
}

impl Upload {
    /// Finds out whether the file may be written, and a place for its bytes.
    pub(crate) fn begin(files: &Files, place: &Place, options: WriteOptions) -> Result<Self> {
        let failed = |errno| Error::file("open", &place.absolute, errno);
        let (path, entry) = match files.root.target(&place.absolute) {
            Ok((entry, path)) => (path, Some(entry)),
            Err((Errno::NOENT, path)) => (path, None),
            // As clients know it: the folders are made first.
            Err((Errno::NOTDIR, path)) => {
                return Err(Error::file("mkdir", path.parent().unwrap_or(&path), Errno::NOTDIR));
            }
            Err((Errno::BUSY, _)) => return Err(failed(Errno::ISDIR)),
            Err((errno, _)) => return Err(failed(errno)),
        };
        let stat = entry.as_ref().and_then(|entry| entry.stat);
        check_kind(place, stat.as_ref())?;
        check_condition(&options, stat.as_ref())?;
        let staging = match entry {
            Some(entry) => stage(&entry, &options),
            None => Staging::in_folder(&nearest(files, &path)?, options.new_mode()),
        };
        let staging = staging.map_err(failed)?;
        Ok(Self { files: files.clone(), place: place.clone(), options, staging })
    }

    /// Writes a file of which all bytes are there.
    pub(crate) fn whole(
        files: &Files,
        place: &Place,
        options: WriteOptions,
        bytes: &[u8],
    ) -> Result<Written> {
        let mut upload = Self::begin(files, place, options)?;
        upload.write(bytes)?;
        upload.commit()
    }

    /// As `begin`, for an entry that was found already: what it links to is not asked for.
    pub(super) fn onto(files: &Files, entry: &Entry, place: &Place) -> Result<Self> {
        check_kind(place, entry.stat.as_ref())?;
        let options = WriteOptions::default();
        let staging = stage(entry, &options).map_err(|errno| Error::file("open", &place.absolute, errno))?;
        Ok(Self { files: files.clone(), place: place.clone(), options, staging })
    }

    /// Takes more bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let failed = |error: std::io::Error| Error::File {
            action: "write",
            path: self.place.absolute.clone(),
            source: error,
        };
        self.staging.file.write_all(bytes).map_err(failed)
    }

    /// Takes all bytes of a file.
    pub(crate) fn take_file(&mut self, from: &File) -> Result<u64> {
        copy_all(from, &self.staging.file).map_err(|errno| self.failed("write", errno))
    }

    /// Says what the permissions of a new file are, when they were not known at the beginning.
    pub(crate) fn set_mode(&mut self, mode: Option<u32>) -> Result<()> {
        if let Some(mode) = mode
            && self.options.mode != Some(mode)
        {
            self.options.mode = Some(mode);
            let bits = Mode::from_raw_mode(mode & 0o777 & !self.files.umask);
            rustix::fs::fchmod(&self.staging.file, bits).map_err(|errno| self.failed("chmod", errno))?;
        }
        Ok(())
    }

    /// Gives the file its bytes, or the bytes their name.
    pub(crate) fn commit(mut self) -> Result<Written> {
        let mut last = Errno::EXIST;
        for _ in 0..COMMITS_MAX {
            match self.try_commit() {
                // Somebody else was there between the look and the deed (a link that was put there is refused when the file itself is opened),
                // or a link leads to where nothing can be made.
                Err(errno @ (Errno::EXIST | Errno::NOENT | Errno::LOOP)) => last = errno,
                Err(errno) => return Err(self.failed("open", errno)),
                Ok(result) => return result,
            }
        }
        Err(self.failed("open", last))
    }

    fn try_commit(&mut self) -> Result<Result<Written>, Errno> {
        let (entry, path) = match self.files.root.target(&self.place.absolute) {
            Ok(found) => found,
            Err((Errno::NOENT, path)) => {
                let parent = path.parent().unwrap_or(&path);
                if let Err(error) = make_folders(&self.files, parent, super::folder::FOLDER_MODE) {
                    return Ok(Err(error));
                }
                self.files.root.target(&self.place.absolute).map_err(|(errno, _)| errno)?
            }
            Err((errno, _)) => return Err(errno),
        };
        self.commit_to(&entry, &path)
    }

    /// Gives the bytes to an entry, which is at `path`. An errno alone is for who wants to try again.
    pub(super) fn commit_to(&mut self, entry: &Entry, path: &Path) -> Result<Result<Written>, Errno> {
        // One of ours at a time, so that of two who expect the same version one is refused.
        let files = self.files.clone();
        let turn = files.turn(entry)?;
        let stat = look(&entry.folder, &entry.name)?;
        if let Err(error) = check_kind(&self.place, stat.as_ref())
            .and_then(|()| check_condition(&self.options, stat.as_ref()))
        {
            return Ok(Err(error));
        }
        let method = match stat {
            // It has come since the look, and is followed at the next one.
            Some(stat) if is_link(&stat) => return Err(Errno::EXIST),
            None => {
                self.create(entry)?;
                Method::Created
            }
            Some(_) if self.options.append => {
                let file = open_existing(entry, OFlags::APPEND)?;
                if let Err(errno) = self.append_to(&file) {
                    return Ok(Err(self.failed("write", errno)));
                }
                return Ok(Ok(Written { method: Method::Appended, info: info(&file)? }));
            }
            Some(stat) if self.replace(entry, &stat, (path, turn.number))? => Method::Replaced,
            Some(stat) => {
                let file = open_existing(entry, OFlags::empty())?;
                if let Err(errno) = self.overwrite(&file, &stat) {
                    return Ok(Err(self.failed("write", errno)));
                }
                return Ok(Ok(Written { method: Method::InPlace, info: info(&file)? }));
            }
        };
        Ok(Ok(Written { method, info: info(&self.staging.file)? }))
    }

    fn create(&mut self, entry: &Entry) -> Result<(), Errno> {
        if self.staging.is_in_folder {
            match self.staging.create(&entry.folder, &entry.name) {
                // The folders above it were made on another file system, or cannot link.
                Err(Errno::XDEV | Errno::OPNOTSUPP | Errno::PERM) => {}
                result => return result,
            }
        }
        let mut staging = Staging::in_folder(&entry.folder, self.options.new_mode())?;
        self.copy_to(&staging.file)?;
        staging.create(&entry.folder, &entry.name)?;
        self.staging = staging;
        Ok(())
    }

    /// Puts the new file in the place of the old one; false when only the old one's bytes can be changed.
    fn replace(&mut self, entry: &Entry, stat: &Stat, (path, turn): (&Path, usize)) -> Result<bool, Errno> {
        if !self.staging.is_in_folder
            || stat.st_nlink != 1
            || is_closed(entry)
            || !take_after(&self.staging.file, entry, stat)
        {
            return Ok(false);
        }
        let pending = self.files.pending.as_ref();
        let note = |name: &OsStr| {
            if let Some(pending) = pending {
                pending.note(turn, &path.with_file_name(name));
            }
        };
        let replaced = self.staging.replace(&entry.folder, &entry.name, note);
        if replaced.is_ok()
            && let Some(pending) = pending
        {
            pending.clear(turn);
        }
        match replaced {
            Ok(()) => Ok(true),
            // A mount point, another file system, somebody else's file in a sticky folder, an immutable one.
            Err(Errno::BUSY | Errno::XDEV | Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    fn overwrite(&self, file: &File, stat: &Stat) -> Result<(), Errno> {
        let (old_len, len) = (u64::try_from(stat.st_size).unwrap_or(0), self.len()?);
        if len > old_len {
            let room = rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, len);
            // The kernel's own files have no room to find.
            if let Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) = room {
                // Some file systems keep what they had found by then.
                rustix::fs::ftruncate(file, old_len).ok();
                return Err(errno);
            }
        }
        self.copy_to(file)?;
        if len < old_len || old_len == 0 {
            match rustix::fs::ftruncate(file, len) {
                Err(Errno::INVAL | Errno::PERM | Errno::ACCESS) if old_len == 0 => {}
                result => result?,
            }
        }
        Ok(())
    }

    fn append_to(&self, file: &File) -> Result<(), Errno> {
        let before = rustix::fs::fstat(file)?.st_size;
        let result = self.copy_to(file);
        if result.is_err() {
            // Half of it is worse than nothing; nobody else of ours has written meanwhile.
            rustix::fs::ftruncate(file, u64::try_from(before).unwrap_or(0)).ok();
        }
        result.map(drop)
    }

    fn copy_to(&self, file: &File) -> Result<(), Errno> {
        (&self.staging.file).seek(SeekFrom::Start(0)).map_err(|_| Errno::IO)?;
        let bytes = self.len()?;
        // The kernel's own files want their bytes in one write.
        if bytes <= WHOLE_BYTES_MAX {
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut (&self.staging.file), &mut content).map_err(|_| Errno::IO)?;
            return (&mut &*file)
                .write_all(&content)
                .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO));
        }
        copy_all(&self.staging.file, file).map(drop)
    }

    fn len(&self) -> Result<u64, Errno> {
        Ok(u64::try_from(rustix::fs::fstat(&self.staging.file)?.st_size).unwrap_or(0))
    }

    fn failed(&self, action: &'static str, errno: Errno) -> Error {
        Error::file(action, &self.place.absolute, errno)
    }
}

/// Up to here a copy is one read and one write.
const WHOLE_BYTES_MAX: u64 = 256 << 10;

fn info(file: &File) -> Result<Info, Errno> {
    Ok(Info::new(&rustix::fs::fstat(file)?))
}

/// A place for the bytes of an entry that is there, or is to be.
fn stage(entry: &Entry, options: &WriteOptions) -> Result<Staging, Errno> {
    // A new file is created with its first name; one that replaces another needs one for an instant.
    let may_replace = entry.stat.is_none_or(|stat| stat.st_nlink == 1 && !options.append);
    let staged = if may_replace {
        Staging::in_folder(&entry.folder, options.new_mode())
    } else {
        Staging::elsewhere()
    };
    match staged {
        Err(Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::OPNOTSUPP | Errno::NOENT)
            if entry.stat.is_some() =>
        {
            // The folder takes no new file (`/proc` says so by `ENOENT`), but the file may take new bytes.
            open_existing(entry, OFlags::empty())?;
            Staging::elsewhere()
        }
        staged => staged,
    }
}

/// The nearest folder above a path that is there.
fn nearest(files: &Files, path: &Path) -> Result<OwnedFd> {
    let mut folder = path.parent();
    while let Some(at) = folder {
        match files.root.folder(at) {
            Err(Errno::NOENT) => folder = at.parent(),
            Err(errno) => return Err(Error::file("mkdir", at, errno)),
            Ok(opened) => return Ok(opened),
        }
    }
    Err(Error::file("open", path, Errno::NOENT))
}

fn check_kind(place: &Place, stat: Option<&Stat>) -> Result<()> {
    let Some(stat) = stat else { return Ok(()) };
    match FileType::from_raw_mode(stat.st_mode) {
        // A link that came between the look and the deed is followed at the next try.
        FileType::RegularFile | FileType::Symlink => Ok(()),
        FileType::Directory => Err(Error::file("open", &place.absolute, Errno::ISDIR)),
        _ => Err(Error::NotRegular { path: place.absolute.clone(), kind: Info::new(stat).kind_name() }),
    }
}

fn check_condition(options: &WriteOptions, stat: Option<&Stat>) -> Result<()> {
    if !options.condition.is_any() {
        return Ok(());
    }
    let tag = stat.map(|stat| Info::new(stat).etag());
    if options.condition.holds(tag.as_deref()) { Ok(()) } else { Err(Error::PreconditionFailed) }
}

fn open_existing(entry: &Entry, flags: OFlags) -> Result<File, Errno> {
    let flags =
        flags | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::openat(&entry.folder, &entry.name, flags, Mode::empty()).map(File::from)
}

/// Whether the file may not be written to. To take its place only asks for its folder; but who made a file read-only means it, and
/// to open it is refused then in the words of the system.
fn is_closed(entry: &Entry) -> bool {
    // As the user whose the operation is: without the flag it would be the real one.
    let access = rustix::fs::accessat(&entry.folder, &entry.name, Access::WRITE_OK, AtFlags::EACCESS);
    access == Err(Errno::ACCESS)
}

/// Gives the new file the owner, the permissions and the attributes of the old one; false when that is not possible.
fn take_after(new: &File, entry: &Entry, old: &Stat) -> bool {
    let Ok(now) = rustix::fs::fstat(new) else { return false };
    let (uid, gid) = (old.st_uid, old.st_gid);
    if (now.st_uid, now.st_gid) != (uid, gid)
        && rustix::fs::fchown(new, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).is_err()
    {
        return false;
    }
    if !take_attributes(new, entry) {
        return false;
    }
    // Last: a new owner takes the setuid bit away, and an access list sets the group's permissions.
    let mode = old.st_mode & 0o7777;
    now.st_mode & 0o7777 == mode && now.st_uid == uid
        || rustix::fs::fchmod(new, Mode::from_raw_mode(mode)).is_ok()
}

/// Who may do what with a file, besides its permissions.
const ACCESS_LIST: &[u8] = b"system.posix_acl_access";

/// Attributes that a new file has by itself, or that a write takes from a file.
fn is_left_out(name: &[u8]) -> bool {
    name.starts_with(b"security.") || name.starts_with(b"trusted.overlay.")
}

fn take_attributes(new: &File, entry: &Entry) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let Ok(old) = rustix::fs::openat(&entry.folder, &entry.name, flags, Mode::empty()) else { return false };
    let mut names = Vec::with_capacity(1024);
    loop {
        match rustix::fs::flistxattr(&old, rustix::buffer::spare_capacity(&mut names)) {
            Ok(_) => break,
            Err(Errno::RANGE) => names.reserve(names.capacity() * 2),
            // A file system without attributes has none to keep.
            Err(Errno::OPNOTSUPP) => return true,
            Err(_) => return false,
        }
    }
    let names = || names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    if !names().any(|name| name == ACCESS_LIST) {
        // The folder may have a list for what is new in it, which lets in whom the old file did not.
        match rustix::fs::fremovexattr(new, ACCESS_LIST) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(_) => return false,
        }
    }
    names().filter(|name| !is_left_out(name)).all(|name| take_attribute(new.as_fd(), &old, name).is_ok())
}

fn take_attribute(new: rustix::fd::BorrowedFd<'_>, old: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
    // The largest value that the kernel takes.
    let mut value = Vec::with_capacity(64 << 10);
    rustix::fs::fgetxattr(old, name, rustix::buffer::spare_capacity(&mut value))?;
    rustix::fs::fsetxattr(new, name, &value, rustix::fs::XattrFlags::empty())
}
