//! `Item`: an entry of an archive that is read, and the rules for what it may be. Pure, but for its bytes.

use std::io::Read;

use crate::error::{Error, Result};

/// What the kernel takes of a path. A longer one could be made step by step, each of its folders anew for each entry.
const PATH_BYTES_MAX: usize = 4095;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// A symbolic link that says this.
    Link(Vec<u8>),
    /// Another name of an earlier entry.
    HardLink(Vec<u8>),
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    /// Permissions; whatever else a mode says is not ours to give.
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) modified: Option<i64>,
    /// Bytes, as the archive says.
    pub(super) size: u64,
}

/// An archive that can be gone through, from its beginning, as often as one likes.
pub(super) trait Source {
    /// Shows every entry with its bytes. Bytes that are not taken are read over.
    fn each(&mut self, visit: &mut dyn FnMut(Item, &mut dyn Read) -> Result<()>) -> Result<()>;
}

/// The parts of a path below a folder, `.` left out. Empty for the folder itself.
///
/// # Errors
/// The path is absolute, goes up, or cannot be one.
pub(super) fn parts(path: &[u8]) -> Result<Vec<&[u8]>> {
    let refused = |why| {
        let name = String::from_utf8_lossy(path).into_owned();
        Err(bad(format!("the entry '{name}' {why}")))
    };
    if path.is_empty() {
        return refused("has no name");
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(bad("an entry has a path that is too long"));
    }
    if path.starts_with(b"/") {
        return refused("is absolute");
    }
    if path.contains(&0) {
        return refused("has a NUL byte in its name");
    }
    let parts: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
    if parts.contains(&&b".."[..]) { refused("leaves the folder") } else { Ok(parts) }
}

/// An archive that is none, or none that we unpack.
pub(super) fn bad(why: impl Into<String>) -> Error {
    Error::BadArchive { why: why.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_stay_below_the_folder() {
        for good in ["a", "a/b", "./a", "a//b/", ".", "./", "...", "a/.b", "..a/b.."] {
            assert!(parts(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in ["", "/", "/a", "..", "../a", "a/../b", "a/..", "./..", "a\0b"] {
            assert!(parts(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parts(&[b'a'; PATH_BYTES_MAX]).is_ok() && parts(&[b'a'; PATH_BYTES_MAX + 1]).is_err());
        assert_eq!(parts(b"./a//b/").unwrap(), [b"a", b"b"]);
    }

    proptest! {
        #[test]
        fn what_is_taken_never_goes_up(path in "[./a]{0,12}") {
            if let Ok(parts) = parts(path.as_bytes()) {
                prop_assert!(parts.iter().all(|part| !part.is_empty() && *part != b".." && !part.contains(&b'/')));
            }
        }
    }
}
