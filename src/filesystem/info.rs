//! `Info`: what the kernel says of a file, in the terms of this API.

use rustix::fs::{FileType, Stat};

/// Bits that a mode has besides the permissions, by the kernel's number and by the one that clients of this API know (Go's
/// `FileMode`).
const SPECIAL: [(u32, u32); 3] = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Info {
    /// A file, a folder, a link, or what else there is.
    pub(crate) kind: FileType,
    /// The permissions, with setuid, setgid and sticky.
    pub(crate) mode: u32,
    /// Bytes; of a link, those of what it says.
    pub(crate) size: u64,
    /// When it was last written to: seconds since 1970, below zero before, and nanoseconds.
    pub(crate) modified: (i64, u32),
    /// Its owner.
    pub(crate) uid: u32,
    /// Its group.
    pub(crate) gid: u32,
    /// The file system it is on.
    pub(crate) device: u64,
    /// Its number there.
    pub(crate) inode: u64,
    /// How many names it has.
    pub(crate) links: u64,
}

impl Info {
    /// Reads what the kernel says.
    pub(crate) fn new(stat: &Stat) -> Self {
        Self {
            kind: FileType::from_raw_mode(stat.st_mode),
            mode: stat.st_mode & 0o7777,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
            uid: stat.st_uid,
            gid: stat.st_gid,
            device: stat.st_dev,
            inode: stat.st_ino,
            links: stat.st_nlink,
        }
    }

    /// Whether it is a folder.
    pub(crate) fn is_folder(&self) -> bool {
        self.kind == FileType::Directory
    }

    /// Whether it is a symbolic link.
    pub(crate) fn is_link(&self) -> bool {
        self.kind == FileType::Symlink
    }

    /// Whether it holds bytes.
    pub(crate) fn is_file(&self) -> bool {
        self.kind == FileType::RegularFile
    }

    /// The mode as clients of this API know it: octal, with the kind among the high bits.
    pub(crate) fn permissions(&self) -> String {
        let kind = match self.kind {
            FileType::Directory => 1 << 31,
            FileType::Symlink => 1 << 27,
            FileType::BlockDevice => 1 << 26,
            FileType::CharacterDevice => (1 << 26) | (1 << 21),
            FileType::Fifo => 1 << 25,
            FileType::Socket => 1 << 24,
            _ => 0_u32,
        };
        let special: u32 = SPECIAL.iter().filter(|(bit, _)| self.mode & bit != 0).map(|(_, go)| go).sum();
        format!("{:o}", kind | special | (self.mode & 0o777))
    }

    /// What changes whenever the bytes do: the file's identity, its size, and when it was written to (RFC 9110 §8.8.3, strong as
    /// far as the file system's clock goes).
    pub(crate) fn etag(&self) -> String {
        let (seconds, nanoseconds) = self.modified;
        format!("\"{:x}-{:x}-{:x}-{seconds:x}.{nanoseconds:x}\"", self.device, self.inode, self.size)
    }

    /// What it is, in a word.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.kind {
            FileType::RegularFile => "file",
            FileType::Directory => "directory",
            FileType::Symlink => "symlink",
            FileType::Fifo => "fifo",
            FileType::Socket => "socket",
            FileType::CharacterDevice => "character device",
            FileType::BlockDevice => "block device",
            FileType::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_clients_know_them() {
        #[track_caller]
        fn check(kind: FileType, mode: u32, expect: &str) {
            let info =
                Info { kind, mode, size: 0, modified: (0, 0), uid: 0, gid: 0, device: 0, inode: 0, links: 1 };
            assert_eq!(info.permissions(), expect);
        }
        check(FileType::RegularFile, 0o644, "644");
        check(FileType::RegularFile, 0o4755, "40000755");
        check(FileType::RegularFile, 0, "0");
        check(FileType::Symlink, 0o777, "1000000777");
        check(FileType::CharacterDevice, 0o666, "410000666");
        check(FileType::Fifo, 0o644, "200000644");
    }
}
