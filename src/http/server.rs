//! Listening, connections, and going away.
//!
//! On shutdown the listeners close, streams end with a word, connections without a whole request close at once and busy ones
//! after their answer; what is left when the time is up is cut.

use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use event_listener::Event;
use futures_lite::FutureExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;

use super::context::{self, Client};
use super::io::Io;
use super::presence::{Overdue, Patience, Presence};
use super::read_ahead::ReadAhead;
use super::refusal::raw_answer;
use super::wire::Application;
use crate::config::RequestLimits;
use crate::runtime::Runtime;

/// The largest head of a request, and what is buffered of an answer: a client that does not read costs this much.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Header lines of one request.
const HEADERS_MAX: usize = 128;

/// How long a client that is still sending is listened to after its last answer, so that it can read the answer: a socket
/// that is closed over unread bytes takes back what was sent.
const LINGER: Duration = Duration::from_secs(5);

/// The pause before accepting again when the process is out of descriptors; a connection that closes ends it early.
const ACCEPT_AFTER: Duration = Duration::from_millis(100);

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Async<TcpListener>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Listener {
    /// Takes over a socket that listens.
    pub(crate) fn new(socket: TcpListener) -> io::Result<Self> {
        let address = socket.local_addr()?;
        Ok(Self { socket: Async::new(socket)?, address })
    }
}

/// Serves connections until told to go away.
#[derive(Clone)]
pub(crate) struct Server {
    application: Arc<Application>,
    patience: Patience,
    runtime: Runtime,
    shutdown: Arc<context::Shutdown>,
    open: Arc<Open>,
}

/// The connections that are open.
#[derive(Debug, Default)]
struct Open {
    count: AtomicUsize,
    /// One has closed.
    closed: Event,
}

/// One open connection.
struct Counted(Arc<Open>);

impl Counted {
    fn new(open: &Arc<Open>) -> Self {
        open.count.fetch_add(1, Ordering::SeqCst);
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.closed.notify(usize::MAX);
    }
}

impl Server {
    /// A server of an application.
    pub(crate) fn new(
        application: Application,
        limits: &RequestLimits,
        runtime: Runtime,
        shutdown: Arc<context::Shutdown>,
    ) -> Self {
        let patience = Patience { head: limits.header_timeout, idle: limits.idle_timeout };
        Self { application: Arc::new(application), patience, runtime, shutdown, open: Arc::default() }
    }

    /// Accepts connections until the shutdown begins.
    pub(crate) async fn accept(self, listener: Listener) {
        let on_loopback = listener.address.ip().is_loopback();
        let stop = self.shutdown.listen();
        let accept = async {
            loop {
                match listener.socket.accept().await {
                    Ok((socket, _)) => {
                        // Detached: it ends with the connection.
                        self.runtime.spawn(self.clone().serve(socket, on_loopback)).detach();
                    }
                    Err(error) => self.after_refusal(&error).await,
                }
            }
        };
        accept.or(stop).await;
    }

    /// Waits until all connections are closed, or until the time is up; gives how many were left.
    pub(crate) async fn drained(&self, timeout: Duration) -> usize {
        let all_closed = async {
            loop {
                let closed = self.open.closed.listen();
                if self.open_connections() == 0 {
                    return;
                }
                closed.await;
            }
        };
        let time_up = async {
            Timer::after(timeout).await;
        };
        all_closed.or(time_up).await;
        self.open_connections()
    }

    /// How many connections are open.
    pub(crate) fn open_connections(&self) -> usize {
        self.open.count.load(Ordering::SeqCst)
    }

    /// A connection that was gone before it was accepted is no reason to wait; running out of descriptors is.
    async fn after_refusal(&self, error: &io::Error) {
        if matches!(error.raw_os_error(), Some(libc::ECONNABORTED | libc::EINTR)) {
            return;
        }
        tracing::warn!(%error, "a connection could not be accepted");
        let pause = async {
            Timer::after(ACCEPT_AFTER).await;
        };
        self.open.closed.listen().or(pause).await;
    }

    async fn serve(self, socket: Async<TcpStream>, on_loopback: bool) {
        let _counted = Counted::new(&self.open);
        let socket = Arc::new(socket);
        let presence = Arc::new(Presence::new());
        let ahead = Arc::new(ReadAhead::default());
        let client = Client { on_loopback, presence: presence.clone() };
        let application = self.application.clone();
        let service = service_fn(move |request| {
            // Here and not in the future, which hyper polls only after it has read on.
            client.presence.begin();
            let (application, client) = (application.clone(), client.clone());
            async move { Ok::<_, std::convert::Infallible>(application.answer(request, client).await) }
        });
        let connection = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .max_header_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(Io::new(socket.clone(), presence.clone(), ahead.clone()), service);
        let mut connection = pin!(connection);
        let mut stop = Some(self.shutdown.listen());
        let mut clock = Clock::new(self.patience);
        poll_fn(|cx| {
            if stop.as_mut().is_some_and(|stop| stop.poll(cx).is_ready()) {
                stop = None;
                connection.as_mut().graceful_shutdown();
            }
            ahead.begin_turn();
            if connection.as_mut().poll(cx).is_ready()
                || (presence.is_watched() && ahead.finds_end(cx, &socket))
            {
                return Poll::Ready(());
            }
            if stop.is_none() && presence.is_between_requests() {
                // No request has begun: a head that is half there is not waited for.
                if presence.is_in_head() {
                    rustix::io::write(&*socket, &raw_answer(503)).ok();
                }
                return Poll::Ready(());
            }
            match clock.poll(cx, &presence) {
                Some(Overdue::Head) => {
                    // Nothing of an answer is under way, so this is the next thing the client reads.
                    rustix::io::write(&*socket, &raw_answer(408)).ok();
                    Poll::Ready(())
                }
                Some(Overdue::Idle) => Poll::Ready(()),
                None => Poll::Pending,
            }
        })
        .await;
        if stop.is_some() {
            linger(&socket).await;
        }
    }
}

/// Reads and drops what a client still sends, until it closes its side or the time is up.
async fn linger(socket: &Async<TcpStream>) {
    // Either is an error when the client is gone, and then there is nothing to wait for.
    if socket.get_ref().shutdown(Shutdown::Write).is_err() {
        return;
    }
    let drop_rest = async {
        let mut reader = socket;
        futures_lite::io::copy(&mut reader, &mut futures_lite::io::sink()).await.ok();
    };
    let time_up = async {
        Timer::after(LINGER).await;
    };
    drop_rest.or(time_up).await;
}

/// The clock of one connection: a timer that is touched as seldom as possible.
struct Clock {
    patience: Patience,
    timer: Timer,
    in_head: bool,
}

impl Clock {
    fn new(patience: Patience) -> Self {
        Self { patience, timer: Timer::after(patience.head.min(patience.idle)), in_head: false }
    }

    fn poll(&mut self, cx: &mut TaskContext<'_>, presence: &Presence) -> Option<Overdue> {
        // A head that came whole never gets here; one that comes in parts has a deadline of its own.
        let in_head = presence.is_in_head();
        if in_head && !self.in_head {
            self.timer.set_after(self.patience.head);
        }
        self.in_head = in_head;
        while self.timer.poll(cx).is_ready() {
            match presence.overdue(Instant::now(), self.patience) {
                Ok(at) => self.timer.set_at(at),
                Err(overdue) => return Some(overdue),
            }
        }
        None
    }
}
