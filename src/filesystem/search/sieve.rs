//! `Sieve`: which files a search looks into, by their names.

use globset::GlobSet;

use super::walk::Walk;
use crate::filesystem::tree::globs;

/// A glob, and whether it is about whole paths: one with a slash is.
#[derive(Debug)]
struct Pattern {
    /// A malformed one fits nothing.
    globs: Option<GlobSet>,
    of_paths: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Sieve {
    only: Option<Pattern>,
    not: Option<Pattern>,
}

impl Sieve {
    /// Only what fits the one, and not what fits the other.
    pub(super) fn new(only: Option<String>, not: Option<String>) -> Self {
        Self { only: only.map(Pattern::new), not: not.map(Pattern::new) }
    }

    /// Whether the entry of a walk is looked into.
    pub(super) fn lets_through(&self, walk: &Walk) -> bool {
        self.only.as_ref().is_none_or(|only| only.fits(walk))
            && !self.not.as_ref().is_some_and(|not| not.fits(walk))
    }
}

impl Pattern {
    fn new(text: String) -> Self {
        let of_paths = text.contains('/');
        // From the searched folder on, as ripgrep has it.
        let text = text.strip_prefix('/').map(str::to_owned).unwrap_or(text);
        Self { globs: globs(&[text]), of_paths }
    }

    fn fits(&self, walk: &Walk) -> bool {
        self.globs.as_ref().is_some_and(|globs| {
            if self.of_paths { globs.is_match(walk.path()) } else { globs.is_match(walk.name()) }
        })
    }
}
