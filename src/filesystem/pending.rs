//! `Pending`: names of ours that are about to vanish, noted where the next daemon finds them.
//!
//! A file that takes the place of another has a name of ours between two system calls, and a daemon can be killed there. So the name
//! is written down before it exists, in a file that the daemon holds the lock of for as long as it lives; who starts later removes the names in
//! the files whose locks are free. A note costs one write to the page cache. Nothing is noted where there is no folder for it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::AtFlags;

use super::path::path;
use super::root::Root;
use super::staging::is_temporary;
use crate::sys::file::try_lock;

/// The end of the names of such files; before it are 16 letters and digits.
const SUFFIX: &str = ".renaming";

/// Room for one note: its length and a path, which is 4,096 bytes at most.
const SLOT_BYTES: u64 = 8192;

/// Bytes of the length that stands before a path.
const LENGTH_BYTES: usize = 4;

/// The notes of one daemon.
#[derive(Debug)]
pub(crate) struct Pending {
    file: File,
}

impl Pending {
    /// Begins a new file of notes in a folder.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        let name: String = std::iter::repeat_with(fastrand::alphanumeric).take(16).collect();
        let path = folder.join(name + SUFFIX);
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        try_lock(&file)?;
        Ok(Self { file })
    }

    /// Notes a path in a slot, which nobody else uses meanwhile.
    pub(super) fn note(&self, slot: usize, path: &Path) {
        let path = path.as_os_str().as_bytes();
        let mut note = u32::try_from(path.len()).unwrap_or(0).to_le_bytes().to_vec();
        note.extend_from_slice(path);
        if note.len() as u64 <= SLOT_BYTES {
            // Without a note a file may be left over; that is no reason not to write.
            self.file.write_all_at(&note, slot as u64 * SLOT_BYTES).ok();
        }
    }

    /// The path in a slot has come to its end.
    pub(super) fn clear(&self, slot: usize) {
        self.file.write_all_at(&[0; LENGTH_BYTES], slot as u64 * SLOT_BYTES).ok();
    }
}

/// Removes the names that dead daemons have left, and their notes.
pub(crate) fn sweep(folder: &Path, root: &Root) {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for path in entries.map(|entry| entry.path()).filter(|path| is_notes(path)) {
        let Ok(file) = File::options().read(true).write(true).open(&path) else { continue };
        if !try_lock(&file).unwrap_or(false) {
            continue;
        }
        let mut slot = 0;
        while let Some(note) = read(&file, slot) {
            remove(root, &note);
            slot += 1;
        }
        fs::remove_file(&path).ok();
    }
}

fn is_notes(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().ends_with(SUFFIX.as_bytes()))
}

/// The note of a slot, empty when there is none; `None` behind the last slot.
fn read(file: &File, slot: u64) -> Option<Vec<u8>> {
    let (at, end) = (slot * SLOT_BYTES, file.metadata().ok()?.len());
    if at >= end {
        return None;
    }
    let mut note = vec![0; usize::try_from((end - at).min(SLOT_BYTES)).ok()?];
    file.read_exact_at(&mut note, at).ok()?;
    let (length, path) = note.split_at_checked(LENGTH_BYTES)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    Some(path.get(..length).unwrap_or_default().to_vec())
}

/// Removes a file if its name is one of ours: whatever stands in a note, nothing else goes.
fn remove(root: &Root, note: &[u8]) {
    let at = path(note);
    if !at.file_name().is_some_and(|name: &OsStr| is_temporary(name)) {
        return;
    }
    if let Ok(entry) = root.entry(&at)
        && entry.stat.is_some()
    {
        rustix::fs::unlinkat(&entry.folder, &entry.name, AtFlags::empty()).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_daemon_noted_goes() {
        let dir = std::env::temp_dir().join(format!("boxd-pending-{}", fastrand::u64(..)));
        fs::create_dir(&dir).unwrap();
        let left = |n: u8| dir.join(format!(".boxd-000000000000000{n}.tmp"));
        for n in 0..4 {
            fs::write(left(n), "x").unwrap();
        }
        fs::write(dir.join("other"), "x").unwrap();
        let dead = Pending::new(&dir).unwrap();
        dead.note(0, &left(0));
        dead.note(3, &left(1));
        dead.note(5, &dir.join("other"));
        dead.note(7, &left(2));
        dead.clear(7);
        drop(dead);
        let living = Pending::new(&dir).unwrap();
        living.note(1, &left(3));
        sweep(&dir, &Root::whole());
        let there: Vec<bool> = (0..4).map(|n| left(n).exists()).collect();
        assert_eq!((there, dir.join("other").exists()), (vec![false, false, true, true], true));
        // The living one's notes are all that is left, and it has not lost them.
        let notes = fs::read_dir(&dir).unwrap().filter(|e| is_notes(&e.as_ref().unwrap().path())).count();
        assert_eq!(notes, 1);
        drop(living);
        sweep(&dir, &Root::whole());
        assert!(!left(3).exists());
        fs::remove_dir_all(&dir).unwrap();
    }
}
