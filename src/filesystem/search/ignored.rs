//! What `.gitignore` files say: those of the folders that are walked, and of the folders above them in the same repository.

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{Mode, OFlags};

use crate::filesystem::{Files, Info};

/// The file's name.
pub(super) const NAME: &str = ".gitignore";

/// What is read of one such file.
const BYTES_MAX: u64 = 1 << 20;

/// The rules of one folder.
#[derive(Debug)]
pub(super) struct Rules {
    rules: Gitignore,
    /// Where what is below the searched folder begins, as the rules' folder sees it; empty for those below.
    prefix: PathBuf,
}

impl Rules {
    /// The rules of a folder. None when there are none, or they cannot be read: a link is not followed, as git does not.
    pub(super) fn of(folder: &OwnedFd) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(folder, NAME, flags, Mode::empty()).ok()?;
        if !Info::new(&rustix::fs::fstat(&file).ok()?).is_file() {
            return None;
        }
        let mut text = Vec::new();
        std::fs::File::from(file).take(BYTES_MAX).read_to_end(&mut text).ok()?;
        Some(Self { rules: parse(&String::from_utf8_lossy(&text))?, prefix: PathBuf::new() })
    }

    /// Whether they leave an entry out (`Some(true)`), take it in, or say nothing. `path` begins below their folder, or, for one
    /// above, below the searched folder.
    pub(super) fn verdict(&self, path: &[u8], is_folder: bool) -> Option<bool> {
        let path = Path::new(OsStr::from_bytes(path));
        let matched = if self.prefix.as_os_str().is_empty() {
            self.rules.matched(path, is_folder)
        } else {
            self.rules.matched(self.prefix.join(path), is_folder)
        };
        match matched {
            Match::None => None,
            Match::Ignore(_) => Some(true),
            Match::Whitelist(_) => Some(false),
        }
    }
}

fn parse(text: &str) -> Option<Gitignore> {
    let mut builder = GitignoreBuilder::new("");
    for line in text.lines() {
        // A line that is malformed says nothing.
        builder.add_line(None, line).ok();
    }
    builder.build().ok().filter(|rules| !rules.is_empty())
}

/// The rules above a folder, the nearest first: up to the top of its repository, and none when it is in none.
pub(super) fn above(files: &Files, folder: &Path) -> Vec<Rules> {
    let mut found = Vec::new();
    for (depth, at) in folder.ancestors().enumerate() {
        let Ok(opened) = files.root.folder(at) else { return Vec::new() };
        if depth > 0
            && let Some(rules) = Rules::of(&opened)
        {
            let prefix = folder.strip_prefix(at).unwrap_or(folder).to_owned();
            found.push(Rules { prefix, ..rules });
        }
        if rustix::fs::statat(&opened, ".git", rustix::fs::AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return found;
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_gits() {
        #[track_caller]
        fn check(text: &str, path: &str, is_folder: bool, expect: Option<bool>) {
            let rules = Rules { rules: parse(text).unwrap(), prefix: PathBuf::new() };
            assert_eq!(rules.verdict(path.as_bytes(), is_folder), expect, "{text:?} {path}");
        }
        check("*.log\n", "a/b.log", false, Some(true));
        check("*.log\n!b.log\n", "a/b.log", false, Some(false));
        check("/top\n", "top", false, Some(true));
        check("/top\n", "a/top", false, None);
        check("out/\n", "out", false, None);
        check("out/\n", "a/out", true, Some(true));
        check("[\n*.log\n", "x.log", false, Some(true));
        let above = Rules { rules: parse("/sub/x\n").unwrap(), prefix: "sub".into() };
        assert_eq!(above.verdict(b"x", false), Some(true));
        assert_eq!(above.verdict(b"y", false), None);
    }
}
