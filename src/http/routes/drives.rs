//! Drives: remote folders that are mounted here.

use tide::{Request, Response};

use crate::drives::{Drive, DriveRequest, MountedDrive};
use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::Refusal;
use crate::http::target::decode;
use crate::http::{request, respond};
use crate::wire::decode;
use crate::wire::drive::{
    DriveListResponse, DriveMountInfo, DriveMountRequest, DriveMountResponse, DriveUnmountResponse,
};

/// The route, without the path of a drive.
const ROUTE: &str = "/drives/mount";

/// A request for a drive is a few words.
const BODY_BYTES_MAX: u64 = 64 * 1024;

/// Lists the drives that are mounted.
#[utoipa::path(get, path = "/drives/mount", operation_id = "listDrives", tag = "drive", responses(
    (status = 200, description = "The drives, as the kernel knows them.", body = DriveListResponse),
    (status = 500, description = "The kernel's table cannot be read.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn list(request: Request<Context>) -> Result<Response, Refusal> {
    let drives = request.state().sandbox.drives.list().await?;
    let mounts = drives.into_iter().map(|drive| {
        let MountedDrive { name, mount_path, drive_path, is_read_only } = drive;
        DriveMountInfo {
            drive_name: name,
            mount_path: mount_path.to_string_lossy().into_owned(),
            drive_path,
            read_only: is_read_only,
            uid_map: "",
            gid_map: "",
        }
    });
    respond::json(200, JsonBody::value(&DriveListResponse { mounts: mounts.collect() })).await
}

/// Mounts a drive and answers when it can be read, 30 s after its turn has come at the latest.
///
/// A drive that is mounted there already in the same way is no error. The folder is made when it is missing. A client that leaves
/// does not stop it.
#[utoipa::path(post, path = "/drives/mount", operation_id = "mountDrive", tag = "drive",
    request_body = DriveMountRequest,
    responses(
        (status = 200, description = "It is mounted.", body = DriveMountResponse),
        (status = 400, description = "The body is malformed, or a name or a path is none.", body = crate::wire::system::ErrorResponse),
        (status = 409, description = "Something else is mounted there, or the same drive in another way.", body = crate::wire::system::ErrorResponse),
        (status = 500, description = "A mapping is malformed, the platform's settings are missing, the folder cannot be made, or the program that mounts it has failed or takes too long.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn mount(mut request: Request<Context>) -> Result<Response, Refusal> {
    let body = request::body(&mut request, BODY_BYTES_MAX).await?;
    let asked: DriveMountRequest = decode::decode(&body.bytes)
        .map_err(|error| Refusal::BadRequest(format!("Invalid request body: {error}")))?;
    request::may_wait(&request)?;
    let drives = request.state().sandbox.drives.clone();
    let asked = DriveRequest {
        name: asked.drive_name,
        mount_path: asked.mount_path,
        drive_path: asked.drive_path,
        is_read_only: asked.read_only,
        uid_map: asked.uid_map,
        gid_map: asked.gid_map,
    };
    let mounted = request::while_wanted(&request, async { Ok(drives.mount(asked).await?) }).await?;
    let Drive { name, mount_path, folder, is_read_only, uid_map, gid_map } = mounted;
    let answer = DriveMountResponse {
        success: true,
        message: "Drive mounted successfully",
        drive_name: name,
        mount_path: mount_path.to_string_lossy().into_owned(),
        drive_path: folder,
        read_only: is_read_only,
        uid_map,
        gid_map,
    };
    respond::json(200, JsonBody::value(&answer)).await
}

/// Unmounts a drive. Nothing that is not a drive is unmounted.
#[utoipa::path(delete, path = "/drives/mount/{mountPath}", operation_id = "unmountDrive", tag = "drive",
    params(("mountPath" = String, Path, description = "Where the drive is mounted, its slashes escaped or not.")),
    responses(
        (status = 200, description = "It is unmounted.", body = DriveUnmountResponse),
        (status = 400, description = "The path is missing.", body = crate::wire::system::ErrorResponse),
        (status = 409, description = "What is mounted there is no drive.", body = crate::wire::system::ErrorResponse),
        (status = 500, description = "The path is none, nothing is mounted there, or the drive is in use.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn unmount(request: Request<Context>) -> Result<Response, Refusal> {
    let path = decode(request::target(&request).path());
    let path = path.strip_prefix(ROUTE).unwrap_or_default();
    if path.trim_matches('/').is_empty() {
        return Err(Refusal::BadRequest("Mount path is required (must start with /)".to_owned()));
    }
    request::may_wait(&request)?;
    let drives = request.state().sandbox.drives.clone();
    let unmounted = request::while_wanted(&request, async { Ok(drives.unmount(path).await?) }).await?;
    let answer = DriveUnmountResponse {
        success: true,
        message: "Drive unmounted successfully",
        mount_path: unmounted.to_string_lossy().into_owned(),
    };
    respond::json(200, JsonBody::value(&answer)).await
}
