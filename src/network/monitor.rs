//! `Monitors`: whoever asked is told of each new port of a process.
//!
//! ```text
//! watch:   census, sockets ─> new ports of each monitor ─> its line          one look at a time, for all monitors
//! deliver: the line that has been due for the longest time ─> POST ─> off the line, or again later      a few at a time
//! ```
//! The kernel has no event for a socket that begins to listen (`sock_diag` tells only of sockets that are destroyed), so its tables
//! are looked at again and again, seldom enough that the looks take a twentieth of one processor at most. A monitor ends when it is stopped,
//! or by itself when its process is gone and everybody has been told. Nobody waits for a delivery: to stop a monitor takes it off the
//! book, and what is on its way then is nobody's any more. It is noted in the journal what the next worker must know.

mod book;
mod callback;
pub(crate) mod record;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_io::Timer;
use event_listener::Event;
use futures_lite::FutureExt;

use super::ports::held_by;
use super::sockets::Which;
use crate::custody::Custody;
use crate::error::{Error, Result};
use crate::own_calls;
use crate::sys::census::Census;
use book::{Book, Outcome};
use callback::{Answer, post};
use record::{KIND, MonitorRecord, Told};

/// Callbacks in the whole daemon: each holds a URL and the ports that it was told of.
pub(crate) const MONITORS_MAX: usize = 256;

/// Calls under way at one time, of which half are for those only that answered the last time, or were never called: who hangs is no
/// hindrance to who answers.
pub(crate) const CALLS_MAX: usize = 16;

/// The pause between two looks, and how much longer than a look it is at least.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOK_SHARE: u32 = 20;

/// The living processes of a target, parents first; `None` when there will be no more.
pub(crate) type Family = dyn Fn(&Census) -> Option<Vec<u32>> + Send + Sync;

/// The handle. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Monitors {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    custody: Custody,
    /// Held for a few lines at a time, never over a look or a call.
    book: Mutex<Book>,
    /// A monitor was added.
    added: Event,
    /// Something is on a line, or may be tried again by somebody else.
    waiting: Event,
}

impl Monitors {
    /// None yet.
    pub(crate) fn new(custody: Custody) -> Self {
        let shared = Shared { custody, book: Mutex::default(), added: Event::new(), waiting: Event::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Tells `callback` of each port of the process that is open now or opens later. Once is enough: asked for again it changes
    /// nothing. Nobody is told when `callback` is empty.
    pub(crate) fn start(&self, pid: i64, callback: &str, family: Arc<Family>) -> Result<()> {
        if callback.is_empty() {
            return Ok(());
        }
        {
            let mut book = self.lock();
            if book.has(pid, callback) {
                return Ok(());
            }
            if book.len() >= MONITORS_MAX {
                return Err(Error::TooManyMonitors { max: MONITORS_MAX });
            }
            book.add(pid, callback, family, Told::default());
            self.note(&MonitorRecord::Started { pid, callback: callback.into() });
        }
        self.shared.added.notify(1);
        Ok(())
    }

    /// Goes on with one of an earlier worker's, which has told of these ports.
    pub(crate) fn resume(&self, pid: i64, callback: &str, family: Arc<Family>, told: Told) {
        self.lock().add(pid, callback, family, told);
        self.shared.added.notify(1);
    }

    /// Tells nobody any more of this process.
    pub(crate) fn stop(&self, pid: i64) {
        let mut book = self.lock();
        if book.remove(pid) {
            self.note(&MonitorRecord::Stopped { pid });
        }
    }

    /// Another worker goes on with them.
    pub(crate) fn retire(&self) {
        self.lock().retire();
    }

    /// Notes all of them.
    pub(crate) fn tell(&self) {
        // Under the lock, so that no change comes between.
        let book = self.lock();
        book.records(|record| self.note(&record));
    }

    /// Looks for new ports, for ever.
    pub(crate) async fn watch(self) {
        loop {
            let added = self.shared.added.listen();
            let targets = self.lock().targets();
            if targets.is_empty() {
                added.await;
                continue;
            }
            let began = Instant::now();
            let found = blocking::unblock(move || look(targets)).await;
            {
                let mut book = self.lock();
                for (pid, ports) in found {
                    book.found(pid, ports.as_deref(), |record| self.note(&record));
                }
            }
            self.shared.waiting.notify(usize::MAX);
            let pause = async {
                Timer::after(LOOK_EVERY.max(began.elapsed() * LOOK_SHARE)).await;
            };
            // Whoever has just been added need not wait.
            pause.or(added).await;
        }
    }

    /// Makes one call after the other, for ever. `CALLS_MAX` of these run; odd ones leave alone who has not answered.
    pub(crate) async fn deliver(self, number: usize) {
        let is_for_all = number.is_multiple_of(2);
        loop {
            let waiting = self.shared.waiting.listen();
            let next = self.lock().take(is_for_all, Instant::now());
            let call = match next {
                Ok(call) => call,
                Err(due) => {
                    let due = async {
                        match due {
                            Some(due) => drop(Timer::at(due).await),
                            None => std::future::pending().await,
                        }
                    };
                    due.or(waiting).await;
                    continue;
                }
            };
            let (url, pid, port) = (call.callback.clone(), call.pid, call.port);
            let answer = blocking::unblock(move || post(&url, pid, port)).await;
            if let Answer::Failed { why, .. } = &answer {
                tracing::debug!(pid, port, "a port callback failed: {why}");
            }
            let outcome = match answer {
                Answer::Taken => Outcome::Told,
                Answer::Failed { is_passing, .. } => Outcome::Failed { is_passing },
            };
            let is_given_up = self.lock().settle(&call, outcome, Instant::now(), |record| self.note(&record));
            if is_given_up {
                let callback = own_calls::origin(&call.callback);
                tracing::warn!(pid, port, callback, "nobody could be told of a new port");
            }
            self.shared.waiting.notify(usize::MAX);
        }
    }

    fn note(&self, record: &MonitorRecord<'_>) {
        self.shared.custody.note(KIND, record);
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.shared.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The open ports of each target; `None` of one that is gone. One that cannot be looked at now is left out.
fn look(targets: Vec<(i64, Arc<Family>)>) -> Vec<(i64, Option<Vec<u16>>)> {
    let census = Census::take();
    let open = |(pid, family): (i64, Arc<Family>)| {
        let Some(pids) = family(&census) else { return Some((pid, None)) };
        let ports = held_by(&pids, Which::Open).ok()?;
        Some((pid, Some(ports.iter().map(|port| port.number).collect())))
    };
    targets.into_iter().filter_map(open).collect()
}

#[cfg(test)]
mod tests;
