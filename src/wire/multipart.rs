//! The JSON of uploads in parts.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::decode::{Field, Record};

/// How an upload begins.
#[derive(Clone, Debug, Default, PartialEq, ToSchema)]
pub(crate) struct UploadRequest {
    /// The permissions of the file, if it is new: octal; the umask takes its part.
    #[schema(required = false, default = "0644", examples("0600"))]
    pub(crate) permissions: String,
}

impl Record for UploadRequest {
    const TYPE: &'static str = "handler.MultipartInitiateRequest";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("permissions", &mut self.permissions);
    }
}

/// The parts that are to be the file.
#[derive(Clone, Debug, Default, PartialEq, ToSchema)]
pub(crate) struct CompleteRequest {
    /// In any order, and not necessarily all that have come: the file has them in the order of their numbers.
    pub(crate) parts: Vec<CompletePart>,
}

impl Record for CompleteRequest {
    const TYPE: &'static str = "handler.MultipartCompleteRequest";

    fn read(&mut self, field: &mut Field<'_>) {
        field.list("parts", &mut self.parts);
    }
}

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct CompletePart {
    /// Its number.
    pub(crate) part_number: i64,
    /// The `etag` that its upload was answered with.
    pub(crate) etag: String,
}

impl Record for CompletePart {
    const TYPE: &'static str = "handler.MultipartPartInfo";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("partNumber", &mut self.part_number);
        field.read("etag", &mut self.etag);
    }
}

/// An upload has begun.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadBegunResponse {
    /// Names the upload from now on.
    #[schema(examples("e52ae71f-a789-4377-b774-1e18565382ad"))]
    pub(crate) upload_id: String,
    /// The file's absolute path.
    pub(crate) path: String,
}

/// A part has come.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartTakenResponse {
    /// Its number.
    pub(crate) part_number: u32,
    /// The MD5 of its bytes.
    #[schema(examples("5289492cf082446ca4a6eec9f72f1ec3"))]
    pub(crate) etag: String,
    /// Bytes.
    pub(crate) size: u64,
}

/// A part that has come.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartResponse {
    /// Its number.
    pub(crate) part_number: u32,
    /// The MD5 of its bytes.
    pub(crate) etag: String,
    /// Bytes.
    pub(crate) size: u64,
    /// When it had come (RFC 3339, UTC, nanoseconds).
    #[schema(examples("2026-11-23T21:40:32.735882369Z"))]
    pub(crate) uploaded_at: String,
}

/// The parts of an upload.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartsResponse {
    /// The upload.
    pub(crate) upload_id: String,
    /// In the order of their numbers.
    pub(crate) parts: Vec<PartResponse>,
}

/// An upload that is neither completed nor aborted.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadResponse {
    /// Its name.
    pub(crate) upload_id: String,
    /// The file's absolute path.
    pub(crate) path: String,
    /// The permissions of the file, if it is new, as a decimal number.
    #[schema(examples(420))]
    pub(crate) permissions: u32,
    /// When it began (RFC 3339, UTC, nanoseconds).
    pub(crate) initiated_at: String,
    /// The parts that have come, by their numbers.
    #[schema(value_type = BTreeMap<String, PartResponse>)]
    pub(crate) parts: BTreeMap<u32, PartResponse>,
    /// The path with every byte that is no text percent-encoded; only there when it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encoded_path: Option<String>,
}

/// All uploads.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[cfg_attr(not(test), expect(dead_code, reason = "the document shows it"))]
pub(crate) struct UploadsResponse {
    /// In no order that is promised.
    pub(crate) uploads: Vec<UploadResponse>,
}
