//! Stopping and killing.

use tide::{Request, Response};

use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::Refusal;
use crate::http::{request, respond};
use crate::process::Ending;
use crate::wire::system::MessageResponse;

/// Stops a process.
#[utoipa::path(delete, path = "/process/{identifier}", operation_id = "stopProcess", tag = "process",
    params(("identifier" = String, Path, description = "A name or a pid.")),
    responses(
        (status = 200, description = "SIGTERM was sent to the process group and to descendants that left it, or was before. A pending restart is off. The process counts as running until its exit is seen.", body = MessageResponse),
        (status = 404, description = "No such process, or it ended by itself.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn stop(request: Request<Context>) -> Result<Response, Refusal> {
    end(&request, Ending::Stop, "Process stopped successfully").await
}

/// Kills a process.
#[utoipa::path(delete, path = "/process/{identifier}/kill", operation_id = "killProcess", tag = "process",
    params(("identifier" = String, Path, description = "A name or a pid.")),
    responses(
        (status = 200, description = "SIGKILL was sent to the process group and to every descendant that could be found, or was before.", body = MessageResponse),
        (status = 404, description = "No such process, or it ended by itself.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn kill(request: Request<Context>) -> Result<Response, Refusal> {
    end(&request, Ending::Kill, "Process killed successfully").await
}

async fn end(request: &Request<Context>, ending: Ending, message: &'static str) -> Result<Response, Refusal> {
    let (identifier, name_first) = request::identifier(request);
    let sandbox = &request.state().sandbox;
    let Some(process) = sandbox.find(&identifier, name_first) else {
        return Err(Refusal::NoSuchIdentifier(identifier));
    };
    sandbox.end(&process, ending, &identifier).await?;
    respond::json(200, JsonBody::value(&MessageResponse { message })).await
}
