//! `Record`: one record of the kernel, kept.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::inotify::{Event, ReadFlags};

/// What a record takes beside its name.
const RECORD_BYTES: usize = 64;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The folder's number.
    pub(super) wd: i32,
    /// What has happened.
    pub(super) mask: ReadFlags,
    /// The same for both ends of a rename.
    pub(super) cookie: u32,
    /// In the folder; empty when it is about the folder itself.
    pub(super) name: OsString,
}

impl Record {
    /// Bytes that it holds, about.
    pub(super) fn bytes(&self) -> usize {
        RECORD_BYTES + self.name.len()
    }
}

impl From<Event<'_>> for Record {
    fn from(event: Event<'_>) -> Self {
        let name = event.file_name().map_or(&b""[..], |name| name.to_bytes());
        Self {
            wd: event.wd(),
            mask: event.events(),
            cookie: event.cookie(),
            name: OsStr::from_bytes(name).to_owned(),
        }
    }
}
