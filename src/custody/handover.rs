//! `Handover`: what a new worker gets from the keeper before it begins.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use crate::keeper::protocol::{
    Exited, FromWorker, Key, Report, SLOT_PIDFD, ToWorker, VERSION, decode, encode,
};
use crate::sys::bell::Bell;
use crate::sys::lane::Lane;
use crate::sys::packets::Packets;
use crate::sys::pidfd::PidFd;

/// What is held of one run.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The lane of the command.
    pub(crate) lane: Option<Lane>,
    /// By slot.
    pub(crate) descriptors: BTreeMap<u32, OwnedFd>,
    /// The command, if it is known.
    pub(crate) child: Option<PidFd>,
    /// How it ended, if it has.
    pub(crate) exited: Option<Exited>,
}

/// A living child of nobody, and the process in its environment.
#[derive(Debug)]
pub(crate) struct Survivor {
    pub(crate) mark: String,
    pub(crate) child: PidFd,
}

/// A child of nobody that ended while a start was under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stray {
    pub(crate) exited: Exited,
    /// `None`: it could not be seen.
    pub(crate) lane: Option<Lane>,
}

/// Children of nobody, when a start was cut short.
#[derive(Debug, Default)]
pub(crate) struct Orphaned {
    pub(crate) strays: Vec<Stray>,
    /// Those that lived before the keeper said of all others how they ended, the oldest first. `None`: it did not ask, because no
    /// start was cut short, or because it is an older one.
    pub(crate) survivors: Option<Vec<Survivor>>,
}

/// Everything that the last worker left.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    /// When the keeper started: milliseconds since 1970.
    pub(crate) since_ms: u64,
    /// How the last worker ended; `None` for the first one.
    pub(crate) died: Option<String>,
    /// Workers that died within the last minute.
    pub(crate) recent_deaths: u32,
    /// A retired worker follows the journal.
    pub(crate) is_followed: bool,
    /// How often a worker was replaced on purpose.
    pub(crate) upgrades: u32,
    /// How often a worker was started because the one before had died.
    pub(crate) restarts: u32,
    /// What became of the last attempt.
    pub(crate) upgrade: Option<Report>,
    /// Rung for the keeper.
    pub(crate) bell: Option<Bell>,
    /// The sockets to accept from.
    pub(crate) listeners: Vec<TcpListener>,
    /// The journal of the last worker.
    pub(crate) journal: Option<OwnedFd>,
    /// By process and run.
    pub(crate) held: BTreeMap<Key, Held>,
    pub(crate) orphaned: Orphaned,
}

impl Handover {
    /// Says hello and takes what there is. `look` is asked who lives when a start was cut short.
    pub(crate) fn receive(packets: &Packets, look: impl Fn() -> Vec<Survivor>) -> io::Result<Self> {
        packets.send(&encode(&FromWorker::Hello { version: VERSION, looks: true })?, &[])?;
        let mut handover = Self::default();
        loop {
            let Some(packet) = packets.wait()? else {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the keeper is gone"));
            };
            let mut descriptors = packet.descriptors;
            match decode(&packet.bytes)? {
                ToWorker::Look {} => {
                    handover.orphaned.survivors = Some(look());
                    packets.send(&encode(&FromWorker::Looked {})?, &[])?;
                }
                ToWorker::Welcome {
                    version,
                    since_ms,
                    died,
                    recent_deaths,
                    is_followed,
                    upgrades,
                    upgrade,
                    restarts,
                } => {
                    if version != VERSION {
                        return Err(io::Error::other(format!("the keeper speaks version {version}")));
                    }
                    let mut descriptors = descriptors.into_iter();
                    handover.bell = descriptors.next().map(Bell::from);
                    handover.listeners = descriptors.map(TcpListener::from).collect();
                    (handover.since_ms, handover.died, handover.recent_deaths) =
                        (since_ms, died, recent_deaths);
                    (handover.is_followed, handover.upgrades, handover.upgrade) =
                        (is_followed, upgrades, upgrade);
                    handover.restarts = restarts;
                }
                ToWorker::Journal {} => handover.journal = descriptors.pop(),
                ToWorker::Held { key, lane, pid, slots, exited } => {
                    let mut held = Held { lane, exited, ..Held::default() };
                    for (slot, descriptor) in slots.into_iter().zip(descriptors) {
                        if slot == SLOT_PIDFD {
                            held.child = pid.and_then(|pid| PidFd::from_parts(descriptor, pid));
                        } else {
                            held.descriptors.insert(slot, descriptor);
                        }
                    }
                    handover.held.insert(key, held);
                }
                ToWorker::Exited { key, exited } => {
                    handover.held.entry(key).or_default().exited = Some(exited);
                }
                ToWorker::Stray { exited, lane } => handover.orphaned.strays.push(Stray { exited, lane }),
                ToWorker::End {} => return Err(io::ErrorKind::Interrupted.into()),
                // None of these is said before all is handed over (`Worker::welcome`).
                ToWorker::Reload {}
                | ToWorker::Retire {}
                | ToWorker::UpgradeFailed { .. }
                | ToWorker::Noted {}
                | ToWorker::Alone {}
                | ToWorker::Connection { .. } => {}
                ToWorker::Ready {} => return Ok(handover),
            }
        }
    }
}
