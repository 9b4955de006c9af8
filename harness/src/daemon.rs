//! A daemon of the harness's own: started for one case, stopped by SIGTERM when the case is over.
//!
//! It gets a fresh directory, a free port, no settings but those of the fixture, and a time zone far from UTC, so that a
//! server which writes local times is found out. Readiness is the line on stderr that says where it listens.

use std::{
    cell::{Cell, RefCell},
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open, pidfd_send_signal},
};

use crate::{
    bench::server::pause,
    fixture::{Fixture, Part},
    parts,
    place::Place,
    stand_in::StandIn,
    target::Target,
    variables::{Variables, unique_name},
};

/// A machine under load may need this long to start a process.
const START_WITHIN: Duration = Duration::from_secs(20);
/// SIGTERM drains; streams and short requests end within a bound.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Nobody is told when a worker is there.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
const READY: &str = "listening on http://";

/// A running daemon and its directory, which goes with it.
#[derive(Debug)]
pub struct Daemon {
    target: Target,
    directory: PathBuf,
    pid: Pid,
    asked_to_end: Cell<bool>,
    /// What was started is dead, and the rest of it lives.
    lost_its_keeper: Cell<bool>,
    /// What it wrote to stderr so far.
    log: Arc<Mutex<String>>,
    exited: mpsc::Receiver<std::io::Result<ExitStatus>>,
    /// What came out of `exited` before it was asked to end for good.
    ended: RefCell<Option<std::io::Result<ExitStatus>>>,
    threads: Vec<JoinHandle<()>>,
    stand_in: Option<StandIn>,
}

