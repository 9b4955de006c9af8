//! Proof that another program can take over: it starts, speaks the same versions, and reads a copy of the state.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use async_io::Timer;
use async_process::Child;
use futures_lite::{AsyncRead, AsyncReadExt, FutureExt};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::custody::Journal;
use crate::keeper::protocol;
use crate::process::History;
use crate::sandbox::Sandbox;
use crate::sys::file;
use crate::sys::pidfd::PidFd;

/// The argument with which a program is asked for its proof. The state is its standard input.
pub(crate) const ARGUMENT: &str = "prove";

/// How long the proof may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that are read of what it says; the proof is one line.
const SAID_MAX: usize = 64 * 1024;

/// What a program says of itself, as one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proof {
    /// The version of the program.
    pub(crate) version: String,
    /// The version of the API: what clients may rely on. It changes when something they rely on goes away.
    pub(crate) api: u32,
    /// The version in which keeper and worker speak.
    pub(crate) protocol: u32,
    /// How many processes it has read of.
    pub(crate) processes: usize,
}

/// The API of this program.
const API: u32 = 1;

/// Gives the proof: reads a state, and says what it has read.
pub fn prove(mut state: impl Read, mut out: impl Write) -> Result<(), String> {
    let mut bytes = Vec::new();
    state.read_to_end(&mut bytes).map_err(|error| format!("the state cannot be read: {error}"))?;
    let frames = Journal::read(&bytes).map_err(|error| error.to_string())?;
    let history = History::read(&frames).map_err(|error| error.to_string())?;
    let proof = Proof {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        api: API,
        protocol: protocol::VERSION,
        processes: history.processes.len(),
    };
    let line = serde_json::to_string(&proof).map_err(|error| error.to_string())?;
    writeln!(out, "{line}").map_err(|error| error.to_string())
}

/// Asks a program for its proof, and gives the program that was asked.
pub(super) async fn test(path: &Path, sandbox: &Sandbox) -> Result<(File, Proof), String> {
    let known = sandbox.count();
    let time_up = async {
        Timer::after(PATIENCE).await;
        Err(format!("it takes longer than {} s", PATIENCE.as_secs()))
    };
    let (program, said) = ask(path, sandbox).or(time_up).await?;
    let proof: Proof = serde_json::from_str(said.trim()).map_err(|_| {
        format!("{} does not prove that it is boxd: it says `{}`", path.display(), cut(&said))
    })?;
    check(&proof, known)?;
    // The file that was asked is the file that will run, unless it was replaced meanwhile.
    Ok((program, proof))
}

/// Whatever it is that was asked, and what it has started, is gone when this is dropped.
struct Asked(PidFd);

impl Drop for Asked {
    fn drop(&mut self) {
        // Nobody left is as good.
        self.0.signal_group(Signal::KILL, false).ok();
    }
}

async fn ask(path: &Path, sandbox: &Sandbox) -> Result<(File, String), String> {
    let state =
        sandbox.custody().journal_copy().map_err(|error| format!("the state cannot be copied: {error}"))?;
    let state = state.ok_or("there is no keeper")?;
    let owned = path.to_owned();
    // Not here: a hung file system can hold it for ever.
    let (program, mut child, asked) = blocking::unblock(move || start(&owned, state.into())).await?;
    let (stdout, stderr) =
        futures_lite::future::zip(read(child.stdout.take()), read(child.stderr.take())).await;
    let status = child.status().await.map_err(|error| error.to_string())?;
    drop(asked);
    // Whoever talked too long was cut off and ended by that.
    if !status.success() && stdout.len() < SAID_MAX {
        return Err(format!("{status}: {}", cut(&stderr)));
    }
    Ok((program, stdout))
}

#[expect(clippy::disallowed_methods, reason = "a program that is to take over is started to be looked at")]
fn start(path: &Path, state: Stdio) -> Result<(File, Child, Asked), String> {
    let program = file::open_regular(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut command = std::process::Command::new(path);
    command.arg(ARGUMENT).process_group(0).env_remove(protocol::SOCKET);
    let mut command = async_process::Command::from(command);
    command.stdin(state).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let failed = |error| format!("{} cannot be started: {error}", path.display());
    let child = command.spawn().map_err(failed)?;
    let asked = Asked(PidFd::open(child.id()).map_err(failed)?);
    Ok((program, child, asked))
}

/// What a program says there, up to a bound.
async fn read(from: Option<impl AsyncRead + Unpin>) -> String {
    let mut said = Vec::new();
    if let Some(from) = from {
        // What was read before an error is what it said.
        from.take(SAID_MAX as u64).read_to_end(&mut said).await.ok();
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Whether what a program says of itself is enough. It may know of a process more or less: some end and some begin meanwhile.
fn check(proof: &Proof, known: usize) -> Result<(), String> {
    if proof.api != API {
        return Err(format!("its API is of version {}, and clients rely on {API}", proof.api));
    }
    if proof.protocol != protocol::VERSION {
        return Err(format!(
            "it speaks version {} with the keeper, which speaks {}",
            proof.protocol,
            protocol::VERSION
        ));
    }
    if proof.processes == 0 && known > 0 {
        return Err(format!("it finds no process in the state, where there are {known}"));
    }
    Ok(())
}

/// The beginning of what a program says.
fn cut(text: &str) -> String {
    text.trim().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_reads_what_it_writes_and_says_so() {
        let mut out = Vec::new();
        prove(&include_bytes!("../process/record/frozen-1.journal")[..], &mut out).unwrap();
        let proof: Proof = serde_json::from_slice(&out).unwrap();
        assert_eq!((proof.api, proof.protocol, proof.processes), (API, protocol::VERSION, 5));
        assert!(prove(&b"nonsense"[..], &mut Vec::new()).is_err());
    }

    #[test]
    fn other_versions_and_an_empty_memory_are_refused() {
        let good = Proof { version: "9".to_owned(), api: API, protocol: protocol::VERSION, processes: 2 };
        assert_eq!(check(&good, 3), Ok(()));
        assert!(check(&Proof { api: API + 1, ..good.clone() }, 3).is_err());
        assert!(check(&Proof { protocol: protocol::VERSION + 1, ..good.clone() }, 3).is_err());
        assert!(check(&Proof { processes: 0, ..good.clone() }, 3).is_err());
        assert_eq!(check(&Proof { processes: 0, ..good }, 0), Ok(()));
    }
}
