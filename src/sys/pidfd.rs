//! A process by file descriptor: its exit without reaping it, and signals that cannot hit a recycled pid.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use serde::{Deserialize, Serialize};

use super::usage::ResourceUsage;

/// `PIDFD_SIGNAL_PROCESS_GROUP` of Linux 6.9: the signal goes to the whole process group of the pidfd's process, also
/// when that process itself is gone.
const PIDFD_SIGNAL_PROCESS_GROUP: libc::c_uint = 1 << 2;

/// How a process ended, as the kernel says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ExitStatus {
    /// It called exit with this code.
    Code(i32),
    /// This signal took it.
    Signal(i32),
}

/// An open pidfd. It names one process for good: after its end, signals fail instead of hitting a successor.
#[derive(Debug)]
pub(crate) struct PidFd {
    fd: OwnedFd,
    pid: Pid,
}

impl PidFd {
    /// Opens the pidfd of a process that nobody has reaped yet.
    pub(crate) fn open(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
        Ok(Self { fd: pidfd_open(pid, PidfdFlags::empty())?, pid })
    }

    /// A stand-in for a process that was reaped: there is nothing left that a signal could reach.
    pub(crate) fn of_past(pid: u32) -> Option<Self> {
        // A pipe's end: as a pidfd it is refused.
        let (read, _) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).ok()?;
        Self::from_parts(read, pid)
    }

    /// A pidfd that was opened elsewhere, and the number of its process there; `None`: no process can have that number.
    pub(crate) fn from_parts(fd: OwnedFd, pid: u32) -> Option<Self> {
        Some(Self { fd, pid: i32::try_from(pid).ok().and_then(Pid::from_raw)? })
    }

    /// The number it had when it was opened. After its end the number may belong to another.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Looks whether this child has exited, and what it has used up, and leaves it to be reaped. `None` while it runs.
    #[expect(
        unsafe_code,
        reason = "the wrappers of waitid leave out the usage, which the kernel gives with it"
    )]
    pub(crate) fn peek_exit(&self) -> io::Result<Option<(ExitStatus, ResourceUsage)>> {
        let options = libc::WEXITED | libc::WNOWAIT | libc::WNOHANG;
        loop {
            // SAFETY: both structs are plain numbers, for which zero is a value, and they outlive the call that fills them;
            // the descriptor is open for as long as `self` lives. For an exit the kernel fills in the fields that are read.
            let (result, info, status, usage) = unsafe {
                let mut info = std::mem::zeroed::<libc::siginfo_t>();
                let mut usage = std::mem::zeroed::<libc::rusage>();
                let fd = self.fd.as_raw_fd();
                let result = libc::syscall(
                    libc::SYS_waitid,
                    libc::P_PIDFD,
                    fd,
                    &raw mut info,
                    options,
                    &raw mut usage,
                );
                (result, info, info.si_status(), usage)
            };
            if result == 0 {
                return Ok(match info.si_code {
                    libc::CLD_EXITED => Some((ExitStatus::Code(status), usage.into())),
                    libc::CLD_KILLED | libc::CLD_DUMPED => Some((ExitStatus::Signal(status), usage.into())),
                    _ => None,
                });
            }
            match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            }
        }
    }

    /// Waits for the exit of this child and leaves it to be reaped.
    pub(crate) fn wait_exit(&self) -> io::Result<()> {
        self.wait_id(WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
    }

    /// Completes when the process has ended, whoever's child it is.
    pub(crate) async fn exit_seen(&self) -> io::Result<()> {
        async_io::Async::new_nonblocking(self.fd.try_clone()?)?.readable().await
    }

    /// Waits for the exit of this child and reaps it.
    pub(crate) fn reap(&self) -> io::Result<()> {
        self.wait_id(WaitIdOptions::EXITED)
    }

    fn wait_id(&self, options: WaitIdOptions) -> io::Result<()> {
        loop {
            match waitid(WaitId::PidFd(self.fd.as_fd()), options) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Sends a signal to this process alone.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.fd, signal)?)
    }

    /// Sends a signal to the process group that this process leads.
    ///
    /// `unreaped` says that the leader is certainly not reaped yet. Kernels before 6.9 can reach a group only by number,
    /// which is safe exactly then; otherwise they get `ESRCH`.
    pub(crate) fn signal_group(&self, signal: Signal, unreaped: bool) -> io::Result<()> {
        match self.signal_group_by_fd(signal.as_raw()) {
            Err(e) if Errno::from_io_error(&e) == Some(Errno::INVAL) => {
                if !unreaped {
                    return Err(Errno::SRCH.into());
                }
                Ok(rustix::process::kill_process_group(self.pid, signal)?)
            }
            result => result,
        }
    }

    #[expect(unsafe_code, reason = "rustix 1.1 has no flags argument for pidfd_send_signal")]
    fn signal_group_by_fd(&self, signal: i32) -> io::Result<()> {
        // SAFETY: the descriptor is open for as long as `self` lives, a null siginfo is allowed, and the call touches no
        // memory of ours.
        let result = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.fd.as_raw_fd(),
                signal,
                std::ptr::null::<libc::siginfo_t>(),
                PIDFD_SIGNAL_PROCESS_GROUP,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Whether a process that is not reaped leads a process group in the session of this one, as commands do.
#[expect(
    unsafe_code,
    reason = "rustix takes no session for an answer whose leader is outside of the PID namespace"
)]
pub(crate) fn leads_a_group(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: these calls take numbers and give numbers. 0 is a session that began in another namespace.
    let (group, session, own) = unsafe { (libc::getpgid(pid), libc::getsid(pid), libc::getsid(0)) };
    pid > 0 && group == pid && session == own
}

