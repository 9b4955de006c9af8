//! `EndRequest`: how a client wants a process to end.

use std::time::Duration;

use rustix::process::Signal;

use super::state::Ending;

/// Signals that a stop may send, by the name that kill(1) gives them.
const NAMES: [(&str, Signal); 15] = [
    ("ABRT", Signal::ABORT),
    ("ALRM", Signal::ALARM),
    ("CONT", Signal::CONT),
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("KILL", Signal::KILL),
    ("PIPE", Signal::PIPE),
    ("QUIT", Signal::QUIT),
    ("STOP", Signal::STOP),
    ("TERM", Signal::TERM),
    ("TSTP", Signal::TSTP),
    ("URG", Signal::URG),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("WINCH", Signal::WINCH),
];

/// How a process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndRequest {
    /// What the end will be called.
    pub(crate) ending: Ending,
    /// Goes to the process group and to what has left it.
    pub(crate) signal: Signal,
    /// The signal was named by the client, so it is sent even if another one was before.
    pub(crate) is_explicit: bool,
    /// What still runs after this time is killed.
    pub(crate) grace: Option<Duration>,
}

impl EndRequest {
    /// SIGTERM, once.
    pub(crate) const STOP: Self =
        Self { ending: Ending::Stop, signal: Signal::TERM, is_explicit: false, grace: None };
    /// SIGKILL.
    pub(crate) const KILL: Self =
        Self { ending: Ending::Kill, signal: Signal::KILL, is_explicit: false, grace: None };
    /// SIGKILL, because the time is up.
    pub(crate) const TIMEOUT: Self = Self { ending: Ending::Timeout, ..Self::KILL };

    /// A stop with a signal of the client's choice: `INT`, `SIGINT` or `2`. `None`: there is no such signal.
    pub(crate) fn with_signal(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let number = text.parse::<i32>().ok();
        let (_, signal) =
            *NAMES.iter().find(|(known, signal)| *known == name || number == Some(signal.as_raw()))?;
        if signal == Signal::KILL {
            return Some(Self::KILL);
        }
        Some(Self { signal, is_explicit: true, ..Self::STOP })
    }

    /// The name of the signal.
    pub(crate) fn name(&self) -> String {
        let name = NAMES.iter().find(|(_, signal)| *signal == self.signal).map_or("?", |(name, _)| *name);
        format!("SIG{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        #[track_caller]
        fn check(text: &str, expect: Option<Signal>) {
            assert_eq!(EndRequest::with_signal(text).map(|end| end.signal), expect, "{text:?}");
        }
        check("INT", Some(Signal::INT));
        check("sigint", Some(Signal::INT));
        check("2", Some(Signal::INT));
        check("SIGUSR1", Some(Signal::USR1));
        for bad in ["", "0", "-1", "99", "SIG", "SIGSIGINT", "INT ", "SEGFAULT"] {
            check(bad, None);
        }
        assert_eq!(EndRequest::with_signal("9"), Some(EndRequest::KILL));
    }
}
