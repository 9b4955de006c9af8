//! `Staging`: the bytes of a file before they have their name.
//!
//! A file without a name (`O_TMPFILE`) is gone when its descriptor is, whoever is killed. Where the file system has none, or for a
//! replacement that is written at one go, it has a name that nobody uses, and loses it when it is dropped.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

/// What the names of ours begin and end with; between them are `RANDOM_LEN` letters and digits.
const PREFIX: &str = ".boxd-";
const SUFFIX: &str = ".tmp";
const RANDOM_LEN: usize = 16;

/// Where a name is taken, another is tried.
const NAMES_MAX: usize = 100;

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Staging {
    /// Where the bytes go.
    pub(crate) file: File,
    /// The folder it is in and its name there, if it has one.
    name: Option<(OwnedFd, OsString)>,
    /// Whether it can be given a name in the folder it was made for.
    pub(crate) is_in_folder: bool,
}

impl Staging {
    /// A new file in a folder.
    pub(crate) fn in_folder(folder: &OwnedFd, mode: Mode, with_name: bool) -> Result<Self, Errno> {
        if !with_name {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            match rustix::fs::openat(folder, ".", flags, mode) {
                Ok(file) => return Ok(Self { file: file.into(), name: None, is_in_folder: true }),
                // It is not there, is a folder for kernels that do not know the flag, or is not possible here.
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {}
                Err(errno) => return Err(errno),
            }
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..NAMES_MAX {
            let name = fresh_name();
            match rustix::fs::openat(folder, &name, flags, mode) {
                Ok(file) => {
                    let name = Some((rustix::io::fcntl_dupfd_cloexec(folder, 0)?, name));
                    return Ok(Self { file: file.into(), name, is_in_folder: true });
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::EXIST)
    }

    /// A new file anywhere, for bytes that are copied to where they belong: on the disk of temporary files, in memory only where
    /// there is none.
    pub(crate) fn elsewhere() -> Result<Self, Errno> {
        let unnamed =
            || rustix::fs::memfd_create("boxd-upload", rustix::fs::MemfdFlags::CLOEXEC).map(File::from);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let on_disk =
            rustix::fs::openat(CWD, &std::env::temp_dir(), flags, Mode::empty()).and_then(|folder| {
                let mut staging = Self::in_folder(&folder, Mode::RUSR | Mode::WUSR, false)?;
                // Nobody is to find it there, whoever is killed.
                staging.remove_name();
                Ok(staging)
            });
        match on_disk {
            Ok(mut staging) => {
                staging.is_in_folder = false;
                Ok(staging)
            }
            Err(_) => Ok(Self { file: unnamed()?, name: None, is_in_folder: false }),
        }
    }

    /// Gives it a name that is free. `EXIST`: it is not.
    pub(crate) fn create(&mut self, folder: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
        match &self.name {
            None => link(&self.file, folder, name),
            Some((from, temporary)) => {
                rustix::fs::linkat(from, temporary, folder, name, AtFlags::empty())
                    .or_else(|errno| self.create_without_links(errno, folder, name))?;
                self.remove_name();
                Ok(())
            }
        }
    }

    /// Gives it a name that is another file's.
    pub(crate) fn replace(&mut self, folder: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
        if self.name.is_none() {
            let temporary = fresh_name();
            link(&self.file, folder, &temporary)?;
            self.name = Some((rustix::io::fcntl_dupfd_cloexec(folder, 0)?, temporary));
        }
        let Some((from, temporary)) = &self.name else { return Err(Errno::NOENT) };
        rustix::fs::renameat(from, temporary, folder, name)?;
        self.name = None;
        Ok(())
    }

    /// For file systems without links of this kind.
    fn create_without_links(&self, errno: Errno, folder: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
        let Some((from, temporary)) = &self.name else { return Err(errno) };
        if !matches!(errno, Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) {
            return Err(errno);
        }
        rustix::fs::renameat_with(from, temporary, folder, name, rustix::fs::RenameFlags::NOREPLACE)
    }

    fn remove_name(&mut self) {
        if let Some((folder, name)) = self.name.take() {
            // It is gone already when it was renamed.
            rustix::fs::unlinkat(folder, name, AtFlags::empty()).ok();
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.remove_name();
    }
}

/// Names a file that has no name.
fn link(file: impl AsFd, folder: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    // The plain way needs a capability before Linux 6.10; `/proc` is not everywhere.
    match rustix::fs::linkat(&file, "", folder, name, AtFlags::EMPTY_PATH) {
        Err(Errno::NOENT | Errno::PERM) => {
            let by_number = format!("/proc/self/fd/{}", crate::sys::file::number(&file));
            rustix::fs::linkat(CWD, by_number, folder, name, AtFlags::SYMLINK_FOLLOW)
        }
        result => result,
    }
}

fn fresh_name() -> OsString {
    let random: String = std::iter::repeat_with(fastrand::alphanumeric).take(RANDOM_LEN).collect();
    format!("{PREFIX}{random}{SUFFIX}").into()
}

/// Whether a name is one of ours, which nobody is told of.
pub(crate) fn is_temporary(name: &OsStr) -> bool {
    let middle = |name: &[u8]| {
        let random = name.strip_prefix(PREFIX.as_bytes())?.strip_suffix(SUFFIX.as_bytes())?;
        Some(random.len() == RANDOM_LEN && random.iter().all(u8::is_ascii_alphanumeric))
    };
    middle(name.as_encoded_bytes()).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_are_known() {
        for _ in 0..100 {
            assert!(is_temporary(&fresh_name()));
        }
        for other in [
            "",
            ".boxd-.tmp",
            ".boxd-0123456789abcde.tmp",
            ".boxd-0123456789abcdeé.tmp",
            "x.boxd-0123456789abcdef.tmp",
        ] {
            assert!(!is_temporary(OsStr::new(other)), "{other}");
        }
    }
}
