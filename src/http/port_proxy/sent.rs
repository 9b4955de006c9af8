//! `Sent`: the body of a request on its way to the server behind the port.
//!
//! Piece by piece, as the client sends it and the server takes it. A client that asked with `Expect: 100-continue` whether it
//! should send at all is answered by the server: nothing of the body is asked for before that has said yes.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_io::Timer;
use bytes::Bytes;
use futures_lite::FutureExt;
use hyper::body::{Body, Frame, SizeHint};

use crate::http::arriving::Arriving;

/// A server that does not say whether it wants the body gets it after this time: many do not know the question
/// (RFC 9110 §10.1.1 says not to wait for ever).
const CONTINUE_MAX: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(in crate::http) struct Sent {
    /// None of a request that may have to be asked twice: that one has no body.
    incoming: Option<Arriving>,
    gate: Option<(Arc<Gate>, Timer)>,
}

impl Sent {
    /// No body.
    pub(in crate::http) fn nothing() -> Self {
        Self { incoming: None, gate: None }
    }

    /// A body; with a gate, when that opens.
    pub(in crate::http) fn new(incoming: Arriving, gate: Option<Arc<Gate>>) -> Self {
        let gate = gate.map(|gate| (gate, Timer::after(CONTINUE_MAX)));
        Self { incoming: Some(incoming), gate }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        if let Some((gate, timer)) = &mut this.gate {
            match gate.poll(cx) {
                Way::Shut => return Poll::Pending,
                Way::Unknown if timer.poll(cx).is_pending() => return Poll::Pending,
                Way::Free | Way::Unknown => {}
            }
            this.gate = None;
        }
        match &mut this.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// Whether a body that was announced is wanted.
#[derive(Debug, Default)]
pub(in crate::http) struct Gate {
    /// Held for a few lines.
    inner: Mutex<(Way, Option<Waker>)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Way {
    /// Nothing was said.
    #[default]
    Unknown,
    /// It is wanted.
    Free,
    /// The answer came without it.
    Shut,
}

impl Gate {
    /// The server has said that it wants the body.
    pub(in crate::http) fn open(&self) {
        self.turn(Way::Free);
    }

    /// The server has answered: what it did not ask for is not sent any more.
    pub(in crate::http) fn answered(&self) {
        self.turn(Way::Shut);
    }

    fn turn(&self, to: Way) {
        let mut inner = self.lock();
        if inner.0 == Way::Unknown {
            inner.0 = to;
        }
        let waker = inner.1.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Way {
        let mut inner = self.lock();
        inner.1 = Some(cx.waker().clone());
        inner.0
    }

    fn lock(&self) -> MutexGuard<'_, (Way, Option<Waker>)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
