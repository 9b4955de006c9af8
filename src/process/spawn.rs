//! The only place that starts a command.
//!
//! The fast way of starting (a `vfork` inside `posix_spawn`) is kept by what is *not* used: no `pre_exec`, no `uid`, no
//! `gid`, and a shell given by its path, because a changed `PATH` makes the standard library fork to search it.

mod grouped;

pub(crate) use grouped::{inherited, texts};

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::children::{self, Starting};
use super::limits::ControlGroup;
use super::long_command;
use super::spec::{Origin, ProcessSpec};
use super::turn::Turn;
use crate::custody::{Custody, Deposit, SLOT_STDERR, SLOT_STDIN, SLOT_STDOUT};
use crate::environment::{self, Given};
use crate::error::{Error, Result};
use crate::id::ProcessId;
use crate::log::Kept;
use crate::sys::descriptors;
use crate::sys::oom;
use crate::sys::pidfd::{self, PidFd};
use crate::sys::pipe;
use crate::sys::usage;
use crate::user::Identity;

/// The variable that marks a command and its descendants with boxd's own id of the process.
pub(crate) const MARK: &str = "BOXD_PROCESS";

/// The program that runs commands, and what stands before the command on its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shell {
    /// As configured: the command sees it as `$0`.
    pub(crate) name: OsString,
    /// Where it was found.
    pub(crate) program: PathBuf,
    /// Usually `-c`.
    pub(crate) args: Vec<String>,
}

impl Shell {
    /// Looks a shell up: a name with a slash is a path, any other is searched in `path_list` (the value of `PATH`).
    pub(crate) fn find(name: OsString, args: Vec<String>, path_list: Option<OsString>) -> Self {
        let as_path = PathBuf::from(&name);
        let program = if as_path.components().count() > 1 {
            as_path
        } else {
            let list = path_list.unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
            let found =
                std::env::split_paths(&list).map(|dir| dir.join(&as_path)).find(|file| file.is_file());
            found.unwrap_or(as_path)
        };
        Self { name, program, args }
    }
}

/// A command that has just been started.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// `None` for one that was born into a control group, or as somebody else.
    pub(crate) child: Option<async_process::Child>,
    pub(crate) pidfd: Arc<PidFd>,
    /// boxd's ends of the pipes of stdout and stderr.
    pub(crate) outputs: [Option<OwnedFd>; 2],
    pub(crate) stdin: Option<OwnedFd>,
    /// The keeper's copies of them.
    pub(crate) deposit: Deposit,
}

/// Which run of which process is to be started, and where.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) id: ProcessId,
    pub(crate) run: u32,
    pub(crate) shell: &'a Shell,
    /// The folder for what does not fit on a command line.
    pub(crate) log_dir: &'a Path,
    pub(crate) custody: &'a Custody,
    /// The control groups to be born into.
    pub(crate) group: Option<&'a ControlGroup>,
    /// Whose it is; `None` is the daemon's own user.
    pub(crate) user: Option<&'a Identity>,
    /// What it is given, below what its request sets.
    pub(crate) given: &'a Given,
}

/// Starts the command of `spec` in a process group of its own.
///
/// Blocks until the shell is executed, which a hung file system can delay: call it where waiting is allowed.
pub(crate) fn spawn(spec: &ProcessSpec, place: &Place<'_>) -> Result<Spawned> {
    let Place { id, run, shell, log_dir, custody, group, user, given } = *place;
    check_nul(spec)?;
    let argument = if long_command::is_long(&spec.command) {
        let path = long_command::path(log_dir, id);
        long_command::put_away(&path, &spec.command, user.map(|user| &user.ids))
            .map_err(|source| Error::Spawn { action: "cannot write the command to", path, source })?
    } else {
        spec.command.clone()
    };
    let failed = |source| failure(spec, shell, source);
    let (outputs, [stdout_end, stderr_end]) = outputs(spec.origin).map_err(failed)?;
    let (stdin, stdin_end) = if spec.stdin {
        let (read, write) = pipe::input_pipe().map_err(failed)?;
        (Some(write), Some(read))
    } else {
        (None, None)
    };
    let line = Line { spec, shell, id, argument: &argument, user, given };
    let starting = Starting::enter(&stderr_end)?;
    let ends = Ends { stdin: stdin_end, stdout: stdout_end, stderr: stderr_end };
    let birth = match group {
        _ if user.is_some() || group.is_some() => Birth::Grouped(line, ends, group),
        _ => Birth::Plain(prepare(&line, ends).map_err(failed)?),
    };
    let turn = custody.is_kept().then(Turn::take);
    // In the keeper's hands before there is a command: it may print and exit, and we be killed, before the next line.
    let ours = [(SLOT_STDOUT, &outputs[0]), (SLOT_STDERR, &outputs[1]), (SLOT_STDIN, &stdin)];
    let held: Vec<_> =
        ours.into_iter().filter_map(|(slot, end)| end.as_ref().map(|end| (slot, end.as_fd()))).collect();
    let deposit = Deposit::of(custody, Kept::Run(run).key(id), turn.as_ref().map(Turn::lane), &held);
    let (pid, child) = match birth {
        Birth::Grouped(line, ends, group) => (grouped::start(&line, ends, group)?, None),
        Birth::Plain(command) => {
            let child = start(command).map_err(failed)?;
            (child.id(), Some(child))
        }
    };
    children::born(&starting, pid);
    let pidfd = match PidFd::open(pid) {
        Ok(pidfd) => Arc::new(pidfd),
        Err(source) => {
            // What cannot be watched must not run.
            pidfd::kill_leader_and_wait(pid);
            children::reap(pid, || pidfd::reap_child(pid));
            return Err(failed(source));
        }
    };
    deposit.born(&pidfd);
    drop(turn);
    set_limits(pid, spec);
    Ok(Spawned { child, pidfd, outputs, stdin, deposit })
}

