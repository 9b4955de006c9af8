//! Unpacking: first all names are looked at, then each entry is made.
//!
//! It is no transaction: what was unpacked before an error stays.

use std::fs::File;
use std::io::{Read, Write};

use rustix::io::Errno;

use super::format::Format;
use super::item::{Item, Kind, Source, bad, parts};
use super::tar_reader::TarReader;
use super::target::Target;
use super::zip_reader::ZipReader;
use crate::error::{Error, Result};
use crate::filesystem::{FOLDER_MODE, Files, Place, make_folders, path};

/// What one read takes of an entry.
const READ_BYTES: usize = 128 << 10;

/// What an entry has besides its bytes: headers, long names, padding.
const HEAD_BYTES_MAX: u64 = 4096;

/// Bytes of the paths of folders that are held until their permissions are given.
const FOLDERS_BYTES_MAX: usize = 128 << 20;

/// How much an archive may become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnpackBounds {
    /// Entries.
    pub(crate) entries_max: u64,
    /// Bytes of all files.
    pub(crate) bytes_max: u64,
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unpacked {
    /// Entries.
    pub(crate) entries: u64,
    /// Bytes of all files.
    pub(crate) bytes: u64,
}

/// Unpacks an archive into a folder, which is made when it is not there.
///
/// # Errors
/// `BadArchive`, also for a name that leaves the folder: nothing is written then. `ArchiveTooLarge`, if possible before anything is
/// written. What can befall a file.
pub(crate) fn unpack(
    files: &Files,
    place: &Place,
    (archive, format): (File, Format),
    bounds: UnpackBounds,
) -> Result<Unpacked> {
    let all_max = bounds.bytes_max.saturating_add(bounds.entries_max.saturating_mul(HEAD_BYTES_MAX));
    let mut source: Box<dyn Source> = match format {
        Format::Tar => Box::new(TarReader::new(archive, false, all_max)),
        Format::TarGz => Box::new(TarReader::new(archive, true, all_max)),
        Format::Zip => Box::new(ZipReader::open(archive)?),
    };
    check(&mut *source, bounds)?;
    make_folders(files, &place.absolute, FOLDER_MODE)?;
    let folder =
        files.root.folder(&place.absolute).map_err(|errno| Error::file("open", &place.absolute, errno))?;
    let mut unpacking = Unpacking {
        target: Target::new(files, place, folder),
        place,
        bounds,
        done: Unpacked::default(),
        folders: Vec::new(),
        folders_bytes: 0,
        buffer: vec![0; READ_BYTES],
    };
    source.each(&mut |item, bytes| unpacking.item(item, bytes))?;
    unpacking.finish()
}

/// Looks at all names and sizes.
fn check(source: &mut dyn Source, bounds: UnpackBounds) -> Result<()> {
    let mut found = Unpacked::default();
    source.each(&mut |item, _| {
        let whole = parts(&item.path)?;
        if whole.is_empty() && item.kind != Kind::Folder {
            return Err(bad(format!("the entry '{}' has no name", String::from_utf8_lossy(&item.path))));
        }
        match &item.kind {
            Kind::HardLink(source) if parts(source)?.is_empty() => {
                return Err(bad("a hard link in it leads to the folder itself"));
            }
            Kind::Link(target) if target.is_empty() || target.contains(&0) => {
                return Err(bad(format!("the link '{}' leads nowhere", String::from_utf8_lossy(&item.path))));
            }
            _ => {}
        }
        found.entries += 1;
        found.bytes = found.bytes.saturating_add(item.size);
        found.fits(bounds)
    })
}

impl Unpacked {
    fn fits(self, bounds: UnpackBounds) -> Result<()> {
        if self.entries > bounds.entries_max {
            return Err(Error::ArchiveTooLarge { what: "entries", max: bounds.entries_max });
        }
        if self.bytes > bounds.bytes_max {
            return Err(Error::ArchiveTooLarge { what: "bytes", max: bounds.bytes_max });
        }
        Ok(())
    }
}

struct Unpacking<'a> {
    target: Target,
    place: &'a Place,
    bounds: UnpackBounds,
    done: Unpacked,
    /// Folders whose permissions are given when all is in them.
    folders: Vec<(Vec<u8>, u32, Option<i64>)>,
    folders_bytes: usize,
    buffer: Vec<u8>,
}

impl Unpacking<'_> {
    fn item(&mut self, item: Item, bytes: &mut dyn Read) -> Result<()> {
        self.done.entries += 1;
        self.done.fits(self.bounds)?;
        let Item { path, kind, mode, modified, .. } = item;
        let whole = parts(&path)?;
        let place = self.place;
        let failed = |errno| failed(place, &path, errno);
        match &kind {
            // The folder itself is the client's, and stays as it is.
            Kind::Folder if whole.is_empty() => {}
            Kind::Folder => {
                self.target.folder(&whole).map_err(failed)?;
                self.folders_bytes += path.len() + size_of::<(Vec<u8>, u32, Option<i64>)>();
                if self.folders_bytes > FOLDERS_BYTES_MAX {
                    let max = FOLDERS_BYTES_MAX as u64;
                    return Err(Error::ArchiveTooLarge { what: "bytes of folders' names", max });
                }
                self.folders.push((whole.join(&b'/'), mode, modified));
            }
            Kind::Link(target) => self.target.link(&whole, target, modified).map_err(failed)?,
            Kind::HardLink(source) => {
                self.target.hard_link(&whole, &parts(source)?).map_err(failed)?;
            }
            Kind::File => {
                let mut staging = self.target.stage(&whole).map_err(failed)?;
                self.copy(&path, bytes, &mut staging.file)?;
                self.target.file(&whole, staging, mode, modified).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn copy(&mut self, entry: &[u8], from: &mut dyn Read, to: &mut File) -> Result<()> {
        loop {
            let read = match from.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let name = String::from_utf8_lossy(entry);
                    return Err(bad(format!("the entry '{name}' is broken: {error}")));
                }
            };
            self.done.bytes += read as u64;
            self.done.fits(self.bounds)?;
            to.write_all(&self.buffer[..read]).map_err(|source| Error::File {
                action: "write",
                path: self.place.absolute.join(path(entry)),
                source,
            })?;
        }
    }

    /// Gives folders their permissions, the deepest first: one that is closed lets nobody in.
    fn finish(mut self) -> Result<Unpacked> {
        // In the order of the paths those below a folder stand behind it; of two that are the same, the later counts.
        self.folders.sort_by(|a, b| a.0.cmp(&b.0));
        let mut done: Option<Vec<u8>> = None;
        while let Some((path, mode, modified)) = self.folders.pop() {
            if done.as_ref() == Some(&path) {
                continue;
            }
            let whole = parts(&path)?;
            match self.target.finish_folder(&whole, mode, modified) {
                // Something else has come into its place, by the archive or by somebody.
                Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(errno) => return Err(failed(self.place, &path, errno)),
            }
            done = Some(path);
        }
        Ok(self.done)
    }
}

fn failed(place: &Place, entry: &[u8], errno: Errno) -> Error {
    Error::file("unpack", place.absolute.join(path(entry)), errno)
}
