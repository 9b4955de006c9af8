//! `Found`: what is at a path that somebody wants to read, opened.

use std::fs::File;

use rustix::io::Errno;

use super::path::Place;
use super::root::open_file;
use super::{Files, Info};
use crate::error::{Error, Result};

/// What was found at a path.
#[derive(Debug)]
pub(crate) enum Found {
    /// A folder, which is not opened.
    Folder,
    /// A regular file and what it is.
    File(File, Info),
}

impl Found {
    /// Opens what is to be read. Nothing is waited for: what is neither a file nor a folder is refused.
    pub(crate) fn find(files: &Files, place: &Place) -> Result<Self> {
        let failed = |action, errno| Error::file(action, &place.absolute, errno);
        let stat = files.root.stat(&place.absolute, true).map_err(|errno| failed("stat", errno))?;
        let info = Info::new(&stat);
        if info.is_folder() {
            return Ok(Self::Folder);
        }
        let refused = |info: Info| Error::NotRegular { path: place.absolute.clone(), kind: info.kind_name() };
        if !info.is_file() {
            return Err(refused(info));
        }
        let (file, stat) = open_file(&files.root, &place.absolute).map_err(|errno| match errno {
            // It has gone since.
            Errno::NOENT => failed("stat", errno),
            errno => failed("open", errno),
        })?;
        let info = Info::new(&stat);
        if info.is_file() { Ok(Self::File(file, info)) } else { Err(refused(info)) }
    }
}
