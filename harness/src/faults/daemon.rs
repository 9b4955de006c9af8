//! `Daemon`: a daemon that is going to be mistreated, and everything it started, which goes with it.
//!
//! Its environment carries a mark that the worker and all commands inherit, so nothing that a test left behind outlives it.

use std::{
    env, fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Suite, api::Api};
use crate::{
    bench::server::{Folder, pause},
    parts::is_worker,
    target::Target,
    variables::unique_name,
};

const START_WITHIN: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(2);
const READY: &str = "listening on ";
const MARK: &str = "BOXD_FAULTS_RUN";

/// How a daemon is started.
#[derive(Debug, Clone, Default)]
pub(super) struct Setup {
    /// Behind `serve --listen … --log-dir …`.
    pub(super) arguments: Vec<String>,
    /// Beside `PATH`.
    pub(super) env: Vec<(String, String)>,
    /// A program and its arguments that become the daemon: the daemon's own command line follows.
    pub(super) wrapper: Vec<String>,
    /// Another binary than the suite's.
    pub(super) program: Option<PathBuf>,
}

/// A running daemon.
#[derive(Debug)]
pub(super) struct Daemon {
    child: Child,
    mark: String,
    api: Api,
    // The last: the daemon is gone before its folder.
    folder: Folder,
}

impl Daemon {
    /// Starts one with the settings that it has when nobody sets any.
    pub(super) fn plain(suite: &Suite) -> io::Result<Self> {
        Self::start(suite, &Setup::default())
    }

    /// Starts one and waits until it says where it listens.
    pub(super) fn start(suite: &Suite, setup: &Setup) -> io::Result<Self> {
        let folder = Folder::new()?;
        fs::create_dir(folder.path().join("logs"))?;
        fs::create_dir(folder.path().join("marks"))?;
        let mark = unique_name();
        let child = spawn(suite, setup, &folder, &mark)?;
        let target = Target::parse("http://127.0.0.1:1").map_err(io::Error::other)?;
        let mut daemon = Self { child, mark, api: Api::new(target), folder };
        let began = Instant::now();
        while began.elapsed() < START_WITHIN {
            // A line that isn't whole may lack a part of the port.
            if let Some((_, rest)) = daemon.log().split_once(READY)
                && rest.contains('\n')
            {
                let is_url = |part: &char| part.is_ascii_alphanumeric() || ".:[]-/".contains(*part);
                let url: String = rest.chars().take_while(is_url).collect();
                daemon.api = Api::new(Target::parse(&url).map_err(io::Error::other)?);
                return Ok(daemon);
            }
            daemon.check()?;
            pause(LOOK_AGAIN);
        }
        Err(io::Error::new(ErrorKind::TimedOut, format!("the daemon listens nowhere: {}", daemon.log())))
    }

    /// Its clients' way to it.
    pub(super) fn api(&self) -> &Api {
        &self.api
    }

    /// What it wrote to stderr.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("boxd.log")).unwrap_or_default()
    }

    /// A folder of its own.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where scripts note their starts and ends.
    pub(super) fn marks(&self) -> PathBuf {
        self.folder.path().join("marks")
    }

    /// Its log folder.
    pub(super) fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    /// An error when the process that was started runs no more.
    pub(super) fn check(&mut self) -> io::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(io::Error::other(format!("the daemon ended with {status}: {}", self.log()))),
        }
    }

    /// The keeper, or the daemon as a whole when it runs without one.
    pub(super) fn keeper(&self) -> u32 {
        self.child.id()
    }

    /// The keeper's worker; `None` without a keeper, and between two workers.
    pub(super) fn worker(&self) -> Option<u32> {
        self.workers().into_iter().next()
    }

    /// The same, with those that still serve what they had when another took over.
    pub(super) fn workers(&self) -> Vec<u32> {
        pids().filter(|pid| parent(*pid) == Some(self.keeper()) && is_worker(pid.cast_signed())).collect()
    }

    /// Waits for a worker; `None` when there is none for seconds: then there is no keeper.
    pub(super) fn await_worker(&self) -> Option<u32> {
        const WITHIN: Duration = Duration::from_secs(5);
        let began = Instant::now();
        loop {
            match self.worker() {
                None if began.elapsed() < WITHIN && self.has_keeper() => pause(LOOK_AGAIN),
                worker => return worker,
            }
        }
    }

    /// Who answers requests.
    pub(super) fn server(&self) -> u32 {
        self.await_worker().unwrap_or_else(|| self.keeper())
    }

    /// Resident memory of all its own processes, in KiB.
    pub(super) fn resident_kib(&self) -> u64 {
        let mut own = vec![self.keeper()];
        own.extend(self.worker());
        own.iter().filter_map(|pid| status_number(*pid, "VmRSS:")).sum()
    }

    /// Open descriptors of who answers requests.
    pub(super) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.server())).map_or(0, Iterator::count)
    }

    /// Threads of who answers requests.
    pub(super) fn threads(&self) -> u64 {
        status_number(self.server(), "Threads:").unwrap_or(0)
    }

    /// A keeper runs few threads and says in its log, or by its child, that it is one.
    fn has_keeper(&self) -> bool {
        status_number(self.keeper(), "Threads:") == Some(1)
    }
}

impl Drop for Daemon {
    /// Kills all that carries the mark, until none is left: what dies may just have started another.
    fn drop(&mut self) {
        const LOOKS: usize = 50;
        let mark = format!("{MARK}={}", self.mark).into_bytes();
        for _ in 0..LOOKS {
            // The keeper is killed first, so that it starts no further worker.
            let _reaped: bool = self.child.kill().and_then(|()| self.child.wait()).is_ok();
            let left: Vec<u32> = pids().filter(|pid| has_environment(*pid, &mark)).collect();
            if left.is_empty() {
                return;
            }
            for pid in left {
                signal(pid, Signal::KILL);
            }
            pause(LOOK_AGAIN);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the harness starts the daemon that it tests")]
fn spawn(suite: &Suite, setup: &Setup, folder: &Folder, mark: &str) -> io::Result<Child> {
    let program = setup.program.as_ref().unwrap_or(&suite.program);
    let mut words = setup.wrapper.clone();
    words.push(program.display().to_string());
    words.extend(["serve", "--listen", "127.0.0.1:0", "--no-request-log", "--log-dir"].map(str::to_owned));
    words.push(folder.path().join("logs").display().to_string());
    words.extend(setup.arguments.clone());
    Command::new(&words[0])
        .args(&words[1..])
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .envs(setup.env.iter().map(|(name, value)| (name, value)))
        .env(MARK, mark)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.path().join("boxd.log"))?)
        .spawn()
        .map_err(|error| io::Error::other(format!("{} can't be started: {error}", words[0])))
}

/// Sends a signal to a process. One that is gone needs none.
pub(super) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let _sent: bool = pid.is_some_and(|pid| kill_process(pid, signal).is_ok());
}

/// A number of `/proc/PID/status`.
pub(super) fn status_number(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn parent(pid: u32) -> Option<u32> {
    let number = status_number(pid, "PPid:")?;
    u32::try_from(number).ok()
}

/// Whether a process was started with a variable that begins like this.
fn has_environment(pid: u32, start: &[u8]) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(start))
}

/// Children of a process that have ended and were not reaped.
pub(super) fn zombies(of: u32) -> usize {
    let is_zombie = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.contains("\nState:\tZ") && parent(*pid) == Some(of)
    };
    pids().filter(is_zombie).count()
}
