//! What is done to files without reading or writing them: copying, moving, linking, permissions and owners, and all that is known.

use tide::{Request, Response};

use crate::error::Error;
use crate::filesystem::{Change, Files, Info, Place, change, copy, link, move_to, parse_mode, path};
use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::{Doing, Refusal};
use crate::http::{file_view, request, respond};
use crate::wire::decode::{self, Record};
use crate::wire::file::{FileMessageResponse, TransferResponse};
use crate::wire::file_request::{ChmodRequest, ChownRequest, CopyRequest, SymlinkRequest};

/// Requests of this kind are a few words: two paths.
const BODY_BYTES_MAX: u64 = 64 * 1024;

async fn body<R: Record>(request: &mut Request<Context>) -> Result<R, Refusal> {
    let body = request::body(request, BODY_BYTES_MAX).await?;
    Ok(decode::decode(&body.bytes)?)
}

/// Copies a file or a folder. Links are copied as links; a destination that is a folder is copied into.
///
/// It is no transaction: what was copied before an error stays. A client that leaves does not end it.
#[utoipa::path(post, path = "/filesystem-copy", operation_id = "copyFiles", tag = "filesystem",
    request_body(content = CopyRequest),
    responses(
        (status = 200, description = "All is copied.", body = TransferResponse),
        (status = 400, description = "The body is malformed.", body = crate::wire::system::ErrorResponse),
        (status = 409, description = "With `noOverwrite`: something is there already (`code` is `FILE_ALREADY_EXISTS`).", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "There is no source, it cannot be read or is a FIFO or a device, or it cannot be written to there.", body = crate::wire::system::ErrorResponse),
        (status = 507, description = "There is no space.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn post_copy(mut request: Request<Context>) -> Result<Response, Refusal> {
    let asked: CopyRequest = body(&mut request).await?;
    let doing = Doing::Copying(asked.destination.clone());
    transfer(&request, asked, copy, doing, "Files copied").await
}

/// Gives a file or a folder another name or place. On one file system that is one instant; between two it is a copy.
#[utoipa::path(post, path = "/filesystem-move", operation_id = "moveFiles", tag = "filesystem",
    request_body(content = CopyRequest),
    responses(
        (status = 200, description = "It is moved.", body = TransferResponse),
        (status = 400, description = "The body is malformed.", body = crate::wire::system::ErrorResponse),
        (status = 409, description = "With `noOverwrite`: something is there already.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "There is no source, or it cannot be moved there.", body = crate::wire::system::ErrorResponse),
        (status = 507, description = "There is no space on the other file system.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn post_move(mut request: Request<Context>) -> Result<Response, Refusal> {
    let asked: CopyRequest = body(&mut request).await?;
    transfer(&request, asked, move_to, Doing::Other, "Files moved").await
}

/// What takes a source to a destination, and perhaps leaves alone what is there.
type Transfer = fn(&Files, &Place, &Place, bool) -> Result<(), Error>;

async fn transfer(
    request: &Request<Context>,
    asked: CopyRequest,
    deed: Transfer,
    doing: Doing,
    message: &'static str,
) -> Result<Response, Refusal> {
    let files = &request.state().sandbox.files;
    let (source, destination) =
        (files.place(asked.source.as_bytes())?, files.place(asked.destination.as_bytes())?);
    let done = files.run(move |files| deed(files, &source, &destination, asked.no_overwrite)).await;
    done.map_err(|error| Refusal::File(doing, error))?;
    let answer = TransferResponse { source: asked.source, destination: asked.destination, message };
    respond::json(200, JsonBody::value(&answer)).await
}

/// Makes a symbolic link.
#[utoipa::path(post, path = "/filesystem-symlink", operation_id = "linkFile", tag = "filesystem",
    request_body(content = SymlinkRequest),
    responses(
        (status = 200, description = "It is made.", body = FileMessageResponse),
        (status = 400, description = "The body is malformed.", body = crate::wire::system::ErrorResponse),
        (status = 409, description = "Something is there already.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "It cannot be made there.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn post_symlink(mut request: Request<Context>) -> Result<Response, Refusal> {
    let asked: SymlinkRequest = body(&mut request).await?;
    let files = &request.state().sandbox.files;
    let (target, place) = (path(asked.target.as_bytes()), files.place(asked.path.as_bytes())?);
    let linked = files.run(move |files| link(files, &target, &place)).await;
    linked.map_err(|error| Refusal::File(Doing::Other, error))?;
    done(asked.path, "Symlink created successfully").await
}

/// Sets the permissions of a file or a folder, and perhaps of all that is below it.
#[utoipa::path(post, path = "/filesystem-chmod", operation_id = "chmodFiles", tag = "filesystem",
    request_body(content = ChmodRequest),
    responses(
        (status = 200, description = "They are set.", body = FileMessageResponse),
        (status = 400, description = "The body or the permissions are malformed.", body = crate::wire::system::ErrorResponse),
        (status = 404, description = "There is nothing.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "They cannot be set.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn post_chmod(mut request: Request<Context>) -> Result<Response, Refusal> {
    let asked: ChmodRequest = body(&mut request).await?;
    let mode = parse_mode(&asked.permissions)?;
    apply(&request, asked.path, Change::Mode(mode), asked.recursive, "Permissions changed successfully").await
}

/// Sets the owner and the group of a file or a folder, and perhaps of all that is below it.
#[utoipa::path(post, path = "/filesystem-chown", operation_id = "chownFiles", tag = "filesystem",
    request_body(content = ChownRequest),
    responses(
        (status = 200, description = "They are set.", body = FileMessageResponse),
        (status = 400, description = "The body is malformed, or nobody is called so.", body = crate::wire::system::ErrorResponse),
        (status = 404, description = "There is nothing.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "They cannot be set.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn post_chown(mut request: Request<Context>) -> Result<Response, Refusal> {
    let asked: ChownRequest = body(&mut request).await?;
    let names = request.state().sandbox.files.accounts.now();
    let number = |what: &'static str, text: &str, number: Option<u32>| match number {
        _ if text.is_empty() => Ok(None),
        Some(number) => Ok(Some(number)),
        None => Err(Refusal::InvalidParameter(what, text.to_owned())),
    };
    let owner = number("owner", &asked.owner, names.uid(&asked.owner))?;
    let group = number("group", &asked.group, names.gid(&asked.group))?;
    apply(&request, asked.path, Change::Owner(owner, group), asked.recursive, "Owner changed successfully")
        .await
}

async fn apply(
    request: &Request<Context>,
    given: String,
    wanted: Change,
    recursive: bool,
    message: &'static str,
) -> Result<Response, Refusal> {
    let files = &request.state().sandbox.files;
    let place = files.place(given.as_bytes())?;
    let changed = files.run(move |files| change(files, &place, wanted, recursive)).await;
    changed.map_err(|error| Refusal::File(Doing::Reading, error))?;
    done(given, message).await
}

async fn done(path: String, message: &'static str) -> Result<Response, Refusal> {
    respond::json(200, JsonBody::value(&FileMessageResponse { path, message, method: None })).await
}

/// Says all that is known of a file.
#[utoipa::path(get, path = "/filesystem-stat/{path}", operation_id = "describeFile", tag = "filesystem",
    params(
        ("path" = String, Path, description = "As for reading."),
        ("follow" = Option<bool>, Query, description = "`false`: of a link itself, with what it says."),
    ),
    responses(
        (status = 200, description = "What is known.", body = crate::wire::file::StatResponse),
        (status = 404, description = "There is nothing.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "It cannot be looked at.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn get_stat(request: Request<Context>) -> Result<Response, Refusal> {
    let place = request::place(&request)?;
    let follow = request::target(&request).parameter("follow").as_deref() != Some("false");
    let files = &request.state().sandbox.files;
    let known = {
        let place = place.clone();
        files.run(move |files| {
            let failed = |errno| Error::file("stat", &place.absolute, errno);
            let info = Info::new(&files.root.stat(&place.absolute, follow).map_err(failed)?);
            let target = if info.is_link() { files.root.link_target(&place.absolute).ok() } else { None };
            Ok((info, target))
        })
    };
    let (info, target) = known.await.map_err(|error| Refusal::File(Doing::Reading, error))?;
    let names = files.accounts.now();
    let answer = file_view::stat(&place.given, place.name(), &info, target.as_deref(), &names);
    respond::json(200, JsonBody::value(&answer)).await
}
