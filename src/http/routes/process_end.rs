//! Stopping and killing.

use std::time::Duration;

use tide::{Request, Response};

use crate::error::Error;
use crate::http::audit::Subject;
use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::Refusal;
use crate::http::{request, respond};
use crate::process::EndRequest;
use crate::wire::system::MessageResponse;

/// Stops a process.
#[utoipa::path(delete, path = "/process/{identifier}", operation_id = "stopProcess", tag = "process",
    params(
        ("identifier" = String, Path, description = "A name or a pid."),
        ("signal" = Option<String>, Query, description = "The signal to send, by name or number (`INT`, `SIGINT`, `2`); SIGTERM when absent. A signal that is named is sent again when the call is repeated."),
        ("grace" = Option<u64>, Query, description = "Whole seconds after which SIGKILL goes to what still runs; never when absent."),
    ),
    responses(
        (status = 200, description = "The signal was sent to the process group and to descendants that left it, or was before. A pending restart is off. The process counts as running until its exit is seen.", body = MessageResponse),
        (status = 400, description = "There is no such signal, or the grace is not a number of seconds.", body = crate::wire::system::ErrorResponse),
        (status = 404, description = "No such process, or it ended by itself.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn stop(request: Request<Context>) -> Result<Response, Refusal> {
    let target = request::target(&request);
    let mut wanted = match target.parameter("signal") {
        None => EndRequest::STOP,
        Some(signal) => EndRequest::with_signal(&signal).ok_or(Error::InvalidSignal { signal })?,
    };
    wanted.grace = target.parameter("grace").map(grace).transpose()?;
    end(&request, wanted, "Process stopped successfully").await
}

/// Kills a process.
#[utoipa::path(delete, path = "/process/{identifier}/kill", operation_id = "killProcess", tag = "process",
    params(("identifier" = String, Path, description = "A name or a pid.")),
    responses(
        (status = 200, description = "SIGKILL was sent to the process group and to every descendant that could be found, or was before.", body = MessageResponse),
        (status = 404, description = "No such process, or it ended by itself.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn kill(request: Request<Context>) -> Result<Response, Refusal> {
    end(&request, EndRequest::KILL, "Process killed successfully").await
}

async fn end(
    request: &Request<Context>,
    wanted: EndRequest,
    message: &'static str,
) -> Result<Response, Refusal> {
    let (identifier, name_first) = request::identifier(request);
    let sandbox = &request.state().sandbox;
    let Some(process) = sandbox.find(&identifier, name_first) else {
        return Err(Refusal::NoSuchIdentifier(identifier));
    };
    if let Some(subject) = Subject::of(request) {
        subject
            .touched(if wanted == EndRequest::KILL { "process_kill" } else { "process_stop" }, &identifier);
    }
    sandbox.end(&process, wanted, &identifier).await?;
    respond::json(200, JsonBody::value(&MessageResponse { message })).await
}

/// A number too large for 64 bits is just a long time.
fn grace(text: String) -> Result<Duration, Refusal> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits {
        Ok(Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
    } else {
        Err(Refusal::InvalidGrace(text))
    }
}
