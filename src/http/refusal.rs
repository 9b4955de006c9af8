//! `Refusal`: every answer that says no, and the one table of their statuses.
//!
//! The core's errors come in as they are; the rest belongs to HTTP. 5xx means our fault or the machine's trouble. 502, 503
//! and 504 are what the SDKs take for a gateway, so only what truly is "try again" uses 503.

use rustix::io::Errno;

use super::guard::TurnedAway;
use super::port_proxy::Trouble;
use super::target::BadTarget;
use crate::error::Error;
use crate::mcp::Unacceptable;
use crate::wire::decode::DecodeError;
use crate::wire::json;
use crate::wire::system::ErrorResponse;

/// Why a request is not done.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The core says no.
    Core(Error),
    /// The body is not what it should be.
    InvalidBody(DecodeError),
    /// The body did not come to its end.
    BodyCut(std::io::Error),
    /// The body did not go on.
    BodySlow,
    /// The body had not come to its end when the daemon began to go away.
    BodyAtShutdown,
    /// The body is larger than this many bytes.
    BodyTooLarge(u64),
    /// All bodies together are larger than the daemon holds.
    Busy,
    /// As many streams are followed as may: this many.
    TooManyFollowers(usize),
    /// All seats are taken, and the request is one that waits.
    Standing,
    /// No process of this name or pid, in the words of `GET /process/{id}`.
    NoSuchProcess,
    /// The same in the words of `GET /process/{id}/logs`.
    NoSuchPid(String),
    /// The same in the words of stop, kill and the log stream.
    NoSuchIdentifier(String),
    /// The same in the words of stdin and wait.
    NoSuchLowercaseIdentifier(String),
    /// The pid is no integer.
    InvalidPid,
    /// The number of seconds to wait is none.
    InvalidTimeout(String),
    /// The number of seconds until the kill is none.
    InvalidGrace(String),
    /// The cursor is not one of this log.
    InvalidCursor(String),
    /// Something about a file, and what was being done with it.
    File(Doing, Error),
    /// A parameter of the query has a value that is none: the name and the value.
    InvalidParameter(&'static str, String),
    /// A parameter of the query, or a field of a form, is missing or makes no sense: in whole words.
    BadRequest(String),
    /// A form breaks off in the middle of a field.
    FormCut,
    /// The same in the middle of the file that it brings.
    FileCut,
    /// The same of one that brings a part of an upload.
    PartCut,
    /// A tree was to be removed, and it is a file.
    NotATree,
    /// No byte of the file is in a range that was asked for.
    Range {
        /// The words.
        text: &'static str,
        /// Bytes of the file.
        size: u64,
    },
    /// The request target is malformed.
    Target(BadTarget),
    /// HTTP/1.1 wants exactly one `Host`.
    Host,
    /// The server behind a port gives no answer.
    Port(Trouble),
    /// The caller may not come in.
    TurnedAway(TurnedAway),
    /// Not what MCP wants; answered in plain text.
    Mcp(McpRefusal),
    /// A handler panicked.
    Panic,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        Self::Port(trouble)
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self::InvalidBody(error)
    }
}

