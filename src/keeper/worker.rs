//! `Worker`: the process that does the work, as the keeper sees it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rustix::process::{Pid, Signal};

use super::protocol::{Key, SOCKET, ToWorker, encode};
use crate::sys::bell::Bell;
use crate::sys::descriptors;
use crate::sys::fork::{self, Fork};
use crate::sys::packets::{Packet, Packets};

/// The program that workers are started from. It stays the same when the file is replaced.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    file: Option<File>,
    arguments: Vec<OsString>,
}

impl Program {
    /// The program that runs now, with the arguments that it was given.
    pub(super) fn current() -> io::Result<Self> {
        let mut arguments = std::env::args_os();
        let given = arguments.next().map(PathBuf::from);
        // Without /proc there is only what we were called.
        let path = std::env::current_exe().ok().or(given).ok_or(io::ErrorKind::NotFound)?;
        let file = File::open("/proc/self/exe").or_else(|_| File::open(&path)).ok();
        Ok(Self { path, file, arguments: arguments.collect() })
    }

    /// Another program, open already, with the same arguments.
    pub(super) fn other(&self, path: PathBuf, file: File) -> Self {
        Self { path, file: Some(file), arguments: self.arguments.clone() }
    }

    /// The one that a keeper of another program has used, with the arguments of this one.
    pub(super) fn renewed(path: PathBuf, file: Option<File>) -> Self {
        Self { path, file, arguments: std::env::args_os().skip(1).collect() }
    }

    /// The arguments that follow its name.
    pub(super) fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// The open program.
    pub(super) fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    /// A path that leads to it: its own as long as it is the same file, which is also what people see in a list of processes.
    pub(super) fn path(&self) -> PathBuf {
        let Some(file) = &self.file else { return self.path.clone() };
        let is_same = |path: &Path| {
            let (Ok(there), Ok(here)) = (path.metadata(), file.metadata()) else { return false };
            (there.dev(), there.ino()) == (here.dev(), here.ino())
        };
        if is_same(&self.path) {
            self.path.clone()
        } else {
            format!("/proc/self/fd/{}", file.as_raw_fd()).into()
        }
    }
}

/// What is to be said to a worker, made when there is room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    Look,
    Welcome,
    Journal,
    Held(Key),
    Exited(Key),
    Stray(usize),
    Ready,
    End,
    Reload,
    Retire,
    UpgradeFailed,
    Noted,
    Alone,
    Connection,
}

/// What a worker is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is to be the next one, and has not said hello or waits for the present one to retire.
    Candidate,
    /// It does the work.
    Current,
    /// It serves what it had begun.
    Retired,
}

/// How far a worker has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// It was started. It is told nothing but to look, and to end.
    Begun,
    /// It is told everything from the beginning.
    Welcome,
    /// It has said that it begins to accept connections.
    Serving,
    /// It was told to make way for the next one, and has not said whether it does.
    Retiring,
}

/// A worker that runs.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) pid: Pid,
    pub(super) packets: Packets,
    /// Rung by the worker once it serves.
    pub(super) bell: Bell,
    pub(super) role: Role,
    pub(super) began: Instant,
    pub(super) stage: Stage,
    /// It is killed, and nobody waits for it.
    pub(super) is_given_up: bool,
    /// What it has yet to be told, in order.
    pub(super) notices: VecDeque<Notice>,
}

/// Which of two processes this is.
#[derive(Debug)]
pub(super) enum Forked {
    /// The keeper, and the worker as it sees it.
    Keeper(Worker),
    /// The worker, and its end of the pair.
    Worker(Packets),
}

impl Worker {
    /// Starts one.
    #[expect(clippy::disallowed_methods, reason = "the keeper starts the worker")]
    pub(super) fn start(program: &Program, role: Role) -> io::Result<Self> {
        let (ours, theirs) = Packets::pair()?;
        let mut command = Command::new(program.path());
        command.arg0("boxd").args(&program.arguments);
        command.env(SOCKET, theirs.number().to_string()).env_remove(super::renewal::STATE);
        // What it gives to commands is what the keeper was given.
        let child = descriptors::with_given_limit(|| command.spawn())?;
        // The child is waited for by its number, with all others.
        Self::new(Pid::from_child(&child), ours, role)
    }

