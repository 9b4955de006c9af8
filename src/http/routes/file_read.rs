//! Reading: what a path is, a file as JSON or as it is, a folder's list.

use tide::{Request, Response};

use super::file_download;
use super::file_listing::ListingBody;
use crate::error::Error;
use crate::filesystem::{Files, Found, Info, Place};
use crate::http::context::Context;
use crate::http::file_text::FileText;
use crate::http::refusal::{Doing, Refusal};
use crate::http::{file_view, produced, request, respond};

/// Reads a file, or lists a folder.
///
/// Which form a file has: JSON with its text, or, with `?download=true` or an `Accept` that names `application/octet-stream` or
/// anything but JSON, its bytes as they are, whole or in ranges.
#[utoipa::path(get, path = "/filesystem/{path}", operation_id = "readFile", tag = "filesystem",
    params(
        ("path" = String, Path, description = "Absolute when a slash of the path is written `%2F` or it begins with a second slash; else below the working folder. `~` is the home folder. Bytes that are no text are percent-encoded."),
        ("download" = Option<bool>, Query, description = "`true`: the bytes as they are."),
        ("Range" = Option<String>, Header, description = "Of a download: `bytes=0-99`, several are answered as `multipart/byteranges`."),
        ("If-None-Match" = Option<String>, Header, description = "304 when the file is still the one with this `ETag`."),
    ),
    responses(
        (status = 200, description = "The file, or what is in the folder. `ETag` names the version of a file.", content((crate::wire::document::ReadResponse = "application/json"), (crate::wire::document::Bytes = "application/octet-stream"))),
        (status = 206, description = "The ranges that were asked for.", body = crate::wire::document::Bytes, content_type = "application/octet-stream"),
        (status = 304, description = "The client has it."),
        (status = 404, description = "There is nothing.", body = crate::wire::system::ErrorResponse),
        (status = 412, description = "`If-Match` or `If-Unmodified-Since` does not hold."),
        (status = 416, description = "The file has none of the bytes that were asked for.", body = String, content_type = "text/plain"),
        (status = 422, description = "It cannot be read: no permission, a name that is too long, a FIFO or a device.", body = crate::wire::system::ErrorResponse),
        (status = 500, description = "The disk failed.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn get(request: Request<Context>) -> Result<Response, Refusal> {
    let files = request.state().sandbox.files.clone();
    let place = request::place(&request)?;
    let is_download = wants_download(&request);
    let found = {
        let place = place.clone();
        files.run(move |files| Found::find(files, &place)).await
    };
    let doing = if is_download { Doing::Opening } else { Doing::Reading };
    match found {
        Ok(Found::Folder) => request::while_wanted(&request, list(&files, place)).await,
        Ok(Found::File(file, info)) if is_download => {
            file_download::answer(&request, &place, file, &info).await
        }
        Ok(Found::File(file, info)) => json(&request, &files, place, file, info).await,
        Err(error @ Error::File { action: "stat", .. }) => Err(Refusal::File(Doing::Reading, error)),
        Err(error) => Err(Refusal::File(doing, error)),
    }
}

/// Says whether there is something, what it is and how large.
#[utoipa::path(head, path = "/filesystem/{path}", operation_id = "statFile", tag = "filesystem",
    params(("path" = String, Path, description = "As for reading.")),
    responses(
        (status = 200, description = "Always, as clients of this API expect: there is something when `X-File-Type` (`file` or `directory`) is there, with `X-File-Mode`, `Last-Modified` and, of a file, `Content-Length` and `ETag`."),
))]
pub(crate) async fn head(request: Request<Context>) -> Result<Response, Refusal> {
    let mut response = respond::empty(200);
    let Ok(place) = request::place(&request) else { return Ok(response) };
    let files = &request.state().sandbox.files;
    let stat = files.run(move |files| {
        let stat = files
            .root
            .stat(&place.absolute, true)
            .map_err(|errno| Error::file("stat", place.absolute, errno))?;
        Ok(Info::new(&stat))
    });
    let Ok(info) = stat.await else { return Ok(response) };
    response.insert_header("x-file-type", if info.is_folder() { "directory" } else { "file" });
    response.insert_header("x-file-mode", format!("{:o}", info.mode));
    response.insert_header("last-modified", httpdate::fmt_http_date(file_view::last_modified(&info)));
    if info.is_file() {
        response.insert_header("etag", info.etag());
    }
    if !info.is_folder() {
        response.insert_header("content-length", info.size.to_string());
    }
    Ok(response)
}

fn wants_download(request: &Request<Context>) -> bool {
    if request::target(request).parameter("download").as_deref() == Some("true") {
        return true;
    }
    let accept = request::header_list(request, "accept");
    accept.contains("application/octet-stream")
        || !(accept.is_empty() || accept.contains("application/json") || accept.contains("*/*"))
}

async fn list(files: &Files, place: Place) -> Result<Response, Refusal> {
    produced::respond(files, respond::JSON, Doing::Listing, move |files| {
        ListingBody::open(files, file_view::shown(place))
    })
    .await
}

async fn json(
    request: &Request<Context>,
    files: &Files,
    place: Place,
    file: std::fs::File,
    info: Info,
) -> Result<Response, Refusal> {
    let etag = info.etag();
    if let Some(response) = file_download::decided_by_version(request, &info) {
        return Ok(response);
    }
    let names = files.accounts.now();
    let open = move |_: &Files| {
        let head = file_view::file(&place.given, place.name(), &info, &names);
        Ok(FileText::new(&head, file, place.absolute, info.size))
    };
    let mut response = produced::respond(files, respond::JSON, Doing::Reading, open).await?;
    response.insert_header("etag", etag);
    Ok(response)
}