impl Refusal {
    /// The table.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Core(error) => core_status(error),
            Self::File(doing, error) => file_status(doing, error),
            Self::Port(trouble) => port_status(trouble),
            Self::InvalidBody(_)
            | Self::BodyCut(_)
            | Self::InvalidPid
            | Self::InvalidTimeout(_)
            | Self::InvalidGrace(_)
            | Self::InvalidCursor(_)
            | Self::InvalidParameter(..)
            | Self::BadRequest(_)
            | Self::Mcp(McpRefusal::Accept | McpRefusal::Version | McpRefusal::Message(_))
            | Self::FormCut
            | Self::Target(_)
            | Self::Host => 400,
            Self::TurnedAway(TurnedAway::Token) => 401,
            Self::TurnedAway(TurnedAway::Host(_) | TurnedAway::Origin(_) | TurnedAway::CrossSite) => 403,
            Self::NoSuchProcess
            | Self::NoSuchPid(_)
            | Self::NoSuchIdentifier(_)
            | Self::NoSuchLowercaseIdentifier(_) => 404,
            Self::NotATree | Self::FileCut => 422,
            Self::Range { .. } => 416,
            Self::Mcp(McpRefusal::NoStream) => 405,
            Self::Mcp(McpRefusal::ContentType) => 415,
            Self::BodySlow => 408,
            Self::BodyTooLarge(_) => 413,
            // The known server's: a part that breaks off is its own trouble.
            Self::PartCut | Self::Panic => 500,
            Self::Busy | Self::TooManyFollowers(_) | Self::Standing | Self::BodyAtShutdown => 503,
        }
    }

    /// What the client reads.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Core(error) => error.to_string(),
            Self::Port(trouble) => trouble.to_string(),
            Self::File(Doing::Deleting, error) if error.file_errno() == Some(Errno::NOENT) => {
                "file or directory not found".to_owned()
            }
            Self::File(doing, error) => format!("{}{error}", doing.prefix(error)),
            Self::InvalidParameter(name, value) => format!("invalid {name}: {value}"),
            Self::BadRequest(text) => text.clone(),
            Self::NotATree => "error deleting directory: path points to a file, not a directory".to_owned(),
            Self::FormCut => "error reading multipart part: unexpected EOF".to_owned(),
            Self::FileCut => "error writing binary file: unexpected EOF".to_owned(),
            Self::PartCut => "failed to upload part: failed to write part: unexpected EOF".to_owned(),
            Self::Range { text, .. } => (*text).to_owned(),
            Self::InvalidBody(error) => format!("invalid request body: {error}"),
            Self::BodyCut(error) => format!("request body could not be read: {error}"),
            Self::BodySlow => "request body took too long".to_owned(),
            Self::BodyAtShutdown => "the server is shutting down; try again".to_owned(),
            Self::BodyTooLarge(max) => format!("http: request body too large (more than {max} bytes)"),
            Self::Busy => "too many request bodies at once; try again".to_owned(),
            Self::TooManyFollowers(max) => {
                format!("too many followed streams (the bound is {max}); try again when one has ended")
            }
            Self::Standing => "too many connections for a request that waits; try again".to_owned(),
            Self::NoSuchProcess => "process not found".to_owned(),
            Self::NoSuchPid(id) => format!("process with PID {id} not found"),
            Self::NoSuchIdentifier(id) => format!("process with Identifier {id} not found"),
            Self::NoSuchLowercaseIdentifier(id) => format!("process with identifier {id} not found"),
            Self::InvalidPid => "invalid PID".to_owned(),
            Self::InvalidTimeout(text) => format!("invalid timeout: {text}"),
            Self::InvalidGrace(text) => format!("invalid grace: {text}"),
            Self::InvalidCursor(text) => format!("invalid cursor: {text}"),
            Self::Target(BadTarget::PercentEscape) => "invalid percent escape in the request path".to_owned(),
            Self::Target(BadTarget::Form) => "invalid request target".to_owned(),
            Self::Host => "exactly one Host header is required".to_owned(),
            Self::TurnedAway(TurnedAway::Token) => "a valid token is required".to_owned(),
            Self::TurnedAway(TurnedAway::Host(host)) => {
                format!("invalid Host header `{host}`: allow it with --allow-host")
            }
            Self::TurnedAway(TurnedAway::Origin(origin)) => {
                format!("requests from the origin `{origin}` are refused: allow it with --cors-allow-origin")
            }
            Self::TurnedAway(TurnedAway::CrossSite) => {
                "cross-origin requests are refused: allow the origin with --cors-allow-origin".to_owned()
            }
            Self::Mcp(why) => why.to_string(),
            Self::Panic => "internal error".to_owned(),
        }
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Vec<u8> {
        let code = match self {
            Self::Core(Error::FileExists { .. }) | Self::File(_, Error::FileExists { .. }) => {
                Some("FILE_ALREADY_EXISTS")
            }
            _ => None,
        };
        json::to_vec(&ErrorResponse { error: self.text(), code })
    }
}

/// Why a request is none of MCP's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum McpRefusal {
    /// It is no JSON.
    #[error("Content-Type must be 'application/json'")]
    ContentType,
    /// The client does not take what the protocol may answer.
    #[error("Accept must contain both 'application/json' and 'text/event-stream'")]
    Accept,
    /// A version of the protocol that is not known.
    #[error("Bad Request: Unsupported protocol version (supported versions: {})", crate::mcp::VERSIONS.join(","))]
    Version,
    /// There is no stream.
    #[error("SSE streaming not supported. Please use POST for MCP communication.")]
    NoStream,
    /// The body is no message.
    #[error("{0}")]
    Message(Unacceptable),
}

