//! The API described: the OpenAPI document, made from the types and endpoints, and a page that shows it.
//!
//! The page and all it needs are in the binary.

use tide::{Request, Response};
#[cfg(test)]
use utoipa::OpenApi;

use crate::http::context::Context;
use crate::http::refusal::Refusal;
use crate::http::swagger::{self, Place};
use crate::http::{request, respond};

#[cfg(test)]
#[derive(OpenApi)]
#[openapi(
    info(
        title = "boxd",
        description = "Runs commands in a sandbox and streams what they print.\n\nEvery error is a JSON object with an `error` text, but for unknown routes, which are `404 page not found` in plain text, and a mistake of the daemon's own, which is a 500 without a body. Times are HTTP dates in UTC. When the daemon was started with a token, every route but `/health` and `/docs` needs it: as `Authorization: Bearer`, or as `?token=` on a GET that a browser makes by itself.\n\n**Streams.** In SSE every event carries one line of JSON whose `type` repeats its name: `start` (`pid`, `name`, `cursor`), `stdout` and `stderr` (`data`; `encoding: base64` when the bytes are no text; `ts` in milliseconds since 1970), `gap` (`bytes` that were dropped), `restart` (`attempt`, `exitCode`, `delayMs`), and exactly one of `result` (the process object) and `failure` (`error`). The `id` of an event is a cursor: with it in `Last-Event-ID` a stream goes on behind that event, and nothing is lost or repeated. The line `: hb` is a heartbeat. A stream without a terminal event was cut.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "process", description = "Commands, their output and their ends"),
        (name = "filesystem", description = "Files and folders"),
        (name = "network", description = "Ports of processes, a tunnel, and servers that run in the sandbox"),
        (name = "terminal", description = "Shells that people look at"),
        (name = "mcp", description = "Tools for agents"),
        (name = "codegen", description = "Models that change and rank files"),
        (name = "drive", description = "Remote folders that are mounted here"),
        (name = "archive", description = "What was changed on top of the image"),
        (name = "system", description = "The daemon itself"),
    ),
    paths(
        super::process_start::start,
        super::process::list,
        super::process::get,
        super::process::wait,
        super::process_stats::get,
        super::process_end::stop,
        super::process_end::kill,
        super::process_logs::get,
        super::process_logs::stream,
        super::process_stdin::write,
        super::process_stdin::close,
        super::file_read::get,
        super::file_read::head,
        super::file_write::put,
        super::file_remove::delete,
        super::tree::get,
        super::tree::put,
        super::tree::delete,
        super::file_find::get,
        super::file_search::get,
        super::content_search::get,
        super::file_deeds::get_stat,
        super::file_deeds::post_copy,
        super::file_deeds::post_move,
        super::file_deeds::post_symlink,
        super::file_deeds::post_chmod,
        super::file_deeds::post_chown,
        super::watch::get,
        super::archive::get,
        super::archive::put,
        super::multipart::list,
        super::multipart::initiate,
        super::multipart::put_part,
        super::multipart::parts,
        super::multipart::complete,
        super::multipart::abort,
        super::network::ports,
        super::network::start_monitor,
        super::network::stop_monitor,
        super::network::put_tunnel,
        super::network::delete_tunnel,
        super::port::pass,
        super::terminal_page::page,
        super::terminal::socket,
        super::mcp::post,
        super::mcp::get,
        super::codegen::fastapply,
        super::codegen::reranking,
        super::system::welcome,
        super::system::health,
        super::upgrade::start,
        super::system::capabilities,
        super::environment::reload,
        super::drives::list,
        super::drives::mount,
        super::drives::unmount,
        super::metrics::get,
        super::image_archive::status,
        super::image_archive::export,
        super::image_archive::resume,
        openapi,
        page,
    ),
)]
struct Document;

/// The document as text, as a test has made it of the annotations: the code that makes it would be a tenth of the program.
const DOCUMENT: &[u8] = include_bytes!("../../../harness/openapi/boxd.json");

#[cfg(test)]
fn made() -> Vec<u8> {
    let mut document = Document::openapi();
    document.servers = Some(vec![utoipa::openapi::Server::new("/")]);
    name_methods(&mut document);
    document.to_pretty_json().expect("the document is made of strings and numbers").into_bytes()
}

/// One endpoint takes all methods of a port, and each operation needs a name of its own.
#[cfg(test)]
fn name_methods(document: &mut utoipa::openapi::OpenApi) {
    for path in document.paths.paths.values_mut() {
        let methods = [
            ("Get", &mut path.get),
            ("Put", &mut path.put),
            ("Post", &mut path.post),
            ("Delete", &mut path.delete),
            ("Patch", &mut path.patch),
            ("Head", &mut path.head),
            ("Options", &mut path.options),
        ];
        for (method, operation) in methods {
            if let Some(operation) = operation
                && let Some(id) = &mut operation.operation_id
                && id == "proxyPort"
            {
                id.push_str(method);
            }
        }
    }
}

