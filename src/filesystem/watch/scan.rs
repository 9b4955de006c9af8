//! `Scan`: folders that are yet to be read, one at a time, so that one descriptor is enough for any tree.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;

use super::translate::Telling;
use crate::filesystem::Listing;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Scan {
    waiting: VecDeque<(i32, Telling)>,
    current: Option<Current>,
    /// When all folders are looked for again: those that were found.
    seen: Option<HashSet<i32>>,
}

#[derive(Debug)]
struct Current {
    folder: i32,
    telling: Telling,
    listing: Listing,
    next: usize,
}

/// An entry of a folder.
#[derive(Debug)]
pub(super) struct Found {
    /// In this folder.
    pub(super) folder: i32,
    /// What is told of it.
    pub(super) telling: Telling,
    /// Its name.
    pub(super) name: OsString,
    /// Whether it is a folder itself.
    pub(super) is_folder: bool,
}

impl Scan {
    /// Reads one more folder, later.
    pub(super) fn add(&mut self, folder: i32, telling: Telling) {
        self.waiting.push_back((folder, telling));
    }

    /// Looks for all folders again, from this one on.
    pub(super) fn again(&mut self, root: i32) {
        *self = Self { seen: Some(HashSet::from([root])), ..Self::default() };
        self.add(root, Telling::Nothing);
    }

    /// The next entry of the folder that is being read.
    pub(super) fn entry(&mut self) -> Option<Found> {
        let current = self.current.as_mut()?;
        let Some((name, is_folder)) = current.listing.entry(current.next) else {
            self.current = None;
            return None;
        };
        current.next += 1;
        let Current { folder, telling, .. } = *current;
        Some(Found { folder, telling, name: name.to_owned(), is_folder })
    }

    /// The next folder to read.
    pub(super) fn next_folder(&mut self) -> Option<(i32, Telling)> {
        self.waiting.pop_front()
    }

    /// Its names.
    pub(super) fn read(&mut self, folder: i32, telling: Telling, listing: Listing) {
        self.current = Some(Current { folder, telling, listing, next: 0 });
    }

    /// Whether all folders are being looked for; if so, one more was found.
    pub(super) fn see(&mut self, folder: i32) -> bool {
        self.seen.as_mut().map(|seen| seen.insert(folder)).is_some()
    }

    /// When all were looked for, and nothing is left to read: those that were found.
    pub(super) fn take_seen(&mut self) -> Option<HashSet<i32>> {
        self.seen.take()
    }
}