/// What was being done with a file when it failed: the words before the error, and what a missing file means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Asking what it is, or reading it into JSON.
    Reading,
    /// Reading it as it is.
    Opening,
    /// Listing a folder.
    Listing,
    /// Writing it.
    Writing,
    /// Writing what a form brought.
    Uploading,
    /// Making a folder.
    MakingFolder,
    /// Making the folder of a tree.
    MakingRoot,
    /// Writing a file of a tree, and making the folders above it.
    WritingTree,
    /// Removing whatever it is.
    Deleting,
    /// Removing a file.
    DeletingFile,
    /// Removing a folder.
    DeletingFolder,
    /// Copying to this destination.
    Copying(String),
    /// Looking for names.
    Finding,
    /// A part of an upload in parts.
    TakingPart,
    /// Making the file of an upload in parts.
    Assembling,
    /// Unpacking an archive.
    Unpacking,
    /// Changing it by a model.
    Applying,
    /// Ranking files by a model.
    Ranking,
    /// Looking after the folder of uploads in parts.
    KeepingUploads,
    /// Reading the document of a reload.
    Reloading,
    /// Anything else: the error says it all.
    Other,
}

impl Doing {
    fn prefix(&self, error: &Error) -> String {
        let text = match self {
            Self::TakingPart => match error {
                Error::File { .. } => "failed to upload part: failed to write part: ",
                _ => "failed to upload part: ",
            },
            Self::Assembling => match error {
                Error::PartNotFound { .. } | Error::EtagMismatch { .. } => "failed to complete upload: ",
                Error::File { .. } | Error::NotRegular { .. } => {
                    "failed to complete upload: failed to create final file: "
                }
                _ => "",
            },
            // What the client got wrong has a sentence of its own.
            _ if !matches!(
                error,
                Error::File { .. } | Error::CopyRefused { .. } | Error::NotRegular { .. }
            ) =>
            {
                ""
            }
            Self::Copying(destination) => return format!("error copying destination {destination}: "),
            Self::Listing => "error listing directory: ",
            Self::Opening => "error opening file: ",
            Self::WritingTree if matches!(error, Error::File { action: "mkdir", .. }) => {
                "error creating parent directory: "
            }
            Self::Writing | Self::WritingTree => "error writing file: ",
            Self::Uploading => "error writing binary file: ",
            Self::MakingFolder => "error creating directory: ",
            Self::MakingRoot => "error creating root directory: ",
            Self::DeletingFile => "error deleting file: ",
            Self::DeletingFolder => "error deleting directory: ",
            Self::Finding => "error walking directory: ",
            Self::Ranking => "failed to read directory: ",
            Self::Unpacking => "error extracting archive: ",
            Self::KeepingUploads => "failed to access uploads: ",
            // Its file is both read and written.
            Self::Reading | Self::Deleting | Self::Applying | Self::Reloading | Self::Other => "",
        };
        text.to_owned()
    }
}

/// The part of the table for files. What is not there is 404 where a file was asked for, and 422 where it is in the way of
/// something else.
fn file_status(doing: &Doing, error: &Error) -> u16 {
    match error.file_errno() {
        Some(Errno::NOSPC | Errno::DQUOT) => 507,
        Some(Errno::MFILE | Errno::NFILE) => 503,
        // The file is the platform's, so whatever is wrong with it is no fault of the client's.
        Some(Errno::NOENT) if matches!(doing, Doing::Reloading) => 404,
        _ if matches!((doing, error), (Doing::Reloading, Error::File { .. })) => 500,
        // As the known server has it, whatever it is.
        errno if is_trouble_of_uploads(doing, error, errno) => 500,
        Some(Errno::NOENT) => match doing {
            Doing::Reading | Doing::Opening | Doing::Listing | Doing::Deleting => 404,
            Doing::Finding => 500,
            _ => 422,
        },
        Some(Errno::IO | Errno::NOMEM) => 500,
        Some(_) => 422,
        None => core_status(error),
    }
}

/// The part of the table for the port proxy, which is a gateway.
fn port_status(trouble: &Trouble) -> u16 {
    match trouble {
        Trouble::NoPort(_) => 400,
        Trouble::NobodyListens(_) | Trouble::NoAnswer(..) => 502,
        Trouble::Unreachable(_, error) => match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => 503,
            _ => 502,
        },
        Trouble::TooMany(_) => 503,
        Trouble::Stalled(_) => 504,
        Trouble::OwnPort(_) => 508,
    }
}

