//! `Config`: every setting of the daemon, checked, with its unit and default.
//!
//! It is made once from the command line and the environment (`cli.rs`) and never changes.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use crate::user::Identity;

/// An address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Exactly this address.
    Address(SocketAddr),
    /// This port on all interfaces, IPv6 and IPv4 where the host has both.
    AllInterfaces(u16),
}

/// How a streamed answer is framed for a request that asks for `text/event-stream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum StreamDialect {
    /// SSE, and NDJSON for requests that carry a mark of the official SDKs.
    Auto,
    /// Always SSE.
    Sse,
    /// Always NDJSON as the official SDKs read it.
    Ndjson,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Of how many processes the daemon is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processes {
    /// A keeper, and a worker that it starts again when it dies.
    KeeperAndWorker,
    /// One that serves: commands do not survive it.
    One,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for comparing.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Who may come in.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Asked of every request, with few exceptions.
    pub token: Option<Secret>,
    /// Host names that a loopback listener answers to besides the loopback names.
    pub allow_hosts: Vec<String>,
    /// Web origins that may call; `*` is every one.
    pub cors_allow_origins: Vec<String>,
}

/// Providers of models.
#[derive(Debug, Clone, Default)]
pub struct CodegenSettings {
    /// Relace's key; it is asked when there is one.
    pub relace_key: Option<Secret>,
    /// Where Relace is.
    pub relace_base_url: String,
    /// Morph's key.
    pub morph_key: Option<Secret>,
    /// Where Morph is.
    pub morph_base_url: String,
}

/// Limits of requests.
#[derive(Debug, Clone)]
pub struct RequestLimits {
    /// Bytes of the body of `POST /process`.
    pub process_body_bytes_max: u64,
    /// Bytes of the body of `POST /process/{id}/stdin`.
    pub stdin_body_bytes_max: u64,
    /// Bytes of the body of a request that writes files as JSON.
    pub json_file_body_bytes_max: u64,
    /// Bytes of a file that is written as it is.
    pub upload_bytes_max: u64,
    /// Bytes of all files that one archive is unpacked to.
    pub unpacked_bytes_max: u64,
    /// Bytes of all request bodies held at one time.
    pub bodies_bytes_max: u64,
    /// Time for a request's head.
    pub header_timeout: Duration,
    /// Time without a byte of a request's body.
    pub body_timeout: Duration,
    /// Time without a request on an open connection.
    pub idle_timeout: Duration,
}

/// Settings of answers about logs and streams.
#[derive(Debug, Clone)]
pub struct Streams {
    /// How `Accept: text/event-stream` is answered.
    pub dialect: StreamDialect,
    /// Silence after which an SSE stream carries a heartbeat.
    pub sse_heartbeat: Duration,
    /// Silence after which the NDJSON stream of a start carries one.
    pub ndjson_heartbeat: Duration,
    /// Silence after which a log stream in text or NDJSON carries one.
    pub log_heartbeat: Duration,
    /// Bytes of each stream shown inside a process object.
    pub inline_bytes_max: u64,
    /// Bytes of each stream shown by a waited start and by `GET …/logs`.
    pub response_bytes_max: u64,
}

/// How much may be open at one time. What comes beyond it is asked to try again.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Processes that run, pauses between two runs included.
    pub processes_max: usize,
    /// Streams that are followed.
    pub followers_max: usize,
    /// Connections that may have any request; a few more are served one short request each.
    pub connections_max: usize,
}

/// What is kept of output and of finished processes.
#[derive(Debug, Clone)]
pub struct Retention {
    /// Bytes kept of each stream of a process.
    pub file_bytes_max: u64,
    /// Bytes kept of all processes together.
    pub total_bytes_max: u64,
    /// Bytes held in memory while the disk takes none.
    pub memory_bytes_max: u64,
    /// Finished processes remembered.
    pub finished_max: usize,
    /// How long a finished process is remembered.
    pub finished_age: Duration,
}

/// What is kept of uploads in parts.
#[derive(Debug, Clone, Copy)]
pub struct UploadLimits {
    /// How long one is kept that nobody touches.
    pub expiry: Duration,
    /// Uploads at one time.
    pub count_max: usize,
    /// Bytes of all parts together.
    pub bytes_max: u64,
}

/// Terminals.
#[derive(Debug, Clone, Copy)]
pub struct TerminalLimits {
    /// The routes are there.
    pub is_enabled: bool,
    /// Sessions at one time.
    pub sessions_max: usize,
    /// How long a session lives that nobody looks at.
    pub idle: Duration,
}

/// All settings.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Config {
    /// Where to listen, at least one.
    pub listen: Vec<Listen>,
    /// Whether listening beyond loopback was asked for by name.
    pub access: Access,
    /// Limits of requests.
    pub limits: RequestLimits,
    /// How much may be open at one time.
    pub bounds: Bounds,
    /// Answers about logs and streams.
    pub streams: Streams,
    /// What is kept.
    pub retention: Retention,
    /// Providers of models.
    pub codegen: CodegenSettings,
    /// Whose commands and file operations are; `None` is the daemon's own user.
    pub user: Option<Identity>,
    /// The tunnel to begin with: JSON in base64.
    pub tunnel: Option<Secret>,
    /// Uploads in parts.
    pub uploads: UploadLimits,
    /// Terminals.
    pub terminals: TerminalLimits,
    /// The folder that the file API sees; `None` is all that the host has.
    pub root: Option<PathBuf>,
    /// Where relative paths of the file API begin; `None` is the daemon's own folder, or the root's.
    pub working_dir: Option<PathBuf>,
    /// The folder of log files.
    pub log_dir: PathBuf,
    /// The program that runs commands.
    pub shell: OsString,
    /// Its arguments before the command.
    pub shell_args: Vec<String>,
    /// Threads that answer requests.
    pub threads: usize,
    /// Threads that store output.
    pub pump_threads: usize,
    /// Time that open requests get when the daemon is told to stop.
    pub drain_timeout: Duration,
    /// Time that what a replaced worker had begun gets to end.
    pub upgrade_drain: Duration,
    /// Started with the daemon, by the shell.
    pub startup_command: Option<String>,
    /// The file by which the host is kept awake; without its folder there is no such host.
    pub scale_file: PathBuf,
    /// The program that mounts drives.
    pub drive_program: PathBuf,
    /// How long a drive may take until it can be read.
    pub drive_timeout: Duration,
    /// `keepAlive` requests are refused.
    pub keep_alive_disabled: bool,
    /// Control groups are made for processes with limits that need one.
    pub control_groups: bool,
    /// A line for each request.
    pub request_log: bool,
    /// The `Server-Timing` header on each answer.
    pub server_timing: bool,
    /// Whether a process that serves is outlived by another.
    pub processes: Processes,
    /// The form of log lines.
    pub log_format: LogFormat,
}
