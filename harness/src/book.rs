//! The cases: each fixture with its snapshot, from a source tree or from within the binary.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{fixture::Fixture, snapshot};

/// One case, by the stem that its fixture and its snapshot share.
#[derive(Debug, Clone)]
pub struct Case {
    /// `<resource>/<operation>_<circumstance>`.
    pub name: String,
    /// The text of the fixture file.
    pub text: String,
    /// What it says.
    pub fixture: Fixture,
    /// The transcript to compare with, when there is a snapshot.
    pub snapshot: Option<String>,
}

/// All cases, ordered by name.
#[derive(Debug)]
pub struct Book {
    /// The cases.
    pub cases: Vec<Case>,
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

impl Book {
    /// Reads `fixtures/` and `snapshots/` below a directory.
    ///
    /// # Errors
    /// A sentence that names the file which can't be read or understood.
    pub fn read(root: &Path) -> Result<Self, String> {
        let mut cases = Vec::new();
        for path in files(&root.join("fixtures"), "toml")? {
            let name = stem(&root.join("fixtures"), &path);
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let snapshot = root.join("snapshots").join(format!("{name}.snap"));
            cases.push(Case::new(&name, text, fs::read_to_string(snapshot).ok().as_deref())?);
        }
        Ok(Self { cases })
    }

    /// The cases that were in the source tree when the harness was built.
    ///
    /// # Errors
    /// A sentence that names the fixture which can't be understood.
    pub fn embedded() -> Result<Self, String> {
        let cases = EMBEDDED.iter().map(|&(name, text, snapshot)| Case::new(name, text.to_owned(), snapshot));
        Ok(Self { cases: cases.collect::<Result<_, _>>()? })
    }
}

impl Case {
    /// Reads a case from its texts; `snapshot` is the whole snapshot file.
    ///
    /// # Errors
    /// A sentence that names the case, when its fixture can't be understood.
    pub fn new(name: &str, text: String, snapshot: Option<&str>) -> Result<Self, String> {
        let fixture = Fixture::parse(&text).map_err(|error| format!("fixtures/{name}.toml: {error}"))?;
        Ok(Self {
            name: name.to_owned(),
            text,
            fixture,
            snapshot: snapshot.map(|file| snapshot::content(file).to_owned()),
        })
    }
}

/// The files with this extension one folder below `directory`, ordered by path.
///
/// # Errors
/// A sentence that names the folder which can't be read.
pub fn files(directory: &Path, extension: &str) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|known| known == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A file's path below `directory`, without its extension, with slashes.
pub fn stem(directory: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(directory).unwrap_or(path).with_extension("");
    relative.to_string_lossy().replace('\\', "/")
}
