//! `Accounts`: the names of users and groups, from `/etc/passwd` and `/etc/group`.
//!
//! Each file is read when it is first asked for and again when it has changed.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// See the module. Numbers without a name are shown as numbers.
#[derive(Debug)]
pub(crate) struct Accounts {
    users: Table,
    groups: Table,
}

impl Default for Accounts {
    fn default() -> Self {
        Self { users: Table::new("/etc/passwd"), groups: Table::new("/etc/group") }
    }
}

impl Accounts {
    /// Both tables as they are now, for as many questions as there are.
    pub(crate) fn now(&self) -> Names {
        Names { users: self.users.now(), groups: self.groups.now() }
    }
}

/// Names as they were at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    users: Arc<Entries>,
    groups: Arc<Entries>,
}

impl Names {
    /// The name of a user, or the number.
    pub(crate) fn user(&self, uid: u32) -> String {
        self.users.name(uid)
    }

    /// The name of a group, or the number.
    pub(crate) fn group(&self, gid: u32) -> String {
        self.groups.name(gid)
    }

    /// The number of a user, given by name or by number.
    pub(crate) fn uid(&self, text: &str) -> Option<u32> {
        self.users.number(text)
    }

    /// The number of a group, given by name or by number.
    pub(crate) fn gid(&self, text: &str) -> Option<u32> {
        self.groups.number(text)
    }
}

/// What identifies a version of a file.
type Version = Option<(u64, u64, i64, i64)>;

#[derive(Debug)]
struct Table {
    path: PathBuf,
    /// What was read last, and of which version.
    read: Mutex<(Version, Arc<Entries>)>,
}

#[derive(Debug, Default)]
struct Entries {
    names: HashMap<u32, String>,
    numbers: HashMap<String, u32>,
}

impl Entries {
    fn name(&self, number: u32) -> String {
        self.names.get(&number).cloned().unwrap_or_else(|| number.to_string())
    }

    fn number(&self, text: &str) -> Option<u32> {
        let digits = || text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        // The highest means "as it is" to the kernel.
        self.numbers.get(text).copied().or_else(digits).filter(|number| *number != u32::MAX)
    }

    /// `name:x:number:…`; the first line of a number or a name counts.
    fn parse(text: &[u8]) -> Self {
        let mut entries = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            let mut fields = line.split(|byte| *byte == b':');
            let (Some(name), Some(_), Some(number)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            let number = std::str::from_utf8(number).ok().filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
            let Some(number) = number.and_then(|n| n.parse().ok()) else { continue };
            let name = String::from_utf8_lossy(name).into_owned();
            entries.names.entry(number).or_insert_with(|| name.clone());
            entries.numbers.entry(name).or_insert(number);
        }
        entries
    }
}

impl Table {
    fn new(path: &str) -> Self {
        Self { path: path.into(), read: Mutex::default() }
    }

    fn now(&self) -> Arc<Entries> {
        let version = version(&self.path);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.0 != version {
            *read = (version, Arc::new(Entries::parse(&fs::read(&self.path).unwrap_or_default())));
        }
        read.1.clone()
    }
}

fn version(path: &Path) -> Version {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_numbers() {
        let entries = Entries::parse(
            b"root:x:0:0:root:/root:/bin/sh\nbad\n#c:x:y\n+::::\nme:x:1000:1000\nalso:x:1000:\n",
        );
        assert_eq!(
            (entries.name(0), entries.name(1000), entries.name(7)),
            ("root".into(), "me".into(), "7".into())
        );
        assert_eq!(
            (entries.number("also"), entries.number("12"), entries.number("none")),
            (Some(1000), Some(12), None)
        );
        assert_eq!((entries.number("4294967295"), entries.number("+12")), (None, None));
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let path = std::env::temp_dir().join(format!("boxd-group-{}", fastrand::u64(..)));
        let table = Table::new(path.to_str().unwrap());
        assert_eq!(table.now().name(5), "5");
        fs::write(&path, "five:x:5:").unwrap();
        assert_eq!(table.now().name(5), "five");
        fs::remove_file(&path).unwrap();
        assert_eq!(table.now().name(5), "5");
    }

    proptest! {
        #[test]
        fn any_bytes_are_accounts_or_none(text in prop::collection::vec(prop_oneof![Just(b':'), Just(b'\n'), b'0'..=b'9', any::<u8>()], 0..120)) {
            let entries = Entries::parse(&text);
            let lines = text.split(|byte| *byte == b'\n').count();
            prop_assert!(entries.names.len() <= lines && entries.numbers.len() <= lines);
        }
    }
}
