//! The pages of the program and its libraries that were needed to start, and are not any more.

use std::fs;

use rustix::mm::{Advice, madvise};

/// Lets go of the code that this process has mapped so far. What runs on is mapped again, from the page cache, as it is needed.
///
/// The kernel maps sixteen pages around each that is touched, so a process that has read its settings and then only waits would count a
/// megabyte of code as its own.
#[expect(unsafe_code, reason = "rustix leaves to the caller what is lost")]
pub(crate) fn let_go() {
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else { return };
    for (start, end) in maps.lines().filter_map(code) {
        // SAFETY: code of a file that nobody can write to has no contents of its own here (no text relocations), so it comes back from the
        // file as it was.
        unsafe { madvise(std::ptr::with_exposed_provenance_mut(start), end - start, Advice::LinuxDontNeed) }
            .ok();
    }
}

/// The addresses of a line of `maps` (proc(5)) if it is code of a file.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (addresses, permissions, inode) = (words.next()?, words.next()?, words.nth(2)?);
    let (start, end) = addresses.split_once('-')?;
    let is_code = permissions == "r-xp" && inode != "0";
    let address = |text| usize::from_str_radix(text, 16).ok();
    address(start).zip(address(end)).filter(|_| is_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_let_go() {
        let line = |permissions: &str, inode: &str| {
            format!("55d0c6a4b000-55d0c71e1000 {permissions} 0032a000 fe:00 {inode}     /usr/bin/a b")
        };
        assert_eq!(code(&line("r-xp", "77")), Some((0x55d0_c6a4_b000, 0x55d0_c71e_1000)));
        for (permissions, inode) in
            [("r-xp", "0"), ("r--p", "77"), ("rw-p", "77"), ("rwxp", "77"), ("r-xs", "77")]
        {
            assert_eq!(code(&line(permissions, inode)), None, "{permissions} {inode}");
        }
        assert_eq!(code(""), None);
        assert_eq!(code("x-y r-xp 0 0 1"), None);
    }

    #[test]
    fn what_was_let_go_runs_on() {
        let_go();
        assert_eq!("1,2,3".split(',').map(|number| number.parse::<u32>().unwrap()).sum::<u32>(), 6);
    }
}
