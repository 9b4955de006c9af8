//! The port proxy: `/port/{n}/…` is answered by whatever listens on port `n` of this host's loopback addresses.
//!
//! ```text
//! client ─ hyper (server) ─ wire ─ guard ─> PortProxy ─ Link: hyper (client) ─ Socket ─> 127.0.0.1:n, then [::1]:n
//!                                             └ 101 ─> relay: bytes both ways
//! ```
//! It stands beside tide, not behind it, because tide knows neither raw paths nor bytes in headers. Who may come in is decided
//! by the same function (`guard::admit`). All of a request happens in the task of its client's connection: nothing is buffered
//! beyond what hyper has in hand, and when that connection is dropped, so is the server's.

mod body;
pub(super) mod headers;
mod link;
pub(super) mod relay;
mod sent;
mod socket;
mod target;
mod trouble;

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use futures_lite::FutureExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{EXPECT, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};

use super::arriving::Arriving;
use super::body::Content;
use super::context::{Client, Shutdown};
use super::refusal::Refusal;
use super::upgraded::{Then, Upgraded};
use crate::config::Secret;
use body::ProxiedBody;
use headers::Forwarding;
use sent::Gate;

pub(crate) use body::{Cut, ProxiedBody as Proxied};
pub(crate) use link::Kept;
pub(super) use link::{Link, Links, in_words};
pub(super) use sent::Sent;
pub(super) use socket::Socket;
pub(crate) use target::Asked;
pub(crate) use trouble::Trouble;

/// See the module.
#[derive(Debug)]
pub(crate) struct PortProxy {
    /// Where this server listens itself. Held for a few lines.
    own_ports: Mutex<Vec<u16>>,
    links: Arc<Links>,
    token: Option<Secret>,
    shutdown: Arc<Shutdown>,
}

/// The head of an answer and what is to follow it.
type Answer = (Response<()>, Content);

impl PortProxy {
    /// A proxy that keeps `links_max` connections to servers at most.
    pub(crate) fn new(links_max: usize, token: Option<Secret>, shutdown: Arc<Shutdown>) -> Self {
        Self { own_ports: Mutex::default(), links: Links::new(links_max), token, shutdown }
    }

    /// This server listens on a port itself.
    pub(crate) fn is_own(&self, port: u16) {
        self.own_ports.lock().unwrap_or_else(PoisonError::into_inner).push(port);
    }

