//! What is changed of a file without touching its bytes: permissions, owner, group.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::path::{Place, check_depth};
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
            Self::Mode(mode) => set_mode(folder, name, Mode::from_raw_mode(mode)),
            Self::Owner(uid, gid) => {
                let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
                rustix::fs::chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }
}

/// Sets the permissions of an entry that may have become a link since it was looked at. `chmod` would follow that, out of a root even,
/// so what is there is opened as a place first; a place has no `fchmod`, but a path in `/proc`.
fn set_mode(folder: &OwnedFd, name: &OsStr, mode: Mode) -> Result<(), Errno> {
    let place =
        rustix::fs::openat(folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if is_link(&rustix::fs::fstat(&place)?) {
        return Ok(());
    }
    let by_number = format!("/proc/self/fd/{}", crate::sys::file::number(&place));
    match rustix::fs::chmodat(CWD, by_number, mode, AtFlags::empty()) {
        // `/proc` is not everywhere. What cannot be read can't be changed then.
        Err(Errno::NOENT) => {
            let flags =
                OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            rustix::fs::fchmod(rustix::fs::openat(folder, name, flags, Mode::empty())?, mode)
        }
        result => result,
    }
}

/// Changes a file, or what a link leads to; with `recursive` all that is below a folder too, links in it themselves.
pub(crate) fn change(files: &Files, place: &Place, change: Change, recursive: bool) -> Result<()> {
    let failed = |errno| Error::file(change.action(), &place.absolute, errno);
    let (entry, _) = files.root.target(&place.absolute).map_err(|(errno, _)| failed(errno))?;
    let Some(stat) = entry.stat else { return Err(failed(Errno::NOENT)) };
    if recursive && Info::new(&stat).is_folder() {
        below((&entry.folder, &entry.name), &place.absolute, &mut |folder, name, info| {
            change.apply(folder, name, info.kind == rustix::fs::FileType::Symlink)
        })
        .map_err(|trouble| match trouble {
            Trouble::System(errno) => failed(errno),
            Trouble::Depth(error) => error,
        })?;
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
    (parent, name): (&OwnedFd, &OsStr),
    path: &Path,
    show: &mut dyn FnMut(&OwnedFd, &OsStr, &Info) -> Result<(), Errno>,
) -> Result<(), Trouble> {
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
        check_depth(levels.len(), path).map_err(Trouble::Depth)?;
        levels.extend(next);
    }
    Ok(())
}

/// Why it did not come to an end.
enum Trouble {
    System(Errno),
    Depth(Error),
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
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
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_link_that_comes_meanwhile_is_not_followed() {
        let dir = std::env::temp_dir().join(format!("boxd-chmod-{}", fastrand::u64(..)));
        std::fs::create_dir_all(dir.join("in")).unwrap();
        std::fs::write(dir.join("secret"), "outside").unwrap();
        std::fs::set_permissions(dir.join("secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(dir.join("in/file"), "inside").unwrap();
        symlink("../secret", dir.join("in/link")).unwrap();
        let folder = rustix::fs::open(dir.join("in"), OFlags::PATH, Mode::empty()).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let exchange = rustix::fs::RenameFlags::EXCHANGE;
                    rustix::fs::renameat_with(&folder, "file", &folder, "link", exchange).unwrap();
                }
            });
            let files = Files::new(super::super::Root::whole(), &dir, None, None);
            let place = files.place(b"in").unwrap();
            for _ in 0..5000 {
                change(&files, &place, Change::Mode(0o755), true).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(std::fs::metadata(dir.join("secret")).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!(parse_mode("0644").unwrap(), 0o644);
        assert_eq!(parse_mode("4755").unwrap(), 0o4755);
        for bad in ["", "999", "-1", "0o644", "rwx", "7777777777777"] {
            assert!(parse_mode(bad).is_err(), "{bad}");
        }
    }
}
