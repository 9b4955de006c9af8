//! Bodies between hyper and the application: requests come in as a reader, answers go out as bytes or are pulled.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_lite::{AsyncBufRead, AsyncRead, Stream};
use hyper::body::{Body, Frame, SizeHint};

use super::arriving::Arriving;
use super::port_proxy::{Cut, Proxied};
use super::presence::Presence;
use super::request_log::RequestLine;
use super::traffic::Traffic;
use crate::error::Result;

/// A stream of an answer's bytes.
pub(crate) type Pulled = Pin<Box<dyn Stream<Item = Result<Vec<u8>>> + Send>>;

/// A pulled body on its way through an answer's extensions, which must be shareable.
pub(crate) struct PulledSlot(Mutex<Option<Pulled>>);

impl PulledSlot {
    /// Puts a stream in.
    pub(crate) fn new(stream: impl Stream<Item = Result<Vec<u8>>> + Send + 'static) -> Self {
        Self(Mutex::new(Some(Box::pin(stream))))
    }

    /// Takes it out.
    pub(crate) fn take(&self) -> Option<Pulled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The body of a request as the application reads it.
pub(crate) struct RequestBody {
    presence: Arc<Presence>,
    traffic: Arc<Traffic>,
    incoming: Arriving,
    chunk: Bytes,
    is_done: bool,
}

impl RequestBody {
    /// Wraps hyper's body.
    pub(crate) fn new(incoming: Arriving, presence: Arc<Presence>, traffic: Arc<Traffic>) -> Self {
        Self { presence, traffic, incoming, chunk: Bytes::new(), is_done: false }
    }
}

impl AsyncBufRead for RequestBody {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.chunk.is_empty() && !this.is_done {
            match Pin::new(&mut this.incoming).poll_frame(cx) {
                Poll::Pending => {
                    this.presence.await_body();
                    return Poll::Pending;
                }
                Poll::Ready(None) => {
                    this.presence.received_body();
                    this.is_done = true;
                }
                Poll::Ready(Some(Ok(frame))) => {
                    this.chunk = frame.into_data().unwrap_or_default();
                    this.traffic.received.add(this.chunk.len() as u64);
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(self: Pin<&mut Self>, n: usize) {
        self.get_mut().chunk.advance(n);
    }
}

impl AsyncRead for RequestBody {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let chunk = ready!(self.as_mut().poll_fill_buf(cx))?;
        let n = chunk.len().min(out.len());
        out[..n].copy_from_slice(&chunk[..n]);
        self.consume(n);
        Poll::Ready(Ok(n))
    }
}

/// The bytes of an answer.
pub(crate) enum Content {
    /// All of them.
    Whole(Bytes),
    /// One after the other, as the client takes them.
    Pulled(Pulled),
    /// The same, from the server behind a port.
    Proxied(Box<Proxied>),
}

impl Content {
    /// No bytes.
    pub(crate) fn nothing() -> Self {
        Self::Whole(Bytes::new())
    }
}

/// Why an answer breaks off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The core could not go on.
    #[error(transparent)]
    Core(#[from] crate::error::Error),
    /// The server behind the port could not, or must not.
    #[error(transparent)]
    Port(#[from] Cut),
}

/// The body of an answer as hyper sends it. When it is dropped, sent or not, the request is over: its line is logged and the
/// connection counts as free.
pub(crate) struct ResponseBody {
    content: Content,
    /// What ends a proxied answer when the client has what came before.
    cut: Option<Cut>,
    presence: Arc<Presence>,
    line: Option<RequestLine>,
    traffic: Arc<Traffic>,
}

impl ResponseBody {
    /// A body and what to do at its end.
    pub(crate) fn new(
        content: Content,
        presence: Arc<Presence>,
        line: Option<RequestLine>,
        traffic: Arc<Traffic>,
    ) -> Self {
        if matches!(content, Content::Proxied(_)) {
            // The head. An answer that breaks off at once shows at least that.
            presence.outgoing.queued(1);
        }
        Self { content, cut: None, presence, line, traffic }
    }

    /// Notes a piece of a proxied answer down.
    fn passed_on(&mut self, frame: Option<&Frame<Bytes>>, is_at_end: bool) {
        let bytes = frame.and_then(Frame::data_ref).map_or(0, Bytes::len);
        self.count(bytes);
        self.presence.outgoing.queued(bytes);
        if let Some(line) = self.line.as_mut().filter(|_| is_at_end) {
            line.complete();
        }
    }

    fn count(&mut self, bytes: usize) {
        self.traffic.sent.add(bytes as u64);
        if let Some(line) = &mut self.line {
            line.count(bytes);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        let frame = match &mut this.content {
            Content::Proxied(body) => {
                if this.presence.outgoing.poll_room(cx).is_pending() {
                    // The client may read nothing before it has sent all.
                    body.go_on_sending(cx);
                    return Poll::Pending;
                }
                if this.cut.is_none() {
                    match ready!(body.poll_piece(cx)) {
                        Some(Err(cut)) => {
                            if let Some(line) = &mut this.line {
                                line.broke_off(cut.to_string());
                            }
                            this.cut = Some(cut);
                        }
                        Some(Ok(frame)) => {
                            let is_at_end = body.is_at_end();
                            this.passed_on(Some(&frame), is_at_end);
                            return Poll::Ready(Some(Ok(frame)));
                        }
                        None => {
                            this.passed_on(None, true);
                            return Poll::Ready(None);
                        }
                    }
                }
                ready!(this.presence.outgoing.poll_empty(cx));
                return Poll::Ready(this.cut.take().map(|cut| Err(cut.into())));
            }
            Content::Whole(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Content::Whole(bytes) => std::mem::take(bytes),
            Content::Pulled(stream) => {
                ready!(this.presence.outgoing.poll_room(cx));
                match ready!(stream.as_mut().poll_next(cx)) {
                    None => {
                        if let Some(line) = &mut this.line {
                            line.complete();
                        }
                        return Poll::Ready(None);
                    }
                    Some(Ok(bytes)) => {
                        this.presence.outgoing.queued(bytes.len());
                        Bytes::from(bytes)
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                }
            }
        };
        this.count(frame.len());
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Pulled(_) => false,
            Content::Proxied(body) => body.is_at_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Pulled(_) => SizeHint::default(),
            Content::Proxied(body) => body.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.presence.settle();
    }
}
