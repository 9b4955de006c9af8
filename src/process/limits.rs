//! Limits of one process: what a client may ask for, who holds it, and what happens when it is exceeded.
//!
//! | limit | held by | exceeded when |
//! |---|---|---|
//! | `memoryBytes` | a control group | the kernel finds nothing more to take back inside the group |
//! | `pids` | a control group | a fork inside the group was refused |
//! | `cpuSeconds` | the accounts of a control group, else those of the tree in `/proc`; `RLIMIT_CPU` behind it | all runs together used more |
//! | `wallSeconds` | a timer | that time has passed since the first run started |
//! | `outputBytes` | the log | both streams together are longer |
//! | `idleSeconds` | the log | neither stream has grown for that long |
//!
//! Whatever is exceeded, the whole tree gets SIGKILL and the process is over, also when restarts are left. A process without limits
//! has no group, no task and no other cost. What the host cannot hold is refused before anything is started:
//! `RLIMIT_AS` counts address space, which many runtimes reserve by the terabyte, and `RLIMIT_NPROC` counts all processes of
//! a user, so neither stands in for a missing controller.
//!
//! This file decides and does nothing; `watch` does.

mod control_group;
mod host;
mod layout;
mod oom;
#[cfg(test)]
mod tests;
mod watch;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use control_group::ControlGroup;
pub(crate) use host::{Host, Place, host, sweep_once, without_groups};
pub(crate) use oom::{begin as watch_for_oom, source as oom_source};
pub(crate) use watch::{find_groups, record_measures};

/// What a process may use. `None` is without end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Memory of the tree, the page cache that it filled included.
    pub(crate) memory_bytes: Option<u64>,
    /// CPU time of the tree over all runs.
    pub(crate) cpu: Option<Duration>,
    /// Processes and threads of the tree at one time.
    pub(crate) pids: Option<u64>,
    /// Time since the first run started, pauses between runs included.
    pub(crate) wall: Option<Duration>,
    /// Bytes of both streams over all runs.
    pub(crate) output_bytes: Option<u64>,
    /// Time without a byte of output.
    pub(crate) idle: Option<Duration>,
}

/// One of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum LimitKind {
    /// `memoryBytes`
    Memory,
    /// `cpuSeconds`
    Cpu,
    /// `pids`
    Pids,
    /// `wallSeconds`
    Wall,
    /// `outputBytes`
    Output,
    /// `idleSeconds`
    Idle,
}

/// What a process has used so far, of that which its supervisor looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    pub(crate) output_bytes: u64,
    pub(crate) idle: Duration,
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// The process is to be ended.
    Exceeded(LimitKind),
    /// Nothing can be exceeded before this time has passed, unless there is output. `None`: no clock counts.
    Within(Option<Duration>),
}

/// CPU time is looked at this often at most: nobody is woken when it is used up.
const CPU_LOOK_MIN: Duration = Duration::from_millis(5);

impl Limits {
    /// Whether a client asked for any.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a control group has to hold one of them, or holds it better than anything else.
    pub(crate) fn want_group(&self) -> bool {
        self.memory_bytes.is_some() || self.pids.is_some() || self.cpu.is_some()
    }

    /// Judges what was used. `processors` is how many seconds of CPU time a second can have.
    pub(crate) fn judge(&self, used: &Used, processors: u32) -> Judgement {
        let over = |limit: Option<Duration>, used: Duration| limit.is_some_and(|limit| used >= limit);
        if over(self.cpu, used.cpu) {
            return Judgement::Exceeded(LimitKind::Cpu);
        }
        if over(self.wall, used.wall) {
            return Judgement::Exceeded(LimitKind::Wall);
        }
        if self.output_bytes.is_some_and(|limit| used.output_bytes > limit) {
            return Judgement::Exceeded(LimitKind::Output);
        }
        if over(self.idle, used.idle) {
            return Judgement::Exceeded(LimitKind::Idle);
        }
        let left = |limit: Option<Duration>, used: Duration| limit.map(|limit| limit.saturating_sub(used));
        let cpu = left(self.cpu, used.cpu).map(|left| (left / processors.max(1)).max(CPU_LOOK_MIN));
        let times = [cpu, left(self.wall, used.wall), left(self.idle, used.idle)];
        Judgement::Within(times.into_iter().flatten().min())
    }
}

impl LimitKind {
    /// The reason on the wire.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Memory => "memory_limit",
            Self::Cpu => "cpu_limit",
            Self::Pids => "pids_limit",
            Self::Wall => "wall_limit",
            Self::Output => "output_limit",
            Self::Idle => "idle_limit",
        }
    }
}

#[cfg(test)]
mod judge_tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NONE: Limits =
        Limits { memory_bytes: None, cpu: None, pids: None, wall: None, output_bytes: None, idle: None };

    #[track_caller]
    fn check(limits: Limits, used: Used, expect: Judgement) {
        assert_eq!(limits.judge(&used, 2), expect);
    }

    #[test]
    fn without_limits_nothing_is_looked_at() {
        let used = Used { cpu: SECOND, wall: SECOND, output_bytes: 1, idle: SECOND };
        check(NONE, used, Judgement::Within(None));
        check(Limits { memory_bytes: Some(1), pids: Some(1), ..NONE }, used, Judgement::Within(None));
        assert!(NONE.is_none() && !NONE.want_group());
    }

    #[test]
    fn a_time_is_up_when_it_is_reached() {
        let limits = Limits { wall: Some(SECOND), ..NONE };
        check(limits, Used::default(), Judgement::Within(Some(SECOND)));
        check(limits, Used { wall: SECOND, ..Used::default() }, Judgement::Exceeded(LimitKind::Wall));
        let limits = Limits { idle: Some(SECOND), wall: Some(SECOND * 5), ..NONE };
        check(limits, Used { wall: SECOND * 4, ..Used::default() }, Judgement::Within(Some(SECOND)));
        let used = Used { wall: SECOND * 4, idle: SECOND * 2, ..Used::default() };
        check(limits, used, Judgement::Exceeded(LimitKind::Idle));
    }

    #[test]
    fn cpu_time_passes_as_fast_as_there_are_processors() {
        let limits = Limits { cpu: Some(SECOND * 3), ..NONE };
        check(limits, Used { cpu: SECOND, ..Used::default() }, Judgement::Within(Some(SECOND)));
        let nearly = Used { cpu: Duration::from_millis(2999), ..Used::default() };
        check(limits, nearly, Judgement::Within(Some(CPU_LOOK_MIN)));
        check(limits, Used { cpu: SECOND * 3, ..Used::default() }, Judgement::Exceeded(LimitKind::Cpu));
    }

    #[test]
    fn output_may_be_as_long_as_its_limit() {
        let limits = Limits { output_bytes: Some(10), ..NONE };
        check(limits, Used { output_bytes: 10, ..Used::default() }, Judgement::Within(None));
        check(limits, Used { output_bytes: 11, ..Used::default() }, Judgement::Exceeded(LimitKind::Output));
    }
}
