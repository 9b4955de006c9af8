//! `Translator`: what the kernel reports, as events and as what is to be done about it. Pure.
//!
//! What was found in a new folder may be reported, too, because it was watched before it was read: a name that was found is remembered
//! until everything that had happened by then has been taken. A file that gets its name when it is whole is reported once; an ordinary
//! one twice, when it is made and when it is written. So names that were only made are remembered as well (`fresh`), and whoever can
//! look tells the write.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use rustix::fs::inotify::ReadFlags;

use super::event::{Event, Op};
use super::folders::Folders;
use super::ignore::Ignore;
use super::record::Record;
use crate::filesystem::staging::is_temporary;

/// Names remembered at one time; a name that is not may be told twice.
const NAMES_MAX: usize = 1 << 16;

/// Renames of ours that have begun; the two records of one stand almost beside each other.
const OURS_MAX: usize = 64;

/// What a client reads when events are missing.
const OVERFLOW: &str = "more has changed than could be told: look at the folder again";

/// What is told of what is found in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// Nothing: it was there before anybody watched.
    Nothing,
    /// That it is there: its folder was moved here.
    Names,
    /// Also that it was written: its folder is new.
    Writes,
}

/// What is to be done about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Tell it.
    Tell(Event),
    /// Tell it if there is such a file: the kernel reports files without a name by a number.
    TellIfThere(Event),
    /// A folder is to be watched, and what is in it told.
    Enter(i32, OsString, Telling),
    /// A folder is no longer watched.
    Forget(i32),
    /// Every folder has to be looked for.
    Rescan,
    /// There is nothing to watch any more.
    End,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Translator {
    /// The watched folder, as the client knows it.
    root: PathBuf,
    is_recursive: bool,
    ignore: Ignore,
    /// What is watched.
    pub(super) folders: Folders,
    /// The folder that the root is in, of which only the root's name is reported.
    above: Option<i32>,
    /// Found in a folder, and perhaps yet to be reported.
    found: HashSet<(i32, OsString)>,
    /// Made, and not yet written, in the order of their numbers.
    fresh: HashMap<(i32, OsString), u64>,
    next: u64,
    /// Folders on their way to another place, by the cookies of their renames.
    moving: HashMap<u32, i32>,
    /// Cookies of renames from names of ours.
    ours: VecDeque<u32>,
    /// Names of ours that are there now.
    temporary: HashSet<(i32, OsString)>,
}

impl Translator {
    /// For a folder with this number, in one with that.
    pub(super) fn new(
        root: PathBuf,
        (folder, above): (i32, Option<i32>),
        is_recursive: bool,
        ignore: Ignore,
    ) -> Self {
        Self {
            root,
            is_recursive,
            ignore,
            folders: Folders::new(folder),
            above,
            found: HashSet::new(),
            fresh: HashMap::new(),
            next: 0,
            moving: HashMap::new(),
            ours: VecDeque::new(),
            temporary: HashSet::new(),
        }
    }

    /// The path of a watched folder.
    pub(super) fn path(&self, folder: i32) -> Option<PathBuf> {
        let below = self.folders.path(folder)?;
        Some(if below.as_os_str().is_empty() { self.root.clone() } else { self.root.join(below) })
    }

    /// An event in a folder, unless it is ignored or nobody knows where that is.
    pub(super) fn event(&self, op: Op, folder: i32, name: &OsStr) -> Option<Event> {
        let event = Event::new(op, self.path(folder)?, name);
        (!self.ignore.has(&event.path())).then_some(event)
    }

