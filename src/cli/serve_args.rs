//! The flags of `boxd serve`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::host;
use super::known::{
    Known, codegen, default_log_dir, or, shell_args, token, total_bytes, unlimited_if_zero, workload_user,
};
use super::units::{duration, positive_duration};
use crate::config::{
    Access, Bounds, Config, Listen, LogFormat, Processes, RequestLimits, Retention, Secret, StreamDialect,
    Streams, TerminalLimits, UploadLimits,
};

/// The scale-to-zero counter of the known server's host.
const SCALE_FILE: &str = "/uk/libukp/scale_to_zero_disable";

/// The flags, each with its variable. Variables of the known server are named in the help and read in `into_config`.
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, rustdoc::bare_urls, reason = "these comments are the help text")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct ServeArgs {
    /// Address to listen on, such as 127.0.0.1:8080 or 0.0.0.0:80; may be given several times [default: 127.0.0.1:8080]
    #[arg(long, env = "BOXD_LISTEN", value_name = "ADDR", value_delimiter = ',', help_heading = "Listening")]
    listen: Vec<SocketAddr>,

    /// Port to listen on, on all interfaces [env: PORT too]
    #[arg(
        short,
        long,
        overrides_with = "port",
        env = "BOXD_PORT",
        value_name = "N",
        help_heading = "Listening"
    )]
    port: Option<u16>,

    /// File whose first line is the token that every request must carry; the token itself may stand in BOXD_AUTH_TOKEN
    #[arg(long, env = "BOXD_AUTH_TOKEN_FILE", value_name = "FILE", help_heading = "Access")]
    auth_token_file: Option<PathBuf>,

    /// Host name that a loopback listener answers to, besides localhost and loopback addresses; may be given several times
    #[arg(
        long,
        env = "BOXD_ALLOW_HOST",
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = "Access"
    )]
    allow_host: Vec<String>,

    /// Web origin that may call, such as https://app.example.com, or '*' for every one; may be given several times
    #[arg(
        long,
        env = "BOXD_CORS_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        help_heading = "Access"
    )]
    cors_allow_origin: Vec<String>,

    /// How `Accept: text/event-stream` is answered
    #[arg(long, env = "BOXD_STREAM_DIALECT", value_enum, default_value = "auto", help_heading = "Streams")]
    stream_dialect: StreamDialect,

    /// Silence before a heartbeat, for all streams; longer than 0 [default: 10s SSE, 5s NDJSON of a start, 30s log streams]
    #[arg(long, env = "BOXD_HEARTBEAT_INTERVAL", value_name = "TIME", value_parser = positive_duration, help_heading = "Streams")]
    heartbeat_interval: Option<Duration>,

    /// Folder of the log files [env: SANDBOX_LOG_DIR too] [default: /var/log/boxd as root, else ~/.local/state/boxd/log]
    #[arg(long, env = "BOXD_LOG_DIR", value_name = "DIR", help_heading = "Logs")]
    log_dir: Option<PathBuf>,

    /// Bytes of output kept of each stream of a process, 0 for no limit [env: SANDBOX_MAX_LOG_FILE_BYTES too]
    /// [default: 33554432]
    #[arg(long, env = "BOXD_MAX_LOG_FILE_BYTES", value_name = "N", help_heading = "Logs")]
    max_log_file_bytes: Option<u64>,

    /// Bytes of output kept of all processes [env: SANDBOX_MAX_LOG_BYTES_TOTAL too] [default: 10 % of memory]
    #[arg(long, env = "BOXD_MAX_LOG_BYTES_TOTAL", value_name = "N", help_heading = "Logs")]
    max_log_bytes_total: Option<u64>,

    /// The same as a share of the host's memory [env: SANDBOX_MAX_LOG_PERCENT too] [default: 10]
    #[arg(long, env = "BOXD_MAX_LOG_PERCENT", value_name = "PERCENT", help_heading = "Logs")]
    max_log_percent: Option<u64>,

    /// Bytes of output held in memory, of all processes, while the disk takes none
    #[arg(long, env = "BOXD_MAX_LOG_MEMORY_BYTES", value_name = "N", default_value_t = 64 << 20, help_heading = "Logs")]
    max_log_memory_bytes: u64,

    /// Bytes of each stream shown inside a process object [env: SANDBOX_MAX_IN_MEMORY_LOG_BYTES too] [default: 65536]
    #[arg(long, env = "BOXD_MAX_INLINE_LOG_BYTES", value_name = "N", help_heading = "Logs")]
    max_inline_log_bytes: Option<u64>,

    /// Bytes of each stream shown by a waited start and by /logs [env: SANDBOX_MAX_LOGS_RESPONSE_BYTES too]
    /// [default: 4194304]
    #[arg(long, env = "BOXD_MAX_LOGS_RESPONSE_BYTES", value_name = "N", help_heading = "Logs")]
    max_logs_response_bytes: Option<u64>,

    /// User that commands and file operations are of, like Docker's USER: NAME or NUMBER, perhaps with :GROUP; not root
    /// [env: BL_SANDBOX_USER with BL_SANDBOX_USER_ENABLED too]
    #[arg(long, env = "BOXD_USER", value_name = "SPEC", help_heading = "Processes")]
    user: Option<String>,

    /// Folder that the file API sees; nothing beyond it can be reached by links or `..` (Linux 5.6)
    #[arg(long, env = "BOXD_ROOT", value_name = "DIR", help_heading = "Files")]
    root: Option<PathBuf>,

    /// Where relative paths of the file API begin [env: WORKDIR too] [default: the daemon's folder, or that of --root]
    #[arg(long, env = "BOXD_WORKING_DIR", value_name = "DIR", help_heading = "Files")]
    working_dir: Option<PathBuf>,

    /// Program that mounts drives
    #[arg(
        long,
        env = "BOXD_DRIVE_PROGRAM",
        value_name = "FILE",
        default_value = "/usr/local/bin/blfs",
        help_heading = "Files"
    )]
    drive_program: PathBuf,

    /// Time for a drive until it can be read; longer than 0
    #[arg(long, env = "BOXD_DRIVE_TIMEOUT", value_name = "TIME", value_parser = positive_duration, default_value = "30s", help_heading = "Files")]
    drive_timeout: Duration,

    /// Finished processes remembered, with their logs
    #[arg(
        long,
        env = "BOXD_MAX_FINISHED",
        value_name = "N",
        default_value_t = 1000,
        help_heading = "Processes"
    )]
    max_finished: usize,

    /// How long a finished process is remembered
    #[arg(long, env = "BOXD_FINISHED_AGE", value_name = "TIME", value_parser = duration, default_value = "24h", help_heading = "Processes")]
    finished_age: Duration,

    /// Shell that runs commands [env: SHELL too] [default: sh]
    #[arg(long, env = "BOXD_SHELL", value_name = "PROGRAM", help_heading = "Processes")]
    shell: Option<OsString>,

    /// Its arguments before the command, separated by blanks [env: SHELL_ARGS too] [default: -c]
    #[arg(
        long,
        env = "BOXD_SHELL_ARGS",
        value_name = "ARGS",
        allow_hyphen_values = true,
        help_heading = "Processes"
    )]
    shell_args: Option<String>,

    /// Command that is started with the daemon, in /, and ends with it; its output is the daemon's stderr
    #[arg(
        short,
        long,
        env = "BOXD_COMMAND",
        value_name = "COMMAND",
        allow_hyphen_values = true,
        help_heading = "Processes"
    )]
    command: Option<String>,

    /// Processes that run at one time [default: 4096, or half of what the host allows]
    #[arg(long, env = "BOXD_MAX_PROCESSES", value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Limits")]
    max_processes: Option<u32>,

    /// Streams that are followed at one time [default: half of --max-connections]
    #[arg(long, env = "BOXD_MAX_FOLLOWERS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Limits")]
    max_followers: Option<u32>,

    /// Connections at one time; 32 more are served one short request each [default: 8192, or half of the descriptors]
    #[arg(long, env = "BOXD_MAX_CONNECTIONS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Limits")]
    max_connections: Option<u32>,

    /// Bytes of the body of a process request
    #[arg(long, env = "BOXD_MAX_PROCESS_BODY_BYTES", value_name = "N", default_value_t = 16 << 20, help_heading = "Limits")]
    max_process_body_bytes: u64,

    /// Bytes of the body of a write to stdin
    #[arg(long, env = "BOXD_MAX_STDIN_BODY_BYTES", value_name = "N", default_value_t = 8 << 20, help_heading = "Limits")]
    max_stdin_body_bytes: u64,

    /// Bytes of the body of a request that writes files as JSON
    #[arg(long, env = "BOXD_MAX_JSON_FILE_BYTES", value_name = "N", default_value_t = 64 << 20, help_heading = "Limits")]
    max_json_file_bytes: u64,

    /// Bytes of a file that is written as it is, or of a part of one
    #[arg(long, env = "BOXD_MAX_UPLOAD_BYTES", value_name = "N", default_value_t = 64 << 30, help_heading = "Limits")]
    max_upload_bytes: u64,

    /// Bytes of all files that one archive is unpacked to
    #[arg(long, env = "BOXD_MAX_UNPACKED_BYTES", value_name = "N", default_value_t = 64 << 30, help_heading = "Limits")]
    max_unpacked_bytes: u64,

    /// How long an upload in parts is kept that nobody touches; longer than 0
    #[arg(long, env = "BOXD_MULTIPART_EXPIRY", value_name = "TIME", value_parser = positive_duration, default_value = "24h", help_heading = "Files")]
    multipart_expiry: Duration,

    /// Uploads in parts at one time
    #[arg(
        long,
        env = "BOXD_MAX_MULTIPART_UPLOADS",
        value_name = "N",
        default_value_t = 1000,
        help_heading = "Limits"
    )]
    max_multipart_uploads: usize,

    /// Bytes of the parts of all uploads together; they lie in the folder for temporary files
    #[arg(long, env = "BOXD_MAX_MULTIPART_BYTES", value_name = "N", default_value_t = 256 << 30, help_heading = "Limits")]
    max_multipart_bytes: u64,

    /// Terminals at one time
    #[arg(long, env = "BOXD_MAX_TERMINALS", value_name = "N", default_value_t = 64, help_heading = "Limits")]
    max_terminals: usize,

    /// How long a terminal lives that nobody looks at; longer than 0
    #[arg(long, env = "BOXD_TERMINAL_IDLE", value_name = "TIME", value_parser = positive_duration, default_value = "10m", help_heading = "Terminals")]
    terminal_idle: Duration,

    /// No terminals: their routes are not there [env: DISABLE_TERMINAL=true too]
    #[arg(long, env = "BOXD_NO_TERMINAL", value_parser = BoolishValueParser::new(), help_heading = "Terminals")]
    no_terminal: bool,

    /// Bytes of all request bodies held at one time
    #[arg(long, env = "BOXD_MAX_BODIES_BYTES", value_name = "N", default_value_t = 256 << 20, help_heading = "Limits")]
    max_bodies_bytes: u64,

    /// Time for the head of a request; longer than 0
    #[arg(long, env = "BOXD_HEADER_TIMEOUT", value_name = "TIME", value_parser = positive_duration, default_value = "30s", help_heading = "Limits")]
    header_timeout: Duration,

    /// Time without a byte of a request's body; longer than 0
    #[arg(long, env = "BOXD_BODY_TIMEOUT", value_name = "TIME", value_parser = positive_duration, default_value = "30s", help_heading = "Limits")]
    body_timeout: Duration,

    /// Time without a request on an open connection; longer than 0
    #[arg(long, env = "BOXD_IDLE_TIMEOUT", value_name = "TIME", value_parser = positive_duration, default_value = "120s", help_heading = "Limits")]
    idle_timeout: Duration,

    /// Time that open requests get to end after SIGTERM, unless a second one comes; 0 for none
    #[arg(long, env = "BOXD_DRAIN_TIMEOUT", value_name = "TIME", value_parser = duration, default_value = "10s", help_heading = "Daemon")]
    drain_timeout: Duration,

    /// Time that open streams and waits get to end when a worker is replaced; 0 for none
    #[arg(long, env = "BOXD_UPGRADE_DRAIN", value_name = "TIME", value_parser = duration, default_value = "10m", help_heading = "Daemon")]
    upgrade_drain: Duration,

    /// Threads that answer requests [default: the number of processors, 8 at most]
    #[arg(long, env = "BOXD_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Daemon")]
    threads: Option<u16>,

    /// Threads that store output
    #[arg(long, env = "BOXD_PUMP_THREADS", value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Daemon")]
    pump_threads: u16,

    /// Make no control groups: limits of memory and of processes are refused
    #[arg(long, env = "BOXD_NO_CGROUPS", value_parser = BoolishValueParser::new(), help_heading = "Processes")]
    no_cgroups: bool,

    /// Form of the daemon's own log lines
    #[arg(long, env = "BOXD_LOG_FORMAT", value_enum, default_value = "auto", help_heading = "Daemon")]
    log_format: LogFormat,

    /// Serve in one process: commands do not survive the end of it
    #[arg(long, env = "BOXD_NO_KEEPER", value_parser = BoolishValueParser::new(), help_heading = "Daemon")]
    no_keeper: bool,

    /// No log line for each request [env: DISABLE_REQUEST_LOGGING=true too]
    #[arg(long, env = "BOXD_NO_REQUEST_LOG", value_parser = BoolishValueParser::new(), help_heading = "Daemon")]
    no_request_log: bool,

    /// Understood for the known server's sake: boxd sends no telemetry
    #[arg(long, hide = true)]
    disable_telemetry: bool,
}

