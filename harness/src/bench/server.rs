//! `Server`: what is measured: a daemon started for one figure, or a server that runs already.
//!
//! A daemon gets a fresh folder, a free port, the settings it has when nobody sets any, and an environment of nothing but
//! `PATH`, which the floor has too. What it logs goes to a file, so that nobody has to read it while something is timed.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, ErrorKind},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{client::Request, parts, target::Target, variables::unique_name};

use super::wire::Wire;

const START_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(1);
const READY: &str = "listening on ";
/// Room for the answers that are not streams of much.
const ROOM: usize = 64 * 1024;

/// A folder that goes with its owner.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes a new one among the machine's temporary files.
    pub(crate) fn new() -> io::Result<Self> {
        let path = env::temp_dir().join(format!("boxd-bench-{}", unique_name()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What can't be removed stays among the temporary files.
        let _removed: bool = fs::remove_dir_all(&self.0).is_ok();
    }
}

/// The program to start, and what is added to its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The daemon's binary.
    pub(crate) path: PathBuf,
    /// Arguments behind `serve --listen … --log-dir …`.
    pub(crate) arguments: Vec<String>,
}

impl Program {
    /// Starts it; stderr goes to `boxd.log` in the folder.
    #[expect(clippy::disallowed_methods, reason = "the harness starts the daemon that it measures")]
    pub(crate) fn spawn(&self, listen: &str, folder: &Folder) -> io::Result<Started> {
        let child = Command::new(&self.path)
            .args(["serve", "--listen", listen, "--log-dir"])
            .arg(folder.path().join("logs"))
            .args(&self.arguments)
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("boxd.log"))?)
            .process_group(0)
            .spawn();
        let named = |error| io::Error::other(format!("{} can't be started: {error}", self.path.display()));
        child.map(Started).map_err(named)
    }
}

/// A running daemon; it is killed when nobody needs it any more.
#[derive(Debug)]
pub(crate) struct Started(Child);

impl Started {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// An error when it runs no more.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        match self.0.try_wait()? {
            None => Ok(()),
            Some(status) => Err(io::Error::other(format!("the daemon ended with {status}"))),
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // With whatever it is made of. One that has ended by itself can't be killed, and needs to be reaped alike.
        let _killed: bool = kill_process_group(Pid::from_child(&self.0), Signal::KILL).is_ok();
        let _ended: bool = self.0.wait().is_ok();
    }
}

/// A server that can be asked.
#[derive(Debug)]
pub(crate) struct Server {
    target: Target,
    // The daemon has to be gone before its folder.
    daemon: Option<Started>,
    folder: Folder,
}

impl Server {
    /// Starts a daemon and waits until it says where it listens.
    pub(crate) fn start(program: &Program) -> io::Result<Self> {
        let folder = Folder::new()?;
        let mut daemon = program.spawn("127.0.0.1:0", &folder)?;
        let began = Instant::now();
        loop {
            let log = fs::read_to_string(folder.path().join("boxd.log"))?;
            // A line that isn't whole may lack a part of the port.
            if let Some((_, rest)) = log.split_once(READY)
                && rest.contains('\n')
            {
                let is_url = |part: &char| part.is_ascii_alphanumeric() || ".:[]-/".contains(*part);
                let url: String = rest.chars().take_while(is_url).collect();
                let target = Target::parse(&url).map_err(io::Error::other)?;
                return Ok(Self { target, daemon: Some(daemon), folder });
            }
            daemon.check().map_err(|error| io::Error::other(format!("{error}: {log}")))?;
            if began.elapsed() > START_WITHIN {
                return Err(io::Error::new(
                    ErrorKind::TimedOut,
                    format!("the daemon listens nowhere: {log}"),
                ));
            }
            pause(LOOK_AGAIN);
        }
    }

    /// Takes a server that runs already.
    pub(crate) fn running(target: Target) -> io::Result<Self> {
        Ok(Self { target, daemon: None, folder: Folder::new()? })
    }

    /// Where it is.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// A folder of its own; a daemon's log folder is in it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process that was started.
    pub(crate) fn pid(&self) -> io::Result<i32> {
        let pid = self.daemon.as_ref().map(Started::pid);
        let pid =
            pid.ok_or_else(|| io::Error::other("only a daemon of the bench's own can be looked into"))?;
        i32::try_from(pid).map_err(io::Error::other)
    }

    /// Memory of the daemon, in MiB: resident, and what a keeper has beside the worker for itself.
    pub(crate) fn resident_mib(&self) -> io::Result<f64> {
        let pid = self.pid()?;
        let bytes = match parts::worker_of(pid) {
            None => parts::resident_bytes(pid),
            Some(worker) => {
                parts::resident_bytes(worker).zip(parts::private_bytes(pid)).map(|(own, more)| own + more)
            }
        };
        let bytes = bytes.ok_or_else(|| io::Error::other("the daemon's memory cannot be looked into"))?;
        Ok(f64::from(u32::try_from(bytes / 1024).map_err(io::Error::other)?) / 1024.0)
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> io::Result<Wire> {
        Wire::connect(&self.target, ROOM)
    }

    /// The bytes of a request that asks for a stream in this form.
    pub(crate) fn get(&self, path: &str, accept: &str) -> Vec<u8> {
        self.request("GET", path, accept, None)
    }

    /// The bytes of a request with a body.
    pub(crate) fn post(&self, path: &str, accept: &str, body: &str) -> Vec<u8> {
        self.request("POST", path, accept, Some(body))
    }

    /// The same with `PUT`.
    pub(crate) fn put(&self, path: &str, body: &str) -> Vec<u8> {
        self.request("PUT", path, "application/json", Some(body))
    }

    /// The bytes of a request that ends something.
    pub(crate) fn delete(&self, path: &str) -> Vec<u8> {
        self.request("DELETE", path, "application/json", None)
    }

    fn request(&self, method: &str, path: &str, accept: &str, body: Option<&str>) -> Vec<u8> {
        let mut headers: BTreeMap<String, String> = self.target.headers().clone();
        headers.insert("accept".to_owned(), accept.to_owned());
        if body.is_some() {
            headers.insert("content-type".to_owned(), "application/json".to_owned());
        }
        let request = Request {
            method: method.to_owned(),
            target: format!("{}{path}", self.target.prefix()),
            headers,
            body: body.map(|body| body.as_bytes().to_vec()),
            pieces: None,
        };
        request.bytes(self.target.authority())
    }
}

/// Lets time pass.
#[expect(
    clippy::disallowed_methods,
    reason = "a paced load is made of time, and a file tells nobody that it grew"
)]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
