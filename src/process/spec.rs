//! `ProcessSpec`: a checked request to run a command. It never changes once the process exists.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::limits::Limits;

/// What to run and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessSpec {
    /// Any text; unique among the running processes.
    pub(crate) name: String,
    /// Given to the shell as one argument.
    pub(crate) command: String,
    /// Where it runs, absolute or relative to the daemon's folder; shown to clients as given.
    pub(crate) working_dir: PathBuf,
    /// Laid over the daemon's own environment.
    pub(crate) env: Vec<(String, String)>,
    /// A pipe as standard input instead of `/dev/null`.
    pub(crate) stdin: bool,
    /// Each run is killed this long after it started.
    pub(crate) timeout: Option<Duration>,
    /// Started again when it fails.
    pub(crate) restart: RestartPolicy,
    /// Keeps the sandbox from being scaled to zero while it runs.
    pub(crate) keep_alive: bool,
    /// Ended when it exceeds one.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// Who wants it.
    #[serde(default)]
    pub(crate) origin: Origin,
}

/// Who wants a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Origin {
    /// A client, to whom it is shown.
    #[default]
    Client,
    /// The daemon's command line. It is told to nobody, never forgotten, and its output is the daemon's stderr.
    Startup,
}

impl ProcessSpec {
    /// About how many bytes of memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let env: usize = self.env.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.name.len() + self.command.len() + self.working_dir.as_os_str().len() + env
    }
}

/// Whether a failed command is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RestartPolicy {
    /// As asked for.
    pub(crate) on_failure: bool,
    /// As asked for: below zero means without end.
    pub(crate) max: i64,
}

impl RestartPolicy {
    /// The pause before each restart: what the known server waits.
    pub(crate) const DELAY: Duration = Duration::from_secs(1);

    /// Whether a command that failed after `done` restarts is started again.
    pub(crate) fn allows(self, done: u32) -> bool {
        self.on_failure && (self.max < 0 || i64::from(done) < self.max)
    }

    /// The line that the texts of a log show between two runs.
    pub(crate) fn notice(self, exit_code: i32, attempt: u32) -> String {
        let of = if self.max < 0 { "unlimited".to_owned() } else { self.max.to_string() };
        format!("[Process failed with exit code {exit_code}. Attempting restart {attempt}/{of}...]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_counted() {
        #[track_caller]
        fn check(on_failure: bool, max: i64, done: u32, expect: bool) {
            assert_eq!(RestartPolicy { on_failure, max }.allows(done), expect);
        }
        check(false, 3, 0, false);
        check(true, 0, 0, false);
        check(true, 2, 1, true);
        check(true, 2, 2, false);
        check(true, -1, u32::MAX, true);
    }
}
