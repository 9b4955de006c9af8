//! A daemon of the harness's own: started for one case, stopped by SIGTERM when the case is over.
//!
//! It gets a fresh directory, a free port, and no settings but those of the fixture. Readiness is the line on stderr that says where it
//! listens.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{fixture::Fixture, ground::Ground, place::Place, process::Process, run::Home, target::Target};

/// A machine under load may need this long to start a process.
const START_WITHIN: Duration = Duration::from_secs(20);
/// SIGTERM drains; streams and short requests end within a bound.
const STOP_WITHIN: Duration = Duration::from_secs(10);
const READY: &str = "listening on http://";

/// A running daemon and its directory, which goes with it.
#[derive(Debug)]
pub struct Daemon {
    target: Target,
    process: Process,
    /// What it wrote to stderr so far.
    log: Arc<Mutex<String>>,
    exited: mpsc::Receiver<std::io::Result<ExitStatus>>,
    threads: Vec<JoinHandle<()>>,
    // Behind the daemon: the folder goes last.
    ground: Ground,
}

impl Daemon {
    /// Starts the program for a fixture and waits until it listens.
    ///
    /// # Errors
    /// A sentence with the program's own words, when it doesn't come up.
    pub fn start(program: &Path, fixture: &Fixture) -> Result<Self, String> {
        let ground = Ground::new(fixture)?;
        let command = fixture.place.map_or_else(|| Command::new(program), |place| place.command(program));
        let failed = |error| format!("{} can't be started: {error}", program.display());
        let mut child = spawn(command, &ground).map_err(failed)?;
        let process =
            Process::hold(Pid::from_child(&child)).expect("a child that nobody has waited for is there");
        let stderr = child.stderr.take().expect("stderr is piped");
        let log = Arc::new(Mutex::new(String::new()));
        let (ready, becomes_ready) = mpsc::channel();
        let (exit, exited) = mpsc::channel();
        let threads = vec![
            thread::spawn({
                let log = Arc::clone(&log);
                move || follow(stderr, &log, &ready)
            }),
            thread::spawn(move || {
                // Nobody listens any more when the harness has given the daemon up.
                let _told: bool = exit.send(child.wait()).is_ok();
            }),
        ];
        let target = Target::parse("http://127.0.0.1:0")?;
        let mut daemon = Self { target, process, log, exited, threads, ground };
        match becomes_ready.recv_timeout(START_WITHIN) {
            Ok(url) => {
                daemon.target = Target::parse(&url)?;
                if fixture.place == Some(Place::Network) {
                    daemon.target = daemon.target.in_network_of(daemon.pid());
                }
            }
            Err(_) => {
                return Err(format!("the daemon didn't say where it listens; it said:\n{}", daemon.log()));
            }
        }
        Ok(daemon)
    }

    /// Where it listens.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The process that was started: the keeper, or the daemon as a whole when it runs without one.
    pub fn pid(&self) -> i32 {
        self.process.pid().as_raw_pid()
    }

    /// Its working directory.
    pub fn directory(&self) -> &Path {
        Path::new(self.ground.directory())
    }

    /// What its case finds around it, with the helper's command line.
    pub fn home<'a>(&'a self, helper: &'a str) -> Home<'a> {
        Home::on(&self.ground, Some(&self.process), Some(helper))
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks it to end, unless a case has done so, and waits.
    ///
    /// # Errors
    /// A sentence when it doesn't end in time, or not with exit code 0.
    pub fn stop(mut self) -> Result<(), String> {
        if self.process.is_killed() {
            // There is no exit code to look at any more; the rest ends when its output does.
            kill_process_group(self.process.pid(), Signal::TERM)
                .map_err(|error| format!("nothing is left: {error}"))?;
            return self.join();
        }
        if !self.process.is_asked_to_end() {
            self.process.signal();
        }
        match self.exited.recv_timeout(STOP_WITHIN) {
            Ok(Ok(status)) if status.success() => {}
            Ok(Ok(status)) => {
                return Err(format!("after SIGTERM the daemon ended with {status}, expected: exit code 0"));
            }
            Ok(Err(error)) => return Err(format!("the daemon can't be waited for: {error}")),
            Err(_) => {
                return Err(format!(
                    "the daemon didn't end within {} s after SIGTERM",
                    STOP_WITHIN.as_secs()
                ));
            }
        }
        self.join()
    }

    /// Waits until nobody holds its output any more.
    fn join(&mut self) -> Result<(), String> {
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| "a thread of the harness panicked".to_owned())?;
        }
        Ok(())
    }
}

impl Drop for Daemon {
    /// Kills it if it still runs.
    fn drop(&mut self) {
        if matches!(self.exited.try_recv(), Err(mpsc::TryRecvError::Empty)) {
            // With whatever it is made of. It may have ended, and been reaped, since the look.
            let _killed: bool = kill_process_group(self.process.pid(), Signal::KILL).is_ok();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the harness starts the server that it tests")]
fn spawn(mut command: Command, ground: &Ground) -> std::io::Result<Child> {
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--log-dir"])
        .arg(Path::new(ground.directory()).join("logs"))
        .args(&ground.flags)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
        .envs(ground.variables.iter().map(|(name, value)| (name, value)))
        .current_dir(ground.directory())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// Keeps what comes over stderr, and tells when it says where the daemon listens.
fn follow(stderr: ChildStderr, log: &Mutex<String>, ready: &mpsc::Sender<String>) {
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    while lines.by_ref().read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line);
        if let Some((_, rest)) = text.split_once(READY) {
            let authority: String = rest
                .chars()
                .take_while(|part| part.is_ascii_alphanumeric() || ".:[]-".contains(*part))
                .collect();
            // Only the first is waited for.
            let _told: bool = ready.send(format!("http://{authority}")).is_ok();
        }
        log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        line.clear();
    }
}
