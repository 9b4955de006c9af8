//! `POST /process`: the heart of the API.

use std::sync::Arc;
use std::time::Instant;

use futures_lite::FutureExt;
use tide::{Request, Response};

use crate::calls::start::{ports, spec, until_open, until_over};
use crate::error::Error;
use crate::http::audit::Subject;
use crate::http::context::{Context, FollowerRoom};
use crate::http::event_stream::Condition;
use crate::http::json_body::JsonBody;
use crate::http::negotiate::{StartForm, start_form};
use crate::http::refusal::Refusal;
use crate::http::stream_answer::{self, Streamed};
use crate::http::{request, respond, view};
use crate::log::Position;
use crate::process::Process;
use crate::wire::ProcessRequest;

/// Starts a command and answers with the process or a stream of its output.
#[utoipa::path(post, path = "/process", operation_id = "startProcess", tag = "process",
    params(
        ("Accept" = Option<String>, Header, description = "`text/event-stream` or `application/x-ndjson` for a stream; anything else for one JSON object."),
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that was received: nothing is started, the stream of that process goes on behind it."),
        ("cursor" = Option<String>, Query, description = "The same for clients that cannot set the header."),
    ),
    request_body(content = ProcessRequest, description = "16 MiB at most by default. Unknown fields are ignored."),
    responses(
        (status = 200, description = "The process. As JSON: at once, or when its ports listen and when it is over, as asked for. As a stream: its output, until it is over; the last SSE event is `result` with this same object.", content(
            (crate::wire::process::ProcessResponse = "application/json"), (String = "text/event-stream"), (String = "application/x-ndjson"),
        )),
        (status = 204, description = "The cursor stands behind the terminal event: nothing follows."),
        (status = 400, description = "The body is malformed, a running process has the name, keepAlive is not available, a limit is malformed or impossible, or the cursor is none.", body = crate::wire::system::ErrorResponse),
        (status = 413, description = "The body is too large.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "The command could not be started, a limit cannot be enforced here, its time was up while it was waited for, or it ended before its ports listened.", body = crate::wire::system::ErrorResponse),
        (status = 503, description = "Too many request bodies, processes, streams or connections at once, or the daemon is going away.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn start(mut request: Request<Context>) -> Result<Response, Refusal> {
    let began = Instant::now();
    let context = request.state().clone();
    // Read whatever becomes of it: a client that left is noticed only behind the body.
    let body = request::body(&mut request, context.limits.process_body_bytes_max).await?;
    let resumed = stream_answer::cursor(&request)?;
    let form = form(&request, &context);
    // Before anything is started: who is refused has started nothing.
    let room = match form {
        StartForm::Json => None,
        StartForm::Sse | StartForm::Ndjson | StartForm::SdkNdjson => {
            request::may_wait(&request)?;
            Some(FollowerRoom::take(&context)?)
        }
    };
    let (process, first_byte, from, wanted) = if let Some(cursor) = resumed {
        // A client that repeats a start after a cut gets the process it has started.
        let process = stream_answer::resumed(&context, cursor)?;
        if cursor.ended {
            return Ok(respond::empty(204));
        }
        let waits = ProcessRequest::decode(&body.bytes).is_ok_and(|wanted| wanted.wait_for_completion);
        (process, None, cursor.position, Wanted { ports: Vec::new(), completion: waits })
    } else {
        let asked = ProcessRequest::decode(&body.bytes)?;
        drop(body);
        let wanted = Wanted { ports: ports(&asked.wait_for_ports)?, completion: asked.wait_for_completion };
        if wanted.waits() {
            request::may_wait(&request)?;
        }
        let started =
            context.sandbox.start(spec(&context.sandbox, context.keep_alive_disabled, asked)?).await?;
        if let Some(subject) = Subject::of(&request) {
            let spec = &started.process.spec;
            let folder = spec.working_dir.to_string_lossy();
            subject.started(form != StartForm::Json, &spec.command, &folder, spec.stdin);
        }
        (started.process, Some(started.first_byte), Position::default(), wanted)
    };
    request::change_made(&mut request);
    let (Some((dialect, heartbeat)), Some(room)) = (stream_answer::of_start(&context, form), room) else {
        drop(first_byte);
        let is_exec = wanted.completion;
        let answer = answer_json(&request, &context, &process, wanted).await;
        if is_exec {
            context.traffic.exec.observe(began.elapsed());
        }
        return answer;
    };
    request::watch_client(&request)?;
    let condition = (!wanted.ports.is_empty()).then(|| ports_condition(&process, wanted.ports));
    let streamed = Streamed { process, from, dialect, heartbeat, condition, room };
    let answer = stream_answer::answer(&context, streamed);
    // The follower is attached now, and spares it itself.
    drop(first_byte);
    Ok(answer)
}

/// What the answer waits for.
struct Wanted {
    ports: Vec<u16>,
    completion: bool,
}

impl Wanted {
    fn waits(&self) -> bool {
        self.completion || !self.ports.is_empty()
    }
}

fn form(request: &Request<Context>, context: &Context) -> StartForm {
    start_form(&request::header_list(request, "accept"), request::is_sdk(request), context.streams.dialect)
}

async fn answer_json(
    request: &Request<Context>,
    context: &Context,
    process: &Arc<Process>,
    wanted: Wanted,
) -> Result<Response, Refusal> {
    if !wanted.waits() {
        return respond::json(200, JsonBody::value(&view::process(process))).await;
    }
    request::watch_client(request)?;
    let waits = async {
        if !wanted.ports.is_empty() {
            until_open(process, wanted.ports).await?;
        }
        if wanted.completion { until_over(process).await } else { Ok(()) }
    };
    let leaving = async {
        context.shutdown.listen().await;
        Err(Error::ShuttingDown)
    };
    match waits.or(leaving).await {
        Ok(()) if process.state().is_over() => {
            respond::json(200, JsonBody::process(process, context.streams.response_bytes_max)).await
        }
        Ok(()) => respond::json(200, JsonBody::process(process, context.streams.inline_bytes_max)).await,
        Err(error) => with_process(context, process, error).await,
    }
}

/// An error that shows the process it is about: without it a client that did not choose the name could not find it.
async fn with_process(context: &Context, process: &Arc<Process>, error: Error) -> Result<Response, Refusal> {
    let refusal = Refusal::Core(error);
    let mut before = refusal.body();
    before.pop();
    before.extend_from_slice(b",\"process\":");
    let body = JsonBody::process(process, context.streams.inline_bytes_max).wrap(before, b"}".to_vec());
    let mut response = respond::json(refusal.status(), body).await?;
    if refusal.status() == 503 {
        response.insert_header("retry-after", "1");
    }
    Ok(response)
}

fn ports_condition(process: &Arc<Process>, ports: Vec<u16>) -> Condition {
    let process = process.clone();
    Box::pin(async move {
        match until_open(&process, ports).await {
            Ok(()) => None,
            // The result says how it ended.
            Err(_) if process.state().is_over() => None,
            Err(error) => Some(error),
        }
    })
}
