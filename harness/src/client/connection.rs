//! One TCP connection: bytes out, bytes in, each wait bounded.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{ClientError, Deadline};
use crate::{
    target::Target,
    wire_log::{Line, Way},
};

/// A request longer than this is written by a thread of its own, so that an answer which comes before the server has
/// read it all (a 413) is still seen.
const INLINE_BYTES_MAX: usize = 32 * 1024;

/// How much one read takes.
const READ_BYTES_MAX: usize = 64 * 1024;

/// A connection and what came over it without being used yet.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    pub(super) unread: Vec<u8>,
    buffer: Vec<u8>,
    ended: bool,
    writer: Option<JoinHandle<()>>,
    log: Option<Line>,
}

impl Connection {
    /// Connects to the first address of the target that answers.
    pub(crate) fn open(target: &Target, deadline: &Deadline) -> Result<Self, ClientError> {
        let failed = |source| ClientError::Connect { authority: target.authority().to_owned(), source };
        let mut last = std::io::Error::from(ErrorKind::AddrNotAvailable);
        for address in target.addresses().map_err(failed)? {
            match target.connect(address, deadline.left("a connection")?) {
                Ok(stream) => {
                    // Each write of a fixture is to leave at once, in a packet of its own.
                    stream.set_nodelay(true).map_err(failed)?;
                    let buffer = vec![0; READ_BYTES_MAX];
                    let log = target.log().map(crate::wire_log::WireLog::connection);
                    return Ok(Self { stream, unread: Vec::new(), buffer, ended: false, writer: None, log });
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    /// Writes all of it. A server that stops reading and closes is no error here: its answer says why.
    pub(crate) fn write(&mut self, bytes: &[u8], deadline: &Deadline) -> Result<(), ClientError> {
        if let Some(writer) = self.writer.take() {
            // What comes next must not overtake it; its time-out bounds the wait.
            writer.join().expect("writing bytes has no way to panic but a bug of the harness");
        }
        let mut stream = self.stream.try_clone().map_err(ClientError::Send)?;
        self.note(Way::Sent, bytes);
        let left = deadline.left("the request to be sent")?;
        stream.set_write_timeout(Some(left)).map_err(ClientError::Send)?;
        if bytes.len() > INLINE_BYTES_MAX {
            let bytes = bytes.to_vec();
            self.writer = Some(thread::spawn(move || {
                // The answer, or its absence, tells more than this error.
                let _sent: bool = stream.write_all(&bytes).is_ok();
            }));
            return Ok(());
        }
        match stream.write_all(bytes) {
            Err(error) if !is_closed(&error) => Err(ClientError::Send(error)),
            _ => Ok(()),
        }
    }

    /// Waits for more bytes; `false` when the server has closed its half, or reset the connection.
    pub(crate) fn read(&mut self, what: &str, deadline: &Deadline) -> Result<bool, ClientError> {
        if self.ended {
            return Ok(false);
        }
        loop {
            self.stream.set_read_timeout(Some(deadline.left(what)?)).map_err(ClientError::Send)?;
            match self.stream.read(&mut self.buffer) {
                Ok(0) => self.ended = true,
                Ok(read) => {
                    self.note(Way::Received, &self.buffer[..read]);
                    self.unread.extend_from_slice(&self.buffer[..read]);
                }
                Err(error) if is_closed(&error) => self.ended = true,
                Err(error) if is_early(&error) => continue,
                Err(error) => return Err(ClientError::Malformed(error.to_string())),
            }
            if self.ended {
                self.note(Way::Ended, &[]);
            }
            return Ok(!self.ended);
        }
    }

    /// Gives back bytes that were read as another protocol's: they come first again.
    pub(crate) fn put_back(&mut self, mut bytes: Vec<u8>) {
        bytes.append(&mut self.unread);
        self.unread = bytes;
    }

    fn note(&self, way: Way, bytes: &[u8]) {
        if let Some(log) = &self.log {
            log.note(way, bytes);
        }
    }

    /// Lets the kernel take little that nobody has read yet: less, and its windows make the connection crawl.
    pub(crate) fn narrow(&self) -> Result<(), ClientError> {
        const BYTES: usize = 64 * 1024;
        rustix::net::sockopt::set_socket_recv_buffer_size(&self.stream, BYTES)
            .map_err(|error| ClientError::Send(error.into()))
    }

    /// Closes the sending half.
    pub(crate) fn close_sending(&self) -> Result<(), ClientError> {
        self.stream.shutdown(Shutdown::Write).map_err(ClientError::Send)
    }

    /// Drops the connection; with `reset`, by RST instead of FIN.
    pub(crate) fn close(self, reset: bool) {
        if reset {
            // Without the option this is an ordinary close, which the case then reports by what the server does.
            let linger = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
            debug_assert!(linger.is_ok(), "SO_LINGER is known on every Linux socket");
        }
        drop(self.stream);
    }
}

fn is_closed(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted)
}

/// The time-out of the socket, which the deadline turns into a sentence, or a signal.
fn is_early(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
