//! How many variables a program can be started with. Pure, but for the bound of the stack.

use std::ffi::OsStr;

use rustix::process::{Resource, getrlimit};

use super::Variables;

/// What the kernel gives a program at most for arguments and variables: three quarters of 8 MiB (`_STK_LIM`), and a quarter of its stack.
const KERNEL_BYTES_MAX: u64 = 6 << 20;
const STACK_SHARE: u64 = 4;

/// What is left for the command, its path, and the variables of its own.
const COMMAND_BYTES: u64 = 256 << 10;

/// What a variable takes beside its name and its value: `=`, a NUL, and a pointer.
const OVERHEAD_BYTES: usize = 10;

/// What these take when something is started.
pub(super) fn bytes_of(variables: &Variables) -> u64 {
    let of = |(name, value): (&std::ffi::OsString, &std::ffi::OsString)| {
        let bytes = |text: &OsStr| text.as_encoded_bytes().len();
        (bytes(name) + bytes(value) + OVERHEAD_BYTES) as u64
    };
    variables.iter().map(of).sum()
}

/// What they may take together, so that something can be started with them.
pub(super) fn bytes_max() -> u64 {
    let stack = getrlimit(Resource::Stack).current.unwrap_or(u64::MAX);
    KERNEL_BYTES_MAX.min(stack / STACK_SHARE).saturating_sub(COMMAND_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_can_be_started_with_what_fits() {
        assert_eq!(bytes_of(&Variables::from([("AB".into(), "c".into()), ("D".into(), "".into())])), 24);
        let count = (bytes_max() - 20) / 20;
        let variables: Variables = (0..count).map(|n| (format!("V{n:09}").into(), "".into())).collect();
        assert_eq!(bytes_of(&variables), 20 * count);
        let status = std::process::Command::new("/bin/true").env_clear().envs(&variables).status();
        assert!(status.unwrap().success());
    }
}