    /// Passes a request on that may come in. The client is watched from now on: one that leaves ends all of it.
    pub(crate) async fn pass(
        &self,
        request: Request<Arriving>,
        client: &Client,
        asked: Asked<'_>,
    ) -> Result<Answer, Refusal> {
        let port = self.port(&asked)?;
        if client.is_standing {
            return Err(Refusal::Standing);
        }
        let (mut parts, incoming) = request.into_parts();
        if parts.method == Method::CONNECT {
            return Err(Refusal::BadRequest("CONNECT is not passed on to a port".to_owned()));
        }
        if headers::has_strange_coding(&parts.headers) {
            return Err(Refusal::BadRequest(
                "a transfer coding other than chunked is not passed on".to_owned(),
            ));
        }
        let length = incoming.size_hint().exact();
        // A body in front of another protocol is one that two readers may see the end of at two places.
        let upgrade = headers::wanted_upgrade(&parts.headers).filter(|_| length == Some(0));
        let is_upgrade = upgrade.is_some();
        let expects = length != Some(0) && expects_continue(&parts.headers);
        let how = Forwarding { port, peer: client.peer, token: self.token.as_ref(), length };
        headers::forward(&mut parts.headers, upgrade, &how);
        let target = asked.target(self.token.as_ref());
        parts.uri = target.parse().map_err(|_| Refusal::Target(super::target::BadTarget::Form))?;
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        client.presence.watch();
        let can_repeat = parts.method.is_safe() && length == Some(0) && !is_upgrade;
        let bare =
            Bare { method: parts.method.clone(), uri: parts.uri.clone(), headers: parts.headers.clone() };
        if can_repeat
            && let Some(mut link) = client.kept.take(port).await
            && let Ok(answer) = self.unless_shut(link.ask(bare.request(Sent::nothing()))).await?
            && answer.status() != StatusCode::SWITCHING_PROTOCOLS
            && !headers::has_strange_coding(answer.headers())
        {
            return Ok(self.give_back(answer, link, client).await);
        }
        let mut link = Link::open(port, self.links.take()?).await?;
        let gate = expects.then(Arc::<Gate>::default);
        let mut request = bare.request(Sent::new(incoming, gate.clone()));
        if let Some(gate) = &gate {
            ask_first(&mut request, gate.clone());
        }
        let answer = self.unless_shut(link.ask(request)).await?;
        let answer = answer.map_err(|error| no_answer(port, error))?;
        if headers::has_strange_coding(answer.headers()) {
            return Err(Trouble::NoAnswer(port, "a transfer coding other than chunked".to_owned()).into());
        }
        if let Some(gate) = gate {
            gate.answered();
        }
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            if !is_upgrade {
                return Err(Trouble::NoAnswer(port, "it changes the protocol unasked".to_owned()).into());
            }
            return Ok(self.switch(answer, link, client).await);
        }
        Ok(self.give_back(answer, link, client).await)
    }

    fn port(&self, asked: &Asked<'_>) -> Result<u16, Trouble> {
        let port = asked.port().map_err(|text| Trouble::NoPort(text.to_owned()))?;
        let own = self.own_ports.lock().unwrap_or_else(PoisonError::into_inner).contains(&port);
        if own { Err(Trouble::OwnPort(port)) } else { Ok(port) }
    }

    /// An answer that has not begun when the daemon goes away will not come in time.
    async fn unless_shut<T>(&self, answer: impl Future<Output = T>) -> Result<T, Refusal> {
        let shut = async {
            self.shutdown.listen().await;
            Err(Refusal::BodyAtShutdown)
        };
        async { Ok(answer.await) }.or(shut).await
    }

    /// The answer as it came, on its way to the client.
    async fn give_back(&self, answer: Response<Incoming>, link: Link, client: &Client) -> Answer {
        let (mut parts, incoming) = answer.into_parts();
        headers::give_back(&mut parts.headers);
        let mut response = Response::new(());
        *response.status_mut() = parts.status;
        *response.headers_mut() = parts.headers;
        // The words behind the status, where they are not the usual ones.
        if let Some(reason) = parts.extensions.remove::<hyper::ext::ReasonPhrase>() {
            response.extensions_mut().insert(reason);
        }
        let mut body = ProxiedBody::new(incoming, link, client.kept.clone(), &self.shutdown);
        poll_fn(|cx| {
            body.keep_at_end(body.is_at_end(), cx);
            Poll::Ready(())
        })
        .await;
        (response, Content::Proxied(Box::new(body)))
    }

    /// The server changes the protocol, and the connection with it.
    async fn switch(&self, answer: Response<Incoming>, link: Link, client: &Client) -> Answer {
        let mut headers = answer.into_parts().0.headers;
        let protocol = headers.get(hyper::header::UPGRADE).cloned();
        headers::give_back(&mut headers);
        headers.insert(hyper::header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.extend(protocol.map(|protocol| (hyper::header::UPGRADE, protocol)));
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = headers;
        let (socket, read, place) = link.upgraded().await;
        let server = Upgraded::new(Arc::new(socket.into_inner()), read);
        let shutdown = self.shutdown.clone();
        client.then.put(Then::new(move |upgraded| async move {
            relay::relay(upgraded, server).or(shutdown.listen()).await;
            drop(place);
        }));
        (response, Content::nothing())
    }
}

/// A request without its body: what can be asked twice.
struct Bare {
    method: Method,
    uri: hyper::Uri,
    headers: HeaderMap,
}

impl Bare {
    fn request(&self, body: Sent) -> Request<Sent> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// What a request without an answer is told: it may be its own body that is none.
fn no_answer(port: u16, error: hyper::Error) -> Refusal {
    if error.is_user() {
        return Refusal::BodyCut(std::io::Error::other(error));
    }
    Trouble::NoAnswer(port, in_words(&error)).into()
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Lets the server say whether it wants the body.
fn ask_first(request: &mut Request<Sent>, gate: Arc<Gate>) {
    request.headers_mut().insert(EXPECT, HeaderValue::from_static("100-continue"));
    hyper::ext::on_informational(request, move |interim| {
        if interim.status() == StatusCode::CONTINUE {
            gate.open();
        }
    });
}
