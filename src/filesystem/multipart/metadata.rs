//! `Metadata`: what is kept of an upload besides its parts, as it stands on disk.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file's name.
pub(super) const NAME: &str = "metadata.json";

/// The largest that is read: a path has 4 KiB at most, each byte of it four characters.
pub(super) const BYTES_MAX: u64 = 64 << 10;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    path: StoredPath,
    /// The permissions of the file, if it is new.
    pub(super) permissions: u32,
    /// Seconds since 1970, and nanoseconds.
    pub(super) initiated_at: (i64, u32),
}

/// A path: a text when it is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum StoredPath {
    Text(String),
    Bytes(Vec<u8>),
}

impl Metadata {
    /// Of an upload to this absolute path.
    pub(super) fn new(path: &Path, permissions: u32, initiated_at: (i64, u32)) -> Self {
        let path = match path.to_str() {
            Some(text) => StoredPath::Text(text.to_owned()),
            None => StoredPath::Bytes(path.as_os_str().as_bytes().to_vec()),
        };
        Self { path, permissions, initiated_at }
    }

    /// The path.
    pub(super) fn path(&self) -> PathBuf {
        match &self.path {
            StoredPath::Text(text) => PathBuf::from(text),
            StoredPath::Bytes(bytes) => PathBuf::from(OsString::from_vec(bytes.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn every_path_is_kept() {
        for path in [&b"/a/b"[..], b"/\xff\x00x", "/é\u{2028}\"".as_bytes()] {
            let path = Path::new(OsStr::from_bytes(path));
            let metadata = Metadata::new(path, 0o640, (1, 2));
            let text = serde_json::to_string(&metadata).unwrap();
            let read: Metadata = serde_json::from_str(&text).unwrap();
            assert_eq!((read.path().as_path(), &read), (path, &metadata), "{text}");
        }
    }
}
