//! What is changed of a file without touching its bytes: permissions, owner, group.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::path::Place;
use super::root::{is_link, look};
use super::{Files, Info};
use crate::error::{Error, Result};

/// What is to be different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The permissions, with setuid, setgid and sticky.
    Mode(u32),
    /// The owner and the group; `None` stays.
    Owner(Option<u32>, Option<u32>),
}

impl Change {
    fn action(self) -> &'static str {
        match self {
            Self::Mode(_) => "chmod",
            Self::Owner(..) => "chown",
        }
    }

    /// Changes an entry that is no link; of a link only the owner can be changed.
    fn apply(self, folder: &OwnedFd, name: &OsStr, is_link: bool) -> Result<(), Errno> {
        match self {
            Self::Mode(_) if is_link => Ok(()),
            Self::Mode(mode) => {
                rustix::fs::chmodat(folder, name, Mode::from_raw_mode(mode), AtFlags::empty())
            }
            Self::Owner(uid, gid) => {
                let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
                rustix::fs::chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }
}

/// Changes a file, or what a link leads to; with `recursive` all that is below a folder too, links in it themselves.
pub(crate) fn change(files: &Files, place: &Place, change: Change, recursive: bool) -> Result<()> {
    let failed = |errno| Error::file(change.action(), &place.absolute, errno);
    let (entry, _) = files.root.target(&place.absolute).map_err(|(errno, _)| failed(errno))?;
    let Some(stat) = entry.stat else { return Err(failed(Errno::NOENT)) };
    if recursive && Info::new(&stat).is_folder() {
        below(&entry.folder, &entry.name, &mut |folder, name, info| {
            change.apply(folder, name, info.kind == rustix::fs::FileType::Symlink)
        })
        .map_err(failed)?;
    }
    change.apply(&entry.folder, &entry.name, is_link(&stat)).map_err(failed)
}

/// A folder on the way down and what of it is yet to come.
struct Level {
    folder: OwnedFd,
    names: Vec<OsString>,
}

/// Shows everything below a folder, by descriptors and without following a link. What vanishes meanwhile is left out.
fn below(
    parent: &OwnedFd,
    name: &OsStr,
    show: &mut dyn FnMut(&OwnedFd, &OsStr, &Info) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut levels = vec![open(parent, name)?];
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.names.pop() else {
            levels.pop();
            continue;
        };
        let Some(info) = look(&level.folder, &name)?.map(|stat| Info::new(&stat)) else { continue };
        // Before it is changed: afterwards it may not be readable any more.
        let next = if info.is_folder() { Some(open(&level.folder, &name)?) } else { None };
        show(&level.folder, &name, &info)?;
        levels.extend(next);
    }
    Ok(())
}

fn open(parent: &OwnedFd, name: &OsStr) -> Result<Level, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(&folder)? {
        let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(Level { folder, names })
}

/// Reads permissions: octal digits, at most 12 bits.
pub(crate) fn parse_mode(text: &str) -> Result<u32> {
    // The words are those of the known server.
    let why = |why: &str| Error::InvalidPermissions {
        text: text.to_owned(),
        why: format!("strconv.ParseUint: parsing \"{text}\": {why}"),
    };
    if text.is_empty() || !text.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
        return Err(why("invalid syntax"));
    }
    match u32::from_str_radix(text, 8) {
        Ok(mode) => Ok(mode & 0o7777),
        Err(_) => Err(why("value out of range")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_octal() {
        assert_eq!(parse_mode("0644").unwrap(), 0o644);
        assert_eq!(parse_mode("4755").unwrap(), 0o4755);
        for bad in ["", "999", "-1", "0o644", "rwx", "7777777777777"] {
            assert!(parse_mode(bad).is_err(), "{bad}");
        }
    }
}
