//! `GET /process/{id}/stats`.

use tide::{Request, Response};

use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::Refusal;
use crate::http::{request, respond, view};
use crate::process::Stats;

/// Shows what a process uses.
#[utoipa::path(get, path = "/process/{identifier}/stats", operation_id = "getProcessStats", tag = "process",
    params(("identifier" = String, Path, description = "A name or a pid.")),
    responses(
        (status = 200, description = "CPU time, memory, input and output, threads and processes of the whole tree: now, or the final numbers of a process that is over.", body = crate::wire::stats::StatsResponse),
        (status = 404, description = "No such process.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn get(request: Request<Context>) -> Result<Response, Refusal> {
    let (identifier, name_first) = request::identifier(&request);
    let process = request.state().sandbox.find(&identifier, name_first).ok_or(Refusal::NoSuchProcess)?;
    let measured = process.clone();
    let stats = blocking::unblock(move || Stats::of(&measured)).await;
    respond::json(200, JsonBody::value(&view::stats(&process, &stats))).await
}
