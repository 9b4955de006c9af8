//! A connection that stops to be HTTP: what an answer of 101 leads to.
//!
//! An endpoint answers 101 with an `Upgrade` header and leaves, in its `Then`, who goes on with the connection. It is called when the
//! head has been handed to the kernel, and the connection keeps its seat until it is through; from then on it listens to the shutdown
//! itself.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_io::Async;
use futures_lite::{AsyncRead, AsyncWrite};
use tide::Response;

use super::respond::Ours;

/// The bytes of a connection that was HTTP. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Upgraded {
    socket: Arc<Async<TcpStream>>,
    /// What was read behind the request's head, and how much of it was taken.
    read: Vec<u8>,
    taken: usize,
}

impl Upgraded {
    /// A socket and what was read of it already.
    pub(super) fn new(socket: Arc<Async<TcpStream>>, read: Vec<u8>) -> Self {
        Self { socket, read, taken: 0 }
    }

    /// The socket itself, for who knows that nothing that was read counts any more.
    pub(crate) fn socket(&self) -> Arc<Async<TcpStream>> {
        self.socket.clone()
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let kept = &self.read[self.taken..];
        if kept.is_empty() {
            return Pin::new(&mut &*self.socket).poll_read(cx, out);
        }
        let n = kept.len().min(out.len());
        out[..n].copy_from_slice(&kept[..n]);
        self.taken += n;
        if self.taken == self.read.len() {
            (self.read, self.taken) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends the writing side; reading goes on.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket that is gone already is shut.
        self.socket.get_ref().shutdown(std::net::Shutdown::Write).ok();
        Poll::Ready(Ok(()))
    }
}

type Going = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Who goes on with a connection.
pub(crate) struct Then(Box<dyn FnOnce(Upgraded) -> Going + Send>);

impl Then {
    /// Goes on with `what`; the connection is closed when that is over.
    pub(crate) fn new<F>(what: impl FnOnce(Upgraded) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(Box::new(|upgraded| Box::pin(what(upgraded))))
    }

    /// Does it.
    pub(super) async fn go_on(self, upgraded: Upgraded) {
        (self.0)(upgraded).await;
    }
}

/// A `Then` on its way: in an answer's extensions, and to the connection.
#[derive(Clone, Default)]
pub(crate) struct ThenSlot(Arc<Mutex<Option<Then>>>);

impl ThenSlot {
    /// Puts it in.
    pub(crate) fn put(&self, then: Then) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(then);
    }

    /// Takes it out.
    pub(super) fn take(&self) -> Option<Then> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for ThenSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ThenSlot")
    }
}

/// 101: the connection goes on as `protocol`.
pub(crate) fn switch(protocol: &str, then: Then) -> Response {
    let mut response = Response::new(101);
    response.insert_header("connection", "Upgrade");
    response.insert_header("upgrade", protocol);
    let slot = ThenSlot::default();
    slot.put(then);
    response.insert_ext(slot);
    response.insert_ext(Ours);
    response
}
