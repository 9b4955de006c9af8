//! `Root`: the folder that the file API may see, and how everything below it is opened.
//!
//! Without confinement that is `/`, and the kernel resolves paths as for every program. With it (`--root`) every path is resolved
//! by `openat2` with `RESOLVE_IN_ROOT`: `..` and links, absolute ones too, stay inside, whoever changes the tree meanwhile.
//!
//! Who changes something opens the folder that it is in and names the entry, so that the entry that was looked at is the one
//! that is changed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::path::path;

/// How often a resolution that met a rename on its way is begun again.
const RETRIES: usize = 16;

/// Links followed on the way to one file: as many as the kernel follows.
const LINKS_MAX: usize = 40;

/// See the module.
#[derive(Debug)]
pub(crate) struct Root {
    /// `None` without confinement. Empty as long as the folder was never there.
    confined: Option<OnceLock<OwnedFd>>,
    /// Where it is for the host.
    host: PathBuf,
}

/// An entry of a folder.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The folder, opened as a place only (`O_PATH`).
    pub(crate) folder: OwnedFd,
    /// The entry's name in it.
    pub(crate) name: OsString,
    /// What the entry is, itself and not what it links to; `None` when there is none.
    pub(crate) stat: Option<Stat>,
}

impl Root {
    /// All that the host has.
    pub(crate) fn whole() -> Self {
        Self { confined: None, host: "/".into() }
    }

    /// A folder of the host, and nothing beyond it. It is opened by whoever needs it first.
    pub(crate) fn confined(folder: &Path) -> Self {
        Self { confined: Some(OnceLock::new()), host: folder.to_owned() }
    }

    /// Opens the folder, if it is not open yet.
    ///
    /// # Errors
    /// It is none, or the kernel cannot confine (before Linux 5.6).
    pub(crate) fn check(&self) -> Result<(), Errno> {
        self.folder(Path::new("/")).map(drop)
    }

    fn opened<'a>(&self, confined: &'a OnceLock<OwnedFd>) -> Result<&'a OwnedFd, Errno> {
        if let Some(root) = confined.get() {
            return Ok(root);
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(&self.host, flags, Mode::empty())?;
        Ok(confined.get_or_init(|| root))
    }

    /// Opens what `path` means: an absolute one, cleaned.
    pub(crate) fn open(&self, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        let Some(confined) = &self.confined else { return rustix::fs::openat(CWD, path, flags, mode) };
        let root = self.opened(confined)?;
        let relative = match path.as_os_str().as_bytes() {
            b"/" => OsStr::new("."),
            bytes => OsStr::from_bytes(bytes.strip_prefix(b"/").unwrap_or(bytes)),
        };
        for _ in 0..RETRIES {
            match rustix::fs::openat2(root, relative, flags, mode, ResolveFlags::IN_ROOT) {
                Err(Errno::AGAIN) => {}
                result => return result,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Opens a folder as a place, links followed.
    pub(crate) fn folder(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
    }

    /// What `path` is; with `follow`, what it links to.
    pub(crate) fn stat(&self, path: &Path, follow: bool) -> Result<Stat, Errno> {
        if self.confined.is_none() {
            let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
            return rustix::fs::statat(CWD, path, flags);
        }
        let nofollow = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        rustix::fs::fstat(self.open(path, OFlags::PATH | nofollow, Mode::empty())?)
    }

    /// The entry that `path` names, a link itself and not what it leads to. The root is an entry of nothing: `EBUSY`.
    pub(crate) fn entry(&self, path: &Path) -> Result<Entry, Errno> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::BUSY) };
        let folder = self.folder(parent)?;
        let stat = look(&folder, name)?;
        Ok(Entry { folder, name: name.to_owned(), stat })
    }

    /// The entry that `path` leads to in the end, and its path: links are followed, and it need not be there. An error comes with the
    /// path that had been come to.
    pub(crate) fn target(&self, path: &Path) -> Result<(Entry, PathBuf), (Errno, PathBuf)> {
        let mut at = path.to_owned();
        for _ in 0..LINKS_MAX {
            match self.next_link(&at) {
                Ok((entry, None)) => return Ok((entry, at)),
                Ok((_, Some(next))) => at = next,
                Err(errno) => return Err((errno, at)),
            }
        }
        Err((Errno::LOOP, at))
    }

    /// The entry of a path, and, of a link, where that leads.
    fn next_link(&self, at: &Path) -> Result<(Entry, Option<PathBuf>), Errno> {
        let entry = self.entry(at)?;
        if !entry.stat.as_ref().is_some_and(is_link) {
            return Ok((entry, None));
        }
        let to = match rustix::fs::readlinkat(&entry.folder, &entry.name, Vec::new()) {
            // It has been replaced by something else since it was looked at.
            Err(Errno::INVAL | Errno::NOENT) => return Ok((entry, Some(at.to_owned()))),
            to => to?,
        };
        // A relative link begins where it stands; `..` in it is the kernel's to resolve, so this is not cleaned.
        let next = at.parent().unwrap_or(Path::new("/")).join(path(to.as_bytes()));
        // `Path` cannot tell what is behind a last `..`; it can only be a folder.
        if next.file_name().is_none() { Err(Errno::ISDIR) } else { Ok((entry, Some(next))) }
    }

    /// What a link says.
    pub(crate) fn link_target(&self, path: &Path) -> Result<OsString, Errno> {
        let entry = self.entry(path)?;
        let target = rustix::fs::readlinkat(&entry.folder, &entry.name, Vec::new())?;
        Ok(OsStr::from_bytes(target.as_bytes()).to_owned())
    }

    /// The path by which programs of the host reach an open folder or file, `/proc/self/fd/…`, or, without `/proc`, where it
    /// was looked for.
    pub(crate) fn host_path(&self, opened: impl AsFd, path: &Path) -> PathBuf {
        if self.confined.is_none() {
            return path.to_owned();
        }
        let by_number = PathBuf::from(format!("/proc/self/fd/{}", crate::sys::file::number(opened)));
        if by_number.exists() {
            return by_number;
        }
        self.host.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// An entry of a folder as it is now.
pub(crate) fn look(folder: impl AsFd, name: &OsStr) -> Result<Option<Stat>, Errno> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Opens a regular file of the root for reading. Nothing is waited for: whatever else it is, is `None`.
pub(crate) fn open_file(root: &Root, path: &Path) -> Result<(File, Stat), Errno> {
    // A FIFO without a writer, or a device, would be waited for.
    let opened = root.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty())?;
    let stat = rustix::fs::fstat(&opened)?;
    Ok((File::from(opened), stat))
}

