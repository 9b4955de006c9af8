//! `Injection`: strace at a running daemon, which makes one of its system calls fail, or makes it die there.
//!
//! So the daemon needs no seam for it: what is broken is the very binary that ships. strace counts the calls of each thread by
//! themselves, and leaves the commands alone: it lets go of a child that executes something.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::daemon::signal;
use crate::bench::server::pause;

const ATTACH_WITHIN: Duration = Duration::from_secs(10);
const DETACH_WITHIN: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A strace that is attached; it lets go when this is dropped.
#[derive(Debug)]
pub(super) struct Injection {
    child: Child,
    trace: PathBuf,
}

impl Injection {
    /// Why it can't be had here, if so.
    #[expect(clippy::disallowed_methods, reason = "a program that is asked whether it works")]
    pub(super) fn unavailable() -> Option<String> {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-b", "execve", "-o", "/dev/null", "-e", "inject=getppid:error=EIO", "true"]);
        match strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Err(error) => Some(format!("strace can't be run: {error}")),
            Ok(mut child) => match child.wait() {
                Ok(status) if status.success() => None,
                _ => Some("strace may not trace here, or is older than 5.10".to_owned()),
            },
        }
    }

    /// Attaches to a process and waits until all its threads are held. `what` are strace's `inject=` expressions, or sets of
    /// calls that are only noted.
    #[expect(clippy::disallowed_methods, reason = "the tool that injects is another program")]
    pub(super) fn attach(pid: u32, what: &[String], folder: &Path) -> io::Result<Self> {
        let (trace, errors) = (folder.join("strace.out"), folder.join("strace.err"));
        let mut strace = Command::new("strace");
        strace.args(["-f", "-b", "execve"]);
        strace.args(what.iter().flat_map(|expression| ["-e", expression]));
        strace.args(["-p", &pid.to_string(), "-o"]).arg(&trace);
        let child =
            strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&errors)?).spawn()?;
        let mut injection = Self { child, trace };
        let began = Instant::now();
        loop {
            if fs::read_to_string(&errors)?.contains(" attached") {
                return Ok(injection);
            }
            if injection.child.try_wait()?.is_some() || began.elapsed() > ATTACH_WITHIN {
                let words = fs::read_to_string(&errors)?;
                return Err(io::Error::other(format!("strace does not attach: {}", words.trim())));
            }
            pause(LOOK_AGAIN);
        }
    }

    /// Lets go and gives what was traced.
    pub(super) fn detach(mut self) -> io::Result<String> {
        self.end();
        let text = fs::read(&self.trace)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn end(&mut self) {
        // It ends by itself when all that it traced has.
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(self.child.id(), Signal::TERM);
        }
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            // It can wait for ever for a thread of a process that was just killed; without a tracer that thread goes on.
            if began.elapsed() > DETACH_WITHIN {
                signal(self.child.id(), Signal::KILL);
            }
            pause(LOOK_AGAIN);
        }
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        self.end();
    }
}