impl ServeArgs {
    /// Fills in what the known server's variables and the host say, and checks the rest.
    pub(super) fn into_config(self, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Config, String> {
        let known = Known { env };
        let port = match self.port {
            Some(port) => Some(port),
            None => known.number("PORT")?,
        };
        let mut listen: Vec<Listen> = self.listen.iter().copied().map(Listen::Address).collect();
        listen.extend(port.map(Listen::AllInterfaces));
        if listen.is_empty() {
            listen.push(Listen::Address(SocketAddr::from(([127, 0, 0, 1], 8080))));
        }
        let token = token(self.auth_token_file.as_deref(), &known)?;
        let retention = Retention {
            file_bytes_max: unlimited_if_zero(or(
                self.max_log_file_bytes,
                known.number("SANDBOX_MAX_LOG_FILE_BYTES")?,
                32 << 20,
            )),
            total_bytes_max: total_bytes(self.max_log_bytes_total, self.max_log_percent, &known)?,
            memory_bytes_max: self.max_log_memory_bytes,
            finished_max: self.max_finished,
            finished_age: self.finished_age,
        };
        let streams = self.streams(&known)?;
        let bounds = self.bounds();
        let (limits, uploads, terminals) = (self.limits(), self.uploads(), self.terminals(&known));
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
        Ok(Config {
            listen,
            access: Access {
                token,
                allow_hosts: self.allow_host,
                cors_allow_origins: self.cors_allow_origin,
            },
            limits,
            bounds,
            streams,
            retention,
            user: workload_user(self.user, &known)?,
            tunnel: known
                .text("BL_NETWORKING_CONFIG")
                .map(|config| Secret::new(config.to_string_lossy().into_owned())),
            uploads,
            terminals,
            codegen: codegen(&known)?,
            root: self.root,
            working_dir: self.working_dir.or_else(|| known.path("WORKDIR")),
            log_dir: self
                .log_dir
                .or_else(|| known.path("SANDBOX_LOG_DIR"))
                .unwrap_or_else(|| default_log_dir(&known)),
            shell: self.shell.or_else(|| known.text("SHELL")).unwrap_or_else(|| "sh".into()),
            shell_args: shell_args(self.shell_args, &known),
            threads: self.threads.map_or(processors, usize::from),
            pump_threads: usize::from(self.pump_threads),
            drain_timeout: self.drain_timeout,
            upgrade_drain: self.upgrade_drain,
            startup_command: self.command.filter(|command| !command.is_empty()),
            scale_file: known.path("BLAXEL_SCALE_FILE").unwrap_or_else(|| SCALE_FILE.into()),
            drive_program: self.drive_program,
            drive_timeout: self.drive_timeout,
            keep_alive_disabled: known.is_on("BL_DISABLE_KEEPALIVE"),
            control_groups: !self.no_cgroups,
            request_log: !(self.no_request_log || known.is_on("DISABLE_REQUEST_LOGGING")),
            server_timing: known.is_on("ENABLE_PROCESSING_TIME"),
            processes: if self.no_keeper { Processes::One } else { Processes::KeeperAndWorker },
            log_format: self.log_format,
        })
    }

    fn terminals(&self, known: &Known<'_>) -> TerminalLimits {
        TerminalLimits {
            is_enabled: !(self.no_terminal || known.is_on("DISABLE_TERMINAL")),
            sessions_max: self.max_terminals,
            idle: self.terminal_idle,
        }
    }

    fn limits(&self) -> RequestLimits {
        RequestLimits {
            process_body_bytes_max: self.max_process_body_bytes,
            stdin_body_bytes_max: self.max_stdin_body_bytes,
            json_file_body_bytes_max: self.max_json_file_bytes,
            upload_bytes_max: self.max_upload_bytes,
            unpacked_bytes_max: self.max_unpacked_bytes,
            bodies_bytes_max: self.max_bodies_bytes,
            header_timeout: self.header_timeout,
            body_timeout: self.body_timeout,
            idle_timeout: self.idle_timeout,
        }
    }

    fn uploads(&self) -> UploadLimits {
        UploadLimits {
            expiry: self.multipart_expiry,
            count_max: self.max_multipart_uploads,
            bytes_max: self.max_multipart_bytes,
        }
    }

    fn bounds(&self) -> Bounds {
        let set = |flag: Option<u32>| flag.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let connections_max = set(self.max_connections).unwrap_or_else(host::connections_max);
        Bounds {
            processes_max: set(self.max_processes).unwrap_or_else(host::processes_max),
            followers_max: set(self.max_followers).unwrap_or(connections_max.div_ceil(2)),
            connections_max,
        }
    }

    fn streams(&self, known: &Known<'_>) -> Result<Streams, String> {
        let beat = |default| self.heartbeat_interval.unwrap_or(default);
        Ok(Streams {
            dialect: self.stream_dialect,
            sse_heartbeat: beat(Duration::from_secs(10)),
            ndjson_heartbeat: beat(Duration::from_secs(5)),
            log_heartbeat: beat(Duration::from_secs(30)),
            inline_bytes_max: or(
                self.max_inline_log_bytes,
                known.number("SANDBOX_MAX_IN_MEMORY_LOG_BYTES")?,
                64 << 10,
            ),
            response_bytes_max: or(
                self.max_logs_response_bytes,
                known.number("SANDBOX_MAX_LOGS_RESPONSE_BYTES")?,
                4 << 20,
            ),
        })
    }
}
