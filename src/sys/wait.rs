//! The children of this process that have ended: who, how, and at what cost, before and while they are reaped.

use std::io;
use std::mem::MaybeUninit;

use rustix::io::Errno;

use super::pidfd::ExitStatus;

/// A child that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) pid: u32,
    pub(crate) status: ExitStatus,
}

/// Looks whether any child has ended and leaves it to be reaped.
#[expect(unsafe_code, reason = "rustix does not give the pid of a waitid")]
pub(crate) fn peek_any() -> io::Result<Option<Ended>> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: the kernel fills in the whole structure, which lives on this stack; zeroes are a valid one.
    let (result, info) =
        unsafe { (libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), options), info.assume_init()) };
    if result != 0 {
        let error = io::Error::last_os_error();
        return if Errno::from_io_error(&error) == Some(Errno::CHILD) { Ok(None) } else { Err(error) };
    }
    // SAFETY: waitid fills in these fields for a child; they are zero when there is none.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let Some(pid) = u32::try_from(pid).ok().filter(|pid| *pid != 0) else { return Ok(None) };
    let status =
        if info.si_code == libc::CLD_EXITED { ExitStatus::Code(status) } else { ExitStatus::Signal(status) };
    Ok(Some(Ended { pid, status }))
}
