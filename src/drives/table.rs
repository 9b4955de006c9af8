//! The kernel's table of mounts, and which of them are drives. Pure but for `read`.
//!
//! ```text
//! 36 35 98:0 /root /mnt\040x rw,noatime master:1 - fuse.blfs 10.0.0.53:49200.49201:/buckets/drv-data-ws1/sub ro,user_id=0
//! ```

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The table of this process's mount namespace.
pub(super) const PATH: &str = "/proc/self/mountinfo";

/// The kernel's names of file systems that are drives.
const DRIVE_TYPES: [&[u8]; 2] = [b"fuse.blfs", b"fuse.seaweedfs"];

/// What stands in a drive's source before its name.
const BUCKET: &str = ":/buckets/drv-";

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// It is of a drive's type, so it may be unmounted.
    pub(crate) is_drive: bool,
    pub(crate) is_read_only: bool,
    source: String,
}

/// A drive that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountedDrive {
    pub(crate) name: String,
    pub(crate) mount_path: PathBuf,
    /// Of the drive's folders, the one that is mounted: `/` for all.
    pub(crate) drive_path: String,
    pub(crate) is_read_only: bool,
}

/// The mounts that can be seen: of several on one path the last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct MountTable {
    mounts: Vec<Mount>,
}

impl MountTable {
    /// Reads the table. The kernel makes it up, so no disk is waited for.
    pub(super) fn read() -> io::Result<Self> {
        Ok(Self::parse(&std::fs::read(PATH)?))
    }

    pub(super) fn parse(text: &[u8]) -> Self {
        let mut mounts: Vec<Mount> = Vec::new();
        for mount in text.split(|byte| *byte == b'\n').filter_map(parse_line) {
            mounts.retain(|below| below.path != mount.path);
            mounts.push(mount);
        }
        Self { mounts }
    }

    /// What is mounted on exactly this path.
    pub(super) fn at(&self, path: &Path) -> Option<&Mount> {
        self.mounts.iter().find(|mount| mount.path == path)
    }

    /// All drives, in the order in which they were mounted.
    pub(super) fn drives(&self, workspace: Option<&str>) -> Vec<MountedDrive> {
        self.mounts.iter().filter_map(|mount| mount.drive(workspace)).collect()
    }
}

impl Mount {
    /// Which drive it is. The name and the workspace are joined by a hyphen that may stand in both, so the workspace tells where;
    /// without it, it is the last one.
    pub(super) fn drive(&self, workspace: Option<&str>) -> Option<MountedDrive> {
        let (_, bucket) = self.source.split_once(BUCKET).filter(|_| self.is_drive)?;
        let (folder, below) = bucket.split_once('/').unwrap_or((bucket, ""));
        let known = workspace.and_then(|id| folder.strip_suffix(id)?.strip_suffix('-'));
        let (name, _) = known.map(|name| (name, "")).or_else(|| folder.rsplit_once('-'))?;
        Some(MountedDrive {
            name: name.to_owned(),
            mount_path: self.path.clone(),
            drive_path: format!("/{}", below.trim_end_matches('/')),
            is_read_only: self.is_read_only,
        })
    }
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let path = fields.nth(4)?;
    let options = fields.next()?;
    // Optional fields, as many as there are.
    fields.find(|field| *field == b"-")?;
    let (kind, source, of_all) = (fields.next()?, fields.next()?, fields.next().unwrap_or_default());
    let is_ro = |options: &[u8]| options.split(|byte| *byte == b',').any(|option| option == b"ro");
    Some(Mount {
        path: OsString::from_vec(unescape(path)).into(),
        is_drive: DRIVE_TYPES.contains(&kind),
        is_read_only: is_ro(options) || is_ro(of_all),
        source: String::from_utf8_lossy(&unescape(source)).into_owned(),
    })
}

/// Blanks, tabs, line ends and backslashes are written in octal: `\040`.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind
            .get(..3)
            .filter(|digits| *first == b'\\' && digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        let byte =
            digits.and_then(|d| u8::try_from(d.iter().fold(0, |n, d| n * 8 + u32::from(d - b'0'))).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &behind[3..] } else { behind };
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: &[u8] = b"22 1 0:21 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/a:/b
23 22 0:22 / /proc rw,nosuid - proc proc rw
40 22 0:40 / /mnt/a\\040b rw,nosuid shared:3 master:1 - fuse.blfs 10.0.0.53:49200.49201:/buckets/drv-my-data-ws1/ rw,user_id=0
41 22 0:41 / /mnt/ro ro,relatime - fuse.seaweedfs [::1]:1.2:/buckets/drv-x-y-z/sub/dir/ rw
42 22 0:42 / /mnt/ro2 rw - fuse.blfs f:/buckets/drv-one-ws1 ro
43 22 0:43 / /mnt/odd rw - fuse.blfs somewhere rw
44 22 0:44 / /mnt/tmp rw - tmpfs f:/buckets/drv-not-ws1/ rw
45 44 0:45 / /mnt/tmp rw - tmpfs over rw
";

    #[test]
    fn drives_are_found_among_mounts() {
        let table = MountTable::parse(TABLE);
        let drive = |name: &str, path: &str, drive_path: &str, is_read_only| MountedDrive {
            name: name.to_owned(),
            mount_path: path.into(),
            drive_path: drive_path.to_owned(),
            is_read_only,
        };
        let expect = [
            drive("my-data", "/mnt/a b", "/", false),
            drive("x-y", "/mnt/ro", "/sub/dir", true),
            drive("one", "/mnt/ro2", "/", true),
        ];
        assert_eq!(table.drives(Some("ws1")), expect);
        // A workspace with a hyphen is known by its whole text.
        assert_eq!(table.drives(Some("y-z"))[1].name, "x");
        let kind = |path: &str| table.at(Path::new(path)).map(|mount| mount.is_drive);
        assert_eq!(
            (kind("/proc"), kind("/mnt/odd"), kind("/mnt/tmp"), kind("/mnt")),
            (Some(false), Some(true), Some(false), None)
        );
        assert_eq!(table.at(Path::new("/mnt/tmp")).unwrap().source, "over");
    }

    #[test]
    fn what_is_no_line_is_passed_over() {
        assert_eq!(MountTable::parse(b"\n1 2 3\n1 2 3:4 / /x rw no end\n- - -\n"), MountTable::default());
        assert_eq!(unescape(b"a\\040\\134\\777\\09\\"), b"a \\\\777\\09\\");
    }

    proptest! {
        #[test]
        fn any_path_comes_back(path in "/[a-c \\\\\t\n]{0,12}") {
            let escaped: String = path.chars().map(|c| match c {
                ' ' | '\t' | '\n' | '\\' => format!("\\{:03o}", c as u32),
                c => c.to_string(),
            }).collect();
            let table = MountTable::parse(format!("1 2 0:1 / {escaped} rw - tmpfs none rw\n").as_bytes());
            prop_assert!(table.at(Path::new(&path)).is_some());
        }
    }
}
