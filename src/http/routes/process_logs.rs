//! Logs of a process: its texts, and its stream.

use tide::{Request, Response};

use crate::http::audit::Subject;
use crate::http::context::{Context, FollowerRoom};
use crate::http::json_body::JsonBody;
use crate::http::negotiate::log_form;
use crate::http::refusal::Refusal;
use crate::http::stream_answer::{self, Streamed};
use crate::http::{request, respond};
use crate::log::Position;

/// Shows what a process has printed.
#[utoipa::path(get, path = "/process/{identifier}/logs", operation_id = "getLogs", tag = "process",
    params(("identifier" = String, Path, description = "A name or a pid.")),
    responses(
        (status = 200, description = "The last 4 MiB (by default) of each stream.", body = crate::wire::process::LogsResponse),
        (status = 404, description = "No such process.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn get(request: Request<Context>) -> Result<Response, Refusal> {
    let (identifier, name_first) = request::identifier(&request);
    let context = request.state();
    let Some(process) = context.sandbox.find(&identifier, name_first) else {
        return Err(Refusal::NoSuchPid(identifier));
    };
    if let Some(subject) = Subject::of(&request) {
        subject.touched("process_logs_access", &identifier);
    }
    respond::json(200, JsonBody::logs(&process, context.streams.response_bytes_max)).await
}

/// Streams what a process prints.
#[utoipa::path(get, path = "/process/{identifier}/logs/stream", operation_id = "streamLogs", tag = "process",
    params(
        ("identifier" = String, Path, description = "A name or a pid."),
        ("Accept" = Option<String>, Header, description = "`text/event-stream`, `application/x-ndjson` or `text/plain` (the default); weights count."),
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that was received: the stream goes on behind it."),
        ("cursor" = Option<String>, Query, description = "The same for clients that cannot set the header."),
        ("token" = Option<String>, Query, description = "The auth token, for clients that cannot set headers."),
    ),
    responses(
        (status = 200, description = "Everything that is stored, then what comes, until the process is over. In SSE the events `start`, `stdout`, `stderr`, `gap`, `restart` and at last exactly one of `result` and `failure`.", content(
            (String = "text/plain"), (String = "application/x-ndjson"), (String = "text/event-stream"),
        )),
        (status = 204, description = "The cursor stands behind the terminal event: nothing follows."),
        (status = 400, description = "The cursor is not one of this process.", body = crate::wire::system::ErrorResponse),
        (status = 404, description = "No such process.", body = crate::wire::system::ErrorResponse),
        (status = 503, description = "As many streams are followed, or connections open, as may be.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn stream(request: Request<Context>) -> Result<Response, Refusal> {
    let context = request.state();
    let (identifier, name_first) = request::identifier(&request);
    let latest = context.sandbox.find(&identifier, name_first);
    let (process, from) = match stream_answer::cursor(&request)? {
        None => (latest.ok_or(Refusal::NoSuchIdentifier(identifier))?, Position::default()),
        Some(cursor) => {
            // The name may have a later process by now; the stream that is resumed is that of the cursor.
            let process = stream_answer::resumed(context, cursor)?;
            if process.spec.name != identifier && process.state().pid.to_string() != identifier {
                return Err(Refusal::InvalidCursor(cursor.to_string()));
            }
            if cursor.ended {
                return Ok(respond::empty(204));
            }
            (process, cursor.position)
        }
    };
    if let Some(subject) = Subject::of(&request) {
        subject.touched("process_logs_stream", &process.spec.name);
    }
    request::watch_client(&request)?;
    let room = FollowerRoom::take(context)?;
    let form = log_form(&request::header_list(&request, "accept"));
    let (dialect, heartbeat) = stream_answer::of_log(context, form, request::is_sdk(&request));
    Ok(stream_answer::answer(context, Streamed { process, from, dialect, heartbeat, condition: None, room }))
}
