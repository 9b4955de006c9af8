//! Listening, connections, and going away.
//!
//! On shutdown the listeners close, streams end with a word, connections without a whole request close at once and busy ones
//! after their answer; what is left when the time is up is cut.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use futures_lite::FutureExt;
use futures_lite::future::Boxed;
use hyper::body::Incoming;
use hyper::header::UPGRADE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};

use super::body::ResponseBody;
use super::context::{self, Client};
use super::forward_proxy::ForwardProxy;
use super::io::Io;
use super::linger::linger;
use super::port_proxy::Kept;
use super::presence::{Overdue, Patience, Presence};
use super::read_ahead::ReadAhead;
use super::refusal::raw_answer;
use super::seats::{Seat, Seats};
use super::upgraded::{ThenSlot, Upgraded};
use super::wire::Application;
use crate::config::RequestLimits;
use crate::credential_proxy::CredentialProxy;
use crate::custody::Custody;
use crate::runtime::Runtime;

/// The largest head of a request, and what is buffered of an answer: a client that does not read costs this much.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Header lines of one request.
const HEADERS_MAX: usize = 128;

/// How long the changes that requests have begun are waited for when another worker takes over.
const CHANGES_PATIENCE: Duration = Duration::from_secs(5);

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

    /// Whether only this host reaches it. An address of IPv4 in the form of IPv6 is still that address.
    pub(crate) fn is_on_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }

    /// Whether it is reached at a loopback address, perhaps at others too.
    fn takes_loopback(&self) -> bool {
        self.is_on_loopback() || self.address.ip().to_canonical().is_unspecified()
    }
}

/// Serves connections until told to go away.
#[derive(Clone)]
pub(crate) struct Server {
    application: Arc<Application>,
    patience: Patience,
    runtime: Runtime,
    shutdown: Arc<context::Shutdown>,
    /// Begins when another worker takes over.
    retirement: Arc<context::Shutdown>,
    custody: Custody,
    seats: Arc<Seats>,
}

/// How a connection came to its end here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It is over.
    Closed,
    /// It waits for a request, and another connection needs its place.
    GivesWay,
    /// It waits for a request, and is to be passed to the next worker.
    Passed,
}

/// What hyper is given.
type Answered = Result<Response<ResponseBody>, Infallible>;

impl Server {
    /// A server of an application.
    pub(crate) fn new(
        application: Application,
        limits: &RequestLimits,
        runtime: Runtime,
        shutdown: Arc<context::Shutdown>,
    ) -> Self {
        let patience = Patience { head: limits.header_timeout, idle: limits.idle_timeout };
        let context = application.server.state();
        let (custody, seats) = (context.sandbox.custody().clone(), context.seats.clone());
        Self {
            application: Arc::new(application),
            patience,
            runtime,
            shutdown,
            retirement: Arc::default(),
            custody,
            seats,
        }
    }

    /// Accepts nothing any more, passes connections to the next worker as soon as they wait for a request, and waits until the
    /// requests that had begun have made their changes, for a while.
    pub(crate) async fn retire(&self) {
        self.retirement.begin();
        // What takes longer finds the gate closed.
        let _settled: bool = self.application.changes.settled_within(CHANGES_PATIENCE).await;
    }

    /// Looks after the proxy for outgoing requests of commands, as long as this worker accepts connections.
    pub(crate) fn lend_credentials(&self, proxy: CredentialProxy) {
        let (shutdown, retirement) = (self.shutdown.clone(), self.retirement.clone());
        ForwardProxy::begin(proxy, self.runtime.clone(), self.seats.clone(), shutdown, retirement);
    }

    /// There will be no next worker: accepts again.
    pub(crate) fn resume(&self) {
        self.retirement.cancel();
    }

    /// Serves a connection that an earlier worker accepted, and has read something of.
    pub(crate) fn take_over(&self, socket: TcpStream, on_loopback: bool, read: Vec<u8>) {
        match Async::new(socket) {
            Ok(socket) => self.begin(socket, on_loopback, read),
            Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
        }
    }

