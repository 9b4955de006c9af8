//! `Watcher`: one client's watch of a folder, and what is done for it: watches are added, folders read, files looked at.
//!
//! It does a bounded piece of work when it is asked to (`turn`), where waiting for a disk is allowed, so a client that takes nothing
//! holds no thread, and one that leaves ends the work.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

use event_listener::EventListener;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::event::{Event, Op};
use super::hub::Hub;
use super::ignore::Ignore;
use super::inbox::Inbox;
use super::record::Record;
use super::scan::{Found, Scan};
use super::translate::{Step, Telling, Translator};
use crate::error::{Error, Result};
use crate::filesystem::path::Place;
use crate::filesystem::staging::is_temporary;
use crate::filesystem::{Files, Info, Listing};
use crate::runtime::Runtime;

/// Events of one turn, about.
const EVENTS_MAX: usize = 256;

/// Records and entries of one turn.
const STEPS_MAX: usize = 4096;

/// Folders of one watcher: some 200 bytes each here, and a kilobyte of the kernel's.
const FOLDERS_MAX: usize = 1 << 19;

/// What is to be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The folder.
    pub(crate) place: Place,
    /// All below it, too.
    pub(crate) is_recursive: bool,
    /// What is not told.
    pub(crate) ignore: Ignore,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There is more to do.
    More,
    /// There is nothing to do until something happens.
    Idle,
    /// The folder is gone.
    Over,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Watcher {
    files: Files,
    /// `None` when it has been left.
    hub: Option<Arc<Hub>>,
    inbox: Arc<Inbox>,
    /// The folder that the watched one is in.
    above: Option<i32>,
    translator: Translator,
    scan: Scan,
    batch: VecDeque<Record>,
    events: Vec<Event>,
    is_over: bool,
    /// Whether everything is watched that was there in the beginning. Before that a limit is an error, later an event.
    has_begun: bool,
}

