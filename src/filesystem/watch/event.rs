//! `Event`: what a watcher tells.

use std::ffi::OsString;
use std::path::PathBuf;

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// It is there now.
    Create,
    /// It has other bytes.
    Write,
    /// It is gone.
    Remove,
    /// It has another name or place; that is told as `Create` where it is watched.
    Rename,
    /// Its permissions, its owner or its times are others.
    Chmod,
    /// More has happened than could be told: the folder has to be looked at again.
    Overflow,
    /// A folder cannot be watched.
    Error,
}

/// One thing that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// What.
    pub(crate) op: Op,
    /// To what: a name in `folder`; empty for `Overflow`.
    pub(crate) name: OsString,
    /// Where: an absolute path as the client knows it.
    pub(crate) folder: PathBuf,
    /// What went wrong.
    pub(crate) error: Option<String>,
}

impl Event {
    /// Something that went as it should.
    pub(crate) fn new(op: Op, folder: PathBuf, name: impl Into<OsString>) -> Self {
        Self { op, name: name.into(), folder, error: None }
    }

    /// The path of what it is about.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }
}
