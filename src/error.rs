//! `Error`: everything that can go wrong in the core, as nouns with fields.
//!
//! It knows no status code: `http/refusal.rs` holds the one table that turns an error into an answer. The text of an
//! error is written for the client who caused it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Result of a core operation.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// What the core answers when it cannot do what was asked.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// A running process has the name.
    #[error("process with name '{name}' already exists and is running")]
    NameInUse {
        /// The name that was asked for.
        name: String,
    },
    /// The host has no scale-to-zero that could be held off.
    #[error("keepAlive is not available for this sandbox: it is not included in your current plan")]
    KeepAliveDisabled,
    /// The folder to run in does not exist.
    #[error("failed to start process: could not execute command '{command}' because folder '{}' does not exist", folder.display())]
    FolderMissing {
        /// The command, as asked for.
        command: String,
        /// The folder, as resolved.
        folder: PathBuf,
    },
    /// The home folder is needed for `~` and not known.
    #[error("home directory not found")]
    HomeUnknown,
    /// The request cannot be given to the operating system.
    #[error("failed to start process: {what} contains a NUL byte")]
    ContainsNul {
        /// Which part of the request.
        what: &'static str,
    },
    /// The operating system refused to start the command.
    #[error("failed to start process: {action} {}: {source}", path.display())]
    Spawn {
        /// What was tried.
        action: &'static str,
        /// The program, folder or file it was tried on.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A limit has a value that no process could live with, or that is none.
    #[error("invalid limits.{limit}: {why}")]
    InvalidLimit {
        /// The field's name.
        limit: String,
        /// What is wrong with it.
        why: String,
    },
    /// The host cannot hold a limit for the daemon's user.
    #[error("the limit {limit} cannot be enforced here: {why}")]
    LimitUnavailable {
        /// The field's name.
        limit: &'static str,
        /// What is missing.
        why: String,
    },
    /// As many processes run as may.
    #[error("too many running processes (the bound is {max}); try again when one has ended")]
    TooManyProcesses {
        /// The bound.
        max: usize,
    },
    /// A terminal's shell could not be started. The words are the known server's.
    #[error("fork/exec {}: {}", program.display(), words(source))]
    Shell {
        /// As asked for.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no program of the name that was asked for as a terminal's shell.
    #[error("exec: \"{name}\": executable file not found in $PATH")]
    ShellUnknown {
        /// As asked for.
        name: String,
    },
    /// As many terminals are there as may be.
    #[error("too many terminals (the bound is {max}); try again when one has ended")]
    TooManyTerminals {
        /// The bound.
        max: usize,
    },
    /// As many clients look at terminals as may.
    #[error("too many viewers of terminals (the bound is {max}); try again when one has gone")]
    TooManyViewers {
        /// The bound.
        max: usize,
    },
    /// The daemon has too few descriptors left for one more process.
    #[error("too many open files for another process; try again when some have ended")]
    Descriptors,
    /// The process is over.
    #[error("process with Identifier {identifier} is not running")]
    NotRunning {
        /// The name or pid that was asked for.
        identifier: String,
    },
    /// There is no signal of that name or number.
    #[error("invalid signal: {signal}")]
    InvalidSignal {
        /// As asked for.
        signal: String,
    },
    /// A signal could not be sent.
    #[error("failed to send {signal} to process with Identifier {identifier}: {source}")]
    Signal {
        /// The signal's name.
        signal: String,
        /// The name or pid that was asked for.
        identifier: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The process was still waited for when its time was up.
    #[error("process timed out after {} seconds", after.as_secs())]
    TimedOut {
        /// The process's timeout.
        after: Duration,
    },
    /// The ports were still closed when the time was up.
    #[error("process timed out waiting for ports after {} seconds", after.as_secs())]
    PortsTimedOut {
        /// The process's timeout.
        after: Duration,
    },
    /// The process ended before it listened.
    #[error(
        "process exited with code {exit_code} before it listened on port {}{}",
        list(ports),
        tail(output)
    )]
    PortsNeverOpened {
        /// The exit code, −1 for a signal.
        exit_code: i32,
        /// The ports that were still closed.
        ports: Vec<u16>,
        /// The end of its output.
        output: String,
    },
    /// As many port callbacks are to be called as may.
    #[error("too many port monitors (the bound is {max}); try again when some have ended")]
    TooManyMonitors {
        /// The bound.
        max: usize,
    },
    /// The configuration of the tunnel makes no sense.
    #[error("invalid tunnel config: {why}")]
    InvalidTunnel {
        /// Why.
        why: String,
    },
    /// The tunnel cannot be set up.
    #[error("failed to apply tunnel config: failed to start WireGuard client: {why}")]
    TunnelFailed {
        /// Why.
        why: String,
    },
    /// There is no tunnel.
    #[error("no WireGuard client is running")]
    NoTunnel,
    /// A port number that does not exist.
    #[error("invalid port: {port}")]
    InvalidPort {
        /// The number as asked for.
        port: i64,
    },
    /// The process has no standard input of ours.
    #[error("process was started without stdin; start it with \"stdin\": true")]
    StdinNotOpened,
    /// Its standard input was closed.
    #[error("stdin is closed; restart the process to get a new one")]
    StdinClosed,
    /// The process reads too slowly or not at all.
    #[error("process is not reading its stdin")]
    StdinStalled,
    /// Writing to its standard input failed.
    #[error("failed to write to stdin: {source}")]
    StdinFailed {
        /// Why.
        source: io::Error,
    },
    /// The daemon is going away.
    #[error("the server is shutting down; the process is not ended")]
    ShuttingDown,
    /// Another worker has taken everything over.
    #[error("the server is being replaced; try again")]
    HandedOver,
    /// The upgrade that was asked for is none.
    #[error("invalid upgrade request: {why}")]
    InvalidUpgrade {
        /// Why.
        why: &'static str,
    },
    /// There is no keeper that could swap workers.
    #[error("the server runs without a keeper and cannot be upgraded")]
    NoKeeper,
    /// One upgrade at a time.
    #[error("an upgrade is in progress already")]
    UpgradeUnderWay,
    /// An operation on a file failed.
    #[error("{action} {}: {}", path.display(), words(source))]
    File {
        /// The system call's name, or what was tried.
        action: &'static str,
        /// As the client knows it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Bytes are wanted of something that has none, such as a FIFO.
    #[error("open {}: not a regular file but a {kind}", path.display())]
    NotRegular {
        /// As the client knows it.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A file is wanted.
    #[error("path is a directory, not a file")]
    IsFolder,
    /// What is no text would come back as something else.
    #[error("{} is not text in UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// There is no key of a provider.
    #[error(
        "codegen tools are not configured, follow this documentation to configure it: https://docs.blaxel.ai/Sandboxes/Codegen"
    )]
    CodegenUnconfigured,
    /// The provider of a model did not do what it was asked for.
    #[error("{why}")]
    Provider {
        /// In whole words.
        why: String,
    },
    /// Not a regular expression.
    #[error("invalid file pattern regex: {why}")]
    InvalidPattern {
        /// What is wrong with it.
        why: String,
    },
    /// A folder is wanted.
    #[error("path is not a directory")]
    NotFolder,
    /// As many watches of one user are open as the kernel allows, or as many descriptors.
    #[error("too many watches or open files (fs.inotify.max_user_instances); try again when some have ended")]
    TooManyWatchers,
    /// As many folders are watched as the kernel allows.
    #[error("too many watched folders: leave some out with `ignore`, or raise fs.inotify.max_user_watches")]
    TooManyWatches,
    /// It cannot be copied, or not to there.
    #[error("{why}: {}", path.display())]
    CopyRefused {
        /// Why.
        why: &'static str,
        /// What or where.
        path: PathBuf,
    },
    /// There is something already, and it was not to be replaced.
    #[error("{} already exists", path.display())]
    FileExists {
        /// As the client knows it.
        path: PathBuf,
    },
    /// The file is not the one that the client has seen.
    #[error("precondition failed: the file has changed or is not there")]
    PreconditionFailed,
    /// A mode that is none.
    #[error("invalid permissions format '{text}': {why}")]
    InvalidPermissions {
        /// As asked for.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// More than the client, or the daemon, wants to have at one time.
    #[error("{what} limit exceeded: {found}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// What was found, and where the limit is.
        found: String,
    },
    /// As many names are held for listings as may.
    #[error("too many large directories are listed at once; try again")]
    FilesBusy,
    /// It is no archive, or none that is unpacked.
    #[error("invalid archive: {why}")]
    BadArchive {
        /// What is wrong with it.
        why: String,
    },
    /// An archive becomes more than may be.
    #[error("the archive holds more than {max} {what}")]
    ArchiveTooLarge {
        /// Of what.
        what: &'static str,
        /// The bound.
        max: u64,
    },
    /// An export of what was changed on top of the image was asked for in a way that makes no sense.
    #[error("{why}")]
    InvalidExport {
        /// In the known server's words.
        why: String,
    },
    /// The device of an image cannot be looked at.
    #[error("image device {} is not available: {}", path.display(), words(source))]
    ImageDevice {
        /// As asked for.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing can be exported here.
    #[error("an archive cannot be exported here: {why}")]
    ExportUnavailable {
        /// What is missing.
        why: &'static str,
    },
    /// There is no such upload in parts, or no more.
    #[error("upload not found: {id}")]
    UploadNotFound {
        /// As asked for.
        id: String,
    },
    /// There are as many uploads in parts as may be.
    #[error("too many uploads (the bound is {max}); try again when one is completed or aborted")]
    TooManyUploads {
        /// The bound.
        max: usize,
    },
    /// The parts of all uploads are as many bytes as they may be.
    #[error("the parts of all uploads would be more than {bytes_max} bytes")]
    UploadsFull {
        /// The bound.
        bytes_max: u64,
    },
    /// A number that no part can have.
    #[error("part number must be between 1 and {max}")]
    InvalidPartNumber {
        /// The highest.
        max: u32,
    },
    /// The part has not come.
    #[error("part {number} not found")]
    PartNotFound {
        /// As asked for.
        number: i64,
    },
    /// The part is not the one that the client means.
    #[error("etag mismatch for part {number}")]
    EtagMismatch {
        /// Its number.
        number: i64,
    },
    /// What a client calls a drive, or a path for it, is none.
    #[error("{why}")]
    InvalidDrive {
        /// What is wrong with it.
        why: String,
    },
    /// A drive could not be mounted.
    #[error("Failed to mount drive: {why}")]
    MountFailed {
        /// Why.
        why: String,
    },
    /// What is mounted cannot be read.
    #[error("failed to list drives: {why}")]
    MountsUnreadable {
        /// Why.
        why: String,
    },
    /// Something is mounted where a drive was to be.
    #[error("Failed to mount drive: mount path already in use: {why}")]
    MountPathInUse {
        /// By what.
        why: String,
    },
    /// A drive could not be unmounted.
    #[error("Failed to unmount drive: {why}")]
    UnmountFailed {
        /// Why.
        why: String,
    },
    /// Only drives are unmounted.
    #[error("Failed to unmount drive: {} is occupied by a non-blfs mount", path.display())]
    NotDrive {
        /// As asked for.
        path: PathBuf,
    },
    /// The document of a reload makes no sense.
    #[error("{}: {why}", path.display())]
    BadMetadata {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The log of a process cannot be read.
    #[error("failed to read the log: {source}")]
    LogUnreadable {
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// An operation on a file that the kernel refused.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>, errno: rustix::io::Errno) -> Self {
        Self::File { action, path: path.into(), source: errno.into() }
    }

    /// The kernel's number of a failed operation on a file.
    pub(crate) fn file_errno(&self) -> Option<rustix::io::Errno> {
        match self {
            Self::File { source, .. } => rustix::io::Errno::from_io_error(source),
            _ => None,
        }
    }
}

/// The system's words for an error, as clients know them: without the number, and like the rest of a sentence.
pub(crate) fn words(source: &io::Error) -> String {
    let text = source.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn list(ports: &[u16]) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

fn tail(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!("; its output ends with: {output}") }
}
