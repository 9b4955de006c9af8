//! Uploads in parts: `/filesystem-multipart`.

use tide::{Request, Response};

use crate::error::{Error, Result};
use crate::filesystem::{FILE_MODE, Part, PartUpload, UploadId, Uploads, WantedPart, parse_mode};
use crate::http::context::Context;
use crate::http::form::{Form, OVERHEAD_BYTES_MAX};
use crate::http::intake::{Intake, Taker};
use crate::http::json_body::JsonBody;
use crate::http::produced::Producer;
use crate::http::refusal::{Doing, Refusal};
use crate::http::target::decode as decode_text;
use crate::http::{file_view, produced, request, respond};
use crate::wire::file::FileMessageResponse;
use crate::wire::multipart::{
    CompleteRequest, PartResponse, PartTakenResponse, PartsResponse, UploadBegunResponse, UploadRequest,
    UploadResponse,
};
use crate::wire::{decode, json, rfc3339};

/// The body of a request that begins an upload is a word.
const BEGIN_BYTES_MAX: u64 = 64 * 1024;

/// Ten thousand parts with a few hundred bytes for each.
const COMPLETE_BYTES_MAX: u64 = 4 << 20;

/// Lists the uploads that are neither completed nor aborted, with their parts.
#[utoipa::path(get, path = "/filesystem-multipart", operation_id = "listUploads", tag = "filesystem", responses(
    (status = 200, description = "All of them.", body = crate::wire::multipart::UploadsResponse),
    (status = 500, description = "The folder for temporary files cannot be read.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn list(request: Request<Context>) -> Result<Response, Refusal> {
    let uploads = request.state().sandbox.uploads.clone();
    let files = request.state().sandbox.files.as_daemon();
    produced::respond(&files, respond::JSON, Doing::KeepingUploads, move |_| {
        Ok(List { ids: uploads.ids()?.into_iter(), uploads, state: Listing::Begin })
    })
    .await
}

