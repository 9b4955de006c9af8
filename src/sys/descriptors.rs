//! The daemon's descriptors and what its commands get of them.
//!
//! The soft limit is usually 1,024, kept low for programs that use `select`. boxd raises its own to the hard limit and gives
//! each command the old one back, so that what a command sees does not depend on who started it. And what boxd itself was
//! left by its parent is closed to commands.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

/// What the soft limit was before it was raised; unset while it was not.
static BEFORE: OnceLock<Rlimit> = OnceLock::new();

/// The first descriptor that is not standard input, output or error.
const FIRST: libc::c_uint = 3;

/// Marks every descriptor that the daemon was left by its parent, so that no command inherits it.
#[expect(unsafe_code, reason = "rustix has no close_range")]
pub(crate) fn keep_to_ourselves() {
    // SAFETY: with CLOSE_RANGE_CLOEXEC nothing is closed; the flag of each open descriptor is set. A kernel before 5.11 does
    // not know it and changes nothing.
    unsafe { libc::close_range(FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC.cast_signed()) };
}

/// Takes over a descriptor that this program was left by the one before it. Call it once for a number.
#[expect(unsafe_code, reason = "a number that was inherited becomes a descriptor")]
pub(crate) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: it is looked at before it is owned; nobody else in this program knows the number.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC)?;
    // SAFETY: as above; it is open, or the call would have failed.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Raises the soft limit to the hard one. Refusal leaves it as it is.
pub(crate) fn raise_limit() {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: before.maximum, maximum: before.maximum };
    if raised.current != before.current && setrlimit(Resource::Nofile, raised).is_ok() {
        // A second daemon in one process is a test's; the first value is the true one.
        BEFORE.set(before).ok();
    }
}

/// Starts a program with the limit that this one was given. Only for a program of one thread.
pub(crate) fn with_given_limit<T>(start: impl FnOnce() -> T) -> T {
    let raised = getrlimit(Resource::Nofile);
    if let Some(before) = BEFORE.get() {
        setrlimit(Resource::Nofile, *before).ok();
    }
    let started = start();
    setrlimit(Resource::Nofile, raised).ok();
    started
}

/// How many descriptors the daemon may have.
pub(crate) fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The number of a descriptor.
pub(crate) fn number(descriptor: &OwnedFd) -> u64 {
    u64::try_from(descriptor.as_raw_fd()).unwrap_or_default()
}

/// Gives a command that was just started the limit that the daemon was given.
pub(crate) fn restore_limit(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let (Some(before), Some(pid)) = (BEFORE.get(), pid) {
        // A command that has ended already has no limits.
        prlimit(Some(pid), Resource::Nofile, *before).ok();
    }
}
