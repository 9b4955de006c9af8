//! The shell of a session: which program it is, how it is started, and how all that it left is ended.

use std::collections::HashSet;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::Signal;

use crate::environment::Variables;
use crate::error::{Error, Result};
use crate::process::children::{self, Starting};
use crate::process::{inherited, set_standing, texts};
use crate::sys::birth::{self, Birth, Entrances};
use crate::sys::pidfd::{self, PidFd};
use crate::sys::pty::{self, Size};
use crate::user::Identity;

/// Where a shell is looked for when `$SHELL` is not there.
const SHELLS: [&str; 4] = ["/bin/zsh", "/bin/bash", "/bin/sh", "/bin/ash"];

/// What a terminal is called when the daemon has no word for it.
const TERM: &str = "xterm-256color";

/// The process table is looked at this often at most: a session that forks faster than it is killed must not hold a thread for ever.
const ROUNDS_MAX: usize = 100;

/// So many of those that are killed are kept for somebody to wait for: each is a descriptor.
const DYING_MAX: usize = 64;

/// The terminal that a client asks for. All but the size counts only when a session begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) size: Size,
    /// A path, or a name to be found in `PATH`.
    pub(crate) shell: Option<String>,
    /// Where it runs.
    pub(crate) folder: PathBuf,
}

/// Starts a shell that leads a session on a terminal of its own; gives the terminal's other end. `give_away` is called before, when all but
/// the shell is there. Blocks until the program is executed.
pub(super) fn start<T>(
    wanted: &Wanted,
    (user, variables): (Option<&Identity>, &Variables),
    give_away: impl FnOnce(&OwnedFd) -> io::Result<T>,
) -> Result<(PidFd, OwnedFd, T)> {
    let name = wanted.shell.as_ref().map_or_else(usual, OsString::from);
    let failed = |source| Error::Shell { program: PathBuf::from(&name), source };
    let program =
        find(&name).ok_or_else(|| Error::ShellUnknown { name: name.to_string_lossy().into_owned() })?;
    let (master, slave) = pty::open(wanted.size).map_err(failed)?;
    let starting = Starting::enter(&slave)?;
    if let Some(user) = user {
        pty::give_to(&slave, user.ids.uid, user.ids.gid).map_err(failed)?;
    }
    let mut env = inherited(variables, user);
    env.entry("TERM".into()).or_insert_with(|| TERM.into());
    let nul = |_| failed(Errno::INVAL.into());
    let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(nul);
    let birth = Birth {
        program: &text(program.as_os_str())?,
        args: &[text(&name)?],
        env: &texts(env).map_err(nul)?,
        folder: &text(wanted.folder.as_os_str())?,
        stdio: [slave.as_fd(); 3],
        entrances: &Entrances::default(),
        user: user.map(|user| &user.ids),
        leads_session: true,
    };
    let held = give_away(&master).map_err(failed)?;
    let pid = birth::spawn(&birth).map_err(|(_, source)| failed(source))?;
    children::born(&starting, pid);
    match PidFd::open(pid) {
        Ok(shell) => {
            set_standing(pid);
            Ok((shell, master, held))
        }
        Err(source) => {
            // What cannot be watched must not run.
            pidfd::kill_leader_and_wait(pid);
            children::reap(pid, || pidfd::reap_child(pid));
            Err(failed(source))
        }
    }
}

/// Kills all that is left of the session of a shell that has ended, but for what has gone to a session of its own; gives whom it has
/// killed, as many as are worth waiting for. Walks about in `/proc`.
pub(super) fn kill_session(leader: u32) -> Vec<PidFd> {
    let is_member = |pid: u32| pid != leader && pidfd::session_of(pid) == Some(leader);
    let (mut killed, mut dying) = (HashSet::new(), Vec::new());
    for _ in 0..ROUNDS_MAX {
        let before = killed.len();
        let Ok(entries) = std::fs::read_dir("/proc") else { break };
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        for pid in pids.filter(|pid| is_member(*pid)).collect::<Vec<_>>() {
            // Asked again by a handle that means one process for good.
            if let Ok(process) = PidFd::open(pid)
                && is_member(pid)
            {
                process.signal(Signal::KILL).ok();
                if killed.insert(pid) && dying.len() < DYING_MAX {
                    dying.push(process);
                }
            }
        }
        if killed.len() == before {
            break;
        }
    }
    dying
}

/// The shell of somebody who asks for none.
fn usual() -> OsString {
    let own = std::env::var_os("SHELL").filter(|shell| find(shell).is_some_and(|file| file.exists()));
    let known = || SHELLS.iter().find(|shell| Path::new(shell).exists()).map(OsString::from);
    own.or_else(known).unwrap_or_else(|| SHELLS[2].into())
}

/// The file of a shell. A name with a slash is a path, whatever is there; any other is searched for.
fn find(name: &OsStr) -> Option<PathBuf> {
    let path = PathBuf::from(name);
    if name.as_bytes().contains(&b'/') {
        return Some(path);
    }
    let list = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    std::env::split_paths(&list).map(|folder| folder.join(&path)).find(|file| file.is_file())
}
