//! `Program`: the process behind a drive, which runs as long as the drive is mounted.
//!
//! It is nobody's command. It lives on when the worker dies; the next worker finds one that was still on its way by its command line.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use crate::environment::Variables;
use crate::error::{Error, Result};
use crate::process::own_program;
use crate::sys::pidfd::{ExitStatus, PidFd};

/// How long one that was killed is waited for: the kernel takes less, unless the process hangs in a request to a disk or a drive.
const KILLED_WITHIN: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Program {
    pidfd: Arc<PidFd>,
    /// It is this worker's child, and not one of an earlier worker's.
    is_child: bool,
    /// Once it was seen.
    exit: Option<Exit>,
}

/// How one has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// As the kernel says.
    Seen(ExitStatus),
    /// It was somebody else's child.
    Unseen,
}

impl Program {
    /// Starts one.
    pub(super) fn start(program: &Path, arguments: &[String], variables: &Variables) -> Result<Self> {
        let started = own_program::start(program, arguments, variables)?;
        let pidfd = started.map_err(|source| Error::MountFailed {
            why: Error::File {
                action: "failed to start blfs mount: fork/exec",
                path: program.to_owned(),
                source,
            }
            .to_string(),
        })?;
        Ok(Self { pidfd, is_child: true, exit: None })
    }

    /// One that an earlier worker has started for the same folder, and its arguments.
    pub(super) fn find(program: &Path, folder: &Path) -> Option<(Self, Vec<String>)> {
        let of_folder = format!("-dir={}", folder.display());
        std::fs::read_dir("/proc")
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .find_map(|pid: u32| {
                let arguments = arguments_of(pid, program).filter(|found| found.contains(&of_folder))?;
                let pidfd = Arc::new(PidFd::open(pid).ok()?);
                // The number may have become another's before the descriptor was there.
                let is_same = arguments_of(pid, program).is_some_and(|again| again == arguments);
                is_same.then_some((Self { pidfd, is_child: false, exit: None }, arguments))
            })
    }

    /// Whether it is of an earlier worker.
    pub(super) fn is_found(&self) -> bool {
        !self.is_child
    }

    /// How it has ended, if it has; then it is reaped, too.
    pub(super) fn exit(&mut self) -> Option<Exit> {
        if self.exit.is_none() {
            self.exit = match own_program::take_exit(&self.pidfd) {
                Ok(status) => status.map(Exit::Seen),
                Err(_) if is_over(&self.pidfd) => Some(Exit::Unseen),
                Err(_) => None,
            };
        }
        self.exit
    }

    /// Ends it, with all that it has started.
    pub(super) fn kill(&mut self) {
        if self.exit().is_none() {
            self.pidfd.signal_group(Signal::KILL, self.is_child).ok();
            self.pidfd.signal(Signal::KILL).ok();
        }
    }

    /// Gives it a moment to be gone after `kill`, and reaps it; one that hangs in the kernel comes to its end later.
    pub(super) fn settle(&mut self) {
        let moment = Timespec::try_from(KILLED_WITHIN).ok();
        poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], moment.as_ref()).ok();
        self.exit();
    }

    /// Waits for its end, however late, and reaps it.
    pub(super) async fn watch(mut self) -> Option<Exit> {
        if self.exit().is_none() {
            self.pidfd.exit_seen().await.ok()?;
        }
        self.exit()
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl std::fmt::Display for Exit {
    /// In Go's words, which clients of the known server have read.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Seen(ExitStatus::Code(code)) => write!(f, "exit status {code}"),
            Self::Seen(ExitStatus::Signal(signal)) => match Signal::from_named_raw(*signal) {
                Some(Signal::KILL) => f.write_str("signal: killed"),
                Some(Signal::TERM) => f.write_str("signal: terminated"),
                Some(Signal::ABORT) => f.write_str("signal: aborted"),
                Some(Signal::SEGV) => f.write_str("signal: segmentation fault"),
                _ => write!(f, "signal: {signal}"),
            },
            Self::Unseen => f.write_str("exit status unknown"),
        }
    }
}

/// What stands behind the program's path on the command line of a process that is one of its. An interpreter may stand before it.
fn arguments_of(pid: u32, program: &Path) -> Option<Vec<String>> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.strip_suffix(b"\0")?.split(|byte| *byte == 0);
    words.by_ref().take(3).find(|word| *word == program.as_os_str().as_bytes())?;
    let arguments: Vec<String> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    (arguments.first().map(String::as_str) == Some("mount")).then_some(arguments)
}

/// Whether the process has ended, whoever's child it is.
fn is_over(pidfd: &PidFd) -> bool {
    matches!(poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&Timespec::default())), Ok(1))
}