    /// Accepts connections until the shutdown begins.
    pub(crate) async fn accept(self, listener: Listener) {
        let on_loopback = listener.is_on_loopback();
        if listener.takes_loopback() {
            self.application.ports.is_own(listener.address.port());
        }
        let accept = async {
            loop {
                self.seats.room().await;
                match listener.socket.accept().await {
                    Ok((socket, _)) => {
                        self.begin(socket, on_loopback, Vec::new());
                    }
                    Err(error) => self.seats.after_refusal(&error).await,
                }
            }
        };
        let mut accept = pin!(accept);
        let accept_unless_retired = async {
            loop {
                accept.as_mut().or(self.retirement.listen()).await;
                self.retirement.cancelled().await;
            }
        };
        accept_unless_retired.or(self.shutdown.listen()).await;
    }

    /// Waits until all connections are closed, or until the time is up; gives how many were left.
    pub(crate) async fn drained(&self, timeout: Duration) -> usize {
        let all_closed = async {
            loop {
                let closed = self.seats.closed();
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
        self.seats.open()
    }

    /// Serves a connection, which counts from now on.
    fn begin(&self, socket: Async<TcpStream>, on_loopback: bool, read: Vec<u8>) {
        let (presence, socket) = (Arc::new(Presence::new()), Arc::new(socket));
        let mut seat = self.seats.enter(presence.clone(), socket.clone());
        let this = self.clone();
        let serve = async move {
            seat.settle().await;
            let then = ThenSlot::default();
            let peer = socket.get_ref().peer_addr().ok().map(|peer| peer.ip());
            let kept = Kept::default();
            let client = Client { on_loopback, peer, is_standing: seat.is_standing, presence, kept, then };
            this.serve(socket, seat, client, read).await;
        };
        // Detached: it ends with the connection.
        self.runtime.spawn(serve).detach();
    }

    /// Gives a connection that waits for a request to the next worker, with what was read of that request.
    fn pass_on(&self, socket: &Async<TcpStream>, on_loopback: bool, read: &[u8]) {
        if let Err(error) = self.custody.pass_connection(socket.as_fd(), on_loopback, read) {
            tracing::warn!(%error, "a connection could not be passed on");
        }
    }

    fn patience_with(&self, seat: &Seat) -> Patience {
        if seat.is_standing { self.patience.short() } else { self.patience }
    }

    async fn serve(self, socket: Arc<Async<TcpStream>>, seat: Seat, client: Client, read: Vec<u8>) {
        let Client { presence, on_loopback, then, .. } = client.clone();
        let ahead = Arc::new(ReadAhead::holding(read));
        let (application, changes) = (self.application.clone(), self.application.changes.clone());
        let service = service_fn(move |request| answer(&application, request, &client));
        let io = Io::new(socket.clone(), presence.clone(), ahead.clone());
        let mut connection = protocol(!seat.is_standing).serve_connection(io, service);
        let mut stop = Some(self.shutdown.listen());
        let mut retire = Some(self.retirement.listen());
        let mut clock = Clock::new(self.patience_with(&seat));
        let mut asked = seat.asked();
        let ending = poll_fn(|cx| {
            // A request that this turn finds has begun before the turn is over, so who waits for changes waits for it.
            let _turn = changes.begin();
            if stop.as_mut().is_some_and(|stop| stop.poll(cx).is_ready()) {
                stop = None;
                Pin::new(&mut connection).graceful_shutdown();
            }
            if retire.as_mut().is_some_and(|retire| retire.poll(cx).is_ready()) {
                retire = None;
            }
            if retire.is_none() && stop.is_some() {
                if presence.is_between_requests() {
                    return Poll::Ready(Ending::Passed);
                }
                // After its answer it is closed: the client is told so.
                Pin::new(&mut connection).graceful_shutdown();
            }
            ahead.begin_turn();
            if Pin::new(&mut connection).poll(cx).is_ready()
                || (presence.is_watched() && ahead.finds_end(cx, &socket))
            {
                return Poll::Ready(Ending::Closed);
            }
            if seat.gives_way(cx, &mut asked) {
                return Poll::Ready(Ending::GivesWay);
            }
            if stop.is_none() && presence.is_between_requests() {
                refuse_half(&socket, &presence);
                return Poll::Ready(Ending::Closed);
            }
            match clock.poll(cx, &presence) {
                Some(overdue) => {
                    reproach(&socket, &overdue);
                    Poll::Ready(Ending::Closed)
                }
                None => Poll::Pending,
            }
        })
        .await;
        if let Some(then) = then.take() {
            // It is at work until it is through: no other connection is given its place.
            presence.begin();
            let read = [&connection.into_parts().read_buf[..], &ahead.take(usize::MAX)].concat();
            drop(ahead);
            then.go_on(Upgraded::new(socket, read)).await;
            return;
        }
        if ending == Ending::Passed {
            // What hyper has read of the next request comes first, then what was read ahead of hyper.
            let read = [&connection.into_parts().read_buf[..], &ahead.take(usize::MAX)].concat();
            self.pass_on(&socket, on_loopback, &read);
            return;
        }
        // Who gives way has its last answer already, and its place is needed.
        if stop.is_some() && ending != Ending::GivesWay {
            linger(&socket).await;
        }
    }
}

/// The answer to a request, which begins now.
///
/// hyper keeps the room of this future for as long as the connection lives: of a box it is two words, and a stream is an answer whose future
/// is over.
fn answer(application: &Arc<Application>, request: Request<Incoming>, client: &Client) -> Boxed<Answered> {
    // Here and not in the future, which hyper polls only after it has read on.
    client.presence.begin();
    let (application, client) = (application.clone(), client.clone());
    Box::pin(async move { Ok(application.answer(without_old_upgrade(request), client).await) })
}

/// HTTP as it is spoken here.
fn protocol(keeps_alive: bool) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX).max_header_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
    builder.keep_alive(keeps_alive);
    builder
}

