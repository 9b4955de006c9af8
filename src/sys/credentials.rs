//! Whose the file operations of this thread are.
//!
//! The kernel keeps credentials per thread; libc's wrappers change them for all threads, so these are the bare calls. What is
//! changed is the effective user and group, which are those of the file system too, and the supplementary groups. The file system's
//! alone would not do: `/proc/sys` asks for the effective user, and capabilities that are not the file system's would stay. The
//! kernel takes all of them from a thread whose effective user is not root any more, and gives them back with root
//! (`capabilities(7)`); the real user, which says who may come back, stays. A thread that this one starts meanwhile begins with the
//! same.

use std::io;

/// A user, as the kernel knows one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ids {
    /// The user's number.
    pub(crate) uid: u32,
    /// The number of the user's first group.
    pub(crate) gid: u32,
    /// The numbers of all groups, the first among them.
    pub(crate) groups: Vec<u32>,
}

/// This thread's file operations are those of a user until it is dropped.
#[derive(Debug)]
pub(crate) struct Assumed {
    before: Ids,
}

impl Assumed {
    /// Makes them so.
    ///
    /// # Errors
    /// The daemon may not; then nothing is changed.
    pub(crate) fn new(ids: &Ids) -> io::Result<Self> {
        let before = Ids {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            groups: rustix::process::getgroups()?.into_iter().map(rustix::process::Gid::as_raw).collect(),
        };
        // Dropped when what follows fails, which puts everything back.
        let assumed = Self { before };
        set(ids)?;
        Ok(assumed)
    }
}

impl Drop for Assumed {
    fn drop(&mut self) {
        // A thread that stayed somebody else would act for the wrong one from then on. The user is first: the rest needs a
        // capability that comes with it.
        set_user(self.before.uid).and_then(|()| set(&self.before)).expect("a thread may become what it was");
    }
}

fn set(ids: &Ids) -> io::Result<()> {
    // The groups and the group need a capability that goes with the user.
    set_groups(&ids.groups)?;
    set_group(ids.gid)?;
    set_user(ids.uid)
}

/// For the kernel: an id that stays as it is.
const UNCHANGED: u32 = u32::MAX;

#[expect(unsafe_code, reason = "libc's setgroups is for all threads")]
fn set_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: the kernel reads so many numbers from there and nothing else.
    let result = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(unsafe_code, reason = "libc's setresgid is for all threads")]
fn set_group(gid: u32) -> io::Result<()> {
    // SAFETY: numbers only.
    let result = unsafe { libc::syscall(libc::SYS_setresgid, UNCHANGED, gid, UNCHANGED) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(unsafe_code, reason = "libc's setresuid is for all threads")]
fn set_user(uid: u32) -> io::Result<()> {
    // SAFETY: numbers only.
    let result = unsafe { libc::syscall(libc::SYS_setresuid, UNCHANGED, uid, UNCHANGED) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn one_thread_is_somebody_else_for_a_while() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = std::env::temp_dir().join(format!("boxd-ids-{}", fastrand::u64(..)));
        std::fs::create_dir(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o777)).unwrap();
        std::fs::write(dir.join("secret"), "x").unwrap();
        std::fs::set_permissions(dir.join("secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
        {
            let _assumed = Assumed::new(&Ids { uid: 12345, gid: 54321, groups: vec![54321] }).unwrap();
            assert!(std::fs::read(dir.join("secret")).is_err());
            let (there, read) = std::thread::scope(|scope| {
                let child = scope.spawn(|| std::fs::read(dir.join("secret")).is_err());
                (child.join().unwrap(), std::fs::write(dir.join("mine"), "y"))
            });
            assert!(there);
            read.unwrap();
        }
        let mine = std::fs::metadata(dir.join("mine")).unwrap();
        assert_eq!((mine.uid(), mine.gid()), (12345, 54321));
        assert_eq!(std::fs::read(dir.join("secret")).unwrap(), b"x");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    /// `/proc/sys` looks at the effective user: whoever writes there can become root.
    #[test]
    fn what_is_the_kernels_is_not_the_users() {
        let (ids, setting) =
            (Ids { uid: 12345, gid: 54321, groups: vec![54321] }, "/proc/sys/kernel/cad_pid");
        if !rustix::process::geteuid().is_root() || std::fs::read(setting).is_err() {
            return;
        }
        let capabilities = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            status.lines().find(|line| line.starts_with("CapEff:")).map(str::to_owned)
        };
        let before = capabilities();
        {
            let _assumed = Assumed::new(&ids).unwrap();
            assert!(std::fs::read(setting).is_err());
            assert_eq!(capabilities().as_deref(), Some("CapEff:\t0000000000000000"));
        }
        assert!(std::fs::read(setting).is_ok());
        assert_eq!(capabilities(), before);
    }
}
