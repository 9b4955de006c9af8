//! `Link`: one HTTP connection to a server behind a port, and `Kept`: where one waits between two requests.
//!
//! Whoever waits for an answer or for its body drives the connection itself, so there is no task and no other thread between
//! client and server, and a client that leaves closes the server's connection by dropping it.

use std::error::Error as _;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};

use super::sent::Sent;
use super::socket::Socket;
use super::trouble::Trouble;

/// The largest head of an answer, and what is buffered of a body in each direction.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Header lines of one answer.
const HEADERS_MAX: usize = 256;

/// How many links may be open.
#[derive(Debug)]
pub(in crate::http) struct Links {
    open: AtomicUsize,
    max: usize,
}

/// The place of one link among them, given back when it is dropped.
#[derive(Debug)]
pub(in crate::http) struct Place(Arc<Links>);

impl Links {
    /// None, and `max` at most.
    pub(in crate::http) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), max })
    }

    /// Takes a place, or says that there is none.
    pub(in crate::http) fn take(self: &Arc<Self>) -> Result<Place, Trouble> {
        // Counted first, and given back by the drop: two that come at once cannot both have the last place.
        let place = Place(self.clone());
        if self.open.fetch_add(1, Ordering::Relaxed) < self.max {
            Ok(place)
        } else {
            Err(Trouble::TooMany(self.max))
        }
    }

    /// Whether a link that does nothing may keep its place: half of the places are for those that do.
    fn has_room_for_idle(&self) -> bool {
        self.open.load(Ordering::Relaxed) <= self.max / 2
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// See the module.
pub(in crate::http) struct Link {
    port: u16,
    sender: SendRequest<Sent>,
    connection: Connection<Socket, Sent>,
    is_over: bool,
    place: Place,
}

impl Link {
    /// Connects.
    pub(in crate::http) async fn open(port: u16, place: Place) -> Result<Self, Trouble> {
        let socket = Socket::connect(port).await?;
        Self::over(socket, port, place).await.map_err(|why| Trouble::NoAnswer(port, why))
    }

    /// Speaks HTTP over a socket.
    pub(in crate::http) async fn over(socket: Socket, port: u16, place: Place) -> Result<Self, String> {
        let mut builder = Builder::new();
        builder.max_buf_size(BUFFER_BYTES_MAX).max_header_size(BUFFER_BYTES_MAX).max_headers(HEADERS_MAX);
        let (sender, connection) = builder.handshake(socket).await.map_err(|error| in_words(&error))?;
        Ok(Self { port, sender, connection, is_over: false, place })
    }

    /// Asks, and waits for the head of the answer.
    pub(in crate::http) async fn ask(
        &mut self,
        request: hyper::Request<Sent>,
    ) -> hyper::Result<hyper::Response<Incoming>> {
        let mut answer = pin!(self.sender.send_request(request));
        let answer = poll_fn(|cx| {
            if !self.is_over {
                self.is_over = self.connection.poll_without_shutdown(cx).is_ready();
            }
            answer.as_mut().poll(cx)
        });
        answer.await
    }

    /// Lets the connection do what it can.
    pub(in crate::http) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.is_over {
            self.is_over = self.connection.poll_without_shutdown(cx).is_ready();
        }
    }

    /// Whether it can be asked once more, as far as is known.
    fn is_free(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        !self.is_over && self.sender.is_ready()
    }

    /// The server changed to another protocol: its socket, and what it has sent already.
    pub(in crate::http) async fn upgraded(mut self) -> (Socket, Vec<u8>, Place) {
        poll_fn(|cx| {
            self.drive(cx);
            if self.is_over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let parts = self.connection.into_parts();
        (parts.io, parts.read_buf.to_vec(), self.place)
    }
}

/// A client's link that waits for its next request. There is one at most for each connection of a client, and it goes with that.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Option<Link>>>);

impl Kept {
    /// Keeps a link that can be asked once more.
    pub(in crate::http) fn put(&self, mut link: Link, cx: &mut Context<'_>) {
        if link.is_free(cx) && link.place.0.has_room_for_idle() {
            *self.lock() = Some(link);
        }
    }

    /// The link to a port, if it is still there; any other is closed.
    pub(in crate::http) async fn take(&self, port: u16) -> Option<Link> {
        let mut link = self.lock().take().filter(|link| link.port == port)?;
        // The server may have closed it meanwhile.
        poll_fn(|cx| Poll::Ready(link.is_free(cx))).await.then_some(link)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

/// An error of hyper's with its causes.
pub(in crate::http) fn in_words(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
