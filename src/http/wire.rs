//! Between hyper and tide: a request of the one becomes a request of the other, and the answer goes back.
//!
//! tide's own wire loses pipelined requests, can be smuggled through and never notices a client that left, so hyper's
//! HTTP/1 is the wire and tide is the application above it. This file is where the two meet.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_lite::{AsyncReadExt, FutureExt};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use tide::http::{Body, Method, Response, Url};

use super::body::{Content, PulledSlot, RequestBody, ResponseBody};
use super::context::{Change, Client, Context};
use super::middleware::QueryToken;
use super::refusal::Refusal;
use super::request::BodyPatience;
use super::request_log::RequestLine;
use super::respond;
use super::target::{self, Target};
use super::upgraded::ThenSlot;
use crate::underway::{Piece, Underway};

/// A request body of a method whose endpoints read none is read to here and dropped.
const UNWANTED_BODY_BYTES_MAX: u64 = 64 * 1024;

/// The application and what each connection needs of it.
#[derive(Clone)]
pub(crate) struct Application {
    /// tide's router, endpoints and middleware.
    pub(crate) server: tide::Server<Context>,
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
        let method = request.method().as_str().to_owned();
        let is_head = method == "HEAD";
        let target = request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned();
        let change = (!request.method().is_safe()).then(|| self.changes.begin());
        let (presence, then) = (client.presence.clone(), client.then.clone());
        let unwound = AssertUnwindSafe(self.respond(request, client, change)).catch_unwind().await;
        let response = unwound.unwrap_or_else(|_| refused(&Refusal::Panic));
        if let Some(next) = response.ext().get::<ThenSlot>().and_then(ThenSlot::take) {
            then.put(next);
        }
        let (mut response, content) = to_hyper(response).await;
        let line = self.logs_requests.then(|| {
            let target = target::redacted(&target);
            let is_streamed = matches!(content, Content::Pulled(_));
            RequestLine::new(&method, target, response.status().as_u16(), began, is_streamed)
        });
        let content = if is_head { Content::Whole(Bytes::new()) } else { content };
        let body = ResponseBody::new(content, presence, line);
        if response.status() == 204 {
            response.headers_mut().remove(CONTENT_TYPE);
        }
        response.map(|()| body)
    }

    async fn respond(
        &self,
        request: hyper::Request<Incoming>,
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

/// Makes tide's request of hyper's. The body is handed on unread for the methods whose endpoints read one.
async fn to_tide(
    request: hyper::Request<Incoming>,
    client: Client,
    context: &Context,
) -> Result<tide::http::Request, Refusal> {
    let (parts, incoming) = request.into_parts();
    let hosts = parts.headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && parts.version == hyper::Version::HTTP_11) {
        return Err(Refusal::Host);
    }
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
        let reader = RequestBody::new(incoming, client.presence.clone());
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
        let mut space = [0; 4096];
        match patience.read(reader.read(&mut space)).await? {
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
