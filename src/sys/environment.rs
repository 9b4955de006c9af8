//! Variables of this process: what its commands are born with.

use std::ffi::OsStr;
use std::{fs, io};

/// Sets variables, which is possible only while the process has one thread: others could be reading them.
#[expect(unsafe_code, reason = "the standard library cannot know that there is one thread")]
#[expect(clippy::disallowed_methods, reason = "it is unsafe beside threads, and there are none")]
pub(crate) fn set_before_threads<'a>(
    variables: impl IntoIterator<Item = (&'a OsStr, &'a OsStr)>,
) -> io::Result<()> {
    // Where there is no /proc nothing can be looked at, and this is called before anything is started.
    if fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() > 1) {
        return Err(io::Error::other("threads run already"));
    }
    for (name, value) in variables {
        // SAFETY: no other thread exists that could read or write the environment meanwhile, as was just seen.
        unsafe { std::env::set_var(name, value) };
    }
    Ok(())
}
