//! Standard input of a process that was started with one.

use std::sync::Arc;

use tide::{Request, Response};

use crate::calls::stdin;
use crate::http::audit::Subject;
use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::Refusal;
use crate::http::{request, respond};
use crate::process::Process;
use crate::wire::system::MessageResponse;

/// Writes to the standard input of a process.
#[utoipa::path(post, path = "/process/{identifier}/stdin", operation_id = "writeStdin", tag = "process",
    params(("identifier" = String, Path, description = "A name or a pid.")),
    request_body(content = crate::wire::document::Bytes, content_type = "application/octet-stream", description = "Bytes to write as they are, 8 MiB at most. Bodies never interleave."),
    responses(
        (status = 200, description = "The bytes are in the pipe; the command may not have read them yet.", body = MessageResponse),
        (status = 400, description = "The body could not be read.", body = crate::wire::system::ErrorResponse),
        (status = 404, description = "No such process.", body = crate::wire::system::ErrorResponse),
        (status = 409, description = "The process was started without stdin, it was closed, or the process is over.", body = crate::wire::system::ErrorResponse),
        (status = 413, description = "The body is too large.", body = crate::wire::system::ErrorResponse),
        (status = 500, description = "The pipe cannot be written to, such as when the command has closed its end.", body = crate::wire::system::ErrorResponse),
        (status = 503, description = "The pipe stayed full for 10 s: the command is not reading. A part may have been written.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn write(mut request: Request<Context>) -> Result<Response, Refusal> {
    // The body first: 413 and 400 win over 404 and 409.
    let max = request.state().limits.stdin_body_bytes_max;
    let body = request::body(&mut request, max).await?;
    let process = find(&request)?;
    if let Some(subject) = Subject::of(&request) {
        // Never what is written: it may be a password.
        subject.wrote(&process.spec.name, body.bytes.len());
    }
    stdin::write(&process, &body.bytes).await?;
    respond::json(200, JsonBody::value(&MessageResponse { message: "Bytes written to stdin" })).await
}

/// Closes the standard input of a process.
#[utoipa::path(delete, path = "/process/{identifier}/stdin", operation_id = "closeStdin", tag = "process",
    params(("identifier" = String, Path, description = "A name or a pid.")),
    responses(
        (status = 200, description = "The command reads an end of file once it has read the rest; also when it was closed before or the process is over.", body = MessageResponse),
        (status = 404, description = "No such process.", body = crate::wire::system::ErrorResponse),
        (status = 409, description = "The process was started without stdin.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn close(request: Request<Context>) -> Result<Response, Refusal> {
    let process = find(&request)?;
    if let Some(subject) = Subject::of(&request) {
        subject.touched("process_stdin_close", &process.spec.name);
    }
    stdin::close(&process).await?;
    respond::json(200, JsonBody::value(&MessageResponse { message: "Stdin closed" })).await
}

fn find(request: &Request<Context>) -> Result<Arc<Process>, Refusal> {
    let (identifier, name_first) = request::identifier(request);
    let found = request.state().sandbox.find(&identifier, name_first);
    found.ok_or(Refusal::NoSuchLowercaseIdentifier(identifier))
}
