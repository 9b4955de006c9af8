//! Replacing the daemon while it runs.

use tide::{Request, Response};

use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::Refusal;
use crate::http::{request, respond};
use crate::upgrade::{Release, Wanted};
use crate::wire::system::{UpgradeRequest, UpgradeResponse};

/// A request for an upgrade is a few words.
const BODY_BYTES_MAX: u64 = 64 * 1024;

/// Replaces the part of the daemon that serves by another program, while everything goes on.
///
/// Processes, their output and their clocks go on; streams and waits that are open are served to their end by the old program, and
/// connections that wait for a request are passed on. The program is proven first: it must start, be of the same API and read the
/// state. A failure leaves everything as it was; `GET /health` tells under `lastUpgrade` how far it is.
#[utoipa::path(post, path = "/upgrade", operation_id = "upgrade", tag = "system",
    request_body(content = UpgradeRequest, description = "May be absent: then the program that runs, as it is on disk now."),
    responses(
        (status = 200, description = "It has begun.", body = UpgradeResponse),
        (status = 400, description = "The path is not absolute, or the checksum is none.", body = crate::wire::system::ErrorResponse),
        (status = 409, description = "One is in progress, or the daemon runs without a keeper.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn start(mut request: Request<Context>) -> Result<Response, Refusal> {
    let body = request::body(&mut request, BODY_BYTES_MAX).await?;
    let asked = UpgradeRequest::read(&body.bytes);
    let answer = UpgradeResponse::to(&asked);
    let wanted = match asked {
        UpgradeRequest { path: Some(path), .. } => Wanted::path(path)?,
        UpgradeRequest { base_url: Some(base_url), version, sha256, .. } => {
            Wanted::Release(Release::new(&base_url, version.as_deref(), sha256)?)
        }
        UpgradeRequest { base_url: None, .. } => Wanted::OnDisk,
    };
    let context = request.state().clone();
    context.upgrader.begin(&context.sandbox)?;
    let (upgrader, sandbox) = (context.upgrader.clone(), context.sandbox.clone());
    // Detached: it ends with the new worker, or with a word in `lastUpgrade`.
    context.runtime.spawn(async move { upgrader.run(&sandbox, wanted).await }).detach();
    respond::json(200, JsonBody::value(&answer)).await
}
