//! `POST /process`: the heart of the API.

use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use futures_lite::FutureExt;
use tide::{Request, Response};

use crate::error::Error;
use crate::http::context::{Context, FollowerRoom};
use crate::http::event_stream::Condition;
use crate::http::json_body::JsonBody;
use crate::http::log_text::Stretch;
use crate::http::negotiate::{StartForm, start_form};
use crate::http::refusal::Refusal;
use crate::http::stream_answer::{self, Streamed};
use crate::http::{request, respond, view};
use crate::log::Position;
use crate::process::{Limits, PortsAnswer, Process, ProcessSpec, Reason, RestartPolicy, wait_for_ports};
use crate::wire::ProcessRequest;
use crate::wire::limits::ProcessLimits;

/// The timeout of a process that keeps the sandbox awake, when the client does not say.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_mins(10);

/// A process that could not be killed in time is waited for this much longer.
const KILL_GRACE: Duration = Duration::from_secs(2);

/// No shell starts in less memory than this.
const MEMORY_LIMIT_MIN: u64 = 1024 * 1024;

/// Shorter and longer limits are made this long: a clock has its bounds.
const SECONDS_LIMIT_MIN: Duration = Duration::from_millis(1);
const SECONDS_LIMIT_MAX: Duration = Duration::from_hours(24 * 365 * 100);

/// Characters of an automatic name behind `proc-`.
const NAME_CHARS: usize = 8;

/// Bytes of output quoted in an error.
const QUOTED_BYTES: u64 = 2048;

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
        let started = context.sandbox.start(spec(&context, asked)?).await?;
        (started.process, Some(started.first_byte), Position::default(), wanted)
    };
    request::change_made(&mut request);
    let (Some((dialect, heartbeat)), Some(room)) = (stream_answer::of_start(&context, form), room) else {
        drop(first_byte);
        return answer_json(&request, &context, &process, wanted).await;
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

/// Completes when the process is over. A process that was killed because its time was up is an error.
async fn until_over(process: &Arc<Process>) -> Result<(), Error> {
    let over = async { Some(process.over().await) };
    let state = match process.spec.timeout {
        None => over.await,
        Some(timeout) => over.or(unkillable(process, timeout)).await,
    };
    match (state, process.spec.timeout) {
        (Some(state), _) if state.reason() != Some(Reason::Timeout) => Ok(()),
        (_, after) => Err(Error::TimedOut { after: after.unwrap_or_default() }),
    }
}

/// Completes when a process that was to be killed is still there: nobody waits for what the kernel does not let go.
async fn unkillable(process: &Arc<Process>, timeout: Duration) -> Option<crate::process::State> {
    loop {
        let run = process.state().run;
        Timer::after(timeout).await;
        // What is over already is not killed: what was waited for beside its end does not come in time.
        if process.state().is_over() {
            return None;
        }
        Timer::after(KILL_GRACE).await;
        let state = process.state();
        // Each run has its own time.
        if state.run == run && !state.is_backing_off() {
            return None;
        }
    }
}

/// Completes when the ports listen, or with the reason why they will not.
async fn until_open(process: &Arc<Process>, ports: Vec<u16>) -> Result<(), Error> {
    let timed_out = |after| Error::PortsTimedOut { after };
    let open = async {
        match wait_for_ports(process.clone(), ports.clone()).await {
            PortsAnswer::Open => Ok(()),
            PortsAnswer::Over(state) if state.reason() == Some(Reason::Timeout) => {
                Err(timed_out(process.spec.timeout.unwrap_or_default()))
            }
            // It did what it was to do and will not listen any more.
            PortsAnswer::Over(state) if state.exit_code() == 0 => Ok(()),
            PortsAnswer::Over(state) => {
                let output = quoted_output(process).await;
                Err(Error::PortsNeverOpened { exit_code: state.exit_code(), ports, output })
            }
        }
    };
    match process.spec.timeout {
        None => open.await,
        Some(after) => {
            let time_up = async {
                unkillable(process, after).await;
                Err(timed_out(after))
            };
            open.or(time_up).await
        }
    }
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

/// The end of a process's output for an error text.
async fn quoted_output(process: &Arc<Process>) -> String {
    let stretch = Stretch::tail(process.log.clone(), process.spec.restart, QUOTED_BYTES);
    stretch.plain().await.trim_end().to_owned()
}

fn ports(asked: &[i64]) -> Result<Vec<u16>, Error> {
    let mut ports = asked
        .iter()
        .map(|port| u16::try_from(*port).ok().filter(|p| *p > 0).ok_or(Error::InvalidPort { port: *port }))
        .collect::<Result<Vec<_>, _>>()?;
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

fn spec(context: &Context, asked: ProcessRequest) -> Result<ProcessSpec, Error> {
    if asked.keep_alive && context.keep_alive_disabled {
        return Err(Error::KeepAliveDisabled);
    }
    let seconds = |s: i64| u64::try_from(s).ok().filter(|s| *s > 0).map(Duration::from_secs);
    let timeout = match asked.timeout {
        None if asked.keep_alive => Some(KEEP_ALIVE_TIMEOUT),
        Some(below) if below < 0 && asked.keep_alive => Some(KEEP_ALIVE_TIMEOUT),
        timeout => timeout.and_then(seconds),
    };
    Ok(ProcessSpec {
        name: asked.name.unwrap_or_else(automatic_name),
        working_dir: context.sandbox.folder(&asked.working_dir)?,
        command: asked.command,
        env: asked.env,
        stdin: asked.stdin,
        timeout,
        restart: RestartPolicy { on_failure: asked.restart_on_failure, max: asked.max_restarts },
        keep_alive: asked.keep_alive,
        limits: limits(&asked.limits.unwrap_or_default())?,
    })
}

/// The limits, checked: each is above zero, and what a shell needs to start at all.
fn limits(asked: &ProcessLimits) -> Result<Limits, Error> {
    let invalid = |limit: &str, why: String| Error::InvalidLimit { limit: limit.to_owned(), why };
    if let Some(limit) = asked.unknown.first() {
        return Err(invalid(limit, "there is no such limit".to_owned()));
    }
    let count = |limit: &str, number: Option<i64>, min: u64| {
        let checked = number.map(|n| u64::try_from(n).ok().filter(|n| *n >= min).ok_or(n)).transpose();
        checked.map_err(|n| invalid(limit, format!("{n} is below {min}")))
    };
    let seconds = |limit: &str, number: Option<f64>| {
        let check = |n: f64| {
            if n <= 0.0 {
                return Err(invalid(limit, format!("{n} is not above 0")));
            }
            Ok(Duration::try_from_secs_f64(n)
                .unwrap_or(Duration::MAX)
                .clamp(SECONDS_LIMIT_MIN, SECONDS_LIMIT_MAX))
        };
        number.map(check).transpose()
    };
    Ok(Limits {
        memory_bytes: count("memoryBytes", asked.memory_bytes, MEMORY_LIMIT_MIN)?,
        cpu: seconds("cpuSeconds", asked.cpu_seconds)?,
        pids: count("pids", asked.pids, 1)?,
        wall: seconds("wallSeconds", asked.wall_seconds)?,
        output_bytes: count("outputBytes", asked.output_bytes, 1)?,
        idle: seconds("idleSeconds", asked.idle_seconds)?,
    })
}

fn automatic_name() -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let letters = (0..NAME_CHARS).map(|_| char::from(LETTERS[fastrand::usize(..LETTERS.len())]));
    format!("proc-{}", letters.collect::<String>())
}
