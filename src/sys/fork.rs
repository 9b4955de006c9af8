//! A second process of the same program, at the place where the first one stands.

use std::io;

use rustix::process::Pid;

/// Which of the two this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fork {
    /// The first, and the pid of the second.
    Parent(Pid),
    /// The second. It has copies of everything.
    Child,
}

/// Forks. Only for a program of one thread, where the child may do all that the parent may; another is refused.
#[expect(unsafe_code, reason = "rustix has no fork")]
pub(crate) fn fork() -> io::Result<Fork> {
    if std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        return Err(io::Error::other("there are several threads"));
    }
    // SAFETY: there is no other thread whose locks the child would find taken.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Pid::from_raw(pid).map_or(Fork::Child, Fork::Parent)),
    }
}

#[cfg(test)]
mod tests {
    use super::fork;

    #[test]
    fn a_program_of_several_threads_is_not_forked() {
        let (_until, wait) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || wait.recv());
        assert!(fork().is_err());
    }
}
