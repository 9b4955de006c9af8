//! Writing files and making folders: `PUT /filesystem/{path}`.

use tide::{Request, Response};

use crate::error::Error;
use crate::filesystem::{
    Condition, FOLDER_MODE, Place, Tags, Upload, WriteOptions, Written, make_folders, parse_mode,
};
use crate::http::context::Context;
use crate::http::form::{BodyStream, Form, OVERHEAD_BYTES_MAX};
use crate::http::json_body::JsonBody;
use crate::http::refusal::{Doing, Refusal};
use crate::http::sink::Sink;
use crate::http::{file_view, request, respond};
use crate::wire::decode;
use crate::wire::file::FileMessageResponse;
use crate::wire::file_request::FileRequest;

/// The message for a file whose content came as JSON.
const WRITTEN: &str = "File created/updated successfully";

/// The message for a file that came as it is.
const UPLOADED: &str = "Binary file uploaded successfully";

/// A body that is larger than this is taken apart where it holds up nobody.
const DECODE_HERE_BYTES_MAX: usize = 64 * 1024;

/// Writes a file, or makes a folder. Folders above it that are missing are made.
///
/// The new file takes the place of the old one at one instant, with its permissions, owner and attributes; a link stays a link, and
/// what it leads to is replaced. A body that does not come to its end changes nothing. The body is JSON, or
/// `multipart/form-data` with a field `file` and perhaps `permissions`, in any order, or with `Content-Type:
/// application/octet-stream` the bytes themselves.
#[utoipa::path(put, path = "/filesystem/{path}", operation_id = "writeFile", tag = "filesystem",
    params(
        ("path" = String, Path, description = "As for reading."),
        ("append" = Option<bool>, Query, description = "`true`: behind what the file has."),
        ("permissions" = Option<String>, Query, description = "Of a new file whose bytes are the body: octal."),
        ("If-Match" = Option<String>, Header, description = "Only when the file is the one with this `ETag`; `*`: only when there is one."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only when there is none."),
    ),
    request_body(content((FileRequest = "application/json"), (crate::wire::document::FileForm = "multipart/form-data"), (crate::wire::document::Bytes = "application/octet-stream"))),
    responses(
        (status = 200, description = "It is written. `ETag` names the version, `method` says how.", body = FileMessageResponse),
        (status = 400, description = "The body or the permissions are malformed, or the form has no `file`.", body = crate::wire::system::ErrorResponse),
        (status = 408, description = "The body did not go on.", body = crate::wire::system::ErrorResponse),
        (status = 412, description = "The file is not the one that was expected.", body = crate::wire::system::ErrorResponse),
        (status = 413, description = "The body is too large (`--max-upload-bytes`; `--max-json-file-bytes` for JSON).", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "It cannot be written: a folder, a FIFO, no permission, a read-only file system, a name that is too long.", body = crate::wire::system::ErrorResponse),
        (status = 500, description = "The disk failed.", body = crate::wire::system::ErrorResponse),
        (status = 503, description = "Too many request bodies at once, or the daemon is going away.", body = crate::wire::system::ErrorResponse),
        (status = 507, description = "There is no space; the old file is as it was.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn put(mut request: Request<Context>) -> Result<Response, Refusal> {
    let place = request::place(&request)?;
    let content_type =
        request::header(&request, "content-type").unwrap_or_default().trim().to_ascii_lowercase();
    if content_type.starts_with("multipart/form-data") {
        form(&mut request, place).await
    } else if content_type.starts_with("application/octet-stream") {
        bytes(&mut request, place).await
    } else {
        json(&mut request, place).await
    }
}

/// How the request wants the file to be written.
fn options(request: &Request<Context>) -> WriteOptions {
    let tags = |name| request::header(request, name).map(Tags::parse);
    WriteOptions {
        mode: None,
        append: request::target(request).parameter("append").as_deref() == Some("true"),
        condition: Condition { is: tags("if-match"), is_not: tags("if-none-match") },
    }
}

async fn json(request: &mut Request<Context>, place: Place) -> Result<Response, Refusal> {
    let max = request.state().limits.json_file_body_bytes_max;
    let body = request::body(request, max).await?;
    let options = options(request);
    let files = request.state().sandbox.files.clone();
    let decoded = if body.bytes.len() > DECODE_HERE_BYTES_MAX {
        blocking::unblock(move || decode::decode::<FileRequest>(&body.bytes)).await
    } else {
        decode::decode::<FileRequest>(&body.bytes)
    };
    let FileRequest { content, is_directory, permissions } = decoded?;
    let mode = mode(&permissions)?;
    if is_directory {
        let folder = place.absolute.clone();
        let making = files.run(move |files| make_folders(files, &folder, mode.unwrap_or(FOLDER_MODE)));
        making.await.map_err(|error| Refusal::File(Doing::MakingFolder, error))?;
        return done(request, &place, "Directory created successfully", None).await;
    }
    let written = {
        let (place, options) = (place.clone(), WriteOptions { mode, ..options });
        files.run(move |files| Upload::whole(files, &place, options, content.as_bytes())).await
    };
    let written = written.map_err(|error| Refusal::File(Doing::Writing, error))?;
    done(request, &place, WRITTEN, Some(&written)).await
}

async fn form(request: &mut Request<Context>, place: Place) -> Result<Response, Refusal> {
    let max = request.state().limits.upload_bytes_max;
    let options = options(request);
    let mut form = Form::new(request, max.saturating_add(OVERHEAD_BYTES_MAX))?;
    let failed = |error| Refusal::File(Doing::Uploading, error);
    let (mut mode_wanted, mut sink) = (None, None);
    while let Some(mut field) = form.next().await? {
        let (name, file_name) = (field.name().map(str::to_owned), field.file_name().map(str::to_owned));
        match (name.as_deref(), file_name) {
            (Some("permissions"), None) => mode_wanted = mode(&form.text(field).await?)?,
            (Some("file"), Some(name)) if !name.is_empty() && sink.is_none() => {
                let mut file = Sink::new(&request.state().sandbox.files, place.clone(), options.clone());
                let mut left = max;
                while let Some(chunk) = form.chunk(&mut field).await.map_err(file_cut)? {
                    left = left.checked_sub(chunk.len() as u64).ok_or(Refusal::BodyTooLarge(max))?;
                    file.write(chunk).await.map_err(failed)?;
                }
                sink = Some(file);
            }
            // Whatever else there is, is read over by the next turn.
            _ => {}
        }
    }
    let Some(sink) = sink else {
        return Err(Refusal::BadRequest("missing 'file' field in multipart form".to_owned()));
    };
    let written = sink.finish(mode_wanted).await.map_err(failed)?;
    done(request, &place, UPLOADED, Some(&written)).await
}

/// What the known server says of a file whose form breaks off.
fn file_cut(refusal: Refusal) -> Refusal {
    if matches!(refusal, Refusal::FormCut) { Refusal::FileCut } else { refusal }
}

async fn bytes(request: &mut Request<Context>, place: Place) -> Result<Response, Refusal> {
    let max = request.state().limits.upload_bytes_max;
    let options = options(request);
    let mode = mode(&request::target(request).parameter("permissions").unwrap_or_default())?;
    let failed = |error| Refusal::File(Doing::Uploading, error);
    let mut sink = Sink::new(&request.state().sandbox.files, place.clone(), options);
    let mut body = BodyStream::new(request, max)?;
    while let Some(chunk) = body.next().await? {
        sink.write(chunk).await.map_err(failed)?;
    }
    let written = sink.finish(mode).await.map_err(failed)?;
    done(request, &place, UPLOADED, Some(&written)).await
}

/// Permissions of a body; no text is none.
fn mode(text: &str) -> Result<Option<u32>, Error> {
    if text.is_empty() { Ok(None) } else { parse_mode(text).map(Some) }
}

async fn done(
    request: &mut Request<Context>,
    place: &Place,
    message: &'static str,
    written: Option<&Written>,
) -> Result<Response, Refusal> {
    request::change_made(request);
    let answer = FileMessageResponse {
        path: file_view::text(place.given.as_os_str()),
        message,
        method: written.map(|written| file_view::method(written.method)),
    };
    let mut response = respond::json(200, JsonBody::value(&answer)).await?;
    if let Some(written) = written {
        response.insert_header("etag", written.info.etag());
    }
    Ok(response)
}
