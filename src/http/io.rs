//! `Io`: a socket as hyper reads and writes it.
//!
//! It adds three things: an end of input is hidden while a short request is in work (`Presence`), what was read ahead of
//! hyper comes first (`ReadAhead`), and the bare status lines with which hyper refuses a malformed head are given the body that every other error has.

use std::io;
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_io::Async;
use hyper::rt::ReadBufCursor;
use rustix::io::Errno;

use super::presence::Presence;
use super::read_ahead::ReadAhead;
use super::receive::receive;
use super::refusal::raw_answer;

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Io {
    socket: Arc<Async<TcpStream>>,
    presence: Arc<Presence>,
    ahead: Arc<ReadAhead>,
    instead: Option<Instead>,
}

/// Words of ours that are being written in place of hyper's.
#[derive(Debug)]
struct Instead {
    bytes: Vec<u8>,
    written: usize,
    /// How many bytes of hyper's they stand for.
    replaces: usize,
}

impl Io {
    /// Takes over an accepted socket.
    pub(crate) fn new(socket: Arc<Async<TcpStream>>, presence: Arc<Presence>, ahead: Arc<ReadAhead>) -> Self {
        Self { socket, presence, ahead, instead: None }
    }

    fn poll_receive(&self, cx: &mut Context<'_>, buf: &mut ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let kept = self.ahead.take(buf.remaining());
        if !kept.is_empty() {
            self.presence.received();
            buf.put_slice(&kept);
            return Poll::Ready(Ok(()));
        }
        loop {
            match receive(&*self.socket, buf) {
                Ok(0) if buf.remaining() > 0 && self.presence.hides_end(cx) => return Poll::Pending,
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(_) => {
                    self.presence.received();
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_readable(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_send(&self, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            match rustix::io::writev(&*self.socket, slices) {
                Ok(n) => return Poll::Ready(Ok(n)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.presence.outgoing.blocked();
                    ready!(self.socket.poll_writable(cx))?;
                }
                Err(e) => return Poll::Ready(Err(e.into())),
            }
        }
    }

    /// The words to write in place of what hyper is about to write, if it refuses a head.
    fn refusal_of(&self, slices: &[io::IoSlice<'_>]) -> Option<Instead> {
        if !self.presence.is_between_requests() {
            return None;
        }
        let status = slices.first()?.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
        let status: u16 = std::str::from_utf8(status).ok()?.parse().ok()?;
        let replaces = slices.iter().map(|slice| slice.len()).sum();
        Some(Instead { bytes: raw_answer(status), written: 0, replaces })
    }
}

impl hyper::rt::Read for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.poll_receive(cx, &mut buf);
        self.ahead.read_by_hyper(read.is_pending());
        read
    }
}

impl hyper::rt::Write for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.instead.is_none() {
            this.instead = this.refusal_of(slices);
        }
        let Some(mut instead) = this.instead.take() else { return this.poll_send(cx, slices) };
        while instead.written < instead.bytes.len() {
            match this.poll_send(cx, &[io::IoSlice::new(&instead.bytes[instead.written..])]) {
                Poll::Ready(Ok(n)) => instead.written += n,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    this.instead = Some(instead);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(instead.replaces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when it has nothing left to write.
        self.presence.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket that is gone already is shut.
        self.socket.get_ref().shutdown(std::net::Shutdown::Write).ok();
        Poll::Ready(Ok(()))
    }
}
