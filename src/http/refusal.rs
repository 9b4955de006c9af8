//! `Refusal`: every answer that says no, and the one table of their statuses.
//!
//! The core's errors come in as they are; the rest belongs to HTTP. 5xx means our fault or the machine's trouble. 502, 503
//! and 504 are what the SDKs take for a gateway, so only what truly is "try again" uses 503.

use super::guard::TurnedAway;
use super::target::BadTarget;
use crate::error::Error;
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
    /// The number of seconds to wait is none.
    InvalidTimeout(String),
    /// The number of seconds until the kill is none.
    InvalidGrace(String),
    /// The cursor is not one of this log.
    InvalidCursor(String),
    /// The request target is malformed.
    Target(BadTarget),
    /// HTTP/1.1 wants exactly one `Host`.
    Host,
    /// The caller may not come in.
    TurnedAway(TurnedAway),
    /// A handler panicked.
    Panic,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Core(error)
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
            Self::InvalidBody(_)
            | Self::BodyCut(_)
            | Self::InvalidTimeout(_)
            | Self::InvalidGrace(_)
            | Self::InvalidCursor(_)
            | Self::Target(_)
            | Self::Host => 400,
            Self::TurnedAway(TurnedAway::Token) => 401,
            Self::TurnedAway(TurnedAway::Host(_) | TurnedAway::Origin(_) | TurnedAway::CrossSite) => 403,
            Self::NoSuchProcess
            | Self::NoSuchPid(_)
            | Self::NoSuchIdentifier(_)
            | Self::NoSuchLowercaseIdentifier(_) => 404,
            Self::BodySlow => 408,
            Self::BodyTooLarge(_) => 413,
            Self::Panic => 500,
            Self::Busy | Self::TooManyFollowers(_) | Self::Standing | Self::BodyAtShutdown => 503,
        }
    }

    /// What the client reads.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Core(error) => error.to_string(),
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
                "cross-site requests are refused: allow the origin with --cors-allow-origin".to_owned()
            }
            Self::Panic => "internal error".to_owned(),
        }
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Vec<u8> {
        json::to_vec(&ErrorResponse { error: self.text() })
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
        | Error::InvalidSignal { .. } => 400,
        Error::NotRunning { .. } | Error::Signal { .. } => 404,
        Error::StdinNotOpened | Error::StdinClosed | Error::NoKeeper | Error::UpgradeUnderWay => 409,
        Error::FolderMissing { .. }
        | Error::ContainsNul { .. }
        | Error::Spawn { .. }
        | Error::LimitUnavailable { .. }
        | Error::TimedOut { .. }
        | Error::PortsTimedOut { .. }
        | Error::PortsNeverOpened { .. } => 422,
        Error::StdinFailed { .. } | Error::LogUnreadable { .. } => 500,
        Error::TooManyProcesses { .. }
        | Error::Descriptors
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
    let body = json::to_vec(&ErrorResponse { error: text.to_owned() });
    let retry = if status == 503 { "Retry-After: 1\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json; charset=utf-8\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Length: {}\r\n{retry}Connection: close\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}
