//! `Ending`: why a session shows nothing more.

use std::fmt;

use crate::sys::pidfd::ExitStatus;

/// Why a viewer gets nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The shell has ended like this.
    Shell(ExitStatus),
    /// The shell has ended, and nobody saw how.
    Unseen,
    /// Another worker goes on with the session.
    Moved,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(ExitStatus::Code(code)) => write!(f, "the shell exited with code {code}"),
            Self::Shell(ExitStatus::Signal(signal)) => write!(f, "the shell was ended by signal {signal}"),
            Self::Unseen => f.write_str("the shell has ended"),
            Self::Moved => f.write_str("another worker goes on with the session"),
        }
    }
}
