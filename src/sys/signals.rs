//! The signals that tell the daemon to go away, and the signal state that commands inherit.
//!
//! They are handled, not blocked: a command inherits the mask of the thread that starts it and would never hear the
//! SIGTERM that it is stopped with, while a handler is gone with the `exec`.

use std::io;

use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};

/// SIGTERM and SIGINT, waited for by one thread.
#[derive(Debug)]
pub(crate) struct Signals {
    pending: signal_hook::iterator::Signals,
}

impl Signals {
    /// Takes the signals over, and clears the mask that the daemon was started with, before any thread is started.
    pub(crate) fn take_over() -> io::Result<Self> {
        clear_mask()?;
        Ok(Self { pending: signal_hook::iterator::Signals::new([SIGTERM, SIGINT])? })
    }

    /// Waits for one of them and gives its name.
    pub(crate) fn wait(&mut self) -> &'static str {
        match self.pending.forever().next() {
            Some(SIGINT) => "SIGINT",
            _ => "SIGTERM",
        }
    }
}

/// SIGCHLD, waited for by one thread. Several that come at once are one.
#[derive(Debug)]
pub(crate) struct ChildSignals {
    pending: signal_hook::iterator::Signals,
}

impl ChildSignals {
    /// Takes SIGCHLD over.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { pending: signal_hook::iterator::Signals::new([SIGCHLD])? })
    }

    /// Waits for the end of a child.
    pub(crate) fn wait(&mut self) {
        self.pending.wait().for_each(drop);
    }
}

#[expect(unsafe_code, reason = "rustix has no signal masks in its safe interface")]
fn clear_mask() -> io::Result<()> {
    let mut empty = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset makes the set whole before it is read; nothing else is pointed to.
    let result = unsafe {
        libc::sigemptyset(empty.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, empty.as_ptr(), std::ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(result)) }
}
