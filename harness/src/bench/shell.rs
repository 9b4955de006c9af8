//! The floor: a shell started without a daemon.
//!
//! As a daemon would have to start it: `posix_spawn` (which std uses for a command like this one), a process group of its
//! own, nothing on stdin, and stdout and stderr as two pipes.

use std::{
    env,
    io::{self, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

/// Starts a command in the shell.
#[expect(clippy::disallowed_methods, reason = "the floor is a process started as directly as can be")]
pub(crate) fn start(command: &str) -> io::Result<Child> {
    Command::new("/bin/sh")
        .args(["-c", command])
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Runs a command that prints little, reads both pipes to their end and reaps it.
pub(crate) fn run(command: &str) -> io::Result<()> {
    let mut child = start(command)?;
    let mut output = Vec::new();
    let pipes = (child.stdout.take(), child.stderr.take());
    pipes.0.expect("stdout is piped").read_to_end(&mut output)?;
    pipes.1.expect("stderr is piped").read_to_end(&mut output)?;
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("`{command}` ended with {status}"))) }
}
