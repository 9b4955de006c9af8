//! `ProxiedBody`: the body of an answer on its way from the server behind a port to the client.
//!
//! Piece by piece, as the server sends it and the client takes it. Dropping it closes the server's connection, unless the body
//! was at its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Timer;
use bytes::Bytes;
use event_listener::EventListener;
use futures_lite::FutureExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::link::{Kept, Link};
use crate::http::context::Shutdown;

/// Time that an answer gets to come to its end when the daemon goes away. There is no word that could end it.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// Why a body ends before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cut {
    /// The server's connection broke off.
    #[error("the server behind the port broke off: {0}")]
    ByServer(hyper::Error),
    /// The daemon goes away.
    #[error("the server is shutting down")]
    ByShutdown,
}

/// See the module.
pub(crate) struct ProxiedBody {
    incoming: Incoming,
    /// There until the body is at its end.
    link: Option<Link>,
    kept: Kept,
    shutdown: EventListener,
    /// Runs since the shutdown began.
    grace: Option<Timer>,
}

impl ProxiedBody {
    /// A body that comes over a link, which waits in `kept` afterwards.
    pub(in crate::http) fn new(incoming: Incoming, link: Link, kept: Kept, shutdown: &Arc<Shutdown>) -> Self {
        Self { incoming, link: Some(link), kept, shutdown: shutdown.listen(), grace: None }
    }

    /// The next piece.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let mut piece = Pin::new(&mut self.incoming).poll_frame(cx);
        if piece.is_pending()
            && let Some(link) = &mut self.link
        {
            link.drive(cx);
            piece = Pin::new(&mut self.incoming).poll_frame(cx);
        }
        match piece {
            Poll::Pending if self.is_cut_short(cx) => Poll::Ready(Some(Err(Cut::ByShutdown))),
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) if self.is_cut_short(cx) => {
                drop(frame);
                Poll::Ready(Some(Err(Cut::ByShutdown)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(Cut::ByServer(error)))),
            Poll::Ready(Some(Ok(frame))) => {
                self.keep_at_end(self.incoming.is_end_stream(), cx);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.keep_at_end(true, cx);
                Poll::Ready(None)
            }
        }
    }

    /// Lets the rest of the request go on. Of the answer one more piece is read at most.
    pub(crate) fn go_on_sending(&mut self, cx: &mut Context<'_>) {
        if let Some(link) = &mut self.link {
            link.drive(cx);
        }
    }

    /// Whether all of it has come.
    pub(crate) fn is_at_end(&self) -> bool {
        self.incoming.is_end_stream()
    }

    /// What is known of its length.
    pub(crate) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    /// Lets the link wait for the next request when the body is at its end.
    pub(in crate::http) fn keep_at_end(&mut self, is_at_end: bool, cx: &mut Context<'_>) {
        if is_at_end && let Some(link) = self.link.take() {
            self.kept.put(link, cx);
        }
    }

    fn is_cut_short(&mut self, cx: &mut Context<'_>) -> bool {
        if self.grace.is_none() && self.shutdown.poll(cx).is_ready() {
            self.grace = Some(Timer::after(SHUTDOWN_GRACE));
        }
        self.grace.as_mut().is_some_and(|grace| grace.poll(cx).is_ready())
    }
}