/// The session of a process. 0 is one that began in another namespace, or the kernel's own; `None`: there is no such process.
#[expect(unsafe_code, reason = "rustix takes 0 for no answer")]
pub(crate) fn session_of(pid: u32) -> Option<u32> {
    let pid = libc::pid_t::try_from(pid).ok().filter(|pid| *pid > 0)?;
    // SAFETY: it takes a number and gives a number.
    u32::try_from(unsafe { libc::getsid(pid) }).ok()
}

/// Whether the kernel signals groups by descriptor: asked with the signal that is none, of our own group.
pub(crate) fn has_group_signals() -> bool {
    let Ok(own) = PidFd::open(std::process::id()) else { return false };
    match own.signal_group_by_fd(0) {
        Ok(()) => true,
        // We may lead no group; what the kernel does not know is EINVAL.
        Err(error) => Errno::from_io_error(&error) != Some(Errno::INVAL),
    }
}

/// Kills the process group of a child of ours that was not reaped. Blocks until the child has ended.
pub(crate) fn kill_leader_and_wait(pid: u32) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    // Unreaped, so the numbers still mean it. It may be gone already.
    rustix::process::kill_process_group(pid, Signal::KILL).ok();
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), ended), Err(Errno::INTR)) {}
}

/// Reaps a child that has ended. What is no such child is left alone.
pub(crate) fn reap_child(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG).ok();
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    use super::leads_a_group;

    /// Whether `command` is called a leader after it ended and before it is reaped.
    #[expect(clippy::disallowed_methods, reason = "a child with a group or a session of its own")]
    fn is_leader_when_dead(command: &mut Command) -> bool {
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        super::PidFd::open(child.id()).unwrap().wait_exit().unwrap();
        let leads = leads_a_group(child.id());
        child.wait().unwrap();
        leads
    }

    fn check_groups() {
        assert!(is_leader_when_dead(Command::new("true").process_group(0)));
        assert!(!is_leader_when_dead(&mut Command::new("true")), "it is in our group");
        assert!(!is_leader_when_dead(Command::new("setsid").arg("true")), "it has a session of its own");
        assert!(!leads_a_group(0) && !leads_a_group(u32::MAX));
    }

    #[test]
    fn commands_lead_groups() {
        check_groups();
    }

    /// A container's first process has the session of whoever made the namespace: number 0.
    #[test]
    fn commands_lead_groups_where_the_session_began_outside() {
        const INSIDE: &str = "BOXD_TEST_IN_A_NAMESPACE";
        if std::env::var_os(INSIDE).is_some() {
            return check_groups();
        }
        let unshare = |rights: &[&str], program: &std::path::Path, args: &[&str]| {
            let mut command = Command::new("unshare");
            command.args(rights).args(["--pid", "--fork", "--kill-child"]).arg(program).args(args);
            command.env(INSIDE, "1").output().unwrap()
        };
        let rights: &[&str] = if unshare(&[], "true".as_ref(), &[]).status.success() { &[] } else { &["-r"] };
        let this = "sys::pidfd::tests::commands_lead_groups_where_the_session_began_outside";
        let output = unshare(rights, &std::env::current_exe().unwrap(), &["--exact", this, "--nocapture"]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
    }
}