impl Daemon {
    /// Starts the program for a fixture and waits until it listens.
    ///
    /// # Errors
    /// A sentence with the program's own words, when it doesn't come up.
    pub fn start(program: &Path, fixture: &Fixture) -> Result<Self, String> {
        let directory = std::env::temp_dir().join(format!("boxd-harness-{}", unique_name()));
        prepare(&directory, fixture).map_err(|error| format!("{}: {error}", directory.display()))?;
        let mut variables = Variables::default();
        variables.set("dir", directory.to_string_lossy());
        let stand_in = if fixture.stand_in.is_empty() {
            None
        } else {
            let started = StandIn::start(&fixture.stand_in);
            Some(started.map_err(|error| format!("the stand-in can't listen: {error}"))?)
        };
        if let Some(stand_in) = &stand_in {
            variables.set("stand_in", stand_in.url());
        }
        let env: Vec<_> =
            fixture.daemon_env.iter().map(|(name, value)| (name, variables.fill_known(value))).collect();
        let flags = fixture.daemon.iter().map(|flag| variables.fill(flag)).collect::<Result<Vec<_>, _>>()?;
        let command = fixture.place.map_or_else(|| Command::new(program), |place| place.command(program));
        let mut child = spawn(command, &directory, (&flags, &env))
            .map_err(|error| format!("{} can't be started: {error}", program.display()))?;
        let pid = Pid::from_child(&child);
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
        let placeholder = Target::parse("http://127.0.0.1:0")?;
        let mut daemon = Self {
            target: placeholder,
            directory,
            pid,
            asked_to_end: Cell::new(false),
            lost_its_keeper: Cell::new(false),
            log,
            exited,
            ended: RefCell::new(None),
            threads,
            stand_in,
        };
        match becomes_ready.recv_timeout(START_WITHIN) {
            Ok(url) => {
                daemon.target = Target::parse(&url)?;
                if fixture.place == Some(Place::Network) {
                    daemon.target = daemon.target.in_network_of(pid.as_raw_pid());
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

    /// The server that it calls, if the fixture has one.
    pub(crate) fn stand_in(&self) -> Option<&StandIn> {
        self.stand_in.as_ref()
    }

    /// The process that was started: the keeper, or the daemon as a whole when it runs without one.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// Its working directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks it to end, by SIGTERM.
    pub fn signal(&self) {
        self.asked_to_end.set(true);
        // One that has ended already is found out by `stop`, which looks at how.
        let _sent: bool = kill_process(self.pid, Signal::TERM).is_ok();
    }

    /// Ends a part of it by SIGKILL, and waits until that part is gone.
    ///
    /// # Errors
    /// A sentence when there is no such part, or it doesn't go in time.
    pub fn kill(&self, part: Part, within: Duration) -> Result<(), String> {
        let until = Instant::now() + within;
        let pid = match part {
            Part::Keeper => Some(self.pid),
            Part::Worker => self.next_worker(until),
        };
        if part == Part::Keeper {
            self.lost_its_keeper.set(true);
        }
        let pid = pid.ok_or("the daemon has no worker")?;
        let named = |error| format!("process {} can't be killed: {error}", pid.as_raw_nonzero());
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(named)?;
        pidfd_send_signal(&pidfd, Signal::KILL).map_err(named)?;
        let timeout = Timespec::try_from(within).map_err(|error| error.to_string())?;
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) {
            Ok(1) => Ok(()),
            Ok(_) => Err("it doesn't go after SIGKILL".to_owned()),
            Err(error) => Err(named(error)),
        }
    }

    /// The worker, or, where the last one was killed a moment ago, the next.
    fn next_worker(&self, until: Instant) -> Option<Pid> {
        loop {
            match self.worker() {
                None if Instant::now() < until => pause(LOOK_AGAIN),
                worker => return worker,
            }
        }
    }

    fn worker(&self) -> Option<Pid> {
        parts::worker_of(self.pid.as_raw_pid()).and_then(Pid::from_raw)
    }

    /// Waits for its end; whether it came in time.
    pub fn ends_within(&self, time: Duration) -> bool {
        let Ok(ended) = self.exited.recv_timeout(time) else { return false };
        *self.ended.borrow_mut() = Some(ended);
        true
    }

    /// Asks it to end, unless a case has done so, and waits.
    ///
    /// # Errors
    /// A sentence when it doesn't end in time, or not with exit code 0.
    pub fn stop(mut self) -> Result<(), String> {
        if self.lost_its_keeper.get() {
            // There is no exit code to look at any more; the rest ends when its output does.
            kill_process_group(self.pid, Signal::TERM)
                .map_err(|error| format!("nothing is left: {error}"))?;
            return self.join();
        }
        if !self.asked_to_end.get() {
            self.signal();
        }
        let ended = self.ended.take().map_or_else(|| self.exited.recv_timeout(STOP_WITHIN), Ok);
        match ended {
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

    /// Kills what a case's commands have left behind: a daemon that goes away lets them live.
    fn end_commands(&self) {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in processes {
            let is_ours =
                fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&self.directory));
            let pid = process.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            if let Some(pid) = pid.filter(|_| is_ours) {
                // It may have ended since the look.
                let _killed: bool = kill_process(pid, Signal::KILL).is_ok();
            }
        }
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
    /// Kills it if it still runs, and removes its directory.
    fn drop(&mut self) {
        if matches!(self.exited.try_recv(), Err(mpsc::TryRecvError::Empty)) {
            // With whatever it is made of. It may have ended, and been reaped, since the look.
            let _killed: bool = kill_process_group(self.pid, Signal::KILL).is_ok();
        }
        self.end_commands();
        // A directory that can't be removed stays in the temporary folder; no case depends on it.
        let _removed: bool = fs::remove_dir_all(&self.directory).is_ok();
    }
}

fn prepare(directory: &Path, fixture: &Fixture) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    for (name, content) in &fixture.files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap_or(directory))?;
        fs::write(path, content)?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the harness starts the server that it tests")]
fn spawn(
    mut command: Command,
    directory: &Path,
    (flags, env): (&[String], &[(&String, String)]),
) -> std::io::Result<Child> {
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--log-dir"])
        .arg(directory.join("logs"))
        .args(flags)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
        .env("HOME", directory)
        // Uploads in parts are found there by every daemon: each case has its own.
        .env("TMPDIR", directory)
        .env("TZ", "FAR-13")
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir(directory)
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
