//! `Listing`: what is in one folder, in the order of the names' bytes.
//!
//! To be in order all names have to be there; what is known of each file is asked for when its turn comes. A million names of
//! 20 bytes are 36 MB, and there is a bound.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

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

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It holds bytes.
    File,
    /// A folder.
    Folder,
    /// A link, a FIFO, a device or the like.
    Other,
}

/// A name in the arena and what kind of entry it is.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    len: u16,
    kind: Kind,
}

/// The names of a folder, in order.
#[derive(Debug)]
pub(super) struct Names {
    arena: Vec<u8>,
    spans: Vec<Span>,
    /// What they take, of what all listings together may.
    _room: NamesRoom,
}

impl Names {
    /// Reads the names of an open folder; `path` is for errors.
    pub(super) fn read(files: &Files, folder: &OwnedFd, path: &Path) -> Result<Self> {
        let failed = |errno| Error::file("read", path, errno);
        let (mut arena, mut spans, mut room) = (Vec::new(), Vec::new(), files.names_room());
        let mut buffer = Vec::with_capacity(READ_BYTES);
        let mut entries = RawDir::new(folder, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    let stat = look(folder, OsStr::from_bytes(name)).map_err(failed)?;
                    stat.map_or(FileType::Unknown, |stat| Info::new(&stat).kind)
                }
                kind => kind,
            };
            let kind = match kind {
                FileType::Directory => Kind::Folder,
                FileType::RegularFile => Kind::File,
                _ => Kind::Other,
            };
            let start = u32::try_from(arena.len()).unwrap_or(u32::MAX);
            spans.push(Span { start, len: u16::try_from(name.len()).unwrap_or(u16::MAX), kind });
            arena.extend_from_slice(name);
            room.grow(name.len() + size_of::<Span>())?;
            if arena.len() > NAMES_BYTES_MAX {
                return Err(Error::TooMuch {
                    what: "directory listing",
                    found: format!("the names in {} are more than {NAMES_BYTES_MAX} bytes", path.display()),
                });
            }
        }
        spans.sort_unstable_by(|a, b| name_in(&arena, *a).cmp(name_in(&arena, *b)));
        Ok(Self { arena, spans, _room: room })
    }

    /// Entry `n`.
    pub(super) fn entry(&self, n: usize) -> Option<(&OsStr, Kind)> {
        let span = *self.spans.get(n)?;
        Some((OsStr::from_bytes(name_in(&self.arena, span)), span.kind))
    }

    /// What the entry of this name is.
    pub(super) fn find(&self, name: &OsStr) -> Option<Kind> {
        let found =
            self.spans.binary_search_by(|span| name_in(&self.arena, *span).cmp(name.as_bytes())).ok()?;
        Some(self.spans[found].kind)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Listing {
    path: PathBuf,
    folder: OwnedFd,
    names: Names,
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
        let names = Names::read(files, &folder, &place.absolute)?;
        Ok(Self { path: place.absolute.clone(), folder, names })
    }

    /// Entry `n`: its name, and whether it is a folder.
    pub(crate) fn entry(&self, n: usize) -> Option<(&OsStr, bool)> {
        self.names.entry(n).map(|(name, kind)| (name, kind == Kind::Folder))
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

fn name_in(arena: &[u8], span: Span) -> &[u8] {
    let start = span.start as usize;
    &arena[start..start + usize::from(span.len)]
}