/// In HTTP/1.0 nobody asks for another protocol, whatever the header says (RFC 9110, 7.8).
fn without_old_upgrade(mut request: Request<Incoming>) -> Request<Incoming> {
    if request.version() < Version::HTTP_11 {
        request.headers_mut().remove(UPGRADE);
    }
    request
}

/// No request has begun: a head that is half there is not waited for.
fn refuse_half(socket: &Async<TcpStream>, presence: &Presence) {
    if presence.is_in_head() {
        rustix::io::write(socket, &raw_answer(503)).ok();
    }
}

/// Tells a client what has taken too long, if it has begun to ask for something.
fn reproach(socket: &Async<TcpStream>, overdue: &Overdue) {
    if *overdue == Overdue::Head {
        // Nothing of an answer is under way, so this is the next thing the client reads.
        rustix::io::write(socket, &raw_answer(408)).ok();
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_listener_is_reached() {
        for (address, on_loopback, takes_loopback) in [
            ("127.0.0.1:80", true, true),
            ("127.1.2.3:80", true, true),
            ("[::1]:80", true, true),
            ("[::ffff:127.0.0.1]:80", true, true),
            ("0.0.0.0:80", false, true),
            ("[::]:80", false, true),
            ("[::ffff:0.0.0.0]:80", false, true),
            ("10.0.0.1:80", false, false),
            ("[::ffff:10.0.0.1]:80", false, false),
        ] {
            let mut listener = Listener::new(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
            listener.address = address.parse().unwrap();
            assert_eq!(listener.is_on_loopback(), on_loopback, "{address}");
            assert_eq!(listener.takes_loopback(), takes_loopback, "{address}");
        }
    }
}
