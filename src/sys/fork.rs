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

/// Starts a program as the leader of a group, and stops the child before it executes it. The thread ends once it was continued.
#[cfg(test)]
#[expect(unsafe_code, clippy::disallowed_methods, reason = "something is done between fork and execve")]
pub(crate) fn start_stopped(program: &str) -> std::thread::JoinHandle<io::Result<std::process::Child>> {
    use std::os::unix::process::CommandExt as _;

    use rustix::process::{Signal, getpid, kill_process};

    let mut command = std::process::Command::new(program);
    // SAFETY: the child makes two system calls.
    unsafe { command.process_group(0).pre_exec(|| Ok(kill_process(getpid(), Signal::STOP)?)) };
    std::thread::spawn(move || command.spawn())
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
