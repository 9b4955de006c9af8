//! Files as the wire shows them. No decisions.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use crate::filesystem::{Info, Method, Place, WatchEvent, WatchOp};
use crate::user::Names;
use crate::wire::file::{FileResponse, StatResponse, SubdirectoryResponse, WatchEventResponse};
use crate::wire::rfc3339;

/// What cannot stand in a path of a request as it is.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'\\')
    .add(b'^')
    .add(b'|');

/// The latest time that an HTTP date can say: the last second of the year 9999.
const HTTP_DATE_MAX: u64 = 253_402_300_799;

/// Bytes as text.
pub(crate) fn text(bytes: &OsStr) -> String {
    bytes.to_string_lossy().into_owned()
}

/// A path that is no text in the form in which a request can have it.
pub(crate) fn encoded(path: &Path) -> Option<String> {
    let bytes = path.as_os_str().as_bytes();
    std::str::from_utf8(bytes).is_err().then(|| percent_encode(bytes, ESCAPED).to_string())
}

/// The working folder is shown by its path, everything else as it was asked for.
pub(crate) fn shown(mut place: Place) -> Place {
    if place.given.as_os_str() == "." {
        place.given = PathBuf::from(&place.absolute);
    }
    place
}

/// A file without its content.
pub(crate) fn file(path: &Path, name: &OsStr, info: &Info, names: &Names) -> FileResponse {
    FileResponse {
        path: text(path.as_os_str()),
        name: text(name),
        permissions: info.permissions(),
        size: info.size,
        last_modified: rfc3339::from_parts(info.modified.0, info.modified.1),
        owner: names.user(info.uid),
        group: names.group(info.gid),
        encoded_path: encoded(path),
        content: None,
    }
}

/// A folder of a listing.
pub(crate) fn folder(path: &Path, name: &OsStr) -> SubdirectoryResponse {
    SubdirectoryResponse { path: text(path.as_os_str()), name: text(name), encoded_path: encoded(path) }
}

/// All that is known of a file.
pub(crate) fn stat(
    path: &Path,
    name: &OsStr,
    info: &Info,
    target: Option<&OsStr>,
    names: &Names,
) -> StatResponse {
    StatResponse {
        path: text(path.as_os_str()),
        name: text(name),
        kind: info.kind_name(),
        mode: format!("{:04o}", info.mode),
        size: info.size,
        last_modified: rfc3339::from_parts(info.modified.0, info.modified.1),
        owner: names.user(info.uid),
        group: names.group(info.gid),
        uid: info.uid,
        gid: info.gid,
        links: info.links,
        inode: info.inode,
        target: target.map(text),
        etag: info.is_file().then(|| info.etag()),
        encoded_path: encoded(path),
    }
}

/// What has happened in a watched folder.
pub(crate) fn watch_event(event: &WatchEvent) -> WatchEventResponse {
    WatchEventResponse {
        op: match event.op {
            WatchOp::Create => "CREATE",
            WatchOp::Write => "WRITE",
            WatchOp::Remove => "REMOVE",
            WatchOp::Rename => "RENAME",
            WatchOp::Chmod => "CHMOD",
            WatchOp::Overflow => "OVERFLOW",
            WatchOp::Error => "ERROR",
        },
        name: text(&event.name),
        path: text(event.folder.as_os_str()),
        error: event.error.clone(),
        encoded_path: encoded(&event.path()),
    }
}

/// When a file was last written to, as HTTP says it: seconds, and none before 1970.
pub(crate) fn last_modified(info: &Info) -> SystemTime {
    let seconds = u64::try_from(info.modified.0).unwrap_or(0).min(HTTP_DATE_MAX);
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// How a file was written.
pub(crate) fn method(method: Method) -> &'static str {
    match method {
        Method::Created => "created",
        Method::Replaced => "replaced",
        Method::InPlace => "in_place",
        Method::Appended => "appended",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_text_can_be_asked_for() {
        assert_eq!(encoded(Path::new("/a/é")), None);
        let path = Path::new(OsStr::from_bytes(b"/a b/\xff%x"));
        assert_eq!(encoded(path).as_deref(), Some("/a%20b/%FF%25x"));
    }
}
