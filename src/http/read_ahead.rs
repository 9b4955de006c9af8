//! `ReadAhead`: what a client has sent behind the request in work, taken from the socket so that its end of input is seen.
//!
//! hyper does not read on while bytes of the next request stand in its buffer, and whoever does not read is not told that
//! the client has left. So while a stream or a wait is in work and hyper does not read, this reads in its place: what comes
//! is kept for hyper, in order and `BYTES_MAX` at most. A client that has sent more than that unasked is noticed when its
//! answer is written.

use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use async_io::Async;
use rustix::io::Errno;
use rustix::net::RecvFlags;

/// The most bytes that are kept.
const BYTES_MAX: usize = 64 * 1024;

/// Bytes taken from the socket by one call.
const READ_BYTES: usize = 4 * 1024;

/// Shared by the socket as hyper reads it and the connection's task.
#[derive(Debug, Default)]
pub(crate) struct ReadAhead {
    /// Held for a few lines.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    bytes: Vec<u8>,
    /// hyper has asked for more in this turn and will be told of the end itself.
    hyper_reads: bool,
}

impl ReadAhead {
    /// With bytes that somebody else has read.
    pub(crate) fn holding(bytes: Vec<u8>) -> Self {
        Self { inner: Mutex::new(Inner { bytes, hyper_reads: false }) }
    }

    /// hyper gets its turn.
    pub(crate) fn begin_turn(&self) {
        self.lock().hyper_reads = false;
    }

    /// hyper has read, and waits for more or not.
    pub(crate) fn read_by_hyper(&self, waits: bool) {
        self.lock().hyper_reads = waits;
    }

    /// The next bytes that were kept, `len` at most.
    pub(crate) fn take(&self, len: usize) -> Vec<u8> {
        let mut inner = self.lock();
        let len = len.min(inner.bytes.len());
        let rest = inner.bytes.split_off(len);
        std::mem::replace(&mut inner.bytes, rest)
    }

    /// Whether the client has closed its side or is gone; if not, `cx` is woken when there is more to know.
    pub(crate) fn finds_end(&self, cx: &mut Context<'_>, socket: &Async<TcpStream>) -> bool {
        let mut inner = self.lock();
        if inner.hyper_reads {
            return false;
        }
        let mut space = [MaybeUninit::<u8>::uninit(); READ_BYTES];
        while inner.bytes.len() < BYTES_MAX {
            let len = READ_BYTES.min(BYTES_MAX - inner.bytes.len());
            match rustix::net::recv(socket, &mut space[..len], RecvFlags::empty()) {
                Ok(((&mut [], _), _)) => return true,
                Ok(((bytes, _), _)) => inner.bytes.extend_from_slice(bytes),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => match socket.poll_readable(cx) {
                    Poll::Pending => return false,
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return true,
                },
                Err(_) => return true,
            }
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