const PAGE: &str = include_str!("docs/docs.html");
const STYLE: &str = include_str!("docs/docs.css");
const SCRIPT: &str = include_str!("docs/docs.js");

/// What the page may do: nothing but its own files and this server.
const PAGE_POLICY: &str =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:";

/// Describes the API for machines.
#[utoipa::path(get, path = "/openapi.json", operation_id = "getDocument", tag = "system", responses(
    (status = 200, description = "This document (OpenAPI 3.1).", content_type = "application/json", body = Object),
))]
pub(crate) async fn openapi(_request: Request<Context>) -> Result<Response, Refusal> {
    Ok(respond::whole(200, respond::JSON, DOCUMENT.to_vec()))
}

/// Describes the API for people.
#[utoipa::path(get, path = "/docs", operation_id = "getDocumentPage", tag = "system", responses(
    (status = 200, description = "A page that shows this document.", content_type = "text/html", body = String),
))]
pub(crate) async fn page(_request: Request<Context>) -> Result<Response, Refusal> {
    let mut response = respond::whole(200, "text/html; charset=utf-8", PAGE.as_bytes().to_vec());
    response.insert_header("content-security-policy", PAGE_POLICY);
    Ok(response)
}

/// Leads to the page, where the known server has it.
pub(crate) async fn swagger_page(_request: Request<Context>) -> Result<Response, Refusal> {
    let link = b"<a href=\"/swagger/index.html\">Moved Permanently</a>.\n\n".to_vec();
    let mut response = respond::whole(301, "text/html; charset=utf-8", link);
    response.insert_header("location", "/swagger/index.html");
    Ok(response)
}

/// The document in the older form, where the known server has it, and with the place that it names.
pub(crate) async fn swagger_document(request: Request<Context>) -> Result<Response, Refusal> {
    let sandbox = &request.state().sandbox;
    let place = Place::new(|name| sandbox.variable(name), request::header(&request, "host"));
    // Some milliseconds of work, which is seldom asked for.
    let bytes = blocking::unblock(move || {
        let document = serde_json::from_slice(DOCUMENT).unwrap_or_default();
        swagger::of_openapi(&document, &place).to_string().into_bytes()
    });
    Ok(respond::whole(200, respond::JSON, bytes.await))
}

/// The files of the page.
pub(crate) async fn file(request: Request<Context>) -> Result<Response, Refusal> {
    let (content_type, text) = match request::target(&request).path() {
        "/docs/docs.css" => ("text/css; charset=utf-8", STYLE),
        _ => ("text/javascript; charset=utf-8", SCRIPT),
    };
    Ok(respond::whole(200, content_type, text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// What the harness measures its cases by. A change of the API shows in this file; `INSTA_UPDATE=always` writes it anew.
    #[test]
    fn the_document_beside_the_harness_is_this_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/openapi/boxd.json");
        let document = made();
        if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
            fs::write(&path, &document).unwrap();
        }
        let known = fs::read(&path).unwrap_or_default();
        assert!(
            known == document,
            "the API has changed: INSTA_UPDATE=always cargo test --lib the_document_beside"
        );
    }

    /// Whether readers that others wrote take it is `harness/openapi/run`'s to say.
    #[test]
    fn the_older_document_has_all_that_the_newer_one_has() {
        let document: serde_json::Value = serde_json::from_slice(DOCUMENT).unwrap();
        let swagger = swagger::of_openapi(&document, &Place::new(|_| None, Some("localhost:8080")));
        let operations = |document: &serde_json::Value| -> Vec<(String, Vec<String>)> {
            let paths = document["paths"].as_object().unwrap().iter();
            paths
                .map(|(path, item)| (path.clone(), item.as_object().unwrap().keys().cloned().collect()))
                .collect()
        };
        assert_eq!(operations(&swagger), operations(&document));
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let definitions = swagger["definitions"].as_object().unwrap();
        assert!(schemas.keys().eq(definitions.keys()));
        assert!(!definitions.is_empty());
        let text = swagger.to_string();
        for reference in text.split("\"$ref\":\"").skip(1) {
            let path = reference.split('"').next().unwrap();
            let name = path.strip_prefix("#/definitions/").unwrap_or_default();
            assert!(definitions.contains_key(name), "{path}");
        }
    }
}