/// Whether it is a symbolic link.
pub(crate) fn is_link(stat: &Stat) -> bool {
    rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Symlink
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> PathBuf {
        let dir = std::env::temp_dir().join(format!("boxd-root-{}", fastrand::u64(..)));
        std::fs::create_dir_all(dir.join("in/sub")).unwrap();
        std::fs::write(dir.join("secret"), "outside").unwrap();
        std::fs::write(dir.join("in/file"), "inside").unwrap();
        symlink("/secret", dir.join("in/absolute")).unwrap();
        symlink("../../secret", dir.join("in/sub/relative")).unwrap();
        symlink("../file", dir.join("in/sub/up")).unwrap();
        symlink("/file", dir.join("in/sub/top")).unwrap();
        symlink("loop", dir.join("in/loop")).unwrap();
        dir
    }

    fn read(root: &Root, path: &str) -> Result<String, Errno> {
        let (file, _) = open_file(root, Path::new(path))?;
        Ok(std::io::read_to_string(file).unwrap())
    }

    #[test]
    fn nothing_leads_out_of_a_root() {
        let dir = folder();
        let root = Root::confined(&dir.join("in"));
        assert_eq!(read(&root, "/file").as_deref(), Ok("inside"));
        assert_eq!(read(&root, "/sub/up").as_deref(), Ok("inside"));
        assert_eq!(read(&root, "/sub/top").as_deref(), Ok("inside"));
        for out in ["/absolute", "/sub/relative", "/../secret", "/secret"] {
            assert_eq!(read(&root, out), Err(Errno::NOENT), "{out}");
        }
        assert_eq!(read(&root, "/loop"), Err(Errno::LOOP));
        assert_eq!(root.target(Path::new("/loop")).map(|_| ()).map_err(|(errno, _)| errno), Err(Errno::LOOP));
        for (link, leads_to) in
            [("/sub/top", "/file"), ("/sub/up", "/sub/../file"), ("/sub/relative", "/sub/../../secret")]
        {
            let (entry, path) = root.target(Path::new(link)).unwrap();
            assert_eq!(path, Path::new(leads_to));
            assert_eq!(entry.stat.is_some(), leads_to.ends_with("file"), "{link}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_root_that_is_not_there_yet_confines_when_it_is() {
        let dir = folder();
        let root = Root::confined(&dir.join("later"));
        assert_eq!(root.check(), Err(Errno::NOENT));
        assert_eq!(read(&root, "/secret"), Err(Errno::NOENT));
        std::fs::rename(dir.join("in"), dir.join("later")).unwrap();
        assert_eq!(read(&root, "/file").as_deref(), Ok("inside"));
        assert_eq!(read(&root, "/../secret"), Err(Errno::NOENT));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn without_confinement_links_lead_where_they_lead() {
        let dir = folder();
        let root = Root::whole();
        let at = |path: &str| dir.join(path);
        assert_eq!(read(&root, at("in/sub/relative").to_str().unwrap()).as_deref(), Ok("outside"));
        let (entry, _) = root.target(&at("in/sub/relative")).unwrap();
        assert!(entry.stat.is_some());
        assert_eq!(root.entry(Path::new("/")).map(|_| ()), Err(Errno::BUSY));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
