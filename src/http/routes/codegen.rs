//! Codegen: changes that a model merges, and files that it ranks.

use tide::{Request, Response};

use crate::codegen::{ApplyRequest, RerankRequest};
use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::{Doing, Refusal};
use crate::http::{file_view, request, respond};
use crate::wire::codegen::{ApplyEditRequest, ApplyEditResponse, RerankedFile, RerankingResponse};
use crate::wire::decode;

/// Changes a file by a model.
///
/// The file and the change are sent to the provider whose key the daemon has (`RELACE_API_KEY`, else `MORPH_API_KEY`), and what it answers is
/// written as `PUT /filesystem` writes, unless the file has changed meanwhile. A client that leaves before that changes nothing.
#[utoipa::path(put, path = "/codegen/fastapply/{path}", operation_id = "applyEdit", tag = "codegen",
    params(("path" = String, Path, description = "As for reading. A file that is not there is empty.")),
    request_body(content = ApplyEditRequest),
    responses(
        (status = 200, description = "The file is changed.", body = ApplyEditResponse),
        (status = 400, description = "There is no key, the body is malformed, or the path is a folder.", body = crate::wire::system::ErrorResponse),
        (status = 412, description = "The file was changed meanwhile; it is as somebody else has left it.", body = crate::wire::system::ErrorResponse),
        (status = 413, description = "The body is too large.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "The provider failed, or the file cannot be read or written, is larger than 4 MiB, or is no text.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn fastapply(mut request: Request<Context>) -> Result<Response, Refusal> {
    let context = request.state().clone();
    let body = request::body(&mut request, context.limits.json_file_body_bytes_max).await?;
    context.codegen.check()?;
    let ApplyEditRequest { code_edit, model } = decode::decode(&body.bytes)?;
    let place = request::place(&request)?;
    let path = file_view::text(place.given.as_os_str());
    request::watch_client(&request)?;
    let applying = context.codegen.apply(&context.sandbox.files, ApplyRequest { place, code_edit, model });
    let applied = applying.await.map_err(|error| Refusal::File(Doing::Applying, error))?;
    let answer = ApplyEditResponse {
        success: true,
        message: format!("Code edit applied successfully to {path}"),
        path,
        original_content: applied.original,
        updated_content: applied.updated,
        provider: applied.provider,
    };
    respond::json(200, JsonBody::value(&answer)).await
}

/// Ranks the files of a folder by a model.
#[utoipa::path(get, path = "/codegen/reranking/{path}", operation_id = "rerankFiles", tag = "codegen",
    params(
        ("path" = String, Path, description = "A folder, as for reading."),
        ("query" = String, Query, description = "The question."),
        ("scoreThreshold" = Option<f64>, Query, description = "The least score of a file that is given: 0.5 by default."),
        ("tokenLimit" = Option<i64>, Query, description = "How much the model may look at: 30000 tokens by default (Relace only)."),
        ("filePattern" = Option<String>, Query, description = "Only files whose paths fit this regular expression."),
    ),
    responses(
        (status = 200, description = "The files that fit. 1,000 text files of 256 KiB at most, 4 MiB in all, are sent to the provider; `message` says when there are more.", body = RerankingResponse),
        (status = 400, description = "There is no key, no question, a number is none, or the path is no folder.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "The provider failed, or the pattern is no regular expression.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn reranking(request: Request<Context>) -> Result<Response, Refusal> {
    let context = request.state();
    context.codegen.check()?;
    let parameter = |name| request::target(&request).parameter(name).filter(|value| !value.is_empty());
    let Some(query) = parameter("query") else {
        return Err(Refusal::BadRequest(
            "Key: 'RerankingRequest.Query' Error:Field validation for 'Query' failed on the 'required' tag"
                .to_owned(),
        ));
    };
    let mut asked = RerankRequest::new(request::place(&request)?, query);
    if let Some(text) = parameter("scoreThreshold") {
        asked.score_threshold = number("ParseFloat", &text)?;
    }
    if let Some(text) = parameter("tokenLimit") {
        asked.token_limit = number("ParseInt", &text)?;
    }
    asked.file_pattern = parameter("filePattern").unwrap_or_default();
    request::watch_client(&request)?;
    let ranking = context.codegen.rerank(&context.sandbox.files, asked).await;
    let ranked = ranking.map_err(|error| Refusal::File(Doing::Ranking, error))?;
    let message = ranked.message();
    let shown = |file: crate::codegen::RankedFile| RerankedFile {
        path: file.path,
        content: file.content,
        score: file.score,
    };
    let files = ranked.files.into_iter().map(shown).collect();
    respond::json(200, JsonBody::value(&RerankingResponse { success: true, files, message })).await
}

/// A number of the query, or what the known server says of one that is none.
fn number<T: std::str::FromStr>(parser: &str, text: &str) -> Result<T, Refusal> {
    text.parse()
        .map_err(|_| Refusal::BadRequest(format!("strconv.{parser}: parsing {text:?}: invalid syntax")))
}
