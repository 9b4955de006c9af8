//! Programs that the daemon starts for itself, beside commands: not in the table, with no log, in a group of their own.
//!
//! Like a command, one is a child that nobody else may reap; when the worker dies it lives on and is the keeper's.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::children::{self, Starting};
use crate::environment::Variables;
use crate::error::Result;
use crate::sys::descriptors;
use crate::sys::pidfd::{self, ExitStatus, PidFd};
use crate::sys::pipe;

/// Starts a program with exactly these variables, in `/`. Its output goes nowhere: it outlives the daemon, and whoever reads the
/// daemon's stderr, or reads it no longer, must not hold it up or end it.
///
/// The outer error says that there is no room for it, the inner one that it cannot be started.
pub(crate) fn start(
    program: &Path,
    arguments: &[String],
    variables: &Variables,
) -> Result<io::Result<Arc<PidFd>>> {
    let input = match pipe::no_input() {
        Ok(input) => input,
        Err(error) => return Ok(Err(error)),
    };
    let starting = Starting::enter(&input)?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/").env_clear().envs(variables).process_group(0);
    command.stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(spawn(command, &starting))
}

#[expect(clippy::disallowed_methods, reason = "the daemon's own programs are started here")]
fn spawn(mut command: Command, starting: &Starting) -> io::Result<Arc<PidFd>> {
    // Dropping the handle does not reap it.
    let child = command.spawn()?;
    children::born(starting, child.id());
    match PidFd::open(child.id()) {
        Ok(pidfd) => {
            descriptors::restore_limit(child.id());
            Ok(Arc::new(pidfd))
        }
        Err(error) => {
            pidfd::kill_leader_and_wait(child.id());
            children::reap(child.id(), || pidfd::reap_child(child.id()));
            Err(error)
        }
    }
}

/// How one has ended, and reaps it; `None` while it runs.
pub(crate) fn take_exit(pidfd: &PidFd) -> io::Result<Option<ExitStatus>> {
    let Some((status, _)) = pidfd.peek_exit()? else { return Ok(None) };
    children::reap(pidfd.pid(), || pidfd.reap())?;
    Ok(Some(status))
}
