//! `Find`: what is below a folder by name, in the order of a walk.

use std::path::Path;

use globset::GlobSet;

use super::listing::Kind;
use super::path::Place;
use super::search::{Scope, Stop, Walk};
use super::tree::globs;
use super::{Files, Info};
use crate::error::{Error, Result};

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct FindOptions {
    /// Folders, and not what is none.
    pub(crate) folders: bool,
    /// Files whose names fit one of these; all when there is none. Folders are not asked.
    pub(crate) patterns: Vec<String>,
    /// How many are enough; `None` is no bound.
    pub(crate) results_max: Option<usize>,
    /// Where.
    pub(crate) scope: Scope,
}

/// What one step came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// One that fits: its path below the folder.
    Found(&'a Path),
    /// One that does not.
    Other,
    /// There is no more, or it is enough.
    End,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Find {
    /// `None` when it is not a folder that was named.
    walk: Option<Walk>,
    /// What was named, until it was looked at; `None` also when it is hidden.
    top: Option<Kind>,
    name_fits: bool,
    folders: bool,
    patterns: Option<GlobSet>,
    left: Option<usize>,
}

impl Find {
    /// Begins in a folder. What is no folder is itself all that can be found.
    pub(crate) fn open(files: &Files, place: &Place, options: FindOptions, stop: Stop) -> Result<Self> {
        let failed = |errno| Error::file("lstat", &place.absolute, errno);
        let stat = files.root.stat(&place.absolute, false).map_err(failed)?;
        let is_folder = Info::new(&stat).is_folder()
            || files.root.stat(&place.absolute, true).is_ok_and(|stat| Info::new(&stat).is_folder());
        let patterns = globs(&options.patterns);
        let name_fits = patterns.as_ref().is_none_or(|globs| globs.is_match(place.name()));
        // The working folder is not named by its name.
        let is_hidden = options.scope.exclude_hidden
            && place.given.as_os_str() != "."
            && place.name().as_encoded_bytes().starts_with(b".");
        let walk =
            if is_folder && !is_hidden { Some(Walk::open(files, place, options.scope, stop)?) } else { None };
        let top = if is_folder { Kind::Folder } else { Kind::File };
        Ok(Self {
            walk,
            top: (!is_hidden).then_some(top),
            name_fits,
            folders: options.folders,
            patterns,
            left: options.results_max,
        })
    }

    /// Looks at one more.
    pub(crate) fn step(&mut self) -> Result<Step<'_>> {
        if self.left == Some(0) {
            return Ok(Step::End);
        }
        if let Some(top) = self.top.take() {
            let fits = if self.folders { top == Kind::Folder } else { top != Kind::Folder && self.name_fits };
            return Ok(self.found(fits).map_or(Step::Other, |()| Step::Found(Path::new("."))));
        }
        let Some(walk) = &mut self.walk else { return Ok(Step::End) };
        if !walk.advance()? {
            return Ok(Step::End);
        }
        let fits = (walk.kind() == Kind::Folder) == self.folders
            && (self.folders || self.patterns.as_ref().is_none_or(|globs| globs.is_match(walk.name())));
        let found = self.found(fits);
        Ok(match &self.walk {
            Some(walk) if found.is_some() => Step::Found(walk.path()),
            _ => Step::Other,
        })
    }

    fn found(&mut self, fits: bool) -> Option<()> {
        if fits {
            self.left = self.left.map(|left| left - 1);
        }
        fits.then_some(())
    }
}
