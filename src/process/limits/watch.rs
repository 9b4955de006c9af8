//! The watcher of a limited process: one task that lives as long as the process has a limit, and then as its groups.
//!
//! It sleeps until a clock can have run out, output has come, or the kernel says that a limit was met; judges; and kills. An
//! exit that comes first is asked about by `verdict`, so that a reason is never lost to the order of two events.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use futures_lite::FutureExt;
use rustix::process::Signal;

use super::{ControlGroup, Judgement, LimitKind, Limits, Used, host, oom};
use crate::clock;
use crate::process::process::Process;
use crate::process::state::{Asked, Ending, Exit, Reason};
use crate::process::stats::Member;
use crate::process::supervise::Supervisor;
use crate::process::tree;
use crate::process::usage::Usage;
use crate::sys::readiness::KernelFiles;
use crate::sys::usage::ResourceUsage;

/// Version 1 tells of a want of memory just before it kills. The count of kills is looked at this often until it has grown, and
/// this many times.
const KILL_LOOK_PAUSE: Duration = Duration::from_millis(1);
const KILL_LOOKS_MAX: u32 = 200;

/// Version 1 has no event for a refused fork. The count of them is looked at this often, of processes with that limit only.
const REFUSED_LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Pauses between attempts to remove groups of version 1, which do not tell when they are empty. They double up to the
/// longest.
const REMOVE_PAUSE_MIN: Duration = Duration::from_millis(10);
const REMOVE_PAUSE_MAX: Duration = Duration::from_mins(1);

/// What the kernel says about an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// A limit was met.
    Limit(LimitKind),
    /// The kernel wanted memory, and not because of a limit of the process.
    Oom,
}

/// What the kernel says about a run that has just exited.
fn verdict(process: &Process, exit: Exit) -> Option<Verdict> {
    const KILL: i32 = libc::SIGKILL;
    let group = process.group.get().map(Arc::as_ref);
    if let Some(kind) = group.and_then(ControlGroup::exceeded) {
        if kind == LimitKind::Memory {
            // The kill is accounted for.
            oom::was_taken(group);
        }
        return Some(Verdict::Limit(kind));
    }
    let is_foreign = exit == Exit::Signal(KILL) && !process.state().is_asked_to_end();
    if !is_foreign {
        if !exit.is_success() {
            oom::look();
        }
        return None;
    }
    oom::was_taken(group).then_some(Verdict::Oom)
}

/// Asks the kernel about a run that has just exited, and records it with what the run has used. Its exit is recorded next.
pub(crate) fn record_measures(process: &Process, exit: Exit, usage: Option<ResourceUsage>) {
    let verdict = verdict(process, exit);
    let limit = if let Some(Verdict::Limit(kind)) = verdict { Some(kind) } else { None };
    process.record_measures(usage.map(Usage::from), limit, verdict == Some(Verdict::Oom));
}

/// Finds the groups of a process that another worker started: before its exit is dealt with, which they know more about. One that
/// is over has groups only as long as a descendant lives in them.
pub(crate) fn find_groups(process: &Process) {
    let limits = process.spec.limits;
    if process.group.get().is_some() || !limits.want_group() {
        return;
    }
    if process.state().is_over() && !ControlGroup::is_there(host(), process.id) {
        return;
    }
    match ControlGroup::open(host(), process.id, &limits) {
        Ok(group) => drop(group.map(|group| process.group.set(Arc::new(group)))),
        Err(error) => tracing::error!(process = %process.id, %error, "a limit is no longer watched"),
    }
}

impl Supervisor {
    /// Starts the watcher of a process, if it has limits. For a process that was just started, and for one that was taken over
    /// from another worker: all it needs is in the spec, the state and the log.
    pub(crate) fn arm(self: &Arc<Self>, process: &Arc<Process>) {
        let limits = process.spec.limits;
        if limits.is_none() {
            return;
        }
        find_groups(process);
        // Detached: it ends with the process and its groups.
        self.runtime.spawn(self.clone().watch_limits(process.clone())).detach();
    }

    async fn watch_limits(self: Arc<Self>, process: Arc<Process>) {
        let events = events(&process);
        if let Some(kind) = self.until_exceeded(&process, events.as_ref()).await {
            self.end_by_limit(&process, kind).await;
        }
        let state = process.over().await;
        let Some(group) = process.group.get() else { return };
        if let Some(Reason::Limit(_)) = state.reason() {
            let _pass = self.gate.pass().await;
            // The exit was seen before the kernel's word: the rest of the tree is still there.
            self.kill_tree(&process).await;
        }
        self.remove(group, events.as_ref()).await;
    }

