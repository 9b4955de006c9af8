//! `State`: where a process stands, and which step follows which. Pure: times and exits are handed in.
//!
//! ```text
//!            exited, no restart
//!  Running ────────────────────────────> Ended
//!   │   ^                                  ^
//!   │   └── restarted ── BackOff ──────────┤ stop, kill, or the restart failed
//!   └──── failed, restart allowed ──^      │
//! ```
//! While a restart is pending the process counts as running. A stop or kill that was asked for decides how the end is
//! called; it changes nothing before the exit was seen.

use serde::{Deserialize, Serialize};

use super::limits::LimitKind;
use super::spec::{ProcessSpec, RestartPolicy};
use super::usage::Usage;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// The exit code clients see: −1 for a signal.
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(_) => -1,
        }
    }

    /// Whether it did what it was to do, as far as it says.
    pub(super) fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

/// Who asked for the end, the strongest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Ending {
    /// A client asked it to stop (SIGTERM).
    Stop,
    /// Its time was up (SIGKILL).
    Timeout,
    /// It exceeded a limit (SIGKILL).
    Limit(LimitKind),
    /// A client killed it (SIGKILL).
    Kill,
}

/// Why a process is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reason {
    /// It exited by itself.
    Exited,
    /// A signal took it that boxd did not send.
    Signaled,
    /// boxd killed it because its time was up.
    Timeout,
    /// A client stopped it.
    Stopped,
    /// A client killed it.
    Killed,
    /// It could not be started again.
    SpawnFailed,
    /// It was ended because it exceeded a limit.
    Limit(LimitKind),
    /// The kernel killed it because there was no memory left, for another reason than its own limit.
    Oom,
}

impl Reason {
    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Signaled => "signaled",
            Self::Timeout => "timeout",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::SpawnFailed => "spawn_failed",
            Self::Limit(kind) => kind.reason(),
            Self::Oom => "oom",
        }
    }
}

/// The five words clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// It runs, or will again.
    Running,
    /// It ended by itself with code 0.
    Completed,
    /// It ended by itself in any other way.
    Failed,
    /// A client stopped it.
    Stopped,
    /// A client killed it, its time was up, or it exceeded a limit.
    Killed,
}

impl Status {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Running, Self::Completed, Self::Failed, Self::Stopped, Self::Killed];

    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Running,
    BackOff,
    Ended(Reason),
}

/// What follows an exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The process is over.
    End,
    /// It is to be started again after the pause of its policy.
    Restart {
        /// The number of this restart, from 1.
        attempt: u32,
    },
}

/// What a request for the end comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Send the signal of this ending.
    Signal,
    /// The restart that was pending is off; the process is over.
    Ended,
    /// It was asked before, or ended that way: nothing to do.
    Already,
    /// It had ended by itself.
    NotRunning,
}

/// Where a process stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    phase: Phase,
    /// The number of the present or last run, from 0.
    pub(crate) run: u32,
    /// The pid clients know: that of the first run.
    pub(crate) pid: u32,
    /// When the present or last run started: milliseconds since 1970.
    pub(crate) started_ms: u64,
    /// When the process was over.
    pub(crate) ended_ms: Option<u64>,
    /// How the last finished run ended.
    pub(crate) exit: Option<Exit>,
    /// Restarts so far.
    pub(crate) restarts: u32,
    asked: Option<Ending>,
    /// The signal of what was asked for has been sent.
    #[serde(default)]
    is_signalled: bool,
    /// When the present or last run started, on the clock that never jumps (`clock::boot_ms`).
    #[serde(default)]
    pub(crate) started_boot_ms: u64,
    /// When what has not heeded a stop is killed, on the same clock.
    #[serde(default)]
    pub(crate) kill_boot_ms: Option<u64>,
    /// When the first run started, on the same clock.
    #[serde(default)]
    pub(crate) born_boot_ms: u64,
    /// What the finished runs have used; `None` while that is known of none.
    #[serde(default)]
    pub(crate) usage: Option<Usage>,
    /// The kernel took the present run for want of memory.
    #[serde(default)]
    is_oom: bool,
    /// When the process was over, on the same clock.
    #[serde(default)]
    pub(crate) ended_boot_ms: Option<u64>,
}

impl State {
    /// A process whose first run has just started, on both clocks.
    pub(crate) fn started(pid: u32, at_ms: u64, at_boot_ms: u64) -> Self {
        Self {
            phase: Phase::Running,
            run: 0,
            pid,
            started_ms: at_ms,
            ended_ms: None,
            exit: None,
            restarts: 0,
            asked: None,
            is_signalled: false,
            started_boot_ms: at_boot_ms,
            kill_boot_ms: None,
            born_boot_ms: at_boot_ms,
            usage: None,
            is_oom: false,
            ended_boot_ms: None,
        }
    }

    /// What is known about the present run before it counts as exited: what it used, and what the kernel did to it.
    pub(crate) fn measured(&mut self, usage: Option<Usage>, limit: Option<LimitKind>, is_oom: bool) {
        if let Some(usage) = usage {
            self.usage = Some(self.usage.unwrap_or_default().and(usage));
        }
        self.is_oom = is_oom;
        // Whatever else was asked for, SIGKILL of a client included, came first.
        if let Some(kind) = limit.filter(|_| self.asked.is_none()) {
            self.asked = Some(Ending::Limit(kind));
        }
    }

    /// Whether boxd has sent it a signal, or is about to.
    pub(crate) fn is_asked_to_end(&self) -> bool {
        self.asked.is_some()
    }

