//! `Walk`: all that is below a folder, depth first, each folder in the order of its names' bytes.
//!
//! It goes by descriptors and never by a path, so a folder that somebody swaps for a link meanwhile leads nowhere, and a tree may be
//! deeper than a path can be long. Of the folders on the way a few are open; one that was closed is found again through `..`, and
//! only if it is still the same.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::folder::Folder;
use super::ignored::{self, Rules};
use super::pseudo::is_pseudo;
use super::stop::Stop;
use crate::error::{Error, Result};
use crate::filesystem::listing::{Kind, Names};
use crate::filesystem::{Files, Info, Place};

/// Folders on the way that are open at one time: a thousand searches take no more descriptors than the daemon has.
const OPEN_FOLDERS_MAX: usize = 16;

/// Folders that are left out when the client names none: what is fetched, built, or a repository's own.
pub(crate) const EXCLUDED_FOLDERS: [&str; 10] = [
    "node_modules",
    "vendor",
    ".git",
    "dist",
    "build",
    "target",
    "__pycache__",
    ".venv",
    ".next",
    "coverage",
];

/// What of a folder is searched.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// Folders of these names are left out with all that is in them.
    pub(crate) exclude_folders: HashSet<OsString>,
    /// What begins with a dot is left out.
    pub(crate) exclude_hidden: bool,
    /// What `.gitignore` files leave out is left out.
    pub(crate) gitignore: bool,
}

/// A folder on the way.
#[derive(Debug)]
struct Level {
    names: Names,
    next: usize,
    /// `None` when it was closed.
    folder: Option<Arc<Folder>>,
    /// Which folder it is; noted when it is closed.
    id: (u64, u64),
    /// Where its own path ends.
    path_len: usize,
    rules: Option<Rules>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Walk {
    files: Files,
    root: PathBuf,
    scope: Scope,
    stop: Stop,
    levels: Vec<Level>,
    /// The rules of folders above.
    above: Vec<Rules>,
    path: Vec<u8>,
    kind: Kind,
    /// The entry is a folder that was not entered yet.
    is_before_folder: bool,
    /// The walk began in a file system that the kernel makes up.
    pub(super) is_pseudo: bool,
}

impl Walk {
    /// Begins in a folder, or in the one that a link leads to.
    pub(crate) fn open(files: &Files, place: &Place, scope: Scope, stop: Stop) -> Result<Self> {
        let failed = |errno| Error::file("open", &place.absolute, errno);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let folder = files.root.open(&place.absolute, flags, Mode::empty()).map_err(failed)?;
        let folder = Folder::new(folder);
        let above = if scope.gitignore { ignored::above(files, &place.absolute) } else { Vec::new() };
        let mut walk = Self {
            files: files.clone(),
            root: place.absolute.clone(),
            stop,
            levels: Vec::new(),
            above,
            path: Vec::new(),
            kind: Kind::Folder,
            is_before_folder: false,
            is_pseudo: is_pseudo(&folder),
            scope,
        };
        let names = Names::read(files, folder.fd(), &place.absolute)?;
        walk.push(folder, names);
        Ok(walk)
    }

