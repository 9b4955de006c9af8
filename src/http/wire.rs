//! Between hyper and tide: a request of the one becomes a request of the other, and the answer goes back.
//!
//! tide's own wire loses pipelined requests, can be smuggled through and never notices a client that left, so hyper's
//! HTTP/1 is the wire and tide is the application above it. This file is where the two meet.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_lite::{AsyncBufReadExt, FutureExt};
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
};
use tide::http::{Body, Method, Response, Url};

use super::arriving::Arriving;
use super::body::{Content, PulledSlot, RequestBody, ResponseBody};
use super::context::{Change, Client, Context};
use super::guard::{Caller, admit};
use super::middleware::{self, QueryToken};
use super::port_proxy::{Asked, PortProxy};
use super::refusal::Refusal;
use super::request::BodyPatience;
use super::request_log::RequestLine;
use super::respond;
use super::route_table::RouteNumber;
use super::target::{self, Target};
use super::traffic::Taken;
use super::upgraded::ThenSlot;
use crate::config::Access;
use crate::underway::{Piece, Underway};

/// A request body of a method whose endpoints read none is read to here and dropped.
const UNWANTED_BODY_BYTES_MAX: u64 = 64 * 1024;

/// The application and what each connection needs of it.
#[derive(Clone)]
pub(crate) struct Application {
    /// tide's router, endpoints and middleware.
    pub(crate) server: tide::Server<Context>,
    /// What is answered by the servers behind ports.
    pub(crate) ports: Arc<PortProxy>,
    /// A line for each request.
    pub(crate) logs_requests: bool,
    /// Requests that may change something and have not done so yet.
    pub(crate) changes: Underway,
}

impl Application {
    /// Answers one request, whose presence has begun. Whatever happens, there is an answer.
    pub(crate) async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        client: Client,
    ) -> hyper::Response<ResponseBody> {
        let began = Instant::now();
        let (request, rest) = Arriving::of(request);
        let method = request.method().as_str().to_owned();
        let is_head = method == "HEAD";
        let target = request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned();
        let presence = client.presence.clone();
        let is_for_port = Asked::find(&target).is_some();
        let answered = async {
            match Asked::find(&target) {
                // Apart: a connection keeps the room for a request as long as the answer lasts, and followers are idle for long.
                Some(asked) => Box::pin(self.pass(request, &client, asked)).await,
                None => Box::pin(self.route(request, client)).await,
            }
        };
        let unwound = AssertUnwindSafe(answered).catch_unwind().await;
        let (mut response, content) = match unwound {
            Ok(answer) => answer,
            Err(_) => to_hyper(refused(&Refusal::Panic)).await,
        };
        if let Some(rest) = rest {
            rest.tell(response.headers_mut()).await;
        }
        let line = self.logs_requests.then(|| {
            let target = target::redacted(&target);
            let is_streamed = match &content {
                Content::Whole(_) => false,
                Content::Pulled(_) => true,
                Content::Proxied(body) => !is_head && !body.is_at_end(),
            };
            RequestLine::new(&method, target, response.status().as_u16(), began, is_streamed)
        });
        let content = if is_head { Content::nothing() } else { content };
        let traffic = &self.server.state().traffic;
        let taken = match response.extensions_mut().remove::<RouteNumber>() {
            _ if is_for_port => Taken::ForPort,
            Some(route) => Taken::By(route),
            None => Taken::Not,
        };
        traffic.count(taken, &method, response.status().as_u16());
        let body = ResponseBody::new(content, presence, line, traffic.clone());
        if response.status() == 204 {
            response.headers_mut().remove(CONTENT_TYPE);
        }
        response.map(|()| body)
    }

    /// Answers a request for the server behind a port, if it may come in.
    async fn pass(
        &self,
        request: hyper::Request<Arriving>,
        client: &Client,
        asked: Asked<'_>,
    ) -> (hyper::Response<()>, Content) {
        let context = self.server.state();
        let origin = request.headers().get(ORIGIN).map(|value| readable(value).to_owned());
        let method = request.method().clone();
        let refusal = match admit_to_port(&request, client, &context.access) {
            Err(refusal) => Some(refusal),
            // Any port: a preflight is asked before it is known whether anybody listens, and has no token.
            Ok(true) => None,
            Ok(false) => match self.ports.pass(request, client, asked).await {
                Ok((mut head, body)) => {
                    add_missing_cors(&mut head, &context.access, origin.as_deref());
                    return (head, body);
                }
                Err(refusal) => Some(refusal),
            },
        };
        let mut response = refusal.map_or_else(|| respond::empty(204), |refusal| respond::refusal(&refusal));
        let method = method.as_str().parse().unwrap_or(Method::Trace);
        middleware::dress(&mut response, context, method, origin.as_deref());
        to_hyper(response.into()).await
    }

    /// Answers any other request.
    async fn route(
        &self,
        request: hyper::Request<Arriving>,
        client: Client,
    ) -> (hyper::Response<()>, Content) {
        let change = (!request.method().is_safe()).then(|| self.changes.begin());
        let then = client.then.clone();
        let response = self.respond(request, client, change).await;
        if let Some(next) = response.ext().get::<ThenSlot>().and_then(ThenSlot::take) {
            then.put(next);
        }
        let route = response.ext().get::<RouteNumber>().copied();
        let (mut head, content) = to_hyper(response).await;
        if let Some(route) = route {
            head.extensions_mut().insert(route);
        }
        (head, content)
    }

    async fn respond(
        &self,
        request: hyper::Request<Arriving>,
        client: Client,
        change: Option<Piece>,
    ) -> Response {
        match to_tide(request, client, self.server.state()).await {
            Ok(mut request) => {
                if let Some(change) = change {
                    request.ext_mut().insert(Change(Arc::new(change)));
                }
                let response: Result<Response, _> = self.server.respond(request).await;
                response.unwrap_or_else(|_| refused(&Refusal::Panic))
            }
            Err(refusal) => refused(&refusal),
        }
    }
}

