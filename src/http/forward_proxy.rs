//! The forward proxy of this host: commands send their outgoing requests here, and the credentials are added (`credential_proxy`).
//!
//! ```text
//! command ─ Socket ─ hyper (server) ─ ForwardProxy ─ Link: hyper (client) ─ Socket ─> the proxy beyond
//!                                       └ CONNECT, and it said yes ─> relay: bytes both ways
//! ```
//! It has its own listeners, which only this host can reach, and nothing of the API: no routes, no tokens, no request log. A
//! refused token is read once more from its file, when the request can be repeated.

mod clock;

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Async;
use bytes::Bytes;
use futures_lite::FutureExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue, PROXY_AUTHORIZATION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};

use super::arriving::Arriving;
use super::context::Shutdown;
use super::linger::linger;
use super::port_proxy::{Cut, Kept, Link, Links, Proxied, Sent, Socket, headers, in_words, relay};
use super::seats::Seats;
use super::upgraded::Upgraded;
use crate::credential_proxy::{self, CredentialProxy, Upstream};
use crate::runtime::Runtime;
use clock::Clock;

/// Connections at one time; those beyond it wait in the backlog. Each takes two descriptors.
const CONNECTIONS_MAX: usize = 512;

/// Time for the head of a request, the wait for it included.
const HEAD_MAX: Duration = Duration::from_mins(1);

/// The largest head, and what is buffered of a body.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// See the module.
#[derive(Clone)]
pub(super) struct ForwardProxy {
    pub(super) runtime: Runtime,
    pub(super) shutdown: Arc<Shutdown>,
    /// Begins when another worker takes over.
    pub(super) retirement: Arc<Shutdown>,
    upstreams: Arc<(Arc<Upstream>, Arc<Upstream>)>,
    links: Arc<Links>,
    /// The connections of the API, which share the descriptors with those here.
    open: Arc<Seats>,
    seats: Arc<smol::lock::Semaphore>,
}

/// Where a tunnel waits until its client has been told.
type TunnelSlot = Arc<Mutex<Option<Upgraded>>>;

impl ForwardProxy {
    /// Looks after the proxy's listeners from now on.
    pub(super) fn begin(
        proxy: CredentialProxy,
        runtime: Runtime,
        open: Arc<Seats>,
        shutdown: Arc<Shutdown>,
        retirement: Arc<Shutdown>,
    ) {
        let this = Self {
            runtime,
            open,
            shutdown,
            retirement,
            upstreams: Arc::new((proxy.for_connect, proxy.for_plain)),
            links: Links::new(CONNECTIONS_MAX),
            seats: Arc::new(smol::lock::Semaphore::new(CONNECTIONS_MAX)),
        };
        for listener in proxy.listeners {
            let accept = this.clone().accept(listener);
            // Detached: it ends with the shutdown.
            this.runtime.spawn(accept).detach();
        }
    }

    /// Accepts until the shutdown. While another worker takes over nobody listens here, and it does so if it fails to.
    async fn accept(self, listener: TcpListener) {
        let Ok(address) = listener.local_addr() else { return };
        let mut first = Some(listener);
        let accept = async {
            loop {
                let Some(listener) = first.take().or_else(|| credential_proxy::bind(address).ok()) else {
                    tracing::warn!("the proxy for outgoing requests cannot listen on {address} again");
                    return;
                };
                let until_retired = self.retirement.listen();
                self.accept_all(listener).or(until_retired).await;
                self.retirement.cancelled().await;
            }
        };
        accept.or(self.shutdown.listen()).await;
    }

    async fn accept_all(&self, listener: TcpListener) {
        let Ok(listener) = Async::new(listener) else { return };
        loop {
            let seat = self.seats.acquire_arc().await;
            match listener.accept().await {
                Ok((socket, _)) => {
                    let this = self.clone();
                    let serve = async move {
                        this.serve(socket).or(this.shutdown.listen()).await;
                        drop(seat);
                        this.open.elsewhere_closed();
                    };
                    // Detached: it ends with the connection.
                    self.runtime.spawn(serve).detach();
                }
                Err(error) => self.open.after_refusal(&error).await,
            }
        }
    }

    async fn serve(&self, socket: Async<TcpStream>) {
        let tunnel = TunnelSlot::default();
        let service = service_fn(|request| {
            let tunnel = tunnel.clone();
            Box::pin(async move { Ok::<_, Infallible>(self.answer(request, &tunnel).await) })
        });
        let mut protocol = http1::Builder::new();
        protocol.max_buf_size(BUFFER_BYTES_MAX).timer(Clock).header_read_timeout(HEAD_MAX);
        let mut connection = protocol.serve_connection(Socket::new(socket), service);
        // Whatever ends it: the client knows as much as there is to know.
        let _ended: bool = poll_fn(|cx| connection.poll_without_shutdown(cx)).await.is_ok();
        let parts = connection.into_parts();
        let server = tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
        match server {
            Some(server) => {
                let client = Upgraded::new(Arc::new(parts.io.into_inner()), parts.read_buf.to_vec());
                relay::relay(client, server).await;
            }
            // It may be sending a body that nobody wants any more.
            None => linger(&parts.io.into_inner()).await,
        }
    }