    /// Completes when a limit is exceeded, with the limit, or when the process is over.
    async fn until_exceeded(
        &self,
        process: &Arc<Process>,
        events: Option<&Async<KernelFiles>>,
    ) -> Option<LimitKind> {
        let limits = process.spec.limits;
        let processors =
            std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
        let mut meter = Meter::new(process);
        loop {
            let output =
                (limits.output_bytes.is_some() || limits.idle.is_some()).then(|| process.log.changed());
            if process.state().is_over() {
                return None;
            }
            if let Some(kind) = process.group.get().and_then(|group| group.exceeded()) {
                return Some(kind);
            }
            let next = match limits.judge(&meter.read(process, &limits).await, processors) {
                Judgement::Exceeded(kind) => return Some(kind),
                Judgement::Within(next) => next,
            };
            let is_silent = process.group.get().is_some_and(|group| group.refuses_silently());
            let next = if is_silent {
                Some(next.unwrap_or(REFUSED_LOOK_PAUSE).min(REFUSED_LOOK_PAUSE))
            } else {
                next
            };
            let over = async {
                process.over().await;
            };
            let clock = async {
                match next {
                    Some(next) => drop(Timer::after(next).await),
                    None => std::future::pending().await,
                }
            };
            let output = async {
                match output {
                    Some(output) => output.await,
                    None => std::future::pending().await,
                }
            };
            let told = async {
                match events {
                    Some(events) => heard(events, process.group.get()).await,
                    None => std::future::pending().await,
                }
            };
            over.or(clock).or(output).or(told).await;
        }
    }

    /// Kills the tree of a process that has exceeded a limit.
    async fn end_by_limit(self: &Arc<Self>, process: &Arc<Process>, kind: LimitKind) {
        let _pass = self.gate.pass().await;
        match process.ask(Ending::Limit(kind), None) {
            Asked::Signal => {}
            Asked::Ended => self.finish(process),
            // Somebody else ends it, or it has ended by itself.
            Asked::Already | Asked::NotRunning => return,
        }
        tracing::info!(process = %process.id, reason = kind.reason(), "a limit is exceeded");
        self.kill_tree(process).await;
    }

    async fn kill_tree(self: &Arc<Self>, process: &Arc<Process>) {
        if let Err(error) = self.signal(process, Signal::KILL).await {
            tracing::error!(process = %process.id, %error, "a command that exceeded a limit could not be killed");
        }
        if let Some(group) = process.group.get() {
            group.kill();
        }
    }

    /// Removes the groups of a process that is over, as soon as its last descendant has gone. The next worker does it when this
    /// one has retired.
    async fn remove(&self, group: &ControlGroup, events: Option<&Async<KernelFiles>>) {
        let mut pause = REMOVE_PAUSE_MIN;
        loop {
            // A pass for each attempt, none for the wait: a descendant may live for days, and a hand-over waits for passes.
            let is_removed = self.gate.enter().is_ok_and(|_pass| group.remove());
            if is_removed || self.logs.custody.is_retired() {
                return;
            }
            let told = async {
                match events {
                    Some(events) if events.readable().await.is_ok() => events.get_ref().clear(),
                    _ => std::future::pending().await,
                }
            };
            let later = async {
                Timer::after(pause).await;
            };
            told.or(later).await;
            pause = (pause * 2).min(REMOVE_PAUSE_MAX);
        }
    }
}

/// What the supervisor counts itself.
struct Meter {
    output_bytes: u64,
    /// When the output last grew, as far as this watcher knows.
    grown: Instant,
    run: u32,
}

impl Meter {
    fn new(process: &Process) -> Self {
        Self { output_bytes: process.log.ends().total(), grown: Instant::now(), run: process.state().run }
    }

    async fn read(&mut self, process: &Arc<Process>, limits: &Limits) -> Used {
        let state = process.state();
        let output_bytes = process.log.ends().total();
        // A new run has not been silent yet.
        if output_bytes != self.output_bytes || state.run != self.run {
            (self.output_bytes, self.run, self.grown) = (output_bytes, state.run, Instant::now());
        }
        Used {
            cpu: if limits.cpu.is_some() { cpu(process).await } else { Duration::ZERO },
            wall: Duration::from_millis(clock::boot_ms().saturating_sub(state.born_boot_ms)),
            output_bytes,
            idle: self.grown.elapsed(),
        }
    }
}

/// The CPU time of all runs and their descendants.
async fn cpu(process: &Arc<Process>) -> Duration {
    if let Some(used) = process.group.get().and_then(|group| group.cpu()) {
        return used;
    }
    let process = process.clone();
    // A walk through `/proc` is not for a thread that answers requests.
    blocking::unblock(move || {
        let earlier = process.state().usage.unwrap_or_default().cpu();
        let members = tree::family(process.id, None);
        earlier + members.into_iter().filter_map(Member::read).map(|member| member.cpu()).sum::<Duration>()
    })
    .await
}

fn events(process: &Process) -> Option<Async<KernelFiles>> {
    let group = process.group.get()?;
    match group.events().and_then(Async::new_nonblocking) {
        Ok(events) => Some(events),
        Err(error) => {
            // The exit is still asked about.
            tracing::warn!(process = %process.id, %error, "the kernel's word about a limit cannot be heard");
            None
        }
    }
}

/// Completes when the kernel has said something about the groups.
async fn heard(events: &Async<KernelFiles>, group: Option<&Arc<ControlGroup>>) {
    if events.readable().await.is_err() {
        std::future::pending::<()>().await;
    }
    events.get_ref().clear();
    let Some(group) = group.filter(|group| group.tells_early()) else { return };
    for _ in 0..KILL_LOOKS_MAX {
        if group.exceeded().is_some() {
            return;
        }
        Timer::after(KILL_LOOK_PAUSE).await;
    }
}
