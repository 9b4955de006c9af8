//! The JSON of files and folders.

use serde::Serialize;
use utoipa::ToSchema;

/// A file of a folder, or, with `content`, one that was read.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileResponse {
    /// As asked for, or below the folder as asked for. Bytes that are no text are U+FFFD here.
    #[schema(examples("/tmp/a.txt"))]
    pub(crate) path: String,
    /// The last part of the path.
    #[schema(examples("a.txt"))]
    pub(crate) name: String,
    /// The mode in octal, with Go's bits for setuid and for what is no file: `644`, `40000755`, `1000000777` (a link).
    #[schema(examples("644"))]
    pub(crate) permissions: String,
    /// Bytes; of a link in a listing, those of its target's name.
    pub(crate) size: u64,
    /// When it was last written to (RFC 3339, UTC, nanoseconds).
    #[schema(examples("2026-11-23T21:38:16.753034858Z"))]
    pub(crate) last_modified: String,
    /// The owner's name, or the number of one who has none.
    #[schema(examples("root"))]
    pub(crate) owner: String,
    /// The group's.
    #[schema(examples("root"))]
    pub(crate) group: String,
    /// The path with every byte that is no text percent-encoded, as it can stand in a request; only there when the path is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encoded_path: Option<String>,
    /// All bytes of the file; what is no text is U+FFFD. Read it with `Accept: application/octet-stream` to have it as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<String>,
}

/// A folder in a folder.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubdirectoryResponse {
    /// Below the folder as asked for.
    #[schema(examples("/tmp/sub"))]
    pub(crate) path: String,
    /// The last part of the path.
    #[schema(examples("sub"))]
    pub(crate) name: String,
    /// As for a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encoded_path: Option<String>,
}

/// What is in a folder, in the order of the names' bytes.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DirectoryResponse {
    /// As asked for.
    pub(crate) path: String,
    /// The last part of the path.
    pub(crate) name: String,
    /// What is no folder, links included.
    pub(crate) files: Vec<FileResponse>,
    /// Folders.
    pub(crate) subdirectories: Vec<SubdirectoryResponse>,
    /// `true` in a tree that was asked for with `recursive=true`; else absent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) recursive: bool,
}

/// It was done.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileMessageResponse {
    /// As asked for.
    #[schema(examples("/tmp/a.txt"))]
    pub(crate) path: String,
    /// What was done.
    #[schema(examples("File created/updated successfully"))]
    pub(crate) message: &'static str,
    /// How a file was written: `created`, `replaced` (readers see the old file or the new one, never a mixture), `in_place` (the
    /// file could only be written over: a mount point, a second name, somebody else's, one of the kernel's), or `appended`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<&'static str>,
}

/// It was copied or moved.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TransferResponse {
    /// As asked for.
    pub(crate) source: String,
    /// As asked for.
    pub(crate) destination: String,
    /// What was done.
    #[schema(examples("Files copied"))]
    pub(crate) message: &'static str,
}

/// It was unpacked.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct UnpackedResponse {
    /// As asked for.
    pub(crate) path: String,
    /// What was done.
    #[schema(examples("Archive extracted successfully"))]
    pub(crate) message: &'static str,
    /// Entries of the archive.
    pub(crate) entries: u64,
    /// Bytes of all files.
    pub(crate) bytes: u64,
}

/// What is known of a file.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatResponse {
    /// As asked for.
    pub(crate) path: String,
    /// The last part of the path.
    pub(crate) name: String,
    /// `file`, `directory`, `symlink`, `fifo`, `socket`, `character device` or `block device`.
    #[serde(rename = "type")]
    #[schema(examples("file"))]
    pub(crate) kind: &'static str,
    /// The mode in octal: permissions, setuid, setgid and sticky.
    #[schema(examples("0644"))]
    pub(crate) mode: String,
    /// Bytes.
    pub(crate) size: u64,
    /// When it was last written to (RFC 3339, UTC, nanoseconds).
    pub(crate) last_modified: String,
    /// The owner's name, or number.
    pub(crate) owner: String,
    /// The group's.
    pub(crate) group: String,
    /// The owner's number.
    pub(crate) uid: u32,
    /// The group's.
    pub(crate) gid: u32,
    /// How many names it has.
    pub(crate) links: u64,
    /// Its number on its file system.
    pub(crate) inode: u64,
    /// What a link says; only of a link that was not followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    /// The version, for `If-Match`; only of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
    /// As for a file that is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encoded_path: Option<String>,
}

/// A line of the stream about a watched folder.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WatchEventResponse {
    /// `CREATE`, `WRITE`, `REMOVE`, `RENAME` (it has gone elsewhere; where that is watched, too, a `CREATE` follows), `CHMOD` (also
    /// other times or another owner), `OVERFLOW` (more has changed than could be told) or `ERROR` (this folder cannot be watched).
    #[schema(examples("CREATE"))]
    pub(crate) op: &'static str,
    /// Of what, in `path`. Bytes that are no text are U+FFFD.
    #[schema(examples("a.txt"))]
    pub(crate) name: String,
    /// The folder: an absolute path.
    #[schema(examples("/tmp"))]
    pub(crate) path: String,
    /// What went wrong; only with `OVERFLOW` and `ERROR`.
    pub(crate) error: Option<String>,
    /// `path` and `name` as they can stand in a request; only there when they are no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encoded_path: Option<String>,
}
