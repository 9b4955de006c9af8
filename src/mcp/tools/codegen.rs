//! Tools that need a provider's model. They are listed only when there is a key.

use serde_json::json;

use super::files::place;
use crate::codegen::{ApplyRequest, RerankRequest};
use crate::error::Error;
use crate::mcp::call::{Call, Failure, Outcome};

pub(super) async fn edit_file(mut call: Call) -> Outcome {
    let target = call.arguments.text("targetFile");
    let code_edit = call.arguments.text("codeEdit");
    let instructions = call.arguments.text("instructions");
    if code_edit.is_empty() {
        return Err(Failure("codeEdit must be non-empty".to_owned()));
    }
    call.room.take(code_edit.len() as u64)?;
    let files = &call.mcp.sandbox.files;
    let asked =
        ApplyRequest { place: place(files, &target), code_edit: code_edit.clone(), model: String::new() };
    call.mcp.codegen.apply(files, asked).await?;
    call.done(json!({
        "success": true,
        "message": format!("Successfully applied edit to {target}: {instructions}"),
        "filePath": target,
        "changesApplied": code_edit,
    }))
    .await
}

pub(super) async fn rerank(mut call: Call) -> Outcome {
    let path = call.arguments.text("path");
    let files = &call.mcp.sandbox.files;
    let mut asked = RerankRequest::new(place(files, &path), call.arguments.text("query"));
    if let Some(score) = call.arguments.number("scoreThreshold") {
        asked.score_threshold = score;
    }
    if let Some(tokens) = call.arguments.whole("tokenLimit") {
        asked.token_limit = tokens;
    }
    asked.file_pattern = call.arguments.text_if_any("filePattern").unwrap_or_default();
    let ranked = call.mcp.codegen.rerank(files, asked).await.map_err(|error| match error {
        Error::NotFolder => Failure(format!("path is not a directory: {path}")),
        error => Failure(error.to_string()),
    })?;
    call.room.take(ranked.files.iter().map(|file| file.content.len() as u64).sum())?;
    let message = ranked.message();
    let shown: Vec<_> = ranked
        .files
        .into_iter()
        .map(|file| json!({ "path": file.path, "content": file.content, "score": file.score }))
        .collect();
    call.done(json!({ "success": true, "message": message, "files": shown })).await
}
