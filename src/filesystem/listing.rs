//! `Listing`: what is in one folder, in the order of the names' bytes.
//!
//! To be in order all names have to be there; what is known of each file is asked for when its turn comes. A million names of
//! 20 bytes are 36 MB, and there is a bound.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::{FileType, Mode, OFlags, RawDir};

use super::files::NamesRoom;
use super::path::Place;
use super::root::look;
use super::{Files, Info};
use crate::error::{Error, Result};

/// Bytes of names that one listing holds.
const NAMES_BYTES_MAX: usize = 128 << 20;

/// What one system call reads of a folder.
const READ_BYTES: usize = 64 << 10;

/// A name in the arena and what kind of entry it is.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    len: u16,
    is_folder: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Listing {
    path: PathBuf,
    folder: OwnedFd,
    arena: Vec<u8>,
    spans: Vec<Span>,
    room: NamesRoom,
}

impl Listing {
    /// Reads the names of a folder.
    pub(crate) fn open(files: &Files, place: &Place) -> Result<Self> {
        let failed = |errno| Error::file("open", &place.absolute, errno);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let folder = files.root.open(&place.absolute, flags, Mode::empty()).map_err(failed)?;
        Self::of(files, folder, place)
    }

    /// Reads the names of a folder that is open.
    pub(crate) fn of(files: &Files, folder: OwnedFd, place: &Place) -> Result<Self> {
        let failed = |errno| Error::file("read", &place.absolute, errno);
        let mut listing = Self {
            path: place.absolute.clone(),
            folder,
            arena: Vec::new(),
            spans: Vec::new(),
            room: files.names_room(),
        };
        let mut buffer = vec![MaybeUninit::uninit(); READ_BYTES];
        let mut entries = RawDir::new(&listing.folder, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let is_folder = match entry.file_type() {
                FileType::Unknown => {
                    let stat = look(&listing.folder, OsStr::from_bytes(name)).map_err(failed)?;
                    stat.is_some_and(|stat| Info::new(&stat).is_folder())
                }
                kind => kind == FileType::Directory,
            };
            let start = u32::try_from(listing.arena.len()).unwrap_or(u32::MAX);
            listing.spans.push(Span { start, len: u16::try_from(name.len()).unwrap_or(u16::MAX), is_folder });
            listing.arena.extend_from_slice(name);
            listing.room.grow(name.len() + size_of::<Span>())?;
            if listing.arena.len() > NAMES_BYTES_MAX {
                return Err(Error::TooMuch {
                    what: "directory listing",
                    found: format!(
                        "the names in {} are more than {NAMES_BYTES_MAX} bytes",
                        place.absolute.display()
                    ),
                });
            }
        }
        let Self { arena, spans, .. } = &mut listing;
        spans.sort_unstable_by(|a, b| name_in(arena, a).cmp(name_in(arena, b)));
        Ok(listing)
    }

    /// Entry `n`: its name, and whether it is a folder.
    pub(crate) fn entry(&self, n: usize) -> Option<(&OsStr, bool)> {
        let span = self.spans.get(n)?;
        Some((OsStr::from_bytes(name_in(&self.arena, span)), span.is_folder))
    }

    /// What is known of an entry, itself and not what it links to; `None` when it has gone meanwhile.
    pub(crate) fn info(&self, name: &OsStr) -> Result<Option<Info>> {
        let stat =
            look(&self.folder, name).map_err(|errno| Error::file("lstat", self.path.join(name), errno))?;
        Ok(stat.map(|stat| Info::new(&stat)))
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &OwnedFd {
        &self.folder
    }
}

fn name_in<'a>(arena: &'a [u8], span: &Span) -> &'a [u8] {
    let start = span.start as usize;
    &arena[start..start + usize::from(span.len)]
}
