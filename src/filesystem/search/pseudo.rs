//! File systems that the kernel makes up as it is asked (`/proc`, `/sys`): their files have no size, may wait, or never end.

use std::os::fd::AsFd;

/// The numbers of `statfs(2)`: proc, sysfs, debugfs, tracefs, cgroup, cgroup2, securityfs, bpf, configfs, devpts, pstore, selinuxfs,
/// `binfmt_misc`, efivarfs, mqueue, fusectl, `rpc_pipefs`, nsfs, nfsd, smackfs, and autofs, which mounts what is looked at.
const PSEUDO: [u32; 21] = [
    0x9fa0,
    0x6265_6572,
    0x6462_6720,
    0x7472_6163,
    0x0027_e0eb,
    0x6367_7270,
    0x7363_6673,
    0xcafe_4a11,
    0x6265_6570,
    0x1cd1,
    0x6165_676c,
    0xf97c_ff8c,
    0x4249_4e4d,
    0xde5e_81e4,
    0x1980_0202,
    0x6573_5543,
    0x6759_6969,
    0x6e73_6673,
    0x6e66_7364,
    0x4341_5d53,
    0x0187,
];

/// Whether an open file or folder is on such a file system. What cannot be known is none.
pub(super) fn is_pseudo(opened: impl AsFd) -> bool {
    // The type is a word of the machine; the numbers have 32 bits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the numbers have 32 bits")]
    rustix::fs::fstatfs(opened).is_ok_and(|stat| PSEUDO.contains(&(stat.f_type as u32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_made_up_and_the_disk_is_not() {
        assert!(is_pseudo(std::fs::File::open("/proc/self/status").unwrap()));
        assert!(!is_pseudo(std::fs::File::open(std::env::current_exe().unwrap()).unwrap()));
    }
}
