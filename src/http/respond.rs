//! The few shapes of answers.

use futures_lite::Stream;
use tide::Response;
use tide::http::Body;

use super::body::PulledSlot;
use super::json_body::JsonBody;
use super::refusal::{McpRefusal, Refusal};
use crate::error::Result;

/// The `Content-Type` of every JSON answer.
pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// Marks an answer that an endpoint of ours made, so that the router's own "not found" can be told from ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ours;

/// An answer with a body that is there.
pub(crate) fn whole(status: u16, content_type: &str, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(status);
    response.set_body(Body::from_bytes(bytes));
    response.insert_header("content-type", content_type);
    response.insert_ext(Ours);
    response
}

/// An answer without a body.
pub(crate) fn empty(status: u16) -> Response {
    let mut response = Response::new(status);
    response.insert_ext(Ours);
    response
}

/// A JSON answer: whole with a length when it is small, streamed otherwise.
pub(crate) async fn json(status: u16, body: JsonBody) -> Result<Response, Refusal> {
    if body.is_small() {
        return Ok(whole(status, JSON, body.collect().await?));
    }
    let mut response = pulled(JSON, body);
    response.set_status(status);
    Ok(response)
}

/// An answer whose body is pulled as the client takes it.
pub(crate) fn pulled(
    content_type: &str,
    stream: impl Stream<Item = Result<Vec<u8>>> + Send + 'static,
) -> Response {
    let mut response = Response::new(200);
    response.insert_header("content-type", content_type);
    response.insert_ext(PulledSlot::new(stream));
    response.insert_ext(Ours);
    response
}

/// A no.
pub(crate) fn refusal(refusal: &Refusal) -> Response {
    let status = refusal.status();
    if status >= 500 {
        tracing::warn!(?refusal, "a request failed");
    }
    if matches!(refusal, Refusal::Panic) {
        // As the known server has it: there is nothing to say.
        return empty(status);
    }
    if let Refusal::Range { size, .. } = refusal {
        let mut response =
            whole(status, "text/plain; charset=utf-8", format!("{}\n", refusal.text()).into_bytes());
        response.insert_header("content-range", format!("bytes */{size}"));
        return response;
    }
    if let Refusal::Mcp(why) = refusal
        && *why != McpRefusal::NoStream
    {
        // As the known server has it, and its clients show it.
        return whole(status, "text/plain; charset=utf-8", format!("{}\n", refusal.text()).into_bytes());
    }
    let mut response = whole(status, JSON, refusal.body());
    match status {
        // The rest of the body is not read, so the connection cannot go on.
        408 | 413 => response.insert_header("connection", "close"),
        405 => response.insert_header("allow", "POST"),
        401 => response.insert_header("www-authenticate", "Bearer realm=\"boxd\""),
        503 => response.insert_header("retry-after", "1"),
        _ => {}
    }
    response
}
