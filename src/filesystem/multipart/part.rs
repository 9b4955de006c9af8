//! `Part` and `PartUpload`: a part of an upload, and how one comes.
//!
//! The bytes go to a file without a name, so one that is cut leaves nothing, whoever is killed. It gets its name when it is
//! whole, by a rename that takes the older one's place; its MD5 stands beside it under the number of that very file, so that no
//! part is ever seen with the MD5 of another.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use md5::{Digest, Md5};
use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::folder::{self, FILE_MODE};
use super::id::UploadId;
use super::session;
use super::uploads::Uploads;
use crate::error::{Error, Result};
use crate::filesystem::root::look;
use crate::filesystem::staging::Staging;

/// The highest number of a part, as in S3.
pub(super) const NUMBER_MAX: u32 = 10_000;

/// An upload whose part is still coming is touched so often, that it does not grow old.
const TOUCH_EVERY: Duration = Duration::from_mins(1);

/// How often a part is looked at again that another one has replaced between two looks.
const LOOKS_MAX: usize = 16;

/// Hexadecimal digits of an MD5.
const ETAG_LEN: usize = 32;

/// What one read of a file takes whose MD5 is not known.
const READ_BYTES: usize = 256 << 10;

/// A part that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// From 1 to 10,000.
    pub(crate) number: u32,
    /// The MD5 of its bytes in hexadecimal digits.
    pub(crate) etag: String,
    /// Bytes.
    pub(crate) size: u64,
    /// When it was whole: seconds since 1970, and nanoseconds.
    pub(crate) uploaded_at: (i64, u32),
}

impl Part {
    fn new(number: u32, etag: String, stat: &Stat) -> Self {
        let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
        Self { number, etag, size: size(stat), uploaded_at: (stat.st_mtime, nanoseconds) }
    }
}

/// The name of a part's file.
pub(super) fn file_name(number: u32) -> String {
    format!("part-{number}")
}

/// The number of the part whose file has this name.
pub(super) fn number(name: &[u8]) -> Option<u32> {
    let number = std::str::from_utf8(name).ok()?.strip_prefix("part-")?.parse().ok()?;
    ((1..=NUMBER_MAX).contains(&number) && file_name(number).as_bytes() == name).then_some(number)
}

fn etag_name(number: u32, inode: u64) -> String {
    format!("etag-{number}-{inode}")
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// What is known of a part; `None` when there is none.
pub(super) fn describe(folder: &OwnedFd, number: u32) -> Result<Option<Part>, Errno> {
    let mut last = None;
    for _ in 0..LOOKS_MAX {
        let Some(stat) = look(folder, file_name(number).as_ref())? else { return Ok(None) };
        match folder::read_file(folder, &etag_name(number, stat.st_ino), ETAG_LEN as u64) {
            Ok(bytes) if is_etag(&bytes) => {
                let etag = String::from_utf8_lossy(&bytes).into_owned();
                return Ok(Some(Part::new(number, etag, &stat)));
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        // Another part has taken its place, or its MD5 is lost.
        if last == Some(stat.st_ino) {
            break;
        }
        last = Some(stat.st_ino);
    }
    match open(folder, number) {
        Ok(file) => {
            let stat = rustix::fs::fstat(&file)?;
            Ok(Some(Part::new(number, md5_of(file)?, &stat)))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn is_etag(bytes: &[u8]) -> bool {
    bytes.len() == ETAG_LEN && bytes.iter().all(u8::is_ascii_hexdigit)
}

/// Opens a part.
pub(super) fn open(folder: &OwnedFd, number: u32) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(folder, file_name(number), flags, Mode::empty()).map(File::from)
}

fn md5_of(mut file: File) -> Result<String, Errno> {
    let mut hash = Md5::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(hash)),
            Ok(read) => hash.update(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        }
    }
}

fn hex(hash: Md5) -> String {
    format!("{:x}", hash.finalize())
}

/// A part that is coming. Dropped before it is finished, nothing has happened.
#[derive(Debug)]
pub(crate) struct PartUpload {
    uploads: Uploads,
    id: UploadId,
    number: u32,
    folder: OwnedFd,
    staging: Staging,
    hash: Md5,
    touched: Instant,
    /// Room that was taken.
    room_bytes: u64,
}

impl PartUpload {
    /// Finds the upload, and a place for the part's bytes.
    ///
    /// # Errors
    /// `UploadNotFound`, `InvalidPartNumber`.
    pub(crate) fn begin(uploads: &Uploads, id: UploadId, number: i64) -> Result<Self> {
        let session = uploads.session(id)?;
        let number = u32::try_from(number)
            .ok()
            .filter(|number| (1..=NUMBER_MAX).contains(number))
            .ok_or(Error::InvalidPartNumber { max: NUMBER_MAX })?;
        let staging = Staging::in_folder(&session.folder, FILE_MODE).map_err(|errno| match errno {
            // The folder was removed between the look and the deed.
            Errno::NOENT => Error::UploadNotFound { id: id.to_string() },
            errno => session.failed("open", errno),
        })?;
        session.touch().map_err(|errno| session.failed("touch", errno))?;
        Ok(Self {
            uploads: uploads.clone(),
            id,
            number,
            folder: session.folder,
            staging,
            hash: Md5::new(),
            touched: Instant::now(),
            room_bytes: 0,
        })
    }

    /// Takes more bytes.
    ///
    /// # Errors
    /// `UploadsFull`, and what the disk says.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.room_bytes += bytes.len() as u64;
        self.uploads.room.coming(bytes.len() as u64, || self.uploads.count_bytes())?;
        self.hash.update(bytes);
        self.staging.file.write_all(bytes).map_err(|source| Error::File {
            action: "write",
            path: file_name(self.number).into(),
            source,
        })?;
        if self.touched.elapsed() > TOUCH_EVERY {
            self.touched = Instant::now();
            session::touch(&self.folder).ok();
        }
        Ok(())
    }

    /// Makes it a part of the upload, in the place of another of its number. To be called in turn.
    pub(crate) fn finish(mut self) -> Result<Part> {
        let session = self.uploads.locked(self.id)?;
        let failed = |errno| session.failed("write", errno);
        let (name, folder) = (file_name(self.number), &session.folder);
        let stat = rustix::fs::fstat(&self.staging.file).map_err(failed)?;
        let old = look(folder, name.as_ref()).map_err(failed)?;
        let etag = hex(std::mem::take(&mut self.hash));
        folder::write_file(folder, &etag_name(self.number, stat.st_ino), etag.as_bytes()).map_err(failed)?;
        // A name that a killed worker leaves goes with the session.
        self.staging.replace(folder, name.as_ref(), |_| ()).map_err(failed)?;
        if let Some(old) = &old {
            // It is of no use any more; left behind, it does no harm.
            rustix::fs::unlinkat(folder, etag_name(self.number, old.st_ino), AtFlags::empty()).ok();
        }
        self.uploads.room.changed(size(&stat), old.as_ref().map_or(0, size));
        Ok(Part::new(self.number, etag, &stat))
    }
}

impl Drop for PartUpload {
    fn drop(&mut self) {
        self.uploads.room.came(self.room_bytes);
    }
}
