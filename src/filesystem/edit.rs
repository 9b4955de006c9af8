//! Changing a text in a file, at one instant, and only in the version that was looked at.

use std::fs::File;
use std::io::Read;

use super::condition::{Condition, Tags};
use super::found::Found;
use super::path::Place;
use super::upload::{Upload, WriteOptions};
use super::{Files, Info};
use crate::error::{Error, Result};

/// How often an edit begins again because somebody else has changed the file meanwhile.
const TRIES_MAX: usize = 16;

/// What is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The text as it is, not empty.
    pub(crate) old: String,
    /// What stands there then.
    pub(crate) new: String,
    /// Every place, and not the only one.
    pub(crate) all: bool,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edited {
    /// So many places were changed.
    Done(usize),
    /// There are so many, and not one: nothing was changed.
    Found(usize),
}

/// Reads a file whole; `bytes_max` is the most that it may have.
///
/// # Errors
/// It cannot be read, is a folder (`IsFolder`), or is larger.
pub(crate) fn read_whole(files: &Files, place: &Place, bytes_max: u64) -> Result<(Vec<u8>, Info)> {
    match Found::find(files, place)? {
        Found::Folder => Err(Error::IsFolder),
        Found::File(file, info) => Ok((read(&file, place, bytes_max)?, info)),
    }
}

fn read(file: &File, place: &Place, bytes_max: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A file of the kernel does not say how large it is.
    let read = file.take(bytes_max + 1).read_to_end(&mut bytes);
    read.map_err(|source| Error::File { action: "read", path: place.absolute.clone(), source })?;
    if bytes.len() as u64 > bytes_max {
        let found = format!("{} has more than {bytes_max} bytes", place.absolute.display());
        return Err(Error::TooMuch { what: "file size", found });
    }
    Ok(bytes)
}

/// Changes a file of `bytes_max` bytes at most. Bytes that are no text stay as they are.
pub(crate) fn edit(files: &Files, place: &Place, edit: &Edit, bytes_max: u64) -> Result<Edited> {
    let mut result = Err(Error::PreconditionFailed);
    for _ in 0..TRIES_MAX {
        let (bytes, info) = read_whole(files, place, bytes_max)?;
        let places = find_all(&bytes, edit.old.as_bytes());
        if places.is_empty() || places.len() > 1 && !edit.all {
            return Ok(Edited::Found(places.len()));
        }
        let growth = edit.new.len().saturating_sub(edit.old.len()) as u64;
        if bytes.len() as u64 + growth.saturating_mul(places.len() as u64) > bytes_max {
            let found = format!("{} would have more than {bytes_max} bytes", place.absolute.display());
            return Err(Error::TooMuch { what: "file size", found });
        }
        let bytes = replace(&bytes, &places, edit);
        let condition = Condition { is: Some(Tags::These(vec![info.etag()])), is_not: None };
        let options = WriteOptions { condition, ..WriteOptions::default() };
        match Upload::whole(files, place, options, &bytes) {
            Err(Error::PreconditionFailed) => result = Err(Error::PreconditionFailed),
            written => return written.map(|_| Edited::Done(places.len())),
        }
    }
    result
}

/// Where a text stands; places do not overlap.
fn find_all(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    memchr::memmem::find_iter(bytes, text).collect()
}

fn replace(bytes: &[u8], places: &[usize], edit: &Edit) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for at in places {
        out.extend_from_slice(&bytes[from..*at]);
        out.extend_from_slice(edit.new.as_bytes());
        from = at + edit.old.len();
    }
    out.extend_from_slice(&bytes[from..]);
    out
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::filesystem::Root;

    fn file(content: &[u8]) -> (Files, PathBuf) {
        let dir = std::env::temp_dir().join(format!("boxd-edit-{}", fastrand::u64(..)));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("a"), content).unwrap();
        (Files::new(Root::whole(), &dir, None, None), dir)
    }

    fn change(old: &str, new: &str, all: bool) -> Edit {
        Edit { old: old.to_owned(), new: new.to_owned(), all }
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        let (files, dir) = file(b"a\xffb a");
        let place = files.plain_place(b"a");
        assert_eq!(edit(&files, &place, &change("b", "cc", false), 100).unwrap(), Edited::Done(1));
        assert_eq!(edit(&files, &place, &change("a", "", false), 100).unwrap(), Edited::Found(2));
        assert_eq!(std::fs::read(dir.join("a")).unwrap(), b"a\xffcc a");
        assert!(edit(&files, &place, &change("a", "", true), 5).is_err());
        assert!(edit(&files, &place, &change("a", "aaa", true), 7).is_err());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn edits_at_once_are_all_there() {
        let words: Vec<_> = (0..8).map(|n| format!("<{n}>")).collect();
        let (files, dir) = file(words.concat().as_bytes());
        std::thread::scope(|scope| {
            for word in &words {
                let files = files.clone();
                scope.spawn(move || {
                    let place = files.plain_place(b"a");
                    let edited = edit(&files, &place, &change(word, ".", false), 1000).unwrap();
                    assert_eq!(edited, Edited::Done(1));
                });
            }
        });
        assert_eq!(std::fs::read(dir.join("a")).unwrap(), b"........");
        std::fs::remove_dir_all(dir).unwrap();
    }

    proptest! {
        #[test]
        fn it_replaces_as_text_does(text in "[ab]{0,20}", old in "[ab]{1,3}", new in "[abc]{0,3}") {
            let edit = change(&old, &new, true);
            let places = find_all(text.as_bytes(), old.as_bytes());
            prop_assert_eq!(places.len(), text.matches(&old).count());
            prop_assert_eq!(replace(text.as_bytes(), &places, &edit), text.replace(&old, &new).into_bytes());
        }
    }
}
