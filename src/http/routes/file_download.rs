//! A file as it is: content types, ranges, and what a client has already (RFC 9110 §13, §14).

use std::ffi::OsStr;
use std::fs::File;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use tide::{Request, Response};

use crate::error::{Error, Result};
use crate::filesystem::{Files, Info, Place, Tags};
use crate::http::context::Context;
use crate::http::download::{Download, Part};
use crate::http::ranges::{self, Wanted};
use crate::http::refusal::{Doing, Refusal};
use crate::http::{file_view, request, respond};

/// Content types by the end of a name, as the known server has them. Whatever else there is, is bytes.
const TYPES: [(&str, &str); 19] = [
    ("txt", "text/plain"),
    ("log", "text/plain"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("css", "text/css"),
    ("js", "application/javascript"),
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("pdf", "application/pdf"),
    ("zip", "application/zip"),
    ("tar", "application/x-tar"),
    ("gz", "application/gzip"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("gif", "image/gif"),
    ("svg", "image/svg+xml"),
    ("wasm", "application/wasm"),
    ("md", "text/markdown"),
];

/// The type of what has no type.
const BYTES: &str = "application/octet-stream";

/// What is read of a file that does not know its size before it is answered.
const FIRST_BYTES: usize = 64 * 1024;

/// The answer to a request for the bytes of a file.
pub(super) async fn answer(
    request: &Request<Context>,
    place: &Place,
    file: File,
    info: &Info,
) -> Result<Response, Refusal> {
    if let Some(response) = decided_by_version(request, info) {
        return Ok(response);
    }
    let range = request::header(request, "range").filter(|_| range_is_of_this(request, info));
    let content_type = content_type(place.name());
    if info.size == 0 {
        let files = &request.state().sandbox.files;
        return Ok(described(unsized_file(files, place, file, content_type).await?, place, info));
    }
    Ok(match ranges::parse(range, info.size) {
        Wanted::All => {
            let whole = 0..info.size;
            let mut response = stretch(file, place, whole.clone(), content_type);
            response.insert_header("content-length", info.size.to_string());
            described(response, place, info)
        }
        Wanted::Ranges(ranges) => match &ranges[..] {
            [one] => {
                let mut response = stretch(file, place, one.clone(), content_type);
                response.set_status(206);
                response.insert_header("content-length", (one.end - one.start).to_string());
                response.insert_header("content-range", content_range(one, info.size));
                described(response, place, info)
            }
            several => described(byte_ranges(file, place, several, (content_type, info.size)), place, info),
        },
        Wanted::Unsatisfiable(text) => {
            let mut response = respond::refusal(&Refusal::Range { text, size: info.size });
            response.insert_header("accept-ranges", "bytes");
            response
        }
    })
}

/// A file that says it has 0 bytes. One of the kernel has some all the same: what it has is what comes, and when nothing does, the
/// client is told before the answer has begun.
async fn unsized_file(
    files: &Files,
    place: &Place,
    file: File,
    content_type: &str,
) -> Result<Response, Refusal> {
    let path = place.absolute.clone();
    let read = files.run(move |_| {
        let mut first = vec![0; FIRST_BYTES];
        let read = file.read_at(&mut first, 0);
        let read = read.map_err(|source| Error::File { action: "read", path, source })?;
        first.truncate(read);
        Ok((file, first))
    });
    let (file, first) = read.await.map_err(|error| Refusal::File(Doing::Reading, error))?;
    if first.is_empty() {
        return Ok(respond::whole(200, content_type, first));
    }
    let rest = Part::Rest(first.len() as u64);
    let body = Download::new(file, place.absolute.clone(), [Part::Text(first), rest]);
    Ok(respond::pulled(content_type, body))
}

/// The answer to a client that wants another version than this, or has this one already; `None`: it is to be sent.
pub(super) fn decided_by_version(request: &Request<Context>, info: &Info) -> Option<Response> {
    let status = if !precondition_holds(request, info) {
        412
    } else if has_it(request, info) {
        304
    } else {
        return None;
    };
    let mut response = respond::empty(status);
    response.insert_header("etag", info.etag());
    response.insert_header("last-modified", httpdate::fmt_http_date(file_view::last_modified(info)));
    Some(response)
}

fn has_it(request: &Request<Context>, info: &Info) -> bool {
    match request::header(request, "if-none-match") {
        Some(tags) => Tags::parse(tags).has_weakly(&info.etag()),
        None => request::header(request, "if-modified-since")
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .is_some_and(|since| file_view::last_modified(info) <= since),
    }
}

fn precondition_holds(request: &Request<Context>, info: &Info) -> bool {
    match request::header(request, "if-match") {
        Some(tags) => Tags::parse(tags).has(Some(&info.etag())),
        None => request::header(request, "if-unmodified-since")
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .is_none_or(|since| file_view::last_modified(info) <= since),
    }
}

/// Whether the ranges are meant of the file as it is now (`If-Range`).
fn range_is_of_this(request: &Request<Context>, info: &Info) -> bool {
    let Some(version) = request::header(request, "if-range") else { return true };
    match httpdate::parse_http_date(version) {
        Ok(date) => date == truncated(file_view::last_modified(info)),
        Err(_) => version.trim() == info.etag(),
    }
}

fn truncated(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(since.as_secs())
}

fn stretch(file: File, place: &Place, range: Range<u64>, content_type: &str) -> Response {
    respond::pulled(content_type, Download::new(file, place.absolute.clone(), [Part::Stretch(range)]))
}

/// Several ranges: a part each (RFC 9110 §14.6).
fn byte_ranges(
    file: File,
    place: &Place,
    ranges: &[Range<u64>],
    (content_type, size): (&str, u64),
) -> Response {
    let boundary: String = std::iter::repeat_with(fastrand::alphanumeric).take(30).collect();
    let mut parts = Vec::new();
    let mut len = 0_u64;
    for (n, range) in ranges.iter().enumerate() {
        let line = if n == 0 { "" } else { "\r\n" };
        let head = format!(
            "{line}--{boundary}\r\nContent-Range: {}\r\nContent-Type: {content_type}\r\n\r\n",
            content_range(range, size)
        );
        len += head.len() as u64 + (range.end - range.start);
        parts.push(Part::Text(head.into_bytes()));
        parts.push(Part::Stretch(range.clone()));
    }
    let end = format!("\r\n--{boundary}--\r\n").into_bytes();
    len += end.len() as u64;
    parts.push(Part::Text(end));
    let body = Download::new(file, place.absolute.clone(), parts);
    let mut response = respond::pulled(&format!("multipart/byteranges; boundary={boundary}"), body);
    response.set_status(206);
    response.insert_header("content-length", len.to_string());
    response
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

fn content_type(name: &OsStr) -> &'static str {
    let name = name.as_bytes();
    let end = name.iter().rposition(|byte| *byte == b'.').map_or(&b""[..], |at| &name[at + 1..]);
    TYPES
        .iter()
        .find(|(extension, _)| extension.as_bytes() == end)
        .map_or(BYTES, |(_, content_type)| content_type)
}

/// The headers that every answer about a file's bytes has.
fn described(mut response: Response, place: &Place, info: &Info) -> Response {
    response.insert_header("accept-ranges", "bytes");
    response.insert_header("etag", info.etag());
    response.insert_header("last-modified", httpdate::fmt_http_date(file_view::last_modified(info)));
    response.insert_header("content-disposition", disposition(place.name()));
    response
}

/// `attachment`, with the name as ASCII and, when that is not all of it, percent-encoded (RFC 6266).
pub(super) fn disposition(name: &OsStr) -> String {
    let text = name.to_string_lossy();
    let plain: String = text
        .chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '_' })
        .map(|c| if c == '"' || c == '\\' { '_' } else { c })
        .collect();
    if plain == text {
        return format!("attachment; filename=\"{plain}\"");
    }
    format!(
        "attachment; filename=\"{plain}\"; filename*=UTF-8''{}",
        percent_encode(name.as_bytes(), NON_ALPHANUMERIC)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types() {
        assert_eq!(disposition(OsStr::new("a b.txt")), "attachment; filename=\"a b.txt\"");
        assert_eq!(
            disposition(OsStr::new("é\".x")),
            "attachment; filename=\"__.x\"; filename*=UTF-8''%C3%A9%22%2Ex"
        );
        assert_eq!(content_type(OsStr::new("a.tar.gz")), "application/gzip");
        assert_eq!(content_type(OsStr::new("a.TXT")), BYTES);
        assert_eq!(content_type(OsStr::new("txt")), BYTES);
    }
}
