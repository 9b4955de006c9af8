//! The folder of all uploads: opening it, and what is in it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, Mode, OFlags};
use rustix::io::Errno;

use super::id::UploadId;
use crate::error::{Error, Result};

/// Its name in the folder for temporary files, as the known server has it.
const NAME: &str = "multipart-uploads";

/// A session that is being made, and one that is being removed.
pub(super) const NEW: &str = ".new-";
pub(super) const GONE: &str = ".gone-";

/// Nobody but the daemon's user looks into an upload.
pub(super) const FOLDER_MODE: Mode = Mode::RWXU;
pub(super) const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The folder, opened.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) fd: OwnedFd,
    pub(super) path: PathBuf,
}

/// What is in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An upload.
    Session(UploadId),
    /// One that never came to be, if it is old.
    New(OsString),
    /// One that nobody needs.
    Gone(OsString),
}

impl Folder {
    /// Opens the folder in `temp`, and makes it when that is wanted. `None`: it is not there.
    ///
    /// The folder for temporary files is everybody's. What somebody else has put there under the name is left alone, and another
    /// name is taken.
    pub(super) fn open(temp: &Path, make: bool) -> Result<Option<Self>> {
        let user = rustix::process::geteuid();
        let mut refused = Errno::ACCESS;
        for name in [NAME.to_owned(), format!("{NAME}-{}", user.as_raw())] {
            let path = temp.join(name);
            if make {
                match rustix::fs::mkdirat(CWD, &path, FOLDER_MODE) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(Error::file("mkdir", path, errno)),
                }
            }
            let fd = match open_folder(CWD, path.as_os_str()) {
                Ok(fd) => fd,
                Err(Errno::NOENT) => return Ok(None),
                Err(errno) => {
                    refused = errno;
                    continue;
                }
            };
            let stat = rustix::fs::fstat(&fd).map_err(|errno| Error::file("stat", &path, errno))?;
            if stat.st_uid != user.as_raw() {
                continue;
            }
            if stat.st_mode & 0o077 != 0 {
                rustix::fs::fchmod(&fd, FOLDER_MODE).map_err(|errno| Error::file("chmod", &path, errno))?;
            }
            return Ok(Some(Self { fd, path }));
        }
        Err(Error::file("open", temp.join(NAME), refused))
    }

    /// All that is ours in it, in the order of the names.
    pub(super) fn entries(&self) -> Result<Vec<Found>> {
        let failed = |errno| Error::file("read", &self.path, errno);
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            let Some(text) = name.to_str() else { continue };
            if let Ok(id) = text.parse() {
                found.push(Found::Session(id));
            } else if text.starts_with(NEW) {
                found.push(Found::New(name.to_owned()));
            } else if text.starts_with(GONE) {
                found.push(Found::Gone(name.to_owned()));
            }
        }
        found.sort_unstable_by_key(|found| match found {
            Found::Session(id) => Some(*id),
            Found::New(_) | Found::Gone(_) => None,
        });
        Ok(found)
    }

    /// The uploads in it, in the order of their ids.
    pub(super) fn sessions(&self) -> Result<Vec<UploadId>> {
        let sessions = self.entries()?.into_iter().filter_map(|found| match found {
            Found::Session(id) => Some(id),
            Found::New(_) | Found::Gone(_) => None,
        });
        Ok(sessions.collect())
    }
}

/// Opens a folder that no link stands for.
pub(super) fn open_folder(at: impl rustix::fd::AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

/// Writes a file that nobody looks at yet.
pub(super) fn write_file(folder: &OwnedFd, name: &str, bytes: &[u8]) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::openat(folder, name, flags, FILE_MODE)?);
    io::Write::write_all(&mut &file, bytes).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Reads a small file whole.
pub(super) fn read_file(folder: &OwnedFd, name: &str, bytes_max: u64) -> Result<Vec<u8>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = std::fs::File::from(rustix::fs::openat(folder, name, flags, Mode::empty())?);
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, bytes_max), &mut bytes)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok(bytes)
}