    async fn answer(&self, request: Request<Incoming>, tunnel: &TunnelSlot) -> Response<Reply> {
        let (request, rest) = Arriving::of(request);
        let mut response = self.answer_to(request, tunnel).await;
        if let Some(rest) = rest {
            rest.tell(response.headers_mut()).await;
        }
        response
    }

    async fn answer_to(&self, request: Request<Arriving>, tunnel: &TunnelSlot) -> Response<Reply> {
        let is_tunnel = request.method() == Method::CONNECT;
        if !is_tunnel && request.uri().scheme().is_none() {
            return says(StatusCode::BAD_REQUEST, "absolute URI required");
        }
        match self.pass(request, is_tunnel, tunnel).await {
            Ok(response) => response,
            Err(why) => {
                tracing::warn!("an outgoing request of a command failed: {why}");
                says(StatusCode::BAD_GATEWAY, &why)
            }
        }
    }

    async fn pass(
        &self,
        request: Request<Arriving>,
        is_tunnel: bool,
        tunnel: &TunnelSlot,
    ) -> Result<Response<Reply>, String> {
        let upstream = if is_tunnel { &self.upstreams.0 } else { &self.upstreams.1 };
        let (mut parts, incoming) = request.into_parts();
        headers::strip_hop_by_hop(&mut parts.headers);
        headers::set_length(&mut parts.headers, incoming.size_hint().exact());
        let can_repeat = is_tunnel || incoming.size_hint().exact() == Some(0);
        let mut incoming = Some(incoming);
        let mut anew = false;
        loop {
            let (mut link, authorization) = self.reach(upstream, anew).await?;
            let body = match incoming.take_if(|_| !can_repeat) {
                Some(incoming) => Sent::new(incoming, None),
                None => Sent::nothing(),
            };
            let mut request = Request::new(body);
            *request.method_mut() = parts.method.clone();
            *request.uri_mut() = parts.uri.clone();
            *request.headers_mut() = parts.headers.clone();
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization);
            let answer = link.ask(request).await.map_err(|error| in_words(&error))?;
            if answer.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED && can_repeat && !anew {
                anew = true;
                continue;
            }
            if is_tunnel && answer.status().is_success() {
                let (socket, read, _place) = link.upgraded().await;
                let server = Upgraded::new(Arc::new(socket.into_inner()), read);
                *tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
                return Ok(Response::new(Reply::Text(Bytes::new())));
            }
            let (mut head, incoming) = answer.into_parts();
            headers::give_back(&mut head.headers);
            let mut response = Response::new(Reply::Passed(Box::new(Proxied::new(
                incoming,
                link,
                Kept::default(),
                &self.shutdown,
            ))));
            *response.status_mut() = head.status;
            *response.headers_mut() = head.headers;
            return Ok(response);
        }
    }

    /// A connection to the proxy beyond, and what it wants to hear.
    async fn reach(&self, upstream: &Arc<Upstream>, anew: bool) -> Result<(Link, HeaderValue), String> {
        let place = self.links.take().map_err(|trouble| trouble.to_string())?;
        let asked = upstream.clone();
        let (authorization, addresses) = blocking::unblock(move || {
            Ok::<_, String>((asked.authorization(anew)?, resolve(asked.address())?))
        })
        .await?;
        let authorization =
            HeaderValue::from_str(&authorization).map_err(|_| "the token is none".to_owned())?;
        let socket = Socket::connect_to(&addresses).await.map_err(|error| {
            let (host, port) = upstream.address();
            format!("{host}:{port} cannot be reached: {error}")
        })?;
        Ok((Link::over(socket, 0, place).await?, authorization))
    }
}

/// Blocks as long as the name's servers do.
fn resolve(address: (&str, u16)) -> Result<Vec<SocketAddr>, String> {
    #[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
    crate::sys::host_names::stay_inside();
    let found = std::net::ToSocketAddrs::to_socket_addrs(&address);
    let found: Vec<SocketAddr> =
        found.map_err(|error| format!("{} is not known: {error}", address.0))?.collect();
    if found.is_empty() { Err(format!("{} has no address", address.0)) } else { Ok(found) }
}

/// An answer in our own words.
fn says(status: StatusCode, why: &str) -> Response<Reply> {
    let mut response = Response::new(Reply::Text(Bytes::from(format!("sandbox proxy: {why}"))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The body of an answer.
enum Reply {
    Text(Bytes),
    Passed(Box<Proxied>),
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Text(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Text(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Passed(body) => body.poll_piece(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(bytes) => bytes.is_empty(),
            Self::Passed(body) => body.is_at_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Passed(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests;