    /// Makes the first one of this process. To start the program once more would take as long as all the rest of a start.
    pub(super) fn fork() -> io::Result<Forked> {
        let (ours, theirs) = Packets::pair()?;
        Ok(match fork::fork()? {
            Fork::Parent(pid) => Forked::Keeper(Self::new(pid, ours, Role::Current)?),
            Fork::Child => {
                // The end of one that was started is closed in what it starts as well.
                rustix::io::fcntl_setfd(&theirs, rustix::io::FdFlags::CLOEXEC)?;
                Forked::Worker(theirs)
            }
        })
    }

    fn new(pid: Pid, packets: Packets, role: Role) -> io::Result<Self> {
        let (bell, began, notices) = (Bell::new()?, Instant::now(), VecDeque::new());
        Ok(Self { pid, packets, bell, role, began, stage: Stage::Begun, is_given_up: false, notices })
    }

    /// Whether it rings when there is something to read.
    pub(super) fn rings(&self) -> bool {
        self.stage >= Stage::Serving && self.role == Role::Current
    }

    /// Whether it is to become the present one.
    pub(super) fn is_candidate(&self) -> bool {
        self.role == Role::Candidate && !self.is_given_up
    }

    /// Which of the notices it may be told now.
    pub(super) fn next_notice(&self) -> Option<usize> {
        if self.stage >= Stage::Welcome {
            return (!self.notices.is_empty()).then_some(0);
        }
        self.notices.iter().position(|notice| matches!(notice, Notice::Look | Notice::End))
    }

    /// Tells it everything from the beginning, and then what it was to be told otherwise.
    pub(super) fn welcome(&mut self, everything: impl IntoIterator<Item = Notice>) {
        // The rest is part of everything.
        self.notices
            .retain(|notice| matches!(notice, Notice::Reload | Notice::Retire | Notice::Alone | Notice::End));
        let later = std::mem::take(&mut self.notices);
        self.notices = everything.into_iter().chain(later).collect();
        self.stage = Stage::Welcome;
    }

    /// The next message that is there.
    pub(super) fn receive(&self) -> Option<Packet> {
        loop {
            match self.packets.receive() {
                Ok(packet) => return packet,
                // A message that came without its descriptors.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                // Nothing now.
                Err(_) => return None,
            }
        }
    }

    /// Ends one that nobody waits for any more.
    pub(super) fn give_up(&mut self) {
        self.is_given_up = true;
        self.kill();
    }

    /// Ends it at once. One that has just ended needs none.
    pub(super) fn kill(&self) {
        rustix::process::kill_process(self.pid, Signal::KILL).ok();
    }

    /// Sends a message if there is room for it now.
    pub(super) fn send(&self, message: &ToWorker, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.packets.send(&encode(message)?, descriptors)
    }
}

impl AsFd for Worker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.packets.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_it_is_welcome_a_worker_is_told_nothing_but_to_look_and_to_end() {
        let (ours, _theirs) = Packets::pair().unwrap();
        let mut worker = Worker::new(Pid::INIT, ours, Role::Current).unwrap();
        worker.notices.extend([Notice::Connection, Notice::Reload, Notice::Stray(0)]);
        assert_eq!(worker.next_notice(), None);
        worker.notices.extend([Notice::Look, Notice::End]);
        assert_eq!(worker.next_notice(), Some(3));
        worker.notices.remove(3);
        assert_eq!(worker.next_notice(), Some(3));
        worker.welcome([Notice::Welcome, Notice::Ready, Notice::Connection]);
        // Once, and in the order in which a worker can make sense of them.
        let told = [Notice::Welcome, Notice::Ready, Notice::Connection, Notice::Reload, Notice::End];
        assert_eq!(Vec::from(worker.notices.clone()), told);
        assert_eq!(worker.next_notice(), Some(0));
    }
}
