//! The JSON of codegen.

use serde::Serialize;
use utoipa::ToSchema;

use super::decode::{Field, Record};

/// A change of a file.
#[derive(Clone, Debug, Default, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct ApplyEditRequest {
    /// The lines that change, with comments such as `// ... existing code ...` in the place of those that stay. 4 MiB at most.
    pub(crate) code_edit: String,
    /// The provider's model; its usual one when absent, empty or `auto`.
    #[schema(required = false)]
    pub(crate) model: String,
}

impl Record for ApplyEditRequest {
    const TYPE: &'static str = "handler.ApplyEditRequest";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("codeEdit", &mut self.code_edit);
        field.read("model", &mut self.model);
    }

    fn required(&self) -> Vec<(&'static str, bool)> {
        vec![("CodeEdit", !self.code_edit.is_empty())]
    }
}

/// The change was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplyEditResponse {
    /// `true`.
    pub(crate) success: bool,
    /// As asked for.
    pub(crate) path: String,
    /// The text before; empty when there was no file.
    pub(crate) original_content: String,
    /// The text now.
    pub(crate) updated_content: String,
    /// `relace` or `morphllm`.
    #[schema(examples("relace"))]
    pub(crate) provider: &'static str,
    /// What was done.
    pub(crate) message: String,
}

/// The files that fit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RerankingResponse {
    /// `true`.
    pub(crate) success: bool,
    /// In the provider's order.
    pub(crate) files: Vec<RerankedFile>,
    /// How many they are, and whether all files were looked at.
    #[schema(examples("Found 2 relevant files"))]
    pub(crate) message: String,
}

/// A file that fits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RerankedFile {
    /// Below the folder as asked for.
    pub(crate) path: String,
    /// Its text.
    pub(crate) content: String,
    /// The higher the better.
    pub(crate) score: f64,
}