    /// Goes to the next entry; false at the end, or when nobody wants more.
    ///
    /// # Errors
    /// The daemon has no descriptor left, or a folder has more names than it holds: to leave something out for that would be a lie.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        if std::mem::take(&mut self.is_before_folder) {
            self.enter()?;
        }
        while let Some(level) = self.levels.last_mut() {
            if self.stop.is_set() {
                return Ok(false);
            }
            self.path.truncate(level.path_len);
            let Some((name, kind)) = level.names.entry(level.next) else {
                self.leave()?;
                continue;
            };
            level.next += 1;
            let is_folder = kind == Kind::Folder;
            if self.scope.exclude_hidden && name.as_bytes().starts_with(b".")
                || is_folder && self.scope.exclude_folders.contains(name)
            {
                continue;
            }
            if level.path_len > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.as_bytes());
            if self.scope.gitignore && self.is_ignored(is_folder) {
                continue;
            }
            self.kind = kind;
            self.is_before_folder = is_folder;
            return Ok(true);
        }
        Ok(false)
    }

    /// The path of the entry, below the folder where the walk began.
    pub(crate) fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    /// The name of the entry.
    pub(crate) fn name(&self) -> &OsStr {
        OsStr::from_bytes(self.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default())
    }

    /// What the entry is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the entry is a folder.
    pub(crate) fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }

    /// Opens the entry, if it is a regular file that can be read. Nothing is waited for.
    ///
    /// # Errors
    /// The daemon has no descriptor left.
    pub(crate) fn open_file(&self) -> Result<Option<(File, Info)>> {
        let Some(folder) = self.folder().filter(|_| self.kind == Kind::File) else { return Ok(None) };
        folder.open_file(self.name()).map_err(|errno| self.failed(errno))
    }

    /// The folder that the entry is in.
    pub(super) fn folder(&self) -> Option<&Arc<Folder>> {
        self.levels.last().and_then(|level| level.folder.as_ref())
    }

    fn is_ignored(&self, is_folder: bool) -> bool {
        let below = self.levels.iter().rev().filter_map(|level| {
            let from = if level.path_len == 0 { 0 } else { level.path_len + 1 };
            level.rules.as_ref()?.verdict(&self.path[from..], is_folder)
        });
        let above = self.above.iter().filter_map(|rules| rules.verdict(&self.path, is_folder));
        below.chain(above).next().unwrap_or(false)
    }

    /// Goes into the folder that the entry is, if that is possible.
    fn enter(&mut self) -> Result<()> {
        let Some(parent) = self.folder() else { return Ok(()) };
        let folder = match parent.open(self.name()) {
            Err(errno @ (Errno::MFILE | Errno::NFILE)) => return Err(self.failed(errno)),
            Err(_) => return Ok(()),
            Ok(folder) => folder,
        };
        if !self.is_pseudo && is_pseudo(&folder) {
            return Ok(());
        }
        match Names::read(&self.files, folder.fd(), &self.root) {
            Err(error @ (Error::TooMuch { .. } | Error::FilesBusy)) => return Err(error),
            // It has gone, or the disk cannot read it.
            Err(_) => {}
            Ok(names) => self.push(folder, names),
        }
        Ok(())
    }

    fn push(&mut self, folder: Folder, names: Names) {
        let has_rules = self.scope.gitignore && names.find(OsStr::new(ignored::NAME)) == Some(Kind::File);
        let rules = if has_rules { Rules::of(folder.fd()) } else { None };
        let path_len = self.path.len();
        let folder = Some(Arc::new(folder));
        self.levels.push(Level { names, next: 0, folder, id: (0, 0), path_len, rules });
        let far = self.levels.len().checked_sub(1 + OPEN_FOLDERS_MAX);
        if let Some(level) = far.map(|far| &mut self.levels[far])
            && let Some(folder) = level.folder.take()
        {
            level.id = folder.id().unwrap_or_default();
        }
    }

    /// Goes back up. A folder that cannot be found again has no more entries.
    fn leave(&mut self) -> Result<()> {
        let Some(done) = self.levels.pop() else { return Ok(()) };
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        if level.folder.is_some() {
            return Ok(());
        }
        let found = done.folder.map_or(Err(Errno::NOENT), |folder| folder.open(OsStr::new("..")));
        match found {
            Ok(folder) if folder.id() == Ok(level.id) => level.folder = Some(Arc::new(folder)),
            Err(errno @ (Errno::MFILE | Errno::NFILE)) => return Err(self.failed(errno)),
            _ => level.next = usize::MAX,
        }
        Ok(())
    }

    fn failed(&self, errno: Errno) -> Error {
        Error::file("open", self.root.join(self.path()), errno)
    }
}

#[cfg(test)]
mod tests;
