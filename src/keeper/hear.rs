//! What the keeper does about what workers say.

use std::fs::File;
use std::time::Instant;

use rustix::process::Pid;

use super::protocol::{FromWorker, Key, Report, VERSION, decode};
use super::worker::{Notice, Role, Stage, Worker};
use super::{Keeper, Passed, Upgrade};
use crate::sys::packets::Packet;
use crate::sys::pidfd::PidFd;

impl Keeper {
    pub(super) fn hear(&mut self, from: Pid, packet: Packet) {
        let Packet { bytes, mut descriptors } = packet;
        let (Ok(message), Some(role)) =
            (decode::<FromWorker>(&bytes), self.worker(from).map(|worker| worker.role))
        else {
            return;
        };
        if role != Role::Current && is_of_the_present_one(&message) {
            return;
        }
        match message {
            FromWorker::Hello { version, looks } => self.heard_hello(from, role, (version, looks)),
            FromWorker::Looked {} => self.has_looked = Some(from),
            FromWorker::Hold { key, slots, lane } => self.entries.hold(key, lane, slots, descriptors),
            FromWorker::Born { key, pid } => {
                if let Some(child) = descriptors.pop().and_then(|fd| PidFd::from_parts(fd, pid)) {
                    self.heard_born(key, child);
                }
                self.forget_strays();
            }
            FromWorker::Release { key, slots } => self.entries.release(key, &slots),
            FromWorker::Drop { key } => {
                self.entries.drop_entry(key);
                self.forget_strays();
            }
            FromWorker::Journal {} => {
                self.journal = descriptors.pop().or(self.journal.take());
                self.notify_retired(Notice::Journal);
            }
            FromWorker::Noted {} => self.notify_retired(Notice::Noted),
            FromWorker::Serving {} => self.heard_serving(),
            FromWorker::Upgrade { path, note } => {
                if let Some(program) = descriptors.pop() {
                    self.heard_upgrade(&path, File::from(program), note);
                }
            }
            FromWorker::Refused { why } => {
                self.give_up_candidate(why);
                self.pass_connections_back(from);
            }
            FromWorker::Retired {} => self.heard_retired(from),
            FromWorker::Exited { key, exited } => {
                self.entries.record(key, exited);
                self.notify_current(Notice::Exited(key));
            }
            FromWorker::Connection { on_loopback } => {
                self.connections.push_back(Passed { on_loopback, descriptors });
                // Whoever is making way would give it back at once: it waits for the next one.
                if self.current().is_some_and(|worker| worker.stage != Stage::Retiring) {
                    self.notify_current(Notice::Connection);
                }
            }
        }
    }

    /// A worker of another version is told nothing: it sees that, and ends.
    fn heard_hello(&mut self, from: Pid, role: Role, (version, looks): (u32, bool)) {
        if version != VERSION || (role == Role::Candidate && self.told_to_end > 0) {
            if let Some(worker) = self.worker(from) {
                worker.kill();
            }
        } else if role == Role::Current && looks && self.entries.expects_child() {
            self.notify_current(Notice::Look);
        } else if role == Role::Current {
            self.hand_over(from);
        } else if self.worker(from).is_some_and(Worker::is_candidate) {
            if let Some(current) = self.workers.iter_mut().find(|worker| worker.role == Role::Current) {
                current.stage = Stage::Retiring;
            }
            self.notify_current(Notice::Retire);
        }
    }

    fn heard_born(&mut self, key: Key, child: PidFd) {
        let pid = child.pid();
        // A worker that takes over may have found a child that has ended and was reaped since. The children of one that serves end in
        // its hands, so there the number would be another's.
        let is_gone =
            self.current().is_some_and(|worker| worker.stage < Stage::Serving) && child.peek_exit().is_err();
        self.entries.born(key, child);
        let stray = self.strays.iter().rfind(|(exited, _)| is_gone && exited.pid == pid);
        if let Some((exited, _)) = stray {
            self.entries.record(key, *exited);
            self.notify_current(Notice::Exited(key));
        }
    }

    /// Strays that can be nobody's any more are forgotten.
    fn forget_strays(&mut self) {
        let is_settled = self.current().is_some_and(|worker| worker.stage >= Stage::Serving);
        if is_settled && !self.strays.is_empty() && !self.entries.expects_child() {
            self.strays.clear();
        }
    }

    /// A worker has looked which children live, and everybody was reaped who did not: it is told of them with all the rest.
    pub(super) fn hand_over_to_who_has_looked(&mut self) {
        if let Some(pid) = self.has_looked.take()
            && self
                .worker(pid)
                .is_some_and(|worker| worker.role == Role::Current && worker.stage == Stage::Begun)
        {
            self.hand_over(pid);
        }
    }

    /// There will be no next worker: the connections that waited for it go to the one that is there.
    fn pass_connections_back(&mut self, to: Pid) {
        let Some(worker) = self.workers.iter_mut().find(|worker| worker.pid == to) else { return };
        worker.stage = Stage::Serving;
        let told = worker.notices.iter().filter(|notice| **notice == Notice::Connection).count();
        worker.notices.extend(self.connections.iter().skip(told).map(|_| Notice::Connection));
    }

