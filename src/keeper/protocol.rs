//! What keeper and worker say to each other. Pure.
//!
//! Each message is one JSON object in one packet of at most 4 KiB; descriptors travel beside it, in the order of `slots`. A
//! field that a reader does not know is passed over, so a newer side can say more; `VERSION` changes when that is not enough.

use serde::{Deserialize, Serialize};

use crate::sys::lane::Lane;
use crate::sys::pidfd::ExitStatus;
use crate::sys::usage::ResourceUsage;

/// The version of these messages. A keeper starts no worker of another one, and a worker serves under no other keeper.
pub(crate) const VERSION: u32 = 1;

/// The variable by which a worker is told the descriptor of its end.
pub(crate) const SOCKET: &str = "BOXD_KEEPER";

/// The slot of a pidfd. All others are the worker's to choose.
pub(crate) const SLOT_PIDFD: u32 = u32::MAX;

/// What descriptors are held for: a process of the worker's, and which of its runs. The keeper only compares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) boot: u32,
    pub(crate) serial: u64,
    pub(crate) run: u32,
}

/// How a child ended that the keeper has reaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exited {
    pub(crate) pid: u32,
    pub(crate) status: ExitStatus,
    /// Milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// What it has used up, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<ResourceUsage>,
}

/// What a worker says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FromWorker {
    /// It has started and waits for what the keeper holds. `looks`: it knows `Look`.
    Hello {
        version: u32,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        looks: bool,
    },
    /// It has looked.
    Looked {},
    /// These descriptors are to outlive the worker. One that is held in a slot already is replaced. Of a command that is about to
    /// be born: its lane.
    Hold {
        key: Key,
        slots: Vec<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lane: Option<Lane>,
    },
    /// The child of this entry; its pidfd travels beside.
    Born { key: Key, pid: u32 },
    /// These descriptors are needed no more.
    Release { key: Key, slots: Vec<u32> },
    /// Nothing of this entry is needed any more.
    Drop { key: Key },
    /// The state of the worker from now on, which travels beside as a file in memory.
    Journal {},
    /// It begins to accept connections.
    Serving {},
    /// Replace me by a worker of the program that travels beside. `note` comes back in the next `Welcome`.
    Upgrade { path: String, note: String },
    /// It cannot be replaced now, after it was told to retire.
    Refused { why: String },
    /// It accepts, reads and starts nothing any more: the next worker may begin.
    Retired {},
    /// It has written into the journal, which a retired worker follows.
    Noted {},
    /// After that: a command of its own has ended, which nobody else can see.
    Exited { key: Key, exited: Exited },
    /// After that: a connection without a request, which travels beside, and behind it what was read of one, if anything.
    Connection { on_loopback: bool },
}

/// What became of an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// As the worker that asked for it wrote it.
    pub(crate) note: String,
    /// Why it failed, if it did.
    pub(crate) error: Option<String>,
}

/// What the keeper says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    /// Before everything else, when a start was cut short: look which children of the keeper live. Of each that does not, the
    /// worker is told afterwards how it ended.
    Look {},
    /// The first message otherwise. The bell travels beside, and the listening sockets.
    Welcome {
        version: u32,
        /// When the keeper started: milliseconds since 1970.
        since_ms: u64,
        /// How the last worker ended; `None` for the first one.
        died: Option<String>,
        /// Workers that died within the last minute.
        recent_deaths: u32,
        /// A retired worker follows the journal.
        is_followed: bool,
        /// How often a worker was replaced on purpose, this time included.
        upgrades: u32,
        /// The last time, whether or not it came to something.
        upgrade: Option<Report>,
        /// How often a worker was started because the one before had died.
        #[serde(default)]
        restarts: u32,
    },
    /// The state of the last worker travels beside.
    Journal {},
    /// An entry, its descriptors, and how its child ended, if the keeper has reaped it.
    Held { key: Key, lane: Option<Lane>, pid: Option<u32>, slots: Vec<u32>, exited: Option<Exited> },
    /// The child of an entry has ended since.
    Exited { key: Key, exited: Exited },
    /// A child has ended that belongs to no entry, while an entry had no child: a start that the worker's end cut short.
    Stray { exited: Exited, lane: Option<Lane> },
    /// Everything that is held was sent.
    Ready {},
    /// The keeper was told to go away, and the worker goes first.
    End {},
    /// The keeper was told to replace the worker by one of the program on disk.
    Reload {},
    /// Another worker has started and waits: stop what the two cannot both do, and say so.
    Retire {},
    /// The other worker came to nothing; go on.
    UpgradeFailed { why: String },
    /// The next worker has written into the journal.
    Noted {},
    /// No retired worker is left.
    Alone {},
    /// A connection that an earlier worker accepted; see there.
    Connection { on_loopback: bool },
}

/// The bytes of a message.
pub(crate) fn encode(message: &impl Serialize) -> std::io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(message)?)
}

/// The message of these bytes.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> std::io::Result<T> {
    Ok(serde_json::from_slice(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_they_said_before() {
        // Frozen: a keeper of one version meets a worker of another.
        #[track_caller]
        fn check<T>(message: &T, text: &str)
        where
            T: Serialize + for<'a> Deserialize<'a> + PartialEq + std::fmt::Debug,
        {
            assert_eq!(String::from_utf8(encode(message).unwrap()).unwrap(), text);
            assert_eq!(decode::<T>(text.as_bytes()).unwrap(), *message);
        }
        let key = Key { boot: 7, serial: 1, run: 0 };
        let exited = Exited { pid: 9, status: ExitStatus::Signal(15), at_ms: 1000, usage: None };
        check(&FromWorker::Hello { version: 1, looks: false }, r#"{"Hello":{"version":1}}"#);
        check(&FromWorker::Hello { version: 1, looks: true }, r#"{"Hello":{"version":1,"looks":true}}"#);
        check(&FromWorker::Looked {}, r#"{"Looked":{}}"#);
        check(&ToWorker::Look {}, r#"{"Look":{}}"#);
        check(
            &FromWorker::Hold { key, slots: vec![0, 1], lane: None },
            r#"{"Hold":{"key":{"boot":7,"serial":1,"run":0},"slots":[0,1]}}"#,
        );
        check(&FromWorker::Born { key, pid: 9 }, r#"{"Born":{"key":{"boot":7,"serial":1,"run":0},"pid":9}}"#);
        check(&FromWorker::Journal {}, r#"{"Journal":{}}"#);
        check(
            &ToWorker::Exited { key, exited },
            r#"{"Exited":{"key":{"boot":7,"serial":1,"run":0},"exited":{"pid":9,"status":{"Signal":15},"at_ms":1000}}}"#,
        );
        check(&ToWorker::Ready {}, r#"{"Ready":{}}"#);
        check(&ToWorker::End {}, r#"{"End":{}}"#);
    }

    #[test]
    fn a_field_of_a_newer_side_is_passed_over() {
        assert_eq!(
            decode::<FromWorker>(br#"{"Hello":{"version":1,"mood":"good"}}"#).unwrap(),
            FromWorker::Hello { version: 1, looks: false }
        );
        assert!(decode::<FromWorker>(b"{\"Sing\":{}}").is_err());
        assert!(decode::<FromWorker>(b"\xff\0").is_err());
    }
}
