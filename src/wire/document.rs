//! Shapes that only the OpenAPI document shows: bodies that no type of ours is written as or read from.

use serde::Serialize;
use utoipa::ToSchema;

use super::file::{DirectoryResponse, FileResponse};

/// Bytes as they are.
#[derive(Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "the document shows it")]
pub(crate) struct Bytes(String);

/// A form with a part `file`.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the document shows it")]
pub(crate) struct FileForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    pub(crate) file: String,
    /// Permissions of a file that is made, octal.
    #[schema(required = false, examples("0644"))]
    pub(crate) permissions: Option<String>,
}

/// A file, or what is in a folder.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the document shows it")]
pub(crate) enum ReadResponse {
    /// The path is a file's.
    File(FileResponse),
    /// The path is a folder's.
    Folder(DirectoryResponse),
}

/// A JSON-RPC message, or several of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the document shows it")]
pub(crate) enum JsonRpc {
    /// One.
    #[schema(value_type = Object)]
    One(serde_json::Value),
    /// 64 at most.
    #[schema(value_type = Vec<Object>)]
    Several(Vec<serde_json::Value>),
}
