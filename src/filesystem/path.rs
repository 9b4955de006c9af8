//! `Place`: a file as a client names it, and where that is. Pure.
//!
//! A path is bytes: names on Linux are. It is cleaned by its text before the kernel sees it, so `..` never leaves the root and
//! `a/b/..` is `a` even where `b` is a link, as clients of this API are used to.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file that a client means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// As the client wrote it, `~` and slashes in a row apart.
    pub(crate) given: PathBuf,
    /// From the root: no `.`, no `..`, no slash at the end.
    pub(crate) absolute: PathBuf,
}

impl Place {
    /// What `given` means for one who stands in `working_dir`, an absolute path.
    pub(crate) fn new(given: &[u8], working_dir: &Path) -> Self {
        let whole = if given.starts_with(b"/") {
            given.to_vec()
        } else {
            [working_dir.as_os_str().as_bytes(), b"/", given].concat()
        };
        Self { given: path(given), absolute: clean(&whole) }
    }

    /// The last part of its path; a slash for the root.
    pub(crate) fn name(&self) -> &OsStr {
        self.absolute.file_name().unwrap_or(OsStr::new("/"))
    }

    /// One below it.
    pub(crate) fn join(&self, name: &OsStr) -> Self {
        Self { given: self.given.join(name), absolute: self.absolute.join(name) }
    }
}

/// Folders in one another that are gone through with one descriptor or two each: as many as a path can name (4,096 bytes). Deeper
/// trees are removed and searched, which needs no descriptor for each level; nobody else would have any meanwhile.
const DEPTH_MAX: usize = 2048;

/// Refuses to go deeper than `DEPTH_MAX` folders.
pub(super) fn check_depth(levels: usize, path: &Path) -> Result<()> {
    if levels < DEPTH_MAX {
        return Ok(());
    }
    let found = format!("more than {DEPTH_MAX} directories lie in one another under {}", path.display());
    Err(Error::TooMuch { what: "depth", found })
}

/// Makes several slashes in a row one.
pub(crate) fn collapse(text: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text {
        if !(*byte == b'/' && out.last() == Some(&b'/')) {
            out.push(*byte);
        }
    }
    out
}

/// Bytes as a path.
pub(crate) fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// An absolute path without `.`, `..` and needless slashes.
pub(crate) fn clean(absolute: &[u8]) -> PathBuf {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in absolute.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut out = vec![b'/'];
    out.extend(parts.join(&b'/'));
    path(&out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_are_cleaned_by_their_text() {
        #[track_caller]
        fn check(given: &str, absolute: &str, name: &str) {
            let place = Place::new(given.as_bytes(), Path::new("/work/dir"));
            assert_eq!((place.absolute.to_str(), place.name().to_str()), (Some(absolute), Some(name)));
        }
        check(".", "/work/dir", "dir");
        check("a", "/work/dir/a", "a");
        check("a/", "/work/dir/a", "a");
        check("../x", "/work/x", "x");
        check("../../../../x", "/x", "x");
        check("/a/./b//c/../d", "/a/b/d", "d");
        check("/", "/", "/");
        check("/..", "/", "/");
        check("...", "/work/dir/...", "...");
        assert_eq!(collapse(b"//a///b/"), b"/a/b/");
    }

    proptest! {
        #[test]
        fn no_place_is_outside_the_root(given in "[./a-c]{0,24}") {
            let place = Place::new(given.as_bytes(), Path::new("/w"));
            prop_assert!(place.absolute.is_absolute());
            prop_assert!(place.absolute.components().skip(1).all(|c| matches!(c, std::path::Component::Normal(_))));
            prop_assert_eq!(clean(place.absolute.as_os_str().as_bytes()), place.absolute);
        }
    }
}