/// Begins an upload to a file. Nothing is asked of the file until the upload is completed.
///
/// An upload that nobody touches for a day (`--multipart-expiry`) is removed. It survives a restart of the daemon.
#[utoipa::path(post, path = "/filesystem-multipart/initiate/{path}", operation_id = "beginUpload", tag = "filesystem",
    params(("path" = String, Path, description = "As for reading a file.")),
    request_body(content = UploadRequest, description = "Optional; what is no JSON is ignored."),
    responses(
        (status = 200, description = "It has begun.", body = UploadBegunResponse),
        (status = 400, description = "The permissions are malformed.", body = crate::wire::system::ErrorResponse),
        (status = 500, description = "The folder for temporary files cannot be written to.", body = crate::wire::system::ErrorResponse),
        (status = 503, description = "There are as many uploads as may be (`--max-multipart-uploads`).", body = crate::wire::system::ErrorResponse),
        (status = 507, description = "There is no space.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn initiate(mut request: Request<Context>) -> Result<Response, Refusal> {
    let place = request::place(&request)?;
    let body = request::body(&mut request, BEGIN_BYTES_MAX).await?;
    let UploadRequest { permissions } = decode::decode(&body.bytes).unwrap_or_default();
    let mode = match parse_mode(&permissions) {
        _ if permissions.is_empty() => FILE_MODE,
        Ok(mode) => mode,
        Err(Error::InvalidPermissions { why, .. }) => {
            return Err(Refusal::BadRequest(format!("invalid permissions format: {why}")));
        }
        Err(error) => return Err(error.into()),
    };
    let path = file_view::text(place.absolute.as_os_str());
    let begun = request.state().sandbox.uploads.run(move |uploads| uploads.begin(&place, mode)).await;
    let upload_id = begun.map_err(|error| Refusal::File(Doing::KeepingUploads, error))?.to_string();
    respond::json(200, JsonBody::value(&UploadBegunResponse { upload_id, path })).await
}

/// Takes a part of an upload; another one of its number takes its place.
///
/// A part whose body does not come to its end changes nothing: the older one stays.
#[utoipa::path(put, path = "/filesystem-multipart/{uploadId}/part", operation_id = "uploadPart", tag = "filesystem",
    params(
        ("uploadId" = String, Path, description = "The upload."),
        ("partNumber" = i64, Query, description = "1 to 10000."),
    ),
    request_body(content = crate::wire::document::FileForm, content_type = "multipart/form-data", description = "A form with a field `file`."),
    responses(
        (status = 200, description = "It has come.", body = PartTakenResponse),
        (status = 400, description = "The number or the form is malformed, or the form has no `file`.", body = crate::wire::system::ErrorResponse),
        (status = 408, description = "The body did not go on.", body = crate::wire::system::ErrorResponse),
        (status = 413, description = "The part is too large (`--max-upload-bytes`).", body = crate::wire::system::ErrorResponse),
        (status = 500, description = "There is no such upload, the number is none that a part can have, or the body is cut.", body = crate::wire::system::ErrorResponse),
        (status = 507, description = "There is no space, or the parts of all uploads are too large (`--max-multipart-bytes`).", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn put_part(mut request: Request<Context>) -> Result<Response, Refusal> {
    let number = part_number(request::target(&request).parameter("partNumber"))?;
    let max = request.state().limits.upload_bytes_max;
    let mut form = Form::new(&mut request, max.saturating_add(OVERHEAD_BYTES_MAX))?;
    let failed = |error| Refusal::File(Doing::TakingPart, error);
    let uploads = request.state().sandbox.uploads.clone();
    let mut intake = None;
    while let Some(mut field) = form.next().await.map_err(part_cut)? {
        // What else the form has is read over by the next turn.
        if field.name() != Some("file") || intake.is_some() {
            continue;
        }
        let id = id(&request).map_err(failed)?;
        let uploads = uploads.clone();
        let mut part = Intake::new(move || PartUpload::begin(&uploads, id, number));
        let mut left = max;
        while let Some(chunk) = form.chunk(&mut field).await.map_err(part_cut)? {
            left = left.checked_sub(chunk.len() as u64).ok_or(Refusal::BodyTooLarge(max))?;
            part.write(chunk).await.map_err(failed)?;
        }
        intake = Some((id, part));
    }
    let Some((id, part)) = intake else {
        return Err(Refusal::BadRequest("missing 'file' field in multipart form".to_owned()));
    };
    let part = part.finish().await.map_err(failed)?;
    let part = uploads.run_in_turn(id, move |_| part.finish()).await.map_err(failed)?;
    request::change_made(&mut request);
    let answer = PartTakenResponse { part_number: part.number, etag: part.etag, size: part.size };
    respond::json(200, JsonBody::value(&answer)).await
}

/// Lists the parts of an upload.
#[utoipa::path(get, path = "/filesystem-multipart/{uploadId}/parts", operation_id = "listParts", tag = "filesystem",
    params(("uploadId" = String, Path, description = "The upload.")),
    responses(
        (status = 200, description = "In the order of their numbers.", body = PartsResponse),
        (status = 404, description = "There is no such upload.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn parts(request: Request<Context>) -> Result<Response, Refusal> {
    let id = id(&request)?;
    let bytes = request.state().sandbox.uploads.run(move |uploads| {
        let parts = uploads.look(id)?.parts.into_iter().map(part_response).collect();
        // Ten thousand are a megabyte: where it holds up nobody.
        Ok(json::to_vec(&PartsResponse { upload_id: id.to_string(), parts }))
    });
    let bytes = bytes.await.map_err(|error| Refusal::File(Doing::KeepingUploads, error))?;
    Ok(respond::whole(200, respond::JSON, bytes))
}

/// Makes the file of the parts, and removes the upload.
///
/// The file appears, or takes the place of an older one, at one instant, as with any other write. An error leaves the upload as it
/// is.
#[utoipa::path(post, path = "/filesystem-multipart/{uploadId}/complete", operation_id = "completeUpload", tag = "filesystem",
    params(("uploadId" = String, Path, description = "The upload.")),
    request_body(content = CompleteRequest),
    responses(
        (status = 200, description = "The file is there.", body = FileMessageResponse),
        (status = 400, description = "The body is malformed, or names no part.", body = crate::wire::system::ErrorResponse),
        (status = 404, description = "There is no such upload.", body = crate::wire::system::ErrorResponse),
        (status = 500, description = "A part has not come, or is another than the client means, or the file cannot be written.", body = crate::wire::system::ErrorResponse),
        (status = 507, description = "There is no space; the old file is as it was.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn complete(mut request: Request<Context>) -> Result<Response, Refusal> {
    let body = request::body(&mut request, COMPLETE_BYTES_MAX).await?;
    let CompleteRequest { parts } = decode::decode(&body.bytes)?;
    if parts.is_empty() {
        return Err(Refusal::BadRequest("at least one part is required".to_owned()));
    }
    let wanted: Vec<WantedPart> =
        parts.into_iter().map(|part| WantedPart { number: part.part_number, etag: part.etag }).collect();
    let (id, files) = (id(&request)?, request.state().sandbox.files.clone());
    let uploads = &request.state().sandbox.uploads;
    let completed = uploads.run_in_turn(id, move |uploads| uploads.complete(id, wanted, &files)).await;
    let path = completed.map_err(|error| Refusal::File(Doing::Assembling, error))?;
    done(&mut request, file_view::text(path.as_os_str()), "Multipart upload completed successfully").await
}

/// Gives an upload up, and removes its parts.
#[utoipa::path(delete, path = "/filesystem-multipart/{uploadId}/abort", operation_id = "abortUpload", tag = "filesystem",
    params(("uploadId" = String, Path, description = "The upload.")),
    responses(
        (status = 200, description = "It is removed.", body = FileMessageResponse),
        (status = 404, description = "There is no such upload.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn abort(mut request: Request<Context>) -> Result<Response, Refusal> {
    let id = id(&request)?;
    let aborted = request.state().sandbox.uploads.run_in_turn(id, move |uploads| uploads.abort(id)).await;
    aborted.map_err(|error| Refusal::File(Doing::KeepingUploads, error))?;
    done(&mut request, String::new(), "Multipart upload aborted successfully").await
}

async fn done(
    request: &mut Request<Context>,
    path: String,
    message: &'static str,
) -> Result<Response, Refusal> {
    request::change_made(request);
    respond::json(200, JsonBody::value(&FileMessageResponse { path, message, method: None })).await
}

/// The upload that the path names. What is no id of ours names none.
fn id(request: &Request<Context>) -> Result<UploadId, Error> {
    let text = decode_text(request::target(request).segment(1));
    text.parse().map_err(|_| Error::UploadNotFound { id: text })
}

/// A part's number, in the words of the known server when it is none.
fn part_number(text: Option<String>) -> Result<i64, Refusal> {
    let text = text.unwrap_or_default();
    if text.is_empty() {
        return Err(Refusal::BadRequest("partNumber is required".to_owned()));
    }
    text.parse().map_err(|_| {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let why = if is_number { "value out of range" } else { "invalid syntax" };
        Refusal::BadRequest(format!("invalid partNumber: strconv.Atoi: parsing {text:?}: {why}"))
    })
}

/// What the known server says of a part whose form breaks off.
fn part_cut(refusal: Refusal) -> Refusal {
    if matches!(refusal, Refusal::FormCut) { Refusal::PartCut } else { refusal }
}

fn part_response(part: Part) -> PartResponse {
    PartResponse {
        part_number: part.number,
        etag: part.etag,
        size: part.size,
        uploaded_at: rfc3339::from_parts(part.uploaded_at.0, part.uploaded_at.1),
    }
}

impl Taker for PartUpload {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.write(bytes)
    }
}

/// The list of uploads, a piece for each: a thousand with ten thousand parts each need the memory of one.
struct List {
    uploads: Uploads,
    ids: std::vec::IntoIter<UploadId>,
    state: Listing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Listing {
    Begin,
    First,
    More,
    End,
}

impl Producer for List {
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        match self.state {
            Listing::Begin => {
                self.state = Listing::First;
                return Ok(Some(b"{\"uploads\":[".to_vec()));
            }
            Listing::End => return Ok(None),
            Listing::First | Listing::More => {}
        }
        // One that has gone meanwhile, or that nobody can read any more, is none.
        let found = self.ids.find_map(|id| Some((id, self.uploads.look(id).ok()?)));
        let Some((id, upload)) = found else {
            self.state = Listing::End;
            return Ok(Some(b"]}".to_vec()));
        };
        let parts = upload.parts.into_iter().map(|part| (part.number, part_response(part)));
        let object = json::to_vec(&UploadResponse {
            upload_id: id.to_string(),
            path: file_view::text(upload.path.as_os_str()),
            permissions: upload.permissions,
            initiated_at: rfc3339::from_parts(upload.initiated_at.0, upload.initiated_at.1),
            parts: parts.collect(),
            encoded_path: file_view::encoded(&upload.path),
        });
        let comma: &[u8] = if self.state == Listing::First { b"" } else { b"," };
        self.state = Listing::More;
        Ok(Some([comma, &object[..]].concat()))
    }
}