fn refused(refusal: &Refusal) -> Response {
    let mut response = respond::refusal(refusal);
    response.insert_header("x-content-type-options", "nosniff");
    response.into()
}

/// Whether a request for a port may come in, and is a preflight that is answered here.
fn admit_to_port(
    request: &hyper::Request<Arriving>,
    client: &Client,
    access: &Access,
) -> Result<bool, Refusal> {
    check_host(request.headers(), request.version())?;
    let target = request.uri().path_and_query();
    let query_token = target.and_then(|target| target::parameter(target.query()?, "token"));
    let header = |name| request.headers().get_all(name).iter().next_back().map(readable);
    let asked = (request.method().as_str(), request.uri().path());
    let caller = Caller::new(asked, header, query_token.as_deref(), client.on_loopback);
    admit(access, &caller).map_err(Refusal::TurnedAway)?;
    Ok(caller.is_preflight)
}

/// HTTP/1.1 wants exactly one `Host`.
fn check_host(headers: &HeaderMap, version: hyper::Version) -> Result<(), Refusal> {
    match headers.get_all(HOST).iter().count() {
        1 => Ok(()),
        0 if version != hyper::Version::HTTP_11 => Ok(()),
        _ => Err(Refusal::Host),
    }
}

/// A header's value for comparing: one that is no ASCII equals nothing of ours, and is there all the same.
fn readable(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or("?")
}

/// What a server behind a port says about pages of other origins is its own matter; where it says nothing, this server's word
/// holds.
fn add_missing_cors(response: &mut hyper::Response<()>, access: &Access, origin: Option<&str>) {
    if response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    for (name, value) in middleware::cors(access, origin) {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().append(name, value);
        }
    }
}

/// Makes tide's request of hyper's. The body is handed on unread for the methods whose endpoints read one.
async fn to_tide(
    request: hyper::Request<Arriving>,
    client: Client,
    context: &Context,
) -> Result<tide::http::Request, Refusal> {
    let (parts, incoming) = request.into_parts();
    check_host(&parts.headers, parts.version)?;
    let text = match parts.uri.path_and_query() {
        Some(target) if target.as_str() != "*" => target.as_str(),
        _ => "/",
    };
    let target = Target::parse(text).map_err(Refusal::Target)?;
    let url = Url::parse(&target.routing_url()).map_err(|_| Refusal::Target(target::BadTarget::Form))?;
    // A method that tide has no name for is on no route: TRACE stands for all of them.
    let method: Method = parts.method.as_str().parse().unwrap_or(Method::Trace);
    let mut request = tide::http::Request::new(method, url);
    copy_headers(&parts.headers, &mut request);
    if incoming.size_hint().exact() != Some(0) {
        let reader = RequestBody::new(incoming, client.presence.clone(), context.traffic.clone());
        if matches!(method, Method::Post | Method::Put | Method::Patch) {
            request.set_body(Body::from_reader(reader, None));
            restore_content_type(&parts.headers, &mut request);
        } else {
            drop_body(reader, BodyPatience::new(context)).await?;
        }
    }
    if let Some(token) = target.parameter("token") {
        request.ext_mut().insert(QueryToken(token));
    }
    request.ext_mut().insert(target);
    request.ext_mut().insert(client);
    Ok(request)
}

/// http-types takes ASCII only; other bytes of a value are shown as `?`. None of ours is read beyond ASCII.
fn copy_headers(from: &HeaderMap, to: &mut tide::http::Request) {
    for (name, value) in from {
        let ascii: String =
            value.as_bytes().iter().map(|b| if b.is_ascii() { char::from(*b) } else { '?' }).collect();
        to.append_header(name.as_str(), ascii);
    }
}

/// `set_body` invents a content type.
fn restore_content_type(from: &HeaderMap, to: &mut tide::http::Request) {
    to.remove_header("content-type");
    if let Some(value) = from.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()) {
        to.insert_header("content-type", value);
    }
}

/// A client that left is only noticed when nothing unread stands before its end of input.
async fn drop_body(mut reader: RequestBody, mut patience: BodyPatience) -> Result<(), Refusal> {
    let mut dropped = 0;
    while dropped <= UNWANTED_BODY_BYTES_MAX {
        let read = async {
            let read = reader.fill_buf().await?.len();
            reader.consume(read);
            Ok(read)
        };
        match patience.read(read).await? {
            0 => return Ok(()),
            read => dropped += read as u64,
        }
    }
    Err(Refusal::BodyTooLarge(UNWANTED_BODY_BYTES_MAX))
}

/// Takes an answer of tide's apart. The headers come first: taking the body invents a content type.
async fn to_hyper(mut response: Response) -> (hyper::Response<()>, Content) {
    let mut out = hyper::Response::new(());
    *out.status_mut() = hyper::StatusCode::from_u16(response.status().into()).unwrap_or_default();
    for (name, values) in &response {
        if let Ok(name) = HeaderName::from_bytes(name.as_str().as_bytes()) {
            for value in values.into_iter().filter_map(|v| HeaderValue::from_str(v.as_str()).ok()) {
                out.headers_mut().append(name.clone(), value);
            }
        }
    }
    if let Some(stream) = response.ext().get::<PulledSlot>().and_then(PulledSlot::take) {
        return (out, Content::Pulled(stream));
    }
    // All other bodies of ours are in memory.
    let bytes = response.take_body().into_bytes().await.unwrap_or_default();
    (out, Content::Whole(Bytes::from(bytes)))
}