/// Whether the known server calls it its own trouble.
fn is_trouble_of_uploads(doing: &Doing, error: &Error, errno: Option<Errno>) -> bool {
    match doing {
        Doing::TakingPart => errno.is_some() || matches!(error, Error::UploadNotFound { .. }),
        Doing::Assembling => errno.is_some() || matches!(error, Error::NotRegular { .. }),
        Doing::KeepingUploads => errno.is_some(),
        _ => false,
    }
}

fn core_status(error: &Error) -> u16 {
    match error {
        Error::NameInUse { .. }
        | Error::KeepAliveDisabled
        | Error::HomeUnknown
        | Error::InvalidPort { .. }
        | Error::InvalidUpgrade { .. }
        | Error::InvalidLimit { .. }
        | Error::InvalidSignal { .. }
        | Error::InvalidPermissions { .. }
        | Error::NoTunnel
        | Error::NotFolder
        | Error::IsFolder
        | Error::InvalidDrive { .. }
        | Error::InvalidExport { .. }
        | Error::ImageDevice { .. }
        | Error::CodegenUnconfigured => 400,
        Error::NotRunning { .. } | Error::Signal { .. } | Error::UploadNotFound { .. } => 404,
        Error::PreconditionFailed => 412,
        Error::FileExists { .. }
        | Error::StdinNotOpened
        | Error::StdinClosed
        | Error::NoKeeper
        | Error::MountPathInUse { .. }
        | Error::NotDrive { .. }
        | Error::UpgradeUnderWay => 409,
        Error::FolderMissing { .. }
        | Error::ContainsNul { .. }
        | Error::Spawn { .. }
        | Error::Shell { .. }
        | Error::ShellUnknown { .. }
        | Error::LimitUnavailable { .. }
        | Error::TimedOut { .. }
        | Error::PortsTimedOut { .. }
        | Error::PortsNeverOpened { .. }
        | Error::File { .. }
        | Error::NotRegular { .. }
        | Error::CopyRefused { .. }
        | Error::BadArchive { .. }
        | Error::InvalidTunnel { .. }
        | Error::TooMuch { .. }
        | Error::NotText { .. }
        | Error::Provider { .. }
        | Error::InvalidPattern { .. } => 422,
        Error::ArchiveTooLarge { .. } => 413,
        // Uploads in parts and the export have the known server's.
        Error::StdinFailed { .. }
        | Error::TunnelFailed { .. }
        | Error::LogUnreadable { .. }
        | Error::BadMetadata { .. }
        | Error::MountFailed { .. }
        | Error::MountsUnreadable { .. }
        | Error::UnmountFailed { .. }
        | Error::InvalidPartNumber { .. }
        | Error::PartNotFound { .. }
        | Error::EtagMismatch { .. }
        | Error::ExportUnavailable { .. } => 500,
        Error::TooManyWatches | Error::UploadsFull { .. } => 507,
        Error::TooManyProcesses { .. }
        | Error::TooManyTerminals { .. }
        | Error::TooManyViewers { .. }
        | Error::TooManyWatchers
        | Error::TooManyMonitors { .. }
        | Error::TooManyUploads { .. }
        | Error::Descriptors
        | Error::FilesBusy
        | Error::StdinStalled
        | Error::ShuttingDown
        | Error::HandedOver => 503,
    }
}

/// A whole answer for a request whose head could not be read: there is no request to answer through the application.
pub(crate) fn raw_answer(status: u16) -> Vec<u8> {
    let (reason, text) = match status {
        408 => ("Request Timeout", "request header took too long"),
        414 => ("URI Too Long", "request target too long"),
        431 => ("Request Header Fields Too Large", "request header too large"),
        503 => ("Service Unavailable", "the server is shutting down; try again"),
        505 => ("HTTP Version Not Supported", "HTTP version not supported"),
        501 => ("Not Implemented", "not implemented"),
        _ => ("Bad Request", "malformed request"),
    };
    let status = if reason == "Bad Request" { 400 } else { status };
    let body = json::to_vec(&ErrorResponse { error: text.to_owned(), code: None });
    let retry = if status == 503 { "Retry-After: 1\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json; charset=utf-8\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Length: {}\r\n{retry}Connection: close\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}
