//! `boxd-harness fuzz`: requests that nobody would send, and what comes back.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use boxd_harness::{
    daemon::Daemon,
    fixture::Fixture,
    fuzz::{Fuzz, Length},
    site::await_server,
    target::Target,
};
use clap::Args;

/// Send a server requests from the OpenAPI document and from mutated fixtures, and hold each answer to the document.
///
/// Nothing may be a 5xx that the document does not have, nothing may hang, no answer may be other than the document says, and
/// afterwards the server answers and is flat in memory. What fails is made smaller and written as a case, which `boxd-harness run
/// --cases DIR --workspace /tmp` replays. The same seed sends the same.
///
/// What is sent to a server is harmless by construction: files only below a folder that is made for the run and removed after it,
/// commands only from a short list that end by themselves within a second, signals only to the processes of the run. Nothing is
/// upgraded, mounted, exported, frozen or routed, no terminal is opened, no port of the host and no model's provider is asked.
///
/// Exits with 0 when all is well, with 1 when not, and with 2 when it could not be found out.
#[derive(Debug, Args)]
pub(crate) struct Fuzzer {
    /// The server, like `http://127.0.0.1:8080`.
    #[arg(long, value_name = "URL", required_unless_present = "bin", conflicts_with = "bin")]
    target: Option<String>,
    /// Start this daemon in a folder of its own, with a root for files below it; it is asked a little more, and its memory is watched.
    #[arg(long, value_name = "PATH")]
    bin: Option<PathBuf>,
    /// The choices of an earlier run again.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// So many sequences of requests.
    #[arg(long, value_name = "N", default_value_t = 2000, conflicts_with = "time")]
    cases: u64,
    /// So many seconds instead.
    #[arg(long, value_name = "SECONDS")]
    time: Option<u64>,
    /// Only operations whose names fit, like 'GET /filesystem*'.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    only: String,
    /// Write what fails below this folder: `fixtures/fuzz/…` and `snapshots/fuzz/…`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A header that goes with every request, like 'Authorization: Bearer abc'. May be given several times.
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// The server's process on this machine, whose memory is watched.
    #[arg(long, value_name = "PID", conflicts_with = "bin")]
    pid: Option<i32>,
    /// The folder on the server below which a folder is made for the run.
    #[arg(long, value_name = "DIR", default_value = "/tmp", conflicts_with = "bin")]
    workspace: String,
    /// An answer that takes longer is a hang; commands themselves may take a few seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    patience: u64,
    /// Sequences at one time.
    #[arg(long, value_name = "N", default_value_t = 4)]
    jobs: usize,
}

impl Fuzzer {
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seed = self.seed.unwrap_or_else(|| u64::from(now.subsec_micros()));
        super::complain(&format!("the seed is {seed}"));
        let daemon = self.bin.as_deref().map(start).transpose()?;
        let mut target = match (&daemon, &self.target) {
            (Some(daemon), _) => daemon.target().clone(),
            (None, Some(url)) => Target::parse(url)?,
            (None, None) => return Err("either --target or --bin says which server".to_owned()),
        };
        for header in &self.header {
            target.add_header(header)?;
        }
        let patience = Duration::from_secs(self.patience.max(1));
        await_server(&target, patience)?;
        let parent = if daemon.is_some() { "/" } else { self.workspace.trim_end_matches('/') };
        let fuzz = Fuzz {
            target,
            own: daemon.is_some(),
            pid: daemon.as_ref().map(Daemon::pid).or(self.pid),
            seed,
            length: self
                .time
                .map_or(Length::Sequences(self.cases), |seconds| Length::Time(Duration::from_secs(seconds))),
            only: self.only.clone(),
            jobs: self.jobs,
            workspace: format!("{}/boxd-fuzz-{}-{seed}", parent.trim_end_matches('/'), std::process::id()),
            patience,
            out: self.out.clone(),
        };
        let report = fuzz.run(&|what| super::complain(what))?;
        super::say(&report.to_string());
        if let Some(daemon) = daemon {
            daemon.stop()?;
        }
        Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// A daemon whose files are all below a folder of its own.
fn start(program: &Path) -> Result<Daemon, String> {
    let program = program.canonicalize().map_err(|error| format!("{}: {error}", program.display()))?;
    let mut fixture = Fixture::without_steps();
    fixture.files.insert("root/empty".to_owned(), String::new());
    fixture.daemon = ["--root", "{{dir}}/root", "--no-request-log"].map(str::to_owned).to_vec();
    Daemon::start(&program, &fixture)
}
