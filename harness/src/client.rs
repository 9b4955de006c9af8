//! A small blocking HTTP/1.1 client that hides nothing.
//!
//! Built on std sockets, because a test of a server's wire needs to see and to do what a proper client library rightly
//! hides: the framing, a body that was cut, bytes that are no HTTP, a half-closed connection, a reset. It knows nothing of
//! the API. Every wait is bounded by a [`Deadline`]; time out is an error that says what was waited for.

mod body;
mod connection;
mod deadline;
mod exchange;
mod head;
mod request;
mod socket;

pub(crate) use self::{
    body::{BodyDecoder, Ending},
    connection::Connection,
    deadline::Deadline,
    exchange::Exchange,
    head::Head,
    request::Request,
    socket::{Heard, Opcode, Socket, masked},
};

/// What kept a request from getting its answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("no connection to {authority}: {source}")]
    Connect { authority: String, source: std::io::Error },
    #[error("the request could not be sent: {0}")]
    Send(std::io::Error),
    #[error("timed out: waited {waited_ms} ms for {what}")]
    TimedOut { what: String, waited_ms: u128 },
    #[error("the answer is no HTTP/1.1: {0}")]
    Malformed(String),
}
