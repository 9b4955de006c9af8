//! `Trouble`: why a request does not get an answer from the server behind a port.

use std::fmt;

/// See the module. The statuses are in `refusal.rs`.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// No port has this number.
    NoPort(String),
    /// The request would come back here.
    OwnPort(u16),
    /// Nobody listens.
    NobodyListens(u16),
    /// Whoever listens takes no connection.
    Stalled(u16),
    /// There is no connection to it for another reason.
    Unreachable(u16, std::io::Error),
    /// What comes from there is no answer, or not a whole head of one.
    NoAnswer(u16, String),
    /// As many connections are passed on as may.
    TooMany(usize),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPort(text) => write!(f, "invalid port: {text}"),
            Self::OwnPort(port) => write!(f, "port {port} is this server's own: the request would come back"),
            Self::NobodyListens(port) => write!(f, "nothing listens on port {port}"),
            Self::Stalled(port) => write!(f, "port {port} takes no connection"),
            Self::Unreachable(port, error) => write!(f, "port {port} cannot be reached: {error}"),
            Self::NoAnswer(port, why) => write!(f, "port {port} gave no answer: {why}"),
            Self::TooMany(max) => {
                write!(f, "too many proxied connections (the bound is {max}); try again when one has ended")
            }
        }
    }
}
