//! `Arriving`: the body of a request as hyper hands it out, and `Rest`: what of it is left when the answer is made.
//!
//! ```text
//! Reading ──its end was read──> Done
//!    └──dropped before that──> Left(body) ──the rest is there already──> the connection goes on
//!                                └──it is not──> `connection: close`
//! ```
//! A body that nobody reads to its end stands before the next request, so hyper closes the connection behind the answer. A client that is
//! not told sends its next request into that.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, EXPECT, HeaderMap, HeaderValue};

/// What is read for nothing of a body that is there already, so that its connection can go on.
const UNREAD_BYTES_MAX: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Arriving {
    /// There until it is dropped.
    incoming: Option<Incoming>,
    /// Its end was read.
    is_whole: bool,
    /// More of it may be read for nothing: it did not break, and the client does not wait to be told that it should send it.
    is_readable: bool,
    /// None of a request without a body.
    rest: Option<Rest>,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    /// Held for a few lines.
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
enum State {
    /// Somebody may still read it, or nobody may.
    Reading,
    Done,
    Left(Incoming),
}

impl Arriving {
    /// The same request, and what its answer needs to know of the body, if it has one.
    pub(crate) fn of(request: hyper::Request<Incoming>) -> (hyper::Request<Self>, Option<Rest>) {
        let is_readable = !request.headers().contains_key(EXPECT);
        let has_body = !request.body().is_end_stream();
        let rest = has_body.then(|| Rest { state: Arc::new(Mutex::new(State::Reading)) });
        let arriving =
            |incoming| Self { incoming: Some(incoming), is_whole: false, is_readable, rest: rest.clone() };
        (request.map(arriving), rest)
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        let frame = Pin::new(incoming).poll_frame(cx);
        this.is_readable = !matches!(frame, Poll::Ready(Some(Err(_))));
        this.is_whole |= matches!(frame, Poll::Ready(None));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let (Some(rest), Some(incoming)) = (self.rest.take(), self.incoming.take()) else { return };
        if self.is_whole || incoming.is_end_stream() {
            rest.put(State::Done);
        } else if self.is_readable {
            rest.put(State::Left(incoming));
        }
    }
}

impl Rest {
    /// Says in an answer's head that the connection is closed behind it, if it will be.
    pub(crate) async fn tell(self, head: &mut HeaderMap) {
        if !head.contains_key(CONNECTION) && !self.is_over().await {
            head.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }

    async fn is_over(&self) -> bool {
        match self.put(State::Reading) {
            State::Done => true,
            State::Reading => false,
            State::Left(incoming) => drain(incoming).await,
        }
    }

    fn put(&self, state: State) -> State {
        std::mem::replace(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner), state)
    }
}

/// Reads what is there, and says whether that was all.
async fn drain(mut incoming: Incoming) -> bool {
    let mut read = 0;
    // hyper reads from the socket between two turns of this.
    let mut has_waited = false;
    poll_fn(|cx| {
        while read <= UNREAD_BYTES_MAX {
            match Pin::new(&mut incoming).poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(true),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(false),
                Poll::Ready(Some(Ok(frame))) => {
                    read += frame.data_ref().map_or(0, Bytes::len);
                    has_waited = false;
                }
                Poll::Pending if has_waited => return Poll::Ready(false),
                Poll::Pending => {
                    has_waited = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(false)
    })
    .await
}
