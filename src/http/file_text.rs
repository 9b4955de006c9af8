//! `FileText`: the JSON of a file with its content, made while it is read.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use serde::Serialize;

use super::produced::Producer;
use crate::error::{Error, Result};
use crate::wire::escape::escape_lossy_into;
use crate::wire::json;

/// Bytes read for one piece.
const PIECE_BYTES: usize = 64 * 1024;

/// The inside of a JSON string, from the bytes of a file. What is no text is U+FFFD.
#[derive(Debug)]
pub(crate) struct Text {
    file: File,
    path: PathBuf,
    /// Bytes that are yet to come; a file of the kernel does not know how many it has.
    left: Option<u64>,
    /// The beginning of a character.
    held: Vec<u8>,
}

impl Text {
    /// Of a file that says it has `size` bytes. What is written to it from now on is not read.
    pub(crate) fn new(file: File, path: PathBuf, size: u64) -> Self {
        Self { file, path, left: (size > 0).then_some(size), held: Vec::new() }
    }

    /// The same with `size` bytes at most, whatever the file says: of one that does not know its size none.
    pub(crate) fn at_most(file: File, path: PathBuf, size: u64) -> Self {
        Self { left: Some(size), ..Self::new(file, path, size) }
    }

    /// Appends some of it; false at its end.
    pub(crate) fn read_into(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        let wanted = self
            .left
            .map_or(PIECE_BYTES, |left| usize::try_from(left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES));
        let mut bytes = std::mem::take(&mut self.held);
        let held = bytes.len();
        bytes.resize(held + wanted, 0);
        let read = loop {
            match self.file.read(&mut bytes[held..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                result => {
                    break result.map_err(|source| Error::File {
                        action: "read",
                        path: self.path.clone(),
                        source,
                    })?;
                }
            }
        };
        bytes.truncate(held + read);
        if let Some(left) = &mut self.left {
            *left -= read as u64;
        }
        if read == 0 || self.left == Some(0) {
            escape_lossy_into(out, &bytes);
            return Ok(false);
        }
        let whole = bytes.len() - unfinished_len(&bytes);
        self.held = bytes.split_off(whole);
        escape_lossy_into(out, &bytes);
        Ok(true)
    }
}

/// How many bytes at the end are the beginning of a character that is not whole: 0 to 3.
pub(crate) fn unfinished_len(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    let starts = |from: &usize| {
        std::str::from_utf8(&tail[*from..]).is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none())
    };
    (0..tail.len()).find(starts).map_or(0, |from| tail.len() - from)
}

/// See the module.
#[derive(Debug)]
pub(crate) struct FileText {
    /// What stands before the content; none once it was given.
    head: Vec<u8>,
    text: Option<Text>,
}

impl FileText {
    /// The object `head` with the file's content as its last key.
    pub(crate) fn new(head: &impl Serialize, file: File, path: PathBuf, size: u64) -> Self {
        let mut bytes = json::to_vec(head);
        bytes.pop();
        bytes.extend_from_slice(b",\"content\":\"");
        Self { head: bytes, text: Some(Text::new(file, path, size)) }
    }
}

impl Producer for FileText {
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(text) = &mut self.text else { return Ok(None) };
        let mut out = std::mem::take(&mut self.head);
        if !text.read_into(&mut out)? {
            out.extend_from_slice(b"\"}");
            self.text = None;
        }
        Ok(Some(out))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn characters_are_cut_nowhere(text in "[aé€🚀]{0,8}", cut in 0usize..40) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let whole = cut - unfinished_len(&bytes[..cut]);
            prop_assert!(text.is_char_boundary(whole) && cut - whole < 4);
        }
    }

    #[test]
    fn a_file_is_one_json_text_whatever_is_in_it() {
        let path = std::env::temp_dir().join(format!("boxd-text-{}", fastrand::u64(..)));
        let mut bytes = "é".repeat(PIECE_BYTES).into_bytes();
        bytes.insert(0, b'a');
        bytes.extend_from_slice(b"\xff\"\n\xe2\x82");
        std::fs::write(&path, &bytes).unwrap();
        let head = serde_json::json!({ "path": "x" });
        let mut text = FileText::new(&head, File::open(&path).unwrap(), path.clone(), bytes.len() as u64);
        let mut json = Vec::new();
        while let Some(piece) = text.next().unwrap() {
            json.extend_from_slice(&piece);
        }
        let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(read["content"].as_str().unwrap(), String::from_utf8_lossy(&bytes));
        std::fs::remove_file(&path).unwrap();
    }
}