    /// The present run exited.
    pub(crate) fn exited(&mut self, exit: Exit, at_ms: u64, policy: RestartPolicy) -> Next {
        self.exit = Some(exit);
        if self.asked.is_none() && !exit.is_success() && policy.allows(self.restarts) {
            self.phase = Phase::BackOff;
            return Next::Restart { attempt: self.restarts + 1 };
        }
        let reason = match (self.asked, exit) {
            (Some(ending), _) => ending.reason(),
            (None, Exit::Code(_)) => Reason::Exited,
            (None, Exit::Signal(_)) if self.is_oom => Reason::Oom,
            (None, Exit::Signal(_)) => Reason::Signaled,
        };
        self.end(reason, at_ms);
        Next::End
    }

    /// The next run started.
    pub(crate) fn restarted(&mut self, at_ms: u64, at_boot_ms: u64) {
        self.phase = Phase::Running;
        self.run += 1;
        self.restarts += 1;
        self.started_ms = at_ms;
        self.started_boot_ms = at_boot_ms;
    }

    /// The next run could not be started.
    pub(crate) fn restart_failed(&mut self, at_ms: u64) {
        self.end(Reason::SpawnFailed, at_ms);
    }

    /// Somebody asks for the end.
    pub(crate) fn ask(&mut self, ending: Ending, at_ms: u64) -> Asked {
        match self.phase {
            Phase::Ended(Reason::Stopped | Reason::Killed | Reason::Timeout | Reason::Limit(_)) => {
                Asked::Already
            }
            Phase::Ended(_) => Asked::NotRunning,
            Phase::Running if self.asked >= Some(ending) => Asked::Already,
            // The limit that was met first is the reason.
            Phase::Running if matches!((self.asked, ending), (Some(Ending::Limit(_)), Ending::Limit(_))) => {
                Asked::Already
            }
            Phase::Running => {
                self.asked = Some(ending);
                self.is_signalled = false;
                Asked::Signal
            }
            Phase::BackOff => {
                self.asked = Some(ending);
                self.end(ending.reason(), at_ms);
                Asked::Ended
            }
        }
    }

    /// The signal of what was asked for was sent.
    pub(crate) fn signalled(&mut self) {
        self.is_signalled = true;
    }

    /// What was asked for while nobody lived to send its signal.
    pub(crate) fn unsent(&self) -> Option<Ending> {
        self.asked.filter(|_| !self.is_signalled && self.phase == Phase::Running)
    }

    /// Notes when the process was over on the clock that never jumps; nothing while it is not.
    pub(crate) fn ended_at_boot(&mut self, boot_ms: u64) {
        if self.is_over() {
            self.ended_boot_ms.get_or_insert(boot_ms);
        }
    }

    /// How long the last run took, in milliseconds, once the process is over.
    pub(crate) fn took_ms(&self) -> Option<u64> {
        let by_wall = self.ended_ms?.saturating_sub(self.started_ms);
        // A state that was written down before it had the second clock has only the first.
        Some(self.ended_boot_ms.map_or(by_wall, |ended| ended.saturating_sub(self.started_boot_ms)))
    }

    /// Whether nothing more will happen.
    pub(crate) fn is_over(&self) -> bool {
        self.reason().is_some()
    }

    /// Whether a restart is pending.
    pub(crate) fn is_backing_off(&self) -> bool {
        self.phase == Phase::BackOff
    }

    /// Why the process is over, once it is.
    pub(crate) fn reason(&self) -> Option<Reason> {
        match self.phase {
            Phase::Ended(reason) => Some(reason),
            Phase::Running | Phase::BackOff => None,
        }
    }

    /// The word clients see.
    pub(crate) fn status(&self) -> Status {
        match self.reason() {
            None => Status::Running,
            Some(Reason::Exited) if self.exit == Some(Exit::Code(0)) => Status::Completed,
            Some(Reason::Exited | Reason::Signaled | Reason::SpawnFailed | Reason::Oom) => Status::Failed,
            Some(Reason::Stopped) => Status::Stopped,
            Some(Reason::Killed | Reason::Timeout | Reason::Limit(_)) => Status::Killed,
        }
    }

    /// The exit code clients see: 0 while it runs, −1 when it was killed or could not be started again.
    pub(crate) fn exit_code(&self) -> i32 {
        match self.reason() {
            None => 0,
            Some(Reason::Killed | Reason::Timeout | Reason::SpawnFailed | Reason::Limit(_) | Reason::Oom) => {
                -1
            }
            Some(Reason::Exited | Reason::Signaled | Reason::Stopped) => self.exit.map_or(-1, Exit::code),
        }
    }

    /// The signal that ended it, if one did.
    pub(crate) fn signal(&self) -> Option<i32> {
        match (self.reason()?, self.exit?) {
            (Reason::SpawnFailed, _) | (_, Exit::Code(_)) => None,
            (_, Exit::Signal(signal)) => Some(signal),
        }
    }

    /// Whether it holds scale-to-zero off: it was asked to, and it is not over.
    pub(crate) fn keeps_alive(&self, spec: &ProcessSpec) -> bool {
        spec.keep_alive && !self.is_over()
    }

    fn end(&mut self, reason: Reason, at_ms: u64) {
        self.phase = Phase::Ended(reason);
        self.ended_ms = Some(at_ms);
    }
}

impl Ending {
    fn reason(self) -> Reason {
        match self {
            Self::Stop => Reason::Stopped,
            Self::Timeout => Reason::Timeout,
            Self::Limit(kind) => Reason::Limit(kind),
            Self::Kill => Reason::Killed,
        }
    }
}

#[cfg(test)]
mod tests;
