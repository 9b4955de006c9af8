//! MCP's door: `POST /mcp`, streamable HTTP without streams and without sessions.

use std::sync::Arc;

use futures_lite::stream;
use tide::{Request, Response};

use crate::http::context::Context;
use crate::http::refusal::{McpRefusal, Refusal};
use crate::http::{request, respond};
use crate::mcp::{Answer, Messages, VERSIONS};

/// A body that is larger than this is taken apart where it holds up nobody.
const PARSE_HERE_BYTES_MAX: usize = 64 * 1024;

/// Answers that are larger are sent in pieces of this size, and hold their room until the last one.
const PIECE_BYTES: usize = 64 * 1024;

/// Answers messages of the Model Context Protocol.
#[utoipa::path(post, path = "/mcp", operation_id = "callMcp", tag = "mcp",
    params(
        ("Accept" = String, Header, description = "`application/json` and `text/event-stream`, or `*/*`. The answer is always JSON."),
        ("MCP-Protocol-Version" = Option<String>, Header, description = "One that is known: 2026-07-28, 2025-11-25, 2025-06-18, 2025-03-26 or 2024-11-05."),
    ),
    request_body(content = crate::wire::document::JsonRpc, content_type = "application/json", description = "A JSON-RPC message, or a list of 64 at most."),
    responses(
        (status = 200, description = "The answer. A tool that failed is one, too, with `isError`.", body = crate::wire::document::JsonRpc),
        (status = 202, description = "Notifications were read."),
        (status = 400, description = "It is no message, or one that is not known; in plain text.", body = String, content_type = "text/plain"),
        (status = 413, description = "The body is too large (`--max-json-file-bytes`).", body = crate::wire::system::ErrorResponse),
        (status = 415, description = "It is no JSON; in plain text.", body = String, content_type = "text/plain"),
        (status = 503, description = "Too many request bodies or connections at once.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn post(mut request: Request<Context>) -> Result<Response, Refusal> {
    let context = request.state().clone();
    // Read whatever becomes of it: a client that left is noticed only behind the body.
    let mut body = request::body(&mut request, context.limits.json_file_body_bytes_max).await?;
    check_head(&request)?;
    let bytes = std::mem::take(&mut body.bytes);
    let parsed = if bytes.len() > PARSE_HERE_BYTES_MAX {
        blocking::unblock(move || Messages::parse(&bytes)).await
    } else {
        Messages::parse(&bytes)
    };
    let messages = parsed.map_err(|why| Refusal::Mcp(McpRefusal::Message(why)))?;
    let waits = messages.wait();
    if waits {
        request::watch_client(&request)?;
    }
    let change = request::take_change(&mut request);
    let answer = context.mcp.answer(messages, change.map(|change| Arc::new(change) as Arc<_>));
    let answer = if waits {
        Ok(answer.await)
    } else {
        request::while_wanted(&request, async { Ok(answer.await) }).await
    };
    drop(body);
    Ok(match answer? {
        None => respond::empty(202),
        Some(answer) => shown(answer),
    })
}

/// Says that there is no stream of events.
#[utoipa::path(get, path = "/mcp", operation_id = "streamMcp", tag = "mcp", responses(
    (status = 405, description = "There are no streams: every answer comes with its request.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn get(_request: Request<Context>) -> Result<Response, Refusal> {
    Err(Refusal::Mcp(McpRefusal::NoStream))
}

fn check_head(request: &Request<Context>) -> Result<(), Refusal> {
    let media = request::header(request, "content-type").unwrap_or_default();
    if !essence(media).eq_ignore_ascii_case("application/json") {
        return Err(Refusal::Mcp(McpRefusal::ContentType));
    }
    let accept = request::header_list(request, "accept");
    let accepts = |media: &str, any: &str| {
        accept.split(',').map(essence).any(|range| {
            range == "*/*" || range.eq_ignore_ascii_case(any) || range.eq_ignore_ascii_case(media)
        })
    };
    if !accepts("application/json", "application/*") || !accepts("text/event-stream", "text/*") {
        return Err(Refusal::Mcp(McpRefusal::Accept));
    }
    match request::header(request, "mcp-protocol-version") {
        Some(version) if !version.is_empty() && !VERSIONS.contains(&version) => {
            Err(Refusal::Mcp(McpRefusal::Version))
        }
        _ => Ok(()),
    }
}

/// A media type without its parameters.
fn essence(media: &str) -> &str {
    media.split(';').next().unwrap_or_default().trim()
}

fn shown(answer: Answer) -> Response {
    let Answer { bytes, rooms } = answer;
    let mut response = if bytes.len() <= PIECE_BYTES {
        respond::whole(200, "application/json", bytes)
    } else {
        let bytes = Arc::new(bytes);
        let pieces = stream::unfold((bytes, 0, rooms), |(bytes, at, rooms)| async move {
            let piece = bytes[at..bytes.len().min(at + PIECE_BYTES)].to_vec();
            let next = at + piece.len();
            (!piece.is_empty()).then_some((Ok(piece), (bytes, next, rooms)))
        });
        respond::pulled("application/json", pieces)
    };
    response.insert_header("cache-control", "no-cache, no-transform");
    response
}
