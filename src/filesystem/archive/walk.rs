//! `Walk`: what is to be put into an archive, in the order of the names, parents first.
//!
//! It goes by descriptors and follows no link but the one that a client named. What vanishes meanwhile is left out, and so is what
//! is no file, no folder and no link.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::filesystem::listing::Listing;
use crate::filesystem::path::check_depth;
use crate::filesystem::{Files, Info, Place, open_file};

/// What an entry is.
#[derive(Debug)]
pub(super) enum Kind {
    Folder,
    /// Opened: what is put into the archive is what was looked at.
    File(File),
    /// What the link says.
    Link(Vec<u8>),
}

/// An entry that is to be put into an archive.
#[derive(Debug)]
pub(super) struct Entry {
    /// Below the folder that is packed.
    pub(super) path: Vec<u8>,
    pub(super) info: Info,
    pub(super) kind: Kind,
}

struct Level {
    listing: Listing,
    next: usize,
    path: Vec<u8>,
}

/// See the module.
pub(super) struct Walk {
    files: Files,
    place: Place,
    /// The only entry when a file is packed.
    single: Option<Entry>,
    levels: Vec<Level>,
}

impl Walk {
    /// Through a folder, or to a file alone.
    pub(super) fn open(files: &Files, place: &Place) -> Result<Self> {
        let failed = |action| move |errno| Error::file(action, &place.absolute, errno);
        let stat = files.root.stat(&place.absolute, true).map_err(failed("stat"))?;
        let mut walk = Self { files: files.clone(), place: place.clone(), single: None, levels: Vec::new() };
        if Info::new(&stat).is_folder() {
            let listing = Listing::open(files, place)?;
            walk.levels.push(Level { listing, next: 0, path: Vec::new() });
            return Ok(walk);
        }
        let (file, stat) = open_file(&files.root, &place.absolute).map_err(failed("open"))?;
        let info = Info::new(&stat);
        if !info.is_file() {
            return Err(Error::NotRegular { path: place.absolute.clone(), kind: info.kind_name() });
        }
        let path = place.name().as_bytes().to_vec();
        walk.single = Some(Entry { path, info, kind: Kind::File(file) });
        Ok(walk)
    }

    /// The next entry; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Entry>> {
        if let Some(single) = self.single.take() {
            return Ok(Some(single));
        }
        while let Some(level) = self.levels.last_mut() {
            let Some((name, _)) = level.listing.entry(level.next) else {
                self.levels.pop();
                continue;
            };
            level.next += 1;
            let name = name.to_owned();
            let path = match &level.path[..] {
                b"" => name.as_bytes().to_vec(),
                above => [above, b"/", name.as_bytes()].concat(),
            };
            let place = self.place.join(OsStr::from_bytes(&path));
            match enter(&self.files, level, &name, &place) {
                Ok(Some((info, Entered::Folder(listing)))) => {
                    check_depth(self.levels.len(), &self.place.absolute)?;
                    self.levels.push(Level { listing, next: 0, path: path.clone() });
                    return Ok(Some(Entry { path, info, kind: Kind::Folder }));
                }
                Ok(Some((info, Entered::Other(kind)))) => return Ok(Some(Entry { path, info, kind })),
                Ok(None) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

enum Entered {
    Folder(Listing),
    Other(Kind),
}

/// Opens an entry; `None` when it has gone, or is of a kind that is left out.
fn enter(files: &Files, level: &Level, name: &OsString, place: &Place) -> Result<Option<(Info, Entered)>> {
    let Some(info) = level.listing.info(name)? else { return Ok(None) };
    let folder = level.listing.folder();
    let opened = if info.is_folder() {
        open(folder, name, OFlags::DIRECTORY)
    } else if info.is_file() {
        open(folder, name, OFlags::NONBLOCK | OFlags::NOCTTY)
    } else if info.is_link() {
        return match rustix::fs::readlinkat(folder, name, Vec::new()) {
            Ok(target) => Ok(Some((info, Entered::Other(Kind::Link(target.into_bytes()))))),
            // It is something else by now.
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(errno) => Err(Error::file("readlink", &place.absolute, errno)),
        };
    } else {
        return Ok(None);
    };
    let opened = match opened {
        Ok(opened) => opened,
        // The same.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => return Ok(None),
        Err(errno) => return Err(Error::file("open", &place.absolute, errno)),
    };
    let stat = rustix::fs::fstat(&opened).map_err(|errno| Error::file("stat", &place.absolute, errno))?;
    let info = Info::new(&stat);
    if info.is_folder() {
        return Ok(Some((info, Entered::Folder(Listing::of(files, opened, place)?))));
    }
    Ok(info.is_file().then(|| (info, Entered::Other(Kind::File(opened.into())))))
}

fn open(folder: &OwnedFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}
