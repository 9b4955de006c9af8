//! `Tree`: all that is below a folder, or in it, and how much that may be.
//!
//! What is there is found out before anything is answered, so a limit that is exceeded, or a file that cannot be read, is an error and
//! never half a tree.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::files::NamesRoom;
use super::listing::Listing;
use super::path::{Place, check_depth};
use super::root::open_file;
use super::{Files, Info};
use crate::error::{Error, Result};

/// Bytes of the paths that one tree holds.
const PATHS_BYTES_MAX: usize = 128 << 20;

/// What of a tree is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct TreeOptions {
    /// What is below folders too.
    pub(crate) recursive: bool,
    /// The bytes of the files.
    pub(crate) content: bool,
    /// Files whose names fit one of these; all when there is none.
    pub(crate) patterns: Vec<String>,
    /// Folders of these names are left out with all that is in them.
    pub(crate) exclude_folders: Vec<String>,
    /// What begins with a dot is left out.
    pub(crate) exclude_hidden: bool,
    /// How much it may be.
    pub(crate) limits: TreeLimits,
}

/// Bounds of a tree.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TreeLimits {
    /// Files; `None` is no bound.
    pub(crate) files_max: Option<u64>,
    /// Bytes of all files whose content is wanted.
    pub(crate) bytes_max: u64,
}

/// A file of a tree.
#[derive(Debug)]
pub(crate) struct TreeFile {
    /// Below the folder.
    pub(crate) path: PathBuf,
    /// Itself, not what it links to.
    pub(crate) info: Info,
    /// The bytes that are wanted of it; `None` for what has none.
    pub(crate) content_bytes: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The folder itself.
    pub(crate) place: Place,
    /// Files, parents first, in the order of the names.
    pub(crate) files: Vec<TreeFile>,
    /// Folders, in the same order.
    pub(crate) folders: Vec<PathBuf>,
    /// What the paths take.
    pub(crate) room: NamesRoom,
}

/// A folder on the way.
struct Level {
    listing: Listing,
    next: usize,
    path: PathBuf,
}

impl Tree {
    /// Finds out what is there.
    pub(crate) fn open(files: &Files, place: &Place, options: &TreeOptions) -> Result<Self> {
        let patterns = globs(&options.patterns);
        let excluded: Vec<&OsStr> = options.exclude_folders.iter().map(OsStr::new).collect();
        let mut tree =
            Self { place: place.clone(), files: Vec::new(), folders: Vec::new(), room: files.names_room() };
        let mut total = Total::default();
        let first = Listing::open(files, place)?;
        let mut levels = vec![Level { listing: first, next: 0, path: PathBuf::new() }];
        while let Some(level) = levels.last_mut() {
            let Some((name, is_folder)) = level.listing.entry(level.next) else {
                levels.pop();
                continue;
            };
            level.next += 1;
            if options.exclude_hidden && name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = level.path.join(name);
            let path_bytes = path.as_os_str().len() + size_of::<TreeFile>();
            tree.room.grow(path_bytes)?;
            total.path_bytes += path_bytes;
            if total.path_bytes > PATHS_BYTES_MAX {
                return Err(exceeded(format!(
                    "the paths under {} are more than {PATHS_BYTES_MAX} bytes",
                    place.absolute.display()
                )));
            }
            if is_folder {
                if excluded.contains(&name) {
                    continue;
                }
                let next = if options.recursive { level_below(files, level, name, place)? } else { None };
                tree.folders.push(path);
                check_depth(levels.len(), &place.absolute)?;
                levels.extend(next);
                continue;
            }
            if !patterns.as_ref().is_none_or(|globs| globs.is_match(name)) {
                continue;
            }
            // What has gone meanwhile was never there.
            let Some(info) = level.listing.info(name)? else { continue };
            let content_bytes = if options.content { content_bytes(files, place, &path)? } else { None };
            total.add(content_bytes, place, options.limits)?;
            tree.files.push(TreeFile { path, info, content_bytes });
        }
        Ok(tree)
    }
}

#[derive(Default)]
struct Total {
    files: u64,
    bytes: u64,
    path_bytes: usize,
}

impl Total {
    fn add(&mut self, content_bytes: Option<u64>, place: &Place, limits: TreeLimits) -> Result<()> {
        self.files += 1;
        self.bytes += content_bytes.unwrap_or(0);
        let under = place.absolute.display();
        if let Some(max) = limits.files_max.filter(|max| self.files > *max) {
            return Err(exceeded(format!("more than {max} files match under {under}")));
        }
        if content_bytes.is_some() && self.bytes > limits.bytes_max {
            return Err(exceeded(format!("files under {under} hold more than {} bytes", limits.bytes_max)));
        }
        Ok(())
    }
}

fn exceeded(found: String) -> Error {
    Error::TooMuch { what: "tree read", found }
}

/// The folder `name` of a level; `None` when it has gone meanwhile.
fn level_below(files: &Files, level: &Level, name: &OsStr, place: &Place) -> Result<Option<Level>> {
    let path = level.path.join(name);
    let below = Place { given: place.given.join(&path), absolute: place.absolute.join(&path) };
    match open_folder(level.listing.folder(), name) {
        Ok(folder) => Ok(Some(Level { listing: Listing::of(files, folder, &below)?, next: 0, path })),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(Error::file("open", below.absolute, errno)),
    }
}

fn open_folder(folder: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

/// How many bytes a file, or what it links to, has; `None` when it is none. One that cannot be read is an error now and not later.
fn content_bytes(files: &Files, place: &Place, path: &std::path::Path) -> Result<Option<u64>> {
    let absolute = place.absolute.join(path);
    match files.root.stat(&absolute, true) {
        Ok(stat) if Info::new(&stat).is_file() => {}
        Ok(_) | Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => return Ok(None),
        Err(errno) => return Err(Error::file("stat", absolute, errno)),
    }
    match open_file(&files.root, &absolute) {
        Ok((_, stat)) => {
            let info = Info::new(&stat);
            Ok(info.is_file().then_some(info.size))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Error::file("open", absolute, errno)),
    }
}

/// Patterns of names as the known server has them: `*` and `?` also take a leading dot, and one that is malformed fits nothing.
/// `None` when there are none.
pub(crate) fn globs(patterns: &[String]) -> Option<GlobSet> {
    if patterns.is_empty() {
        return None;
    }
    let glob =
        |pattern: &String| -> Option<Glob> { GlobBuilder::new(pattern).literal_separator(true).build().ok() };
    let mut set = GlobSetBuilder::new();
    for glob in patterns.iter().filter_map(glob) {
        set.add(glob);
    }
    set.build().ok()
}

/// Names from a list with commas between them.
pub(crate) fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_of_names() {
        #[track_caller]
        fn check(patterns: &[&str], name: &str, expect: bool) {
            let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
            assert_eq!(globs(&patterns).unwrap().is_match(name), expect, "{patterns:?} {name}");
        }
        check(&["*.rs"], "main.rs", true);
        check(&["*.rs", "*.md"], "a.md", true);
        check(&["*.rs"], "main.rs.bak", false);
        check(&["m?in.[a-z]s"], "main.rs", true);
        check(&["[", "*.rs"], "main.rs", true);
        check(&["["], "[", false);
        assert_eq!(names(" a,,b ,"), ["a", "b"]);
    }
}