    /// Takes a record in.
    pub(super) fn take(&mut self, record: &Record) -> Vec<Step> {
        if record.mask.contains(ReadFlags::QUEUE_OVERFLOW) {
            // What was reported of them may be among what is missing.
            self.found = HashSet::new();
            self.temporary.clear();
            let event = Event {
                error: Some(OVERFLOW.to_owned()),
                ..Event::new(Op::Overflow, self.root.clone(), OsString::new())
            };
            let rescan = self.is_recursive.then_some(Step::Rescan);
            return std::iter::once(Step::Tell(event)).chain(rescan).collect();
        }
        if !self.folders.has(record.wd) {
            return self.take_above(record);
        }
        if record.name.is_empty() {
            return self.take_own(record);
        }
        if is_temporary(&record.name) {
            self.take_temporary(record);
            return Vec::new();
        }
        let is_folder = record.mask.contains(ReadFlags::ISDIR);
        let mut steps = Vec::new();
        if record.mask.contains(ReadFlags::CREATE) {
            self.appeared(record, is_folder, Telling::Writes, &mut steps);
        } else if record.mask.contains(ReadFlags::MOVED_TO) {
            self.moved_here(record, is_folder, &mut steps);
        } else if record.mask.contains(ReadFlags::MODIFY) {
            self.fresh.remove(&(record.wd, record.name.clone()));
            steps.extend(self.tell(Op::Write, record));
        } else if record.mask.contains(ReadFlags::ATTRIB) {
            steps.extend(self.tell(Op::Chmod, record));
        } else if record.mask.contains(ReadFlags::DELETE) {
            self.forget_name(record);
            steps.extend(self.tell(Op::Remove, record));
            if let Some(folder) = self.folders.child(record.wd, &record.name) {
                steps.extend(self.folders.remove(folder).into_iter().map(Step::Forget));
            }
        } else if record.mask.contains(ReadFlags::MOVED_FROM) {
            self.forget_name(record);
            steps.extend(self.tell(Op::Rename, record));
            if let Some(folder) = self.folders.child(record.wd, &record.name) {
                self.folders.detach(folder);
                self.moving.insert(record.cookie, folder);
            }
        }
        steps
    }

    /// A record about a name of ours, which nobody is told of.
    fn take_temporary(&mut self, record: &Record) {
        let file = (record.wd, record.name.clone());
        if record.mask.contains(ReadFlags::CREATE) {
            if self.temporary.len() < NAMES_MAX {
                self.temporary.insert(file);
            }
        } else if record.mask.intersects(ReadFlags::DELETE.union(ReadFlags::MOVED_FROM)) {
            self.temporary.remove(&file);
        }
        if record.mask.contains(ReadFlags::MOVED_FROM) {
            self.ours.push_back(record.cookie);
            if self.ours.len() > OURS_MAX {
                self.ours.pop_front();
            }
        }
    }

    /// Whether a file of ours may have two names in a folder for an instant: its own and one that is about to go.
    pub(super) fn has_temporary(&self, folder: i32) -> bool {
        self.temporary.iter().any(|(known, _)| *known == folder)
    }

    /// A record from the folder above the root.
    fn take_above(&self, record: &Record) -> Vec<Step> {
        if self.above != Some(record.wd) || self.root.file_name() != Some(&record.name) {
            return Vec::new();
        }
        if record.mask.contains(ReadFlags::DELETE) {
            self.end(Op::Remove)
        } else if record.mask.contains(ReadFlags::MOVED_FROM) {
            self.end(Op::Rename)
        } else {
            Vec::new()
        }
    }

    /// A record about a watched folder itself. All but the root's come from the folder above, too.
    fn take_own(&mut self, record: &Record) -> Vec<Step> {
        const GONE: ReadFlags = ReadFlags::DELETE_SELF.union(ReadFlags::UNMOUNT).union(ReadFlags::IGNORED);
        let is_gone = record.mask.intersects(GONE);
        if record.wd != self.folders.root() {
            let removed = if is_gone { self.folders.remove(record.wd) } else { Vec::new() };
            return removed.into_iter().map(Step::Forget).collect();
        }
        match () {
            () if is_gone => self.end(Op::Remove),
            // It is no longer where the client looks for it.
            () if record.mask.contains(ReadFlags::MOVE_SELF) => self.end(Op::Rename),
            () if record.mask.contains(ReadFlags::ATTRIB) => self.of_root(Op::Chmod).into_iter().collect(),
            () => Vec::new(),
        }
    }

    fn end(&self, op: Op) -> Vec<Step> {
        self.of_root(op).into_iter().chain([Step::End]).collect()
    }

