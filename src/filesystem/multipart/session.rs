//! `Session`: one upload, opened: what is known of it, its parts, and the file that they become.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{AtFlags, Dir, FlockOperation, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;

use super::folder::{self, Folder, GONE};
use super::id::UploadId;
use super::metadata::{self, Metadata};
use super::part::{self, Part};
use super::room::Room;
use super::uploads::Uploads;
use crate::error::{Error, Result};
use crate::filesystem::root::look;
use crate::filesystem::{Files, Place, Upload, WriteOptions};

/// A part as a client names it who wants it in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WantedPart {
    /// Its number; any number, because any can be asked for.
    pub(crate) number: i64,
    /// The MD5 of its bytes, by which the client knows it.
    pub(crate) etag: String,
}

/// What is known of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The file that it is to be.
    pub(crate) path: PathBuf,
    /// The permissions of that file, if it is new.
    pub(crate) permissions: u32,
    /// When it was begun: seconds since 1970, and nanoseconds.
    pub(crate) initiated_at: (i64, u32),
    /// The parts that have come, in the order of their numbers.
    pub(crate) parts: Vec<Part>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    id: UploadId,
    all: Folder,
    /// The session's own, whose lock is held when it was opened to change it.
    pub(super) folder: OwnedFd,
}

impl Uploads {
    /// Opens an upload to look at it.
    pub(super) fn session(&self, id: UploadId) -> Result<Session> {
        let not_found = || Error::UploadNotFound { id: id.to_string() };
        let all = self.folder(false)?.ok_or_else(not_found)?;
        match folder::open_folder(&all.fd, id.to_string().as_ref()) {
            Ok(folder) => Ok(Session { id, all, folder }),
            Err(Errno::NOENT) => Err(not_found()),
            Err(errno) => Err(Error::file("open", all.path.join(id.to_string()), errno)),
        }
    }

    /// Opens an upload to change it: nobody else does meanwhile, in this worker or another.
    pub(super) fn locked(&self, id: UploadId) -> Result<Session> {
        let session = self.session(id)?;
        rustix::fs::flock(&session.folder, FlockOperation::LockExclusive)
            .map_err(|errno| session.failed("lock", errno))?;
        // Who held the lock before may have removed it.
        let mine = rustix::fs::fstat(&session.folder).map_err(|errno| session.failed("stat", errno))?;
        let named = look(&session.all.fd, OsStr::new(&id.to_string()))
            .map_err(|errno| session.failed("stat", errno))?;
        if named.is_none_or(|named| (named.st_dev, named.st_ino) != (mine.st_dev, mine.st_ino)) {
            return Err(Error::UploadNotFound { id: id.to_string() });
        }
        Ok(session)
    }

    /// What is known of an upload.
    pub(crate) fn look(&self, id: UploadId) -> Result<Listed> {
        let session = self.session(id)?;
        let metadata = session.metadata()?;
        Ok(Listed {
            path: metadata.path(),
            permissions: metadata.permissions,
            initiated_at: metadata.initiated_at,
            parts: session.parts()?,
        })
    }
}

impl Session {
    fn metadata(&self) -> Result<Metadata> {
        match folder::read_file(&self.folder, metadata::NAME, metadata::BYTES_MAX) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| Error::File {
                action: "read",
                path: self.path().join(metadata::NAME),
                source: error.into(),
            }),
            // It is being removed.
            Err(Errno::NOENT) => Err(Error::UploadNotFound { id: self.id.to_string() }),
            Err(errno) => Err(self.failed("read", errno)),
        }
    }

    /// The parts that have come, in the order of their numbers.
    pub(super) fn parts(&self) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for number in self.numbers()? {
            // One that has gone is one of an upload that is being removed.
            parts.extend(part::describe(&self.folder, number).map_err(|errno| self.failed("read", errno))?);
        }
        Ok(parts)
    }

    /// Bytes of all parts.
    pub(super) fn bytes(&self) -> Result<u64> {
        let size = |number| match look(&self.folder, part::file_name(number).as_ref()) {
            Ok(Some(stat)) => u64::try_from(stat.st_size).unwrap_or(0),
            _ => 0,
        };
        Ok(self.numbers()?.into_iter().map(size).sum())
    }

    fn numbers(&self) -> Result<Vec<u32>> {
        let failed = |errno| self.failed("read", errno);
        let mut numbers = Vec::new();
        for entry in Dir::read_from(&self.folder).map_err(failed)? {
            numbers.extend(part::number(entry.map_err(failed)?.file_name().to_bytes()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Makes the file of the parts that are wanted.
    pub(super) fn assemble(&self, mut wanted: Vec<WantedPart>, files: &Files) -> Result<PathBuf> {
        self.touch().map_err(|errno| self.failed("touch", errno))?;
        let metadata = self.metadata()?;
        // A list of parts is a set: the order is that of the numbers, and one that is named twice is one.
        wanted.sort_unstable();
        wanted.dedup();
        let mut numbers = Vec::with_capacity(wanted.len());
        for WantedPart { number, etag } in wanted {
            let known = u32::try_from(number).ok().filter(|number| (1..=part::NUMBER_MAX).contains(number));
            let part = match known {
                Some(known) => {
                    part::describe(&self.folder, known).map_err(|errno| self.failed("read", errno))?
                }
                None => None,
            };
            let part = part.ok_or(Error::PartNotFound { number })?;
            if part.etag != etag {
                return Err(Error::EtagMismatch { number });
            }
            numbers.push(part.number);
        }
        let path = metadata.path();
        let place = Place { given: path.clone(), absolute: path.clone() };
        let options = WriteOptions { mode: Some(metadata.permissions), ..WriteOptions::default() };
        let mut upload = files.act(|| Upload::begin(files, &place, options))?;
        for number in numbers {
            // Opened as the daemon, one at a time: there may be ten thousand.
            let file = self.open(number)?;
            files.act(|| upload.take_file(&file))?;
        }
        files.act(|| upload.commit())?;
        Ok(path)
    }

    fn open(&self, number: u32) -> Result<File> {
        part::open(&self.folder, number)
            .map_err(|errno| Error::file("open", self.path().join(part::file_name(number)), errno))
    }

    /// Removes it: at one instant for all who look for it, and then its files.
    pub(super) fn remove(&self, room: &Room) {
        let bytes = self.bytes().unwrap_or(0);
        let gone = OsString::from(format!("{GONE}{}", self.id));
        let removed = rustix::fs::renameat(&self.all.fd, self.id.to_string(), &self.all.fd, &gone)
            .and_then(|()| crate::filesystem::folder::clear(&self.all.fd, &gone));
        match removed {
            Ok(()) => room.changed(0, bytes),
            // What is left is removed by a sweep.
            Err(error) => tracing::warn!(%error, id = %self.id, "an upload is not removed"),
        }
    }

    /// Says that somebody is there.
    pub(super) fn touch(&self) -> Result<(), Errno> {
        touch(&self.folder)
    }

    pub(super) fn failed(&self, action: &'static str, errno: Errno) -> Error {
        Error::file(action, self.path(), errno)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.all.path.join(self.id.to_string())
    }
}

/// Makes a folder one that was changed just now.
pub(super) fn touch(folder: &OwnedFd) -> Result<(), Errno> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
    };
    rustix::fs::futimens(folder, &times)
}

/// When a folder was touched last: seconds since 1970.
pub(super) fn touched_at(all: &OwnedFd, name: &OsStr) -> Option<i64> {
    rustix::fs::statat(all, name, AtFlags::SYMLINK_NOFOLLOW).ok().map(|stat| stat.st_mtime)
}