/// Where the output of a command goes: boxd's ends, and the command's.
fn outputs(origin: Origin) -> io::Result<([Option<OwnedFd>; 2], [OwnedFd; 2])> {
    if origin == Origin::Startup {
        let stderr = || io::stderr().as_fd().try_clone_to_owned();
        return Ok(([None, None], [stderr()?, stderr()?]));
    }
    let (stdout, stdout_end) = pipe::output_pipe()?;
    let (stderr, stderr_end) = pipe::output_pipe()?;
    Ok(([Some(stdout), Some(stderr)], [stdout_end, stderr_end]))
}

/// Gives a command that was just started what it is not born with. Whoever finds one whose start was cut short does it again.
pub(super) fn set_limits(pid: u32, spec: &ProcessSpec) {
    set_standing(pid);
    if let Some(time) = spec.limits.cpu {
        usage::limit_cpu(pid, time);
    }
}

/// What every command has: the daemon's own limit of descriptors as it was given to it, and a score by which it goes before the daemon.
pub(crate) fn set_standing(pid: u32) {
    descriptors::restore_limit(pid);
    oom::offer(pid);
}

/// What is to be executed.
struct Line<'a> {
    spec: &'a ProcessSpec,
    shell: &'a Shell,
    id: ProcessId,
    /// Behind the shell's own arguments.
    argument: &'a str,
    user: Option<&'a Identity>,
    given: &'a Given,
}

/// The command's ends of its pipes; no stdin is `/dev/null`.
struct Ends {
    stdin: Option<OwnedFd>,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

/// How a command is born.
enum Birth<'a> {
    /// The fast way, all prepared.
    Plain(async_process::Command),
    /// In control groups, or as somebody else.
    Grouped(Line<'a>, Ends, Option<&'a ControlGroup>),
}

/// What the fast way needs, made before it is its turn.
fn prepare(line: &Line<'_>, ends: Ends) -> io::Result<async_process::Command> {
    let Line { spec, shell, id, argument, given, .. } = line;
    let mut command = std::process::Command::new(&shell.program);
    command.arg0(&shell.name).args(&shell.args).arg(argument).process_group(0);
    command.current_dir(&spec.working_dir);
    for (name, value) in &given.changes {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.envs(spec.env.iter().map(|(k, v)| (k, v))).env(MARK, id.to_string());
    for name in environment::SECRET {
        command.env_remove(name);
    }
    // The conversion forgets the stdio of the inner command, so it is set on the outer one.
    let mut command = async_process::Command::from(command);
    command.stdin(ends.stdin.map_or_else(pipe::no_input, Ok)?).stdout(ends.stdout).stderr(ends.stderr);
    command.reap_on_drop(false).kill_on_drop(false);
    Ok(command)
}

/// Starts it the fast way. The command's ends of its pipes are closed here when this is over.
#[expect(clippy::disallowed_methods, reason = "this is the one place that starts commands")]
fn start(mut command: async_process::Command) -> io::Result<async_process::Child> {
    command.spawn()
}

fn check_nul(spec: &ProcessSpec) -> Result<()> {
    let has = |text: &str| text.contains('\0');
    let what = if has(&spec.command) {
        "command"
    } else if spec.env.iter().any(|(k, v)| has(k) || has(v)) {
        "environment variable"
    } else if spec.working_dir.as_os_str().as_encoded_bytes().contains(&0) {
        "workingDir"
    } else {
        return Ok(());
    };
    Err(Error::ContainsNul { what })
}

/// Says which of the folder and the shell was at fault: the error of a spawn does not.
fn failure(spec: &ProcessSpec, shell: &Shell, source: io::Error) -> Error {
    let folder = &spec.working_dir;
    match fs::metadata(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Error::FolderMissing { command: spec.command.clone(), folder: folder.clone() }
        }
        Ok(meta) if !meta.is_dir() => Error::Spawn {
            action: "cannot run in",
            path: folder.clone(),
            source: io::ErrorKind::NotADirectory.into(),
        },
        Ok(_) if rustix::fs::access(folder, rustix::fs::Access::EXEC_OK).is_ok() => {
            Error::Spawn { action: "cannot execute", path: shell.program.clone(), source }
        }
        _ => Error::Spawn { action: "cannot run in", path: folder.clone(), source },
    }
}
