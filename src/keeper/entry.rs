//! `Entries`: what is held for the worker's processes, and how their children ended.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;

use super::protocol::{Exited, Key};
use crate::sys::lane::Lane;
use crate::sys::pidfd::PidFd;
use crate::sys::usage::ResourceUsage;

/// What is held for one run of a process.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The lane of the command.
    pub(super) lane: Option<Lane>,
    /// By slot.
    pub(super) descriptors: BTreeMap<u32, OwnedFd>,
    /// The command, once it is known.
    pub(super) child: Option<PidFd>,
    /// How it ended, if this process has reaped it.
    pub(super) exited: Option<Exited>,
}

/// All entries.
#[derive(Debug, Default)]
pub(super) struct Entries {
    by_key: BTreeMap<Key, Entry>,
    by_pid: HashMap<u32, Key>,
}

impl Entries {
    /// The keys, in order.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.by_key.keys().copied().collect()
    }

    /// An entry, if it is there.
    pub(super) fn get(&self, key: Key) -> Option<&Entry> {
        self.by_key.get(&key)
    }

    /// All of them, with their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &Entry)> {
        self.by_key.iter().map(|(key, entry)| (*key, entry))
    }

    /// Enters a whole entry.
    pub(super) fn insert(&mut self, key: Key, entry: Entry) {
        if let (Some(child), None) = (&entry.child, &entry.exited) {
            self.by_pid.insert(child.pid(), key);
        }
        self.by_key.insert(key, entry);
    }

    /// Holds descriptors. What is too much of one or the other is dropped.
    pub(super) fn hold(&mut self, key: Key, lane: Option<Lane>, slots: Vec<u32>, descriptors: Vec<OwnedFd>) {
        let entry = self.by_key.entry(key).or_default();
        entry.lane = lane.or(entry.lane);
        entry.descriptors.extend(slots.into_iter().zip(descriptors));
    }

    /// Enters the child of an entry.
    pub(super) fn born(&mut self, key: Key, child: PidFd) {
        self.by_pid.insert(child.pid(), key);
        self.by_key.entry(key).or_default().child = Some(child);
    }

    /// Lets descriptors go.
    pub(super) fn release(&mut self, key: Key, slots: &[u32]) {
        if let Some(entry) = self.by_key.get_mut(&key) {
            entry.descriptors.retain(|slot, _| !slots.contains(slot));
        }
    }

    /// Lets an entry go.
    pub(super) fn drop_entry(&mut self, key: Key) {
        let entry = self.by_key.remove(&key);
        if let Some(child) = entry.and_then(|entry| entry.child)
            && self.by_pid.get(&child.pid()) == Some(&key)
        {
            self.by_pid.remove(&child.pid());
        }
    }

    /// The entry whose child this is, and what the child has used up: one that was reaped by the worker may have had the same
    /// number.
    pub(super) fn key_of_child(&self, pid: u32) -> Option<(Key, ResourceUsage)> {
        let key = *self.by_pid.get(&pid)?;
        let child = self.by_key.get(&key)?.child.as_ref()?;
        child.peek_exit().ok().flatten().map(|(_, usage)| (key, usage))
    }

    /// Records how the child of an entry ended. Its number may belong to another from now on.
    pub(super) fn record(&mut self, key: Key, exited: Exited) {
        self.by_pid.remove(&exited.pid);
        if let Some(entry) = self.by_key.get_mut(&key) {
            entry.exited = Some(exited);
        }
    }

    /// Whether a start is under way, or was when the worker ended.
    pub(super) fn expects_child(&self) -> bool {
        let is_expected =
            |entry: &Entry| entry.lane.is_some() && entry.child.is_none() && entry.exited.is_none();
        self.by_key.values().any(is_expected)
    }
}