    /// What has happened to the root itself.
    fn of_root(&self, op: Op) -> Option<Step> {
        let (above, name) = (self.root.parent()?, self.root.file_name()?);
        (!self.ignore.has(&self.root)).then(|| Step::Tell(Event::new(op, above.to_owned(), name)))
    }

    fn appeared(&mut self, record: &Record, is_folder: bool, telling: Telling, steps: &mut Vec<Step>) {
        if self.found.remove(&(record.wd, record.name.clone())) {
            return;
        }
        let Some(event) = self.event(Op::Create, record.wd, &record.name) else { return };
        steps.push(Step::Tell(event));
        if is_folder && self.is_recursive {
            steps.push(Step::Enter(record.wd, record.name.clone(), telling));
        } else if !is_folder && telling == Telling::Writes {
            self.made(record.wd, &record.name);
        }
    }

    fn moved_here(&mut self, record: &Record, is_folder: bool, steps: &mut Vec<Step>) {
        let moved = self.moving.remove(&record.cookie);
        self.fresh.remove(&(record.wd, record.name.clone()));
        if let Some(at) = self.ours.iter().position(|cookie| *cookie == record.cookie) {
            self.ours.remove(at);
            // One of ours takes the place of a file only where there is one.
            if !self.found.remove(&(record.wd, record.name.clone())) {
                steps.extend(self.tell(Op::Write, record));
            }
            return;
        }
        // It is where it has gone to at once, so what happens in it meanwhile has a path.
        if let Some(folder) = moved
            && self.event(Op::Create, record.wd, &record.name).is_some()
        {
            self.folders.attach(folder, record.wd, &record.name);
        }
        self.appeared(record, is_folder, Telling::Names, steps);
    }

    fn tell(&self, op: Op, record: &Record) -> Option<Step> {
        let event = self.event(op, record.wd, &record.name)?;
        let is_number = matches!(op, Op::Write | Op::Chmod) && is_number(&record.name);
        Some(if is_number { Step::TellIfThere(event) } else { Step::Tell(event) })
    }

    /// Something was found in a folder whose content is told; `None` when it is ignored.
    pub(super) fn found(&mut self, folder: i32, name: &OsStr, is_written: bool) -> Option<Event> {
        let event = self.event(Op::Create, folder, name)?;
        if self.found.len() < NAMES_MAX {
            self.found.insert((folder, name.to_owned()));
        }
        if is_written {
            self.made(folder, name);
        }
        Some(event)
    }

    fn made(&mut self, folder: i32, name: &OsStr) {
        if self.fresh.len() < NAMES_MAX {
            self.next += 1;
            self.fresh.insert((folder, name.to_owned()), self.next);
        }
    }

    /// Files that were made and of which no write was reported, in their order. They stay until `settle`.
    pub(super) fn fresh(&self) -> Vec<(i32, OsString)> {
        let mut fresh: Vec<_> = self.fresh.iter().collect();
        fresh.sort_unstable_by_key(|(_, number)| **number);
        fresh.into_iter().map(|(key, _)| key.clone()).collect()
    }

    /// Whether one of them still is.
    pub(super) fn is_fresh(&self, file: &(i32, OsString)) -> bool {
        self.fresh.contains_key(file)
    }

    /// All that had happened when folders were read has been taken. Gives the folders that have gone elsewhere.
    pub(super) fn settle(&mut self) -> Vec<i32> {
        // A burst leaves no memory behind.
        self.found = HashSet::new();
        self.fresh = HashMap::new();
        self.moving.clear();
        self.temporary.retain(|(folder, _)| self.folders.has(*folder));
        let loose = self.folders.loose();
        loose.into_iter().flat_map(|folder| self.folders.remove(folder)).collect()
    }

    fn forget_name(&mut self, record: &Record) {
        let key = (record.wd, record.name.clone());
        self.found.remove(&key);
        self.fresh.remove(&key);
    }
}

/// Whether a name is one that the kernel gives a file without a name: `#` and its number.
fn is_number(name: &OsStr) -> bool {
    let digits = name.as_encoded_bytes().strip_prefix(b"#");
    digits.is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests;
