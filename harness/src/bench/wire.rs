//! `Wire`: a client lean enough to measure with.
//!
//! One kept connection, one request at a time. An answer's bytes stay as they came in one buffer, which is written to once
//! before anything is timed, so that no page of it has to be found meanwhile; what they mean is worked out afterwards. It
//! trusts the server more than the harness's other client does: the end of a chunked answer is seen by its last bytes,
//! which no JSON can contain.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::{
    client::{BodyDecoder, Head},
    target::Target,
};

/// Nothing measured here is silent for so long.
const SILENCE_MAX: Duration = Duration::from_mins(2);
/// The end of a chunk, and the last chunk.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// A connection and the answer that is read from it.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    framing: Framing,
    status: u16,
}

/// How the end of an answer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// The head isn't whole yet.
    Head,
    /// So many bytes, head included.
    Length(usize),
    Chunked,
    UntilClose,
    Closed,
}

impl Wire {
    /// Connects, with room for an answer of so many bytes; larger ones make the buffer grow.
    pub(crate) fn connect(target: &Target, room: usize) -> io::Result<Self> {
        let socket = TcpStream::connect(&target.addresses()?[..])?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(SILENCE_MAX))?;
        Ok(Self { socket, buffer: vec![b'.'; room], filled: 0, framing: Framing::Head, status: 0 })
    }

    /// Sends a request and forgets the last answer.
    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        (self.filled, self.framing, self.status) = (0, Framing::Head, 0);
        self.socket.write_all(request)
    }

    /// Sends a request and reads its answer, which has to be a 200.
    pub(crate) fn call(&mut self, request: &[u8]) -> io::Result<()> {
        self.send(request)?;
        self.finish()
    }

    /// Reads once; `false` when the answer is whole.
    pub(crate) fn read(&mut self) -> io::Result<bool> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, b'.');
        }
        let read = loop {
            match self.socket.read(&mut self.buffer[self.filled..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        if read == 0 {
            if self.framing != Framing::UntilClose {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server cut an answer"));
            }
            self.framing = Framing::Closed;
        }
        self.filled += read;
        self.goes_on()
    }

    /// Reads until the head and these bytes are there.
    pub(crate) fn read_until(&mut self, part: &[u8]) -> io::Result<()> {
        while self.framing == Framing::Head || !contains(self.raw(), part) {
            if !self.read()? && !contains(self.raw(), part) {
                let part = String::from_utf8_lossy(part);
                return Err(io::Error::other(format!(
                    "the answer ended without `{part}`: {}",
                    self.excerpt()
                )));
            }
        }
        Ok(())
    }

    /// Reads the rest of the answer, which has to be a 200.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        while self.goes_on()? && self.read()? {}
        if self.status == 200 {
            return Ok(());
        }
        Err(io::Error::other(format!("the server answered {}: {}", self.status, self.excerpt())))
    }

    /// Waits until the server has sent something, and leaves it where it is.
    pub(crate) fn await_unread(&self) -> io::Result<()> {
        self.socket.peek(&mut [0]).map(drop)
    }

    /// What was read of the answer, as it came.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// The body of the answer without its framing.
    pub(crate) fn body(&self) -> io::Result<Vec<u8>> {
        let malformed = || io::Error::other("the answer is not whole");
        let (head, length) = Head::parse(self.raw()).map_err(io::Error::other)?.ok_or_else(malformed)?;
        let mut decoder = BodyDecoder::new("GET", &head).map_err(io::Error::other)?;
        let (mut unread, mut body) = (self.raw()[length..].to_vec(), Vec::with_capacity(self.filled));
        decoder.decode(&mut unread, &mut body).map_err(io::Error::other)?;
        let is_whole = matches!(decoder, BodyDecoder::Done | BodyDecoder::UntilClose) && unread.is_empty();
        is_whole.then_some(body).ok_or_else(malformed)
    }

    fn goes_on(&mut self) -> io::Result<bool> {
        if self.framing == Framing::Head
            && let Some((head, length)) =
                Head::parse(&self.buffer[..self.filled]).map_err(io::Error::other)?
        {
            self.status = head.status;
            self.framing = match BodyDecoder::new("GET", &head).map_err(io::Error::other)? {
                BodyDecoder::Length(body) => {
                    Framing::Length(length + usize::try_from(body).map_err(io::Error::other)?)
                }
                BodyDecoder::UntilClose => Framing::UntilClose,
                BodyDecoder::Done => Framing::Length(length),
                _ => Framing::Chunked,
            };
        }
        Ok(match self.framing {
            Framing::Head | Framing::UntilClose => true,
            Framing::Length(end) => self.filled < end,
            Framing::Chunked => !self.raw().ends_with(LAST_CHUNK),
            Framing::Closed => false,
        })
    }

    fn excerpt(&self) -> String {
        const BYTES: usize = 600;
        String::from_utf8_lossy(&self.raw()[..self.filled.min(BYTES)]).into_owned()
    }
}

/// Whether the bytes have this part. For short texts.
fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
