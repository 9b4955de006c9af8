//! Whose a socket is: the descriptors of a process.

use std::mem::MaybeUninit;

use rustix::fs::{CWD, Mode, OFlags, RawDir, openat, readlinkat_raw};

/// `socket:[` and a number.
const LINK_BYTES_MAX: usize = 64;

/// Bytes of names read by one call: a few hundred descriptors.
const NAMES_BYTES: usize = 8 * 1024;

/// The sockets that a process has open, by inode, as often as it has them. Empty when it is gone or not ours to look at.
pub(crate) fn inodes(pid: u32) -> Vec<u64> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(folder) = openat(CWD, format!("/proc/{pid}/fd"), flags, Mode::empty()) else { return Vec::new() };
    let mut names = [MaybeUninit::uninit(); NAMES_BYTES];
    let mut entries = RawDir::new(&folder, &mut names);
    let mut inodes = Vec::new();
    while let Some(Ok(entry)) = entries.next() {
        let mut link = [0; LINK_BYTES_MAX];
        if let Ok(length) = readlinkat_raw(&folder, entry.file_name(), &mut link[..]) {
            inodes.extend(inode(&link[..length]));
        }
    }
    inodes
}

fn inode(link: &[u8]) -> Option<u64> {
    std::str::from_utf8(link).ok()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_have_an_inode_here() {
        assert_eq!(inode(b"socket:[123]"), Some(123));
        for other in ["pipe:[123]", "/dev/null", "socket:[x]", "socket:[1", ""] {
            assert_eq!(inode(other.as_bytes()), None, "{other}");
        }
    }
}