impl Watcher {
    /// Watches a folder; what is below it is watched in turns.
    ///
    /// # Errors
    /// `NotFolder`, `TooManyWatchers`, `TooManyWatches`, or `File`.
    pub(crate) fn open(files: &Files, runtime: &Runtime, asked: Asked) -> Result<Self> {
        let Asked { place, is_recursive, ignore } = asked;
        let failed = |errno| Error::file("watch", &place.absolute, errno);
        let opened = match files.root.folder(&place.absolute) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::INVAL) => {
                return Err(Error::NotFolder);
            }
            opened => opened.map_err(failed)?,
        };
        let hub = files.watching.hub(runtime).map_err(|errno| match errno {
            Errno::MFILE | Errno::NFILE => Error::TooManyWatchers,
            errno => failed(errno),
        })?;
        let inbox = Arc::new(Inbox::new(hub.inbox_bytes.clone()));
        let above = watch_above(files, &hub, &inbox, &place);
        let path = files.root.host_path(&opened, &place.absolute);
        let folder = hub.add(&inbox, &path, None).map_err(|errno| match errno {
            Errno::NOSPC => Error::TooManyWatches,
            errno => failed(errno),
        })?;
        let mut scan = Scan::default();
        if is_recursive {
            scan.add(folder, Telling::Nothing);
        }
        Ok(Self {
            files: files.clone(),
            hub: Some(hub),
            inbox,
            above,
            translator: Translator::new(place.absolute, (folder, above), is_recursive, ignore),
            scan,
            batch: VecDeque::new(),
            events: Vec::new(),
            is_over: false,
            has_begun: false,
        })
    }

    /// Does a piece of the work that is needed before the first event; true when all of it is done.
    ///
    /// # Errors
    /// `TooManyWatches`.
    pub(crate) fn begin(&mut self) -> Result<bool> {
        for _ in 0..STEPS_MAX {
            match self.scan_on() {
                Ok(true) => {}
                Ok(false) => {
                    self.has_begun = true;
                    return Ok(true);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Finds out what has happened.
    pub(crate) fn turn(&mut self) -> (Vec<Event>, Turn) {
        let mut turn = Turn::More;
        for _ in 0..STEPS_MAX {
            if self.events.len() >= EVENTS_MAX {
                break;
            }
            if !self.step() {
                turn = Turn::Idle;
                break;
            }
            if self.is_over {
                turn = Turn::Over;
                break;
            }
        }
        (std::mem::take(&mut self.events), turn)
    }

    /// Fires when something has happened.
    pub(crate) fn listen(&self) -> EventListener {
        self.inbox.listen()
    }

    /// Does the next thing; false when there is none.
    fn step(&mut self) -> bool {
        // Once it has begun a limit is told as an event.
        if self.scan_on().unwrap_or(true) {
            return true;
        }
        if let Some(record) = self.batch.pop_front() {
            self.take(&record);
            return true;
        }
        if self.fetch() {
            return true;
        }
        self.tell_writes()
    }

    /// Takes what has happened up to now; false when nothing has.
    fn fetch(&mut self) -> bool {
        if let Some(hub) = &self.hub {
            // What cannot be read is the hub's to say.
            hub.read().ok();
        }
        self.batch = self.inbox.take();
        !self.batch.is_empty()
    }

    fn take(&mut self, record: &Record) {
        for step in self.translator.take(record) {
            match step {
                Step::Tell(event) => self.events.push(event),
                Step::TellIfThere(event) => {
                    if self.files.root.stat(&event.path(), false).is_ok() {
                        self.events.push(event);
                    }
                }
                Step::Enter(parent, name, telling) => {
                    // Told as an event.
                    self.enter(parent, &name, telling).ok();
                }
                Step::Forget(folder) => self.forget(folder),
                Step::Rescan => self.scan.again(self.translator.folders.root()),
                Step::End => self.is_over = true,
            }
        }
    }

    /// Tells of files that had their bytes before their name that they were written, when all that had happened has been taken. False
    /// when nothing more is to be done.
    fn tell_writes(&mut self) -> bool {
        let fresh = self.translator.fresh();
        let written: Vec<_> =
            fresh.into_iter().filter(|(folder, name)| self.has_bytes(*folder, name)).collect();
        // Who has been seen to write may have been about to be reported.
        if !written.is_empty() && self.fetch() {
            return true;
        }
        for file in written.iter().filter(|file| self.translator.is_fresh(file)) {
            self.events.extend(self.translator.event(Op::Write, file.0, &file.1));
        }
        for folder in self.translator.settle() {
            self.forget(folder);
        }
        false
    }

    /// Whether it is a file with bytes in it. One with several names may be an older one.
    fn has_bytes(&self, folder: i32, name: &OsStr) -> bool {
        let Some(path) = self.translator.path(folder) else { return false };
        let info = self.files.root.stat(&path.join(name), false).map(|stat| Info::new(&stat));
        let is_new = |links| links == 1 || links == 2 && self.translator.has_temporary(folder);
        info.is_ok_and(|info| info.is_file() && info.size > 0 && is_new(info.links))
    }

    /// Reads on in folders; false when there is nothing to read.
    fn scan_on(&mut self) -> Result<bool> {
        if let Some(found) = self.scan.entry() {
            self.found(&found)?;
            return Ok(true);
        }
        if let Some((folder, telling)) = self.scan.next_folder() {
            self.read(folder, telling);
            return Ok(true);
        }
        if let Some(seen) = self.scan.take_seen() {
            let gone: Vec<_> =
                self.translator.folders.all().filter(|folder| !seen.contains(folder)).collect();
            for folder in
                gone.into_iter().flat_map(|folder| self.translator.folders.remove(folder)).collect::<Vec<_>>()
            {
                self.forget(folder);
            }
        }
        Ok(false)
    }

    fn read(&mut self, folder: i32, telling: Telling) {
        let Some(path) = self.translator.path(folder) else { return };
        let nofollow =
            if folder == self.translator.folders.root() { OFlags::empty() } else { OFlags::NOFOLLOW };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | nofollow;
        let place = Place { given: path.clone(), absolute: path };
        let opened = self.files.root.open(&place.absolute, flags, Mode::empty());
        let listing = opened
            .map_err(|errno| Error::file("open", &place.absolute, errno))
            .and_then(|fd| Listing::of(&self.files, fd, &place));
        match listing {
            Ok(listing) => self.scan.read(folder, telling, listing),
            // It has gone meanwhile, which is reported.
            Err(error) if error.file_errno().is_some_and(is_vanished) => {}
            Err(error) => self.tell_error(&place.absolute, error.to_string()),
        }
    }

    fn found(&mut self, found: &Found) -> Result<()> {
        let Found { folder, telling, name, is_folder } = found;
        if is_temporary(name) {
            return Ok(());
        }
        if *telling != Telling::Nothing {
            let is_written = *telling == Telling::Writes && !is_folder;
            match self.translator.found(*folder, name, is_written) {
                Some(event) => self.events.push(event),
                None => return Ok(()),
            }
        }
        if *is_folder { self.enter(*folder, name, *telling) } else { Ok(()) }
    }

    /// Watches a folder in a watched folder, and has it read. What cannot be watched is told, or an error in the beginning.
    fn enter(&mut self, parent: i32, name: &OsStr, telling: Telling) -> Result<()> {
        let Some(event) = self.translator.event(Op::Create, parent, name) else { return Ok(()) };
        match self.watch(&event.path()) {
            Ok(folder) => {
                self.entered(folder, (parent, name), event, telling);
                Ok(())
            }
            Err(errno) if is_vanished(errno) => Ok(()),
            Err(Errno::NOSPC) if !self.has_begun => Err(Error::TooManyWatches),
            // What may not be read was not asked for by its name.
            Err(_) if !self.has_begun => Ok(()),
            Err(errno) => {
                let error = match errno {
                    Errno::NOSPC => Error::TooManyWatches,
                    errno => Error::file("watch", event.path(), errno),
                };
                self.tell_error(&event.path(), error.to_string());
                Ok(())
            }
        }
    }

    fn watch(&self, path: &Path) -> Result<i32, Errno> {
        let Some(hub) = &self.hub else { return Err(Errno::NOENT) };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let opened = self.files.root.open(path, flags, Mode::empty())?;
        if self.translator.folders.len() >= FOLDERS_MAX {
            return Err(Errno::NOSPC);
        }
        hub.add(&self.inbox, &self.files.root.host_path(&opened, path), None)
    }

    fn entered(&mut self, folder: i32, (parent, name): (i32, &OsStr), event: Event, mut telling: Telling) {
        let folders = &mut self.translator.folders;
        let was_known = folders.has(folder);
        if folders.child(parent, name) != Some(folder) && !folders.attach(folder, parent, name) {
            if !was_known {
                self.forget(folder);
            }
            return;
        }
        if self.scan.see(folder) && !was_known && telling == Telling::Nothing {
            // It came while nobody could tell.
            self.events.push(event);
            telling = Telling::Writes;
        }
        self.scan.add(folder, telling);
    }

    fn forget(&self, folder: i32) {
        if let Some(hub) = &self.hub {
            hub.remove(&self.inbox, folder);
        }
    }

    fn tell_error(&mut self, path: &Path, error: String) {
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return };
        let event = Event::new(Op::Error, above.to_owned(), OsString::from(name));
        self.events.push(Event { error: Some(error), ..event });
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let Some(hub) = self.hub.take() else { return };
        let (files, inbox) = (self.files.clone(), self.inbox.clone());
        let folders: Vec<_> = self.translator.folders.all().chain(self.above).collect();
        // Each is a system call, and there may be many.
        blocking::unblock(move || files.watching.leave(hub, &inbox, folders.into_iter())).detach();
    }
}

/// Watches whether a folder goes from where it is. It says so itself only when nobody stands in it any more. None of it is possible for
/// the root, and where a link leads.
fn watch_above(files: &Files, hub: &Hub, inbox: &Arc<Inbox>, place: &Place) -> Option<i32> {
    let entry = files.root.entry(&place.absolute).ok()?;
    if !Info::new(entry.stat.as_ref()?).is_folder() {
        return None;
    }
    let path = files.root.host_path(&entry.folder, place.absolute.parent()?);
    hub.add(inbox, &path, Some(&entry.name)).ok()
}

/// Whether it says that there is no such folder, or no longer.
fn is_vanished(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG)
}

#[cfg(test)]
mod tests;
