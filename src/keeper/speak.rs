//! What the keeper says to workers, when there is room for it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::Keeper;
use super::protocol::{self, Key, ToWorker, VERSION};
use super::worker::{Notice, Role, Worker};
use crate::sys::pidfd::PidFd;

impl Keeper {
    /// Tells the workers what they have yet to be told, as much as there is room for.
    pub(super) fn speak(&mut self) {
        for n in 0..self.workers.len() {
            while let Some(at) = self.workers[n].next_notice() {
                let notice = self.workers[n].notices[at];
                match self.tell(&self.workers[n], notice) {
                    // What can never be said is passed over.
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                    Err(_) => break,
                }
                self.workers[n].notices.remove(at);
                if matches!(notice, Notice::Connection) {
                    self.connections.pop_front();
                }
            }
        }
    }

    fn tell(&self, worker: &Worker, notice: Notice) -> io::Result<()> {
        match notice {
            Notice::Look => worker.send(&ToWorker::Look {}, &[]),
            Notice::Welcome => {
                let welcome = ToWorker::Welcome {
                    version: VERSION,
                    since_ms: self.since_ms,
                    died: self.died.clone(),
                    recent_deaths: u32::try_from(self.deaths.len()).unwrap_or(u32::MAX),
                    is_followed: self.workers.iter().any(|worker| worker.role == Role::Retired),
                    upgrades: self.upgrades + u32::from(self.upgrade.is_some()),
                    // The one whose new worker this is, too: it will have come to something when anybody can ask.
                    upgrade: self
                        .upgrade
                        .as_ref()
                        .map(|upgrade| protocol::Report { note: upgrade.note.clone(), error: None })
                        .or(self.report.clone()),
                    restarts: self.restarts,
                };
                let mut descriptors = vec![worker.bell.as_fd()];
                descriptors.extend(self.listeners.iter().map(AsFd::as_fd));
                worker.send(&welcome, &descriptors)
            }
            Notice::Journal => match &self.journal {
                Some(journal) => worker.send(&ToWorker::Journal {}, &[journal.as_fd()]),
                None => Ok(()),
            },
            Notice::Held(key) => self.tell_held(worker, key),
            Notice::Exited(key) => match self.entries.get(key).and_then(|entry| entry.exited) {
                Some(exited) => worker.send(&ToWorker::Exited { key, exited }, &[]),
                None => Ok(()),
            },
            Notice::Stray(n) => match self.strays.get(n) {
                Some((exited, lane)) => worker.send(&ToWorker::Stray { exited: *exited, lane: *lane }, &[]),
                None => Ok(()),
            },
            Notice::Ready => worker.send(&ToWorker::Ready {}, &[]),
            Notice::End => worker.send(&ToWorker::End {}, &[]),
            Notice::Reload => worker.send(&ToWorker::Reload {}, &[]),
            Notice::Retire => worker.send(&ToWorker::Retire {}, &[]),
            Notice::UpgradeFailed => {
                let why = self.report.as_ref().and_then(|report| report.error.clone()).unwrap_or_default();
                worker.send(&ToWorker::UpgradeFailed { why }, &[])
            }
            Notice::Noted => worker.send(&ToWorker::Noted {}, &[]),
            Notice::Alone => worker.send(&ToWorker::Alone {}, &[]),
            Notice::Connection => match self.connections.front() {
                Some(passed) => {
                    let descriptors: Vec<BorrowedFd<'_>> =
                        passed.descriptors.iter().map(AsFd::as_fd).collect();
                    worker.send(&ToWorker::Connection { on_loopback: passed.on_loopback }, &descriptors)
                }
                None => Ok(()),
            },
        }
    }

    /// An entry with all its descriptors. One that was dropped meanwhile is none.
    fn tell_held(&self, worker: &Worker, key: Key) -> io::Result<()> {
        let Some(entry) = self.entries.get(key) else { return Ok(()) };
        let mut slots: Vec<u32> = entry.descriptors.keys().copied().collect();
        let mut descriptors: Vec<BorrowedFd<'_>> = entry.descriptors.values().map(AsFd::as_fd).collect();
        let pid = entry.child.as_ref().map(PidFd::pid);
        if let Some(child) = &entry.child {
            slots.push(protocol::SLOT_PIDFD);
            descriptors.push(child.as_fd());
        }
        worker.send(&ToWorker::Held { key, lane: entry.lane, pid, slots, exited: entry.exited }, &descriptors)
    }
}