    /// Has something said to the retired workers, unless it is the last thing they have yet to be told anyway.
    fn notify_retired(&mut self, notice: Notice) {
        for worker in self.workers.iter_mut().filter(|worker| worker.role == Role::Retired) {
            if worker.notices.back() != Some(&notice) {
                worker.notices.push_back(notice);
            }
        }
    }

    fn heard_serving(&mut self) {
        self.has_served = true;
        self.strays.clear();
        if let Some(worker) = self.workers.iter_mut().find(|worker| worker.role == Role::Current) {
            worker.stage = Stage::Serving;
        }
        if let Some(Upgrade { note, .. }) = self.upgrade.take() {
            self.upgrades += 1;
            self.is_renewal_due = true;
            self.report = Some(Report { note, error: None });
        }
    }

    /// Starts a candidate.
    fn heard_upgrade(&mut self, path: &str, file: File, note: String) {
        if self.upgrade.is_some() || self.told_to_end > 0 {
            // The one that is under way is reported by itself, and who goes away is not replaced.
            return;
        }
        let other = self.program.other(path.into(), file);
        if self.current().is_some_and(|worker| worker.stage == Stage::Retiring) {
            self.upgrade = Some(Upgrade { note, other });
            self.upgrade_failed("the one before has not come to its end".to_owned());
            return;
        }
        let started = Worker::start(&other, Role::Candidate);
        self.upgrade = Some(Upgrade { note, other });
        match started {
            Ok(candidate) => self.workers.push(candidate),
            Err(error) => self.upgrade_failed(format!("it cannot be started: {error}")),
        }
    }

    /// The present worker has stopped: the candidate takes over, or, if it came to nothing meanwhile, a worker like the last.
    fn heard_retired(&mut self, from: Pid) {
        if let Some(worker) = self.workers.iter_mut().find(|worker| worker.pid == from) {
            worker.role = Role::Retired;
        }
        // How others died is nothing that the next one has to tell.
        self.deaths.clear();
        self.died = None;
        if self.workers.iter().any(Worker::is_candidate) {
            self.promote();
        } else if self.told_to_end == 0 {
            self.start_at = Some(Instant::now());
        }
    }

    /// Makes the candidate the present worker. The program to go back to is kept until it serves.
    fn promote(&mut self) {
        let Some(candidate) = self.workers.iter_mut().find(|worker| worker.is_candidate()) else { return };
        candidate.role = Role::Current;
        let pid = candidate.pid;
        if let Some(upgrade) = &mut self.upgrade {
            std::mem::swap(&mut self.program, &mut upgrade.other);
        }
        self.start_at = None;
        self.hand_over(pid);
    }

    /// Has everything said to a worker that it needs to begin.
    fn hand_over(&mut self, to: Pid) {
        let keys = self.entries.keys();
        let Some(worker) = self.workers.iter_mut().find(|worker| worker.pid == to) else { return };
        let everything = [Notice::Welcome, Notice::Journal]
            .into_iter()
            .chain(keys.into_iter().map(Notice::Held))
            .chain((0..self.strays.len()).map(Notice::Stray))
            .chain([Notice::Ready])
            .chain(self.connections.iter().map(|_| Notice::Connection));
        worker.welcome(everything);
    }

    /// A candidate came to nothing before anything changed.
    pub(super) fn upgrade_failed(&mut self, why: String) {
        // Whatever ended it otherwise was reported before it led here.
        if self.upgrade.is_some() {
            self.report(Some(why));
            self.notify_current(Notice::UpgradeFailed);
        }
    }

    /// The present worker does not make way, or is gone: the one that was to come after it is not wanted any more.
    pub(super) fn give_up_candidate(&mut self, why: String) {
        if let Some(candidate) = self.workers.iter_mut().find(|worker| worker.is_candidate()) {
            candidate.give_up();
            self.report(Some(why));
        }
    }

    /// The new worker died before it served: the program before it is used again.
    pub(super) fn roll_back(&mut self, worker: &Worker, how: &str) {
        if worker.stage >= Stage::Serving {
            return;
        }
        if let Some(upgrade) = &mut self.upgrade
            && !self.workers.iter().any(Worker::is_candidate)
        {
            std::mem::swap(&mut self.program, &mut upgrade.other);
            self.report(Some(format!("the new worker did not serve: {how}")));
        }
    }

    fn report(&mut self, error: Option<String>) {
        if let Some(Upgrade { note, .. }) = self.upgrade.take() {
            self.report = Some(Report { note, error });
        }
    }
}

/// What only the worker that does the work may say. One that makes way knows the half of it, and one that is to come nothing.
fn is_of_the_present_one(message: &FromWorker) -> bool {
    matches!(
        message,
        FromWorker::Journal {}
            | FromWorker::Serving {}
            | FromWorker::Upgrade { .. }
            | FromWorker::Refused { .. }
            | FromWorker::Retired {}
    )
}
