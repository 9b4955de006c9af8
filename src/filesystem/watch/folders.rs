//! `Folders`: the watched folders of one watcher and how they lie in each other. Pure.
//!
//! A path is not kept but put together from names, so that a rename of a folder moves all that is below it.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// See the module.
#[derive(Debug)]
pub(super) struct Folders {
    root: i32,
    nodes: HashMap<i32, Node>,
    /// Those that are in no other: on their way, or left behind.
    loose: HashSet<i32>,
}

#[derive(Debug, Default)]
struct Node {
    /// `None` for the root, and for one that is on its way to another place.
    parent: Option<i32>,
    name: OsString,
    children: HashMap<OsString, i32>,
}

impl Folders {
    /// The root alone.
    pub(super) fn new(root: i32) -> Self {
        Self { root, nodes: HashMap::from([(root, Node::default())]), loose: HashSet::new() }
    }

    /// The root's number.
    pub(super) fn root(&self) -> i32 {
        self.root
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it is one of them.
    pub(super) fn has(&self, folder: i32) -> bool {
        self.nodes.contains_key(&folder)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = i32> + '_ {
        self.nodes.keys().copied()
    }

    /// The folder of this name in a folder.
    pub(super) fn child(&self, parent: i32, name: &OsStr) -> Option<i32> {
        self.nodes.get(&parent)?.children.get(name).copied()
    }

    /// Its path below the root; `None` when it is none of ours or on its way.
    pub(super) fn path(&self, folder: i32) -> Option<PathBuf> {
        let mut names = Vec::new();
        let mut at = folder;
        while at != self.root {
            let node = self.nodes.get(&at)?;
            names.push(&node.name);
            at = node.parent?;
        }
        Some(names.into_iter().rev().collect())
    }

    /// Puts a folder into another, wherever it was. False when it holds that other itself: a mount can make it seem so.
    pub(super) fn attach(&mut self, folder: i32, parent: i32, name: &OsStr) -> bool {
        let mut above = Some(parent);
        while let Some(at) = above {
            if at == folder {
                return false;
            }
            above = self.nodes.get(&at).and_then(|node| node.parent);
        }
        if !self.has(parent) {
            return false;
        }
        self.detach(folder);
        // Whatever had the name is no longer there; it is forgotten when its own records say so.
        if let Some(other) = self.child(parent, name) {
            self.detach(other);
        }
        let node = self.nodes.entry(folder).or_default();
        (node.parent, node.name) = (Some(parent), name.to_owned());
        self.loose.remove(&folder);
        if let Some(above) = self.nodes.get_mut(&parent) {
            above.children.insert(name.to_owned(), folder);
        }
        true
    }

    /// Takes a folder out of the one it is in, with all that is below it.
    pub(super) fn detach(&mut self, folder: i32) {
        let Some(node) = self.nodes.get_mut(&folder) else { return };
        let Some(parent) = node.parent.take() else { return };
        self.loose.insert(folder);
        let name = std::mem::take(&mut node.name);
        if let Some(above) = self.nodes.get_mut(&parent) {
            above.children.remove(&name);
        }
    }

    /// Forgets a folder and all that is below it; gives their numbers. The root stays.
    pub(super) fn remove(&mut self, folder: i32) -> Vec<i32> {
        if folder == self.root {
            return Vec::new();
        }
        self.detach(folder);
        let (mut removed, mut left) = (Vec::new(), vec![folder]);
        while let Some(folder) = left.pop() {
            self.loose.remove(&folder);
            if let Some(node) = self.nodes.remove(&folder) {
                left.extend(node.children.into_values());
                removed.push(folder);
            }
        }
        removed
    }

    /// Those that are in no other.
    pub(super) fn loose(&self) -> Vec<i32> {
        self.loose.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> &OsStr {
        OsStr::new(text)
    }

    #[test]
    fn a_rename_moves_what_is_below() {
        let mut folders = Folders::new(1);
        assert!(folders.attach(2, 1, name("a")) && folders.attach(3, 2, name("b")));
        assert_eq!(folders.path(3).as_deref(), Some(Path::new("a/b")));
        folders.detach(2);
        assert_eq!((folders.path(3), folders.loose()), (None, vec![2]));
        assert!(folders.attach(2, 1, name("c")));
        assert_eq!(folders.path(3).as_deref(), Some(Path::new("c/b")));
        assert_eq!((folders.child(1, name("a")), folders.child(1, name("c"))), (None, Some(2)));
        assert!(!folders.attach(2, 3, name("itself")) && !folders.attach(1, 3, name("root")));
        let mut removed = folders.remove(2);
        removed.sort_unstable();
        assert_eq!((removed, folders.len()), (vec![2, 3], 1));
    }

    proptest! {
        #[test]
        fn each_is_where_it_was_put_last(moves in prop::collection::vec((2..8_i32, 1..8_i32, "[a-c]"), 0..40)) {
            let mut folders = Folders::new(1);
            for (folder, parent, at) in moves {
                if folders.attach(folder, parent, name(&at)) {
                    prop_assert_eq!(folders.child(parent, name(&at)), Some(folder));
                }
                // No walk upwards goes on for ever, and who is reached from above is who says so.
                for folder in folders.all().collect::<Vec<_>>() {
                    drop(folders.path(folder));
                    let node = &folders.nodes[&folder];
                    if let Some(parent) = node.parent {
                        prop_assert_eq!(folders.child(parent, &node.name), Some(folder));
                    }
                }
            }
            let below: usize = (2..8).map(|folder| folders.remove(folder).len()).sum();
            prop_assert_eq!((folders.len(), below < 7), (1, true));
        }
    }
}
