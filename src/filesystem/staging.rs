//! `Staging`: the bytes of a file before they have their name.
//!
//! A file without a name (`O_TMPFILE`) is gone when its descriptor is, whoever is killed. To take the place of another it needs a name
//! for an instant, and where there are no files without one it has a name that nobody uses from the beginning, and loses
//! it when it is dropped.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::LazyLock;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

/// What the names of ours begin and end with; between them are `RANDOM_LEN` letters and digits.
const PREFIX: &str = ".boxd-";
const SUFFIX: &str = ".tmp";
const RANDOM_LEN: usize = 16;

/// Whether a file without a name can be given one: some kernels do that by `/proc` alone.
static HAS_DESCRIPTORS: LazyLock<bool> = LazyLock::new(|| Path::new("/proc/self/fd").is_dir());

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
    pub(crate) fn in_folder(folder: &OwnedFd, mode: Mode) -> Result<Self, Errno> {
        if !*HAS_DESCRIPTORS {
            return Self::with_name(folder, mode);
        }
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::openat(folder, ".", flags, mode) {
            Ok(file) => Ok(Self { file: file.into(), name: None, is_in_folder: true }),
            // It is not there, is a folder for kernels that do not know the flag, or is not possible here.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
                Self::with_name(folder, mode)
            }
            Err(errno) => Err(errno),
        }
    }

    /// The same with a name, for file systems that have no files without one.
    fn with_name(folder: &OwnedFd, mode: Mode) -> Result<Self, Errno> {
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
            rustix::fs::openat(CWD, std::env::temp_dir(), flags, Mode::empty()).and_then(|folder| {
                let mut staging = Self::in_folder(&folder, Mode::RUSR | Mode::WUSR)?;
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

    /// Gives it a name that is another file's. `note` is told of the name that it has for an instant, before it has it.
    pub(crate) fn replace(
        &mut self,
        folder: &OwnedFd,
        name: &OsStr,
        note: impl FnOnce(&OsStr),
    ) -> Result<(), Errno> {
        if self.name.is_none() {
            let temporary = fresh_name();
            note(&temporary);
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

/// A file without a name for bytes that are nobody's file: gone when it is closed, whoever is killed.
pub(crate) fn staging_file() -> crate::error::Result<File> {
    let opened = Staging::elsewhere()
        .and_then(|staging| Ok(rustix::io::fcntl_dupfd_cloexec(&staging.file, 0)?.into()));
    opened.map_err(|errno| crate::error::Error::file("open", std::env::temp_dir(), errno))
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

/// A name that nobody uses.
pub(super) fn fresh_name() -> OsString {
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
    fn a_file_gets_its_name_with_and_without_one_before() {
        let dir = std::env::temp_dir().join(format!("boxd-staging-{}", fastrand::u64(..)));
        std::fs::create_dir(&dir).unwrap();
        let folder = rustix::fs::open(&dir, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let names = || std::fs::read_dir(&dir).unwrap().count();
        let mode = Mode::from_raw_mode(0o640);
        for make in [Staging::in_folder, Staging::with_name] {
            let begun = || make(&folder, mode).unwrap();
            drop(begun());
            assert_eq!(names(), 0);
            let mut new = begun();
            std::io::Write::write_all(&mut new.file, b"new").unwrap();
            new.create(&folder, OsStr::new("a")).unwrap();
            drop(new);
            assert_eq!(begun().create(&folder, OsStr::new("a")), Err(Errno::EXIST));
            assert_eq!(std::fs::read(dir.join("a")).unwrap(), b"new");
            begun().replace(&folder, OsStr::new("a"), |_| {}).unwrap();
            assert_eq!((std::fs::read(dir.join("a")).unwrap().len(), names()), (0, 1));
            std::fs::create_dir(dir.join("folder")).unwrap();
            assert_eq!(begun().replace(&folder, OsStr::new("folder"), |_| {}), Err(Errno::ISDIR));
            std::fs::remove_dir(dir.join("folder")).unwrap();
            std::fs::remove_file(dir.join("a")).unwrap();
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

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
