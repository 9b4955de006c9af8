//! Archives: a folder as one stream of bytes, and back: `/filesystem-archive/{path}`.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;

use tide::{Request, Response};

use crate::error::{Error, Result};
use crate::filesystem::{Format, Packing, UnpackBounds, staging_file, unpack};
use crate::http::context::Context;
use crate::http::form::BodyStream;
use crate::http::intake::{Intake, Taker};
use crate::http::json_body::JsonBody;
use crate::http::produced::Producer;
use crate::http::refusal::{Doing, Refusal};
use crate::http::routes::file_download::disposition;
use crate::http::{file_view, produced, request, respond};
use crate::wire::file::UnpackedResponse;

/// Entries of one archive that is unpacked: more is a mistake or an attack.
const ENTRIES_MAX: u64 = 1_000_000;

/// Packs a folder with all that is below it, or a file alone.
///
/// Entries are in the order of their names, parents first, with paths below the folder, permissions and times; links are packed as links; FIFOs,
/// sockets and devices are left out. The folder is not held still meanwhile: what vanishes is left out, a file that grows is cut at the size it
/// had, and one that becomes shorter is filled up with zeros in tar and is shorter in zip. An error in the middle cuts the answer.
#[utoipa::path(get, path = "/filesystem-archive/{path}", operation_id = "packFiles", tag = "filesystem",
    params(
        ("path" = String, Path, description = "A folder or a file."),
        ("format" = Option<String>, Query, description = "`tar` (the default), `tar.gz` or `zip`."),
    ),
    responses(
        (status = 200, description = "The archive, of no announced length unless it is small.", content((crate::wire::document::Bytes = "application/x-tar"), (crate::wire::document::Bytes = "application/gzip"), (crate::wire::document::Bytes = "application/zip"))),
        (status = 400, description = "There is no such format.", body = crate::wire::system::ErrorResponse),
        (status = 404, description = "There is nothing.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "It is a FIFO or the like, or cannot be read.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn get(request: Request<Context>) -> Result<Response, Refusal> {
    let place = request::place(&request)?;
    let format = match request::target(&request).parameter("format") {
        None => Format::Tar,
        Some(name) => Format::named(&name).ok_or(Refusal::InvalidParameter("format", name))?,
    };
    let mut name = OsString::from(place.absolute.file_name().unwrap_or("root".as_ref()));
    name.push(".");
    name.push(format.name());
    let files = &request.state().sandbox.files;
    let mut response = produced::respond(files, format.content_type(), Doing::Reading, move |files| {
        Packing::open(files, &place, format)
    })
    .await?;
    response.insert_header("content-disposition", disposition(&name));
    Ok(response)
}

/// Unpacks an archive into a folder, which is made when it is not there. Other files of the folder stay.
///
/// The body is received whole before anything is unpacked; one that is cut changes nothing. An archive with an absolute path, a path with
/// `..`, a device, a FIFO, or what is no archive, is refused before anything is written. No link is followed, whether it lies there or comes with the
/// archive. Each file is written as with any other write; the bits for setuid and setgid are dropped, and everything belongs to whom the daemon
/// writes files as. It is no transaction: what was unpacked before an error stays.
#[utoipa::path(put, path = "/filesystem-archive/{path}", operation_id = "unpackFiles", tag = "filesystem",
    params(
        ("path" = String, Path, description = "A folder."),
        ("format" = Option<String>, Query, description = "`tar`, `tar.gz` or `zip`; else the content type says it."),
    ),
    request_body(content((crate::wire::document::Bytes = "application/x-tar"), (crate::wire::document::Bytes = "application/gzip"), (crate::wire::document::Bytes = "application/zip"))),
    responses(
        (status = 200, description = "All is unpacked.", body = UnpackedResponse),
        (status = 400, description = "There is no such format, or it is not said.", body = crate::wire::system::ErrorResponse),
        (status = 408, description = "The body did not go on.", body = crate::wire::system::ErrorResponse),
        (status = 413, description = "The body is too large (`--max-upload-bytes`), or would become more than a million entries or too many bytes (`--max-unpacked-bytes`).", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "It is no archive, or one that is not unpacked, or something cannot be written.", body = crate::wire::system::ErrorResponse),
        (status = 507, description = "There is no space.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn put(mut request: Request<Context>) -> Result<Response, Refusal> {
    let place = request::place(&request)?;
    let format = format_of(&request)?;
    let context = request.state().clone();
    let mut body = BodyStream::new(&mut request, context.limits.upload_bytes_max)?;
    let failed = |error| Refusal::File(Doing::Unpacking, error);
    let mut intake = Intake::new(|| staging_file().map(Received));
    while let Some(chunk) = body.next().await? {
        intake.write(chunk).await.map_err(failed)?;
    }
    let Received(archive) = intake.finish().await.map_err(failed)?;
    let bounds = UnpackBounds { entries_max: ENTRIES_MAX, bytes_max: context.limits.unpacked_bytes_max };
    let path = file_view::text(place.given.as_os_str());
    let unpacked = context
        .sandbox
        .files
        .run(move |files| unpack(files, &place, (archive, format), bounds))
        .await
        .map_err(failed)?;
    request::change_made(&mut request);
    let answer = UnpackedResponse {
        path,
        message: "Archive extracted successfully",
        entries: unpacked.entries,
        bytes: unpacked.bytes,
    };
    respond::json(200, JsonBody::value(&answer)).await
}

fn format_of(request: &Request<Context>) -> Result<Format, Refusal> {
    if let Some(name) = request::target(request).parameter("format") {
        return Format::named(&name).ok_or(Refusal::InvalidParameter("format", name));
    }
    let content_type = request::header(request, "content-type").unwrap_or_default();
    Format::of_type(content_type).ok_or_else(|| {
        Refusal::BadRequest(
            "the format of the archive is not known: send Content-Type application/x-tar, application/gzip or \
             application/zip, or ?format=tar, tar.gz or zip"
                .to_owned(),
        )
    })
}

/// An archive that is being received: a file without a name.
struct Received(File);

impl Taker for Received {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(|source| Error::File {
            action: "write",
            path: "the archive".into(),
            source,
        })
    }
}

impl Producer for Packing {
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        self.next()
    }
}
