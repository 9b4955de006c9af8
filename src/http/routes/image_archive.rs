//! The archive of what a sandbox has changed on top of its image: `/archive/*`.

use std::time::Instant;

use tide::{Request, Response};

use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::Refusal;
use crate::http::{request, respond};
use crate::image_archive::ExportOptions;
use crate::wire::image_archive::{ExportManifest, ExportRequest, ExportResponse, QuiesceStatus};
use crate::wire::rfc3339;

/// Ten thousand addresses of parts, a kilobyte and a half each.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// An archive in which nothing is: tar ends with two empty blocks.
const EMPTY_ARCHIVE_BYTES: u64 = 1024;

/// What there is to be said where nothing is ever frozen.
const ACTIVE: QuiesceStatus = QuiesceStatus { state: "active", read_only_root: false };

/// Says whether the sandbox is frozen for an archive. It never is: there is no pristine image here to make one from.
#[utoipa::path(get, path = "/archive/status", operation_id = "getArchiveStatus", tag = "archive", responses(
    (status = 200, description = "The sandbox is active.", body = QuiesceStatus),
))]
pub(crate) async fn status(_request: Request<Context>) -> Result<Response, Refusal> {
    respond::json(200, JsonBody::value(&ACTIVE)).await
}

/// Lifts the freeze of an export. There is none, so nothing is done. A body is passed over.
#[utoipa::path(post, path = "/archive/resume", operation_id = "resumeArchive", tag = "archive", responses(
    (status = 200, description = "The sandbox is active.", body = QuiesceStatus),
))]
pub(crate) async fn resume(request: Request<Context>) -> Result<Response, Refusal> {
    status(request).await
}

/// Exports what the sandbox has changed on top of its image, where that is known.
///
/// The request is checked as on the vendor's machines. Here only a dry run with the image mounted at `/`, that is, the root compared with
/// itself, can be answered; nothing is stopped, frozen or sent.
#[utoipa::path(post, path = "/archive/export", operation_id = "exportArchive", tag = "archive",
    request_body(content = ExportRequest, description = "16 MiB at most. Unknown fields are ignored."),
    responses(
        (status = 200, description = "A dry run: what would be in the archive.", body = ExportResponse),
        (status = 400, description = "The body is malformed, it is not said where to send the archive, or the image is none.", body = crate::wire::system::ErrorResponse),
        (status = 413, description = "The body is too large.", body = crate::wire::system::ErrorResponse),
        (status = 500, description = "There is no pristine image here that the sandbox could be compared with.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn export(mut request: Request<Context>) -> Result<Response, Refusal> {
    let began = Instant::now();
    let body = request::body(&mut request, BODY_BYTES_MAX).await?;
    let asked = ExportRequest::decode(&body.bytes)?;
    drop(body);
    let options = ExportOptions {
        // An upload in parts stands for the address.
        has_target: !asked.url.is_empty() || asked.multipart.is_some(),
        dry_run: asked.dry_run,
        image_device: asked.image_device.clone(),
        image_mount_point: asked.image_mount_point.clone(),
    };
    blocking::unblock(move || options.check()).await?;
    let saves_processes = asked.save_processes.unwrap_or(true);
    let running =
        || request.state().sandbox.all().iter().filter(|process| !process.state().is_over()).count();
    let response = ExportResponse {
        manifest: ExportManifest {
            version: 1,
            created_at: rfc3339::from_ms(crate::clock::now_ms()),
            api_version: env!("CARGO_PKG_VERSION"),
            image_device: asked.image_device,
            root: "/",
            excludes: asked.excludes,
            added: 0,
            modified: 0,
            deleted: Vec::new(),
            payload_bytes: 0,
            processes: if saves_processes { running() as u64 } else { 0 },
        },
        size: EMPTY_ARCHIVE_BYTES,
        uploaded: false,
        changes: Vec::new(),
        duration: format!("{:.1}s", began.elapsed().as_secs_f64()),
    };
    respond::json(200, JsonBody::value(&response)).await
}
