//! `Book`: who is to be told of what. Pure: times, ports and outcomes are handed in.
//!
//! Each monitor has a line of ports. The first of the line is called for as often as it takes, a few times at most, with growing pauses;
//! so the order is kept, and who hangs holds up no one but himself.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Family;
use super::record::{MonitorRecord, Told};

/// Ports on a line. A process that opens more while nobody answers has those left out.
const LINE_MAX: usize = 1024;

/// Calls for one port, and the pause after the first; each is twice the one before.
const ATTEMPTS_MAX: u32 = 6;
const PAUSE: Duration = Duration::from_millis(500);

/// All monitors.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// By the order in which they were asked for.
    monitors: BTreeMap<u64, Monitor>,
    next: u64,
    is_retired: bool,
}

struct Monitor {
    pid: i64,
    callback: String,
    family: Arc<Family>,
    /// Open, and told.
    told: Told,
    /// Open, and to be told.
    line: VecDeque<u16>,
    /// Calls for the first of the line so far.
    attempts: u32,
    /// The last call was not answered.
    is_doubtful: bool,
    is_called: bool,
    due: Option<Instant>,
    /// There will be no more ports.
    is_gone: bool,
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("pid", &self.pid).field("line", &self.line).finish_non_exhaustive()
    }
}

/// A call to be made.
#[derive(Debug)]
pub(super) struct Call {
    id: u64,
    pub(super) pid: i64,
    pub(super) port: u16,
    pub(super) callback: String,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was taken.
    Told,
    /// It was not; perhaps another time.
    Failed { is_passing: bool },
}

impl Book {
    /// How many monitors there are.
    pub(super) fn len(&self) -> usize {
        self.monitors.len()
    }

    /// Whether there is this one.
    pub(super) fn has(&self, pid: i64, callback: &str) -> bool {
        self.monitors.values().any(|monitor| monitor.pid == pid && monitor.callback == callback)
    }

    /// Enters one.
    pub(super) fn add(&mut self, pid: i64, callback: &str, family: Arc<Family>, told: Told) {
        let monitor = Monitor {
            pid,
            callback: callback.to_owned(),
            family,
            told,
            line: VecDeque::new(),
            attempts: 0,
            is_doubtful: false,
            is_called: false,
            due: None,
            is_gone: false,
        };
        self.monitors.insert(self.next, monitor);
        self.next += 1;
    }

    /// Takes all of a process off; false when there was none.
    pub(super) fn remove(&mut self, pid: i64) -> bool {
        let before = self.monitors.len();
        self.monitors.retain(|_, monitor| monitor.pid != pid);
        self.monitors.len() < before
    }

    /// Takes all off, for good.
    pub(super) fn retire(&mut self) {
        self.is_retired = true;
        self.monitors.clear();
    }

    /// Whom to look at: each process once.
    pub(super) fn targets(&self) -> Vec<(i64, Arc<Family>)> {
        let living = self.monitors.values().filter(|monitor| !monitor.is_gone);
        let targets: BTreeMap<_, _> = living.map(|m| (m.pid, m.family.clone())).collect();
        targets.into_iter().collect()
    }

    /// A look has found these open ports of a process, or that it is gone.
    pub(super) fn found(&mut self, pid: i64, ports: Option<&[u16]>, mut note: impl FnMut(MonitorRecord<'_>)) {
        for monitor in self.monitors.values_mut().filter(|monitor| monitor.pid == pid) {
            let Some(ports) = ports else {
                monitor.is_gone = true;
                continue;
            };
            let callback = &monitor.callback;
            monitor.told.retain(|port| {
                let is_open = ports.contains(port);
                if !is_open {
                    note(MonitorRecord::Closed { pid, callback: callback.into(), port: *port });
                }
                is_open
            });
            for port in ports {
                let is_known = monitor.told.contains(port) || monitor.line.contains(port);
                if !is_known && monitor.line.len() < LINE_MAX {
                    monitor.line.push_back(*port);
                }
            }
        }
        self.end_finished(pid, note);
    }

    /// The call that has been due for the longest time, or when the next one is. Only `is_for_all` takes those of monitors whose last
    /// call was not answered.
    pub(super) fn take(&mut self, is_for_all: bool, now: Instant) -> Result<Call, Option<Instant>> {
        let candidates = self.monitors.iter_mut().filter(|(_, monitor)| {
            !monitor.is_called && !monitor.line.is_empty() && (is_for_all || !monitor.is_doubtful)
        });
        // What was never put off is the most due.
        let Some((id, monitor)) = candidates.min_by_key(|(id, monitor)| (monitor.due, **id)) else {
            return Err(None);
        };
        if monitor.due.is_some_and(|due| due > now) {
            return Err(monitor.due);
        }
        monitor.is_called = true;
        let port = *monitor.line.front().expect("only lines with somebody on are candidates");
        Ok(Call { id: *id, pid: monitor.pid, port, callback: monitor.callback.clone() })
    }

    /// A call is over. True when nobody will be told of the port.
    pub(super) fn settle(
        &mut self,
        call: &Call,
        outcome: Outcome,
        now: Instant,
        mut note: impl FnMut(MonitorRecord<'_>),
    ) -> bool {
        // It may have been stopped meanwhile.
        let Some(monitor) = self.monitors.get_mut(&call.id) else { return false };
        monitor.is_called = false;
        monitor.attempts += 1;
        let is_again = outcome == Outcome::Failed { is_passing: true } && monitor.attempts < ATTEMPTS_MAX;
        monitor.is_doubtful = outcome != Outcome::Told;
        // Whoever has just been called goes behind the others.
        monitor.due = Some(if is_again { now + PAUSE * (1 << (monitor.attempts - 1)) } else { now });
        if is_again {
            return false;
        }
        monitor.attempts = 0;
        monitor.line.pop_front();
        monitor.told.insert(call.port);
        let callback = monitor.callback.as_str().into();
        note(MonitorRecord::Told { pid: call.pid, callback, port: call.port });
        self.end_finished(call.pid, note);
        outcome != Outcome::Told
    }

    /// Gives the records that tell of all.
    pub(super) fn records(&self, mut note: impl FnMut(MonitorRecord<'_>)) {
        for monitor in self.monitors.values() {
            let (pid, callback) = (monitor.pid, monitor.callback.as_str());
            note(MonitorRecord::Started { pid, callback: callback.into() });
            for port in &monitor.told {
                note(MonitorRecord::Told { pid, callback: callback.into(), port: *port });
            }
        }
    }

    /// Ends the monitors of a process that is gone, when everybody has been told.
    fn end_finished(&mut self, pid: i64, mut note: impl FnMut(MonitorRecord<'_>)) {
        let mut of_pid = self.monitors.values().filter(|monitor| monitor.pid == pid).peekable();
        if of_pid.peek().is_some() && of_pid.all(|monitor| monitor.is_gone && monitor.line.is_empty()) {
            self.remove(pid);
            note(MonitorRecord::Stopped { pid });
            tracing::info!(pid, "the process is gone, and so are its port monitors");
        }
    }
}
