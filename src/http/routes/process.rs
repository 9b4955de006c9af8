//! Looking at processes: the list, one, and the wait for one.

use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use futures_lite::FutureExt;
use tide::{Request, Response};

use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::Refusal;
use crate::http::{request, respond};
use crate::process::Process;

/// How long `/wait` holds when the client does not say.
const WAIT_SECONDS: u64 = 60;

/// The longest that `/wait` holds: gateways cut at 120 s.
const WAIT_SECONDS_MAX: u64 = 120;

/// Lists the processes.
#[utoipa::path(get, path = "/process", operation_id = "listProcesses", tag = "process", responses(
    (status = 200, description = "Every process that is not forgotten, in the order in which they were started. Each shows the last 64 KiB (by default) of its streams.", body = Vec<crate::wire::process::ProcessResponse>),
))]
pub(crate) async fn list(request: Request<Context>) -> Result<Response, Refusal> {
    let context = request.state();
    respond::json(200, JsonBody::list(context.sandbox.all(), context.streams.inline_bytes_max)).await
}

/// Shows a process.
#[utoipa::path(get, path = "/process/{identifier}", operation_id = "getProcess", tag = "process",
    params(("identifier" = String, Path, description = "A name (percent-encoded where it must be) or a pid. The latest process of that name or pid is meant. A number is a pid first; written with any percent escape it is a name first.")),
    responses(
        (status = 200, description = "The process, with the last 64 KiB (by default) of its streams.", body = crate::wire::process::ProcessResponse),
        (status = 404, description = "No such process.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn get(request: Request<Context>) -> Result<Response, Refusal> {
    let process = find(&request)?;
    respond::json(200, JsonBody::process(&process, request.state().streams.inline_bytes_max)).await
}

/// Waits until a process is over.
#[utoipa::path(get, path = "/process/{identifier}/wait", operation_id = "waitForProcess", tag = "process",
    params(
        ("identifier" = String, Path, description = "A name or a pid."),
        ("timeout" = Option<u64>, Query, description = "Whole seconds to hold at most: 60 when absent, 120 at most, 0 answers at once."),
    ),
    responses(
        (status = 200, description = "The process: over, or still `running` when the time was up.", body = crate::wire::process::ProcessResponse),
        (status = 400, description = "The timeout is not a number of seconds.", body = crate::wire::system::ErrorResponse),
        (status = 404, description = "No such process.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn wait(request: Request<Context>) -> Result<Response, Refusal> {
    let timeout = timeout(request::target(&request).parameter("timeout"))?;
    let process = find(&request)?;
    request::watch_client(&request)?;
    let context = request.state();
    let over = async {
        process.over().await;
    };
    let time_up = async {
        Timer::after(timeout).await;
    };
    // Answering early with `running` is allowed; a daemon that goes away does.
    over.or(time_up).or(context.shutdown.listen()).await;
    respond::json(200, JsonBody::process(&process, context.streams.inline_bytes_max)).await
}

fn find(request: &Request<Context>) -> Result<Arc<Process>, Refusal> {
    let (identifier, name_first) = request::identifier(request);
    request.state().sandbox.find(&identifier, name_first).ok_or(Refusal::NoSuchProcess)
}

fn timeout(parameter: Option<String>) -> Result<Duration, Refusal> {
    let Some(text) = parameter else { return Ok(Duration::from_secs(WAIT_SECONDS)) };
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // A number too large for 64 bits is just a long time.
    let seconds =
        if digits { text.parse().unwrap_or(u64::MAX) } else { return Err(Refusal::InvalidTimeout(text)) };
    Ok(Duration::from_secs(seconds.min(WAIT_SECONDS_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_whole_seconds() {
        #[track_caller]
        fn check(text: Option<&str>, expect: Option<u64>) {
            assert_eq!(timeout(text.map(str::to_owned)).ok(), expect.map(Duration::from_secs), "{text:?}");
        }
        check(None, Some(60));
        check(Some("0"), Some(0));
        check(Some("8"), Some(8));
        check(Some("119"), Some(119));
        check(Some("999999999999999999999999"), Some(120));
        for bad in ["", "-1", "1.5", "x", "+1", " 1"] {
            check(Some(bad), None);
        }
    }
}
