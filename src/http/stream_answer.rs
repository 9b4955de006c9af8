//! The streamed answer about one process, in any dialect, from its beginning or from a cursor.

use std::sync::Arc;
use std::time::Duration;

use tide::{Request, Response};

use super::context::{Context, FollowerRoom};
use super::dialect::{Dialect, Ndjson, NdjsonKind, Sse, Text};
use super::event_stream::{Condition, EventStream, Parts};
use super::negotiate::{LogForm, StartForm};
use super::refusal::Refusal;
use super::{request, respond};
use crate::log::cursor::Cursor;
use crate::log::{Follower, Position};
use crate::process::Process;

/// Silence before a heartbeat on a log stream in text of an official SDK: the blocking client of `PyPI` `blaxel` 0.4.24 waits
/// 5 s for a byte.
const SDK_LOG_HEARTBEAT: Duration = Duration::from_secs(4);

/// What is streamed, and how.
pub(crate) struct Streamed {
    /// Who.
    pub(crate) process: Arc<Process>,
    /// From where.
    pub(crate) from: Position,
    /// In which form.
    pub(crate) dialect: Box<dyn Dialect>,
    /// Silence before a heartbeat.
    pub(crate) heartbeat: Duration,
    /// What must not fail beside the process.
    pub(crate) condition: Option<Condition>,
    /// Its place among the streams that are followed.
    pub(crate) room: FollowerRoom,
}

/// The answer. Its head is sent at once, its body as the client takes it.
pub(crate) fn answer(context: &Context, streamed: Streamed) -> Response {
    let Streamed { process, from, dialect, heartbeat, condition, room } = streamed;
    let content_type = dialect.content_type();
    let parts = Parts {
        follower: Follower::attach(process.log.clone(), from),
        process,
        dialect,
        heartbeat,
        inline_bytes_max: context.streams.inline_bytes_max,
        condition,
        _room: room,
        shutdown: context.shutdown.clone(),
    };
    let mut response = respond::pulled(content_type, EventStream::new(parts));
    response.insert_header("cache-control", "no-store, no-transform");
    // nginx and its kin would hold events back.
    response.insert_header("x-accel-buffering", "no");
    response
}

/// The dialect and the heartbeat of the stream of a start; `None` for one JSON object.
pub(crate) fn of_start(context: &Context, form: StartForm) -> Option<(Box<dyn Dialect>, Duration)> {
    let streams = &context.streams;
    match form {
        StartForm::Json => None,
        StartForm::Sse => Some((Box::new(Sse), streams.sse_heartbeat)),
        StartForm::SdkNdjson => Some((Box::new(Ndjson::new(NdjsonKind::SdkStart)), streams.ndjson_heartbeat)),
        StartForm::Ndjson => Some((Box::new(Ndjson::new(NdjsonKind::Start)), streams.ndjson_heartbeat)),
    }
}

/// The dialect and the heartbeat of a log stream. One of the official SDKs gives a log up that was silent for 5 s.
pub(crate) fn of_log(context: &Context, form: LogForm, is_sdk: bool) -> (Box<dyn Dialect>, Duration) {
    let streams = &context.streams;
    match form {
        LogForm::Text if is_sdk => (Box::new(Text::default()), streams.log_heartbeat.min(SDK_LOG_HEARTBEAT)),
        LogForm::Text => (Box::new(Text::default()), streams.log_heartbeat),
        LogForm::Ndjson => (Box::new(Ndjson::new(NdjsonKind::Log)), streams.log_heartbeat),
        LogForm::Sse => (Box::new(Sse), streams.sse_heartbeat),
    }
}

/// The place that a request resumes from: `Last-Event-ID`, or `?cursor=`.
pub(crate) fn cursor(request: &Request<Context>) -> Result<Option<Cursor>, Refusal> {
    let header = request::header(request, "last-event-id").map(str::to_owned);
    let text =
        header.or_else(|| request::target(request).parameter("cursor")).filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(|_| Refusal::InvalidCursor(text))).transpose()
}

/// The process of a cursor; a cursor beyond its log is none of its.
pub(crate) fn resumed(context: &Context, cursor: Cursor) -> Result<Arc<Process>, Refusal> {
    let process = context.sandbox.by_id(cursor.process).ok_or(Refusal::NoSuchProcess)?;
    if process.log.reaches(cursor.position) {
        Ok(process)
    } else {
        Err(Refusal::InvalidCursor(cursor.to_string()))
    }
}
