//! `GET /terminal`: a terminal in a browser. The page and all it needs are in the binary; xterm.js and its add-ons are kept as they were
//! published (`assets/terminal/README.md`).
//!
//! A link on a page of another port may lead here, and over plain HTTP to another host than this one browsers do not even say who leads.
//! So the page takes from its address which session to show, and nothing that would start a program of the link's choice.

use tide::{Request, Response};

use crate::http::context::Context;
use crate::http::refusal::Refusal;
use crate::http::{request, respond};

const PAGE: &[u8] = include_bytes!("terminal/terminal.html");

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// What the page consists of: where it is, as what, and the bytes.
const FILES: [(&str, &str, &[u8]); 7] = [
    ("/terminal/assets/terminal.js", SCRIPT, include_bytes!("terminal/terminal.js")),
    ("/terminal/assets/terminal.css", STYLE, include_bytes!("terminal/terminal.css")),
    ("/terminal/assets/xterm.mjs", SCRIPT, include_bytes!("../assets/terminal/xterm.mjs")),
    ("/terminal/assets/xterm.css", STYLE, include_bytes!("../assets/terminal/xterm.css")),
    ("/terminal/assets/addon-fit.mjs", SCRIPT, include_bytes!("../assets/terminal/addon-fit.mjs")),
    (
        "/terminal/assets/addon-unicode11.mjs",
        SCRIPT,
        include_bytes!("../assets/terminal/addon-unicode11.mjs"),
    ),
    (
        "/terminal/assets/addon-web-links.mjs",
        SCRIPT,
        include_bytes!("../assets/terminal/addon-web-links.mjs"),
    ),
];

/// What the page may do: nothing but its own files and this server. xterm.js writes the colours and the size of its letters into style elements.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; \
                           img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// A terminal for people.
#[utoipa::path(get, path = "/terminal", operation_id = "getTerminalPage", tag = "terminal",
    params(
        ("sessionId" = Option<String>, Query, description = "Which session [default: `default`]."),
        ("token" = Option<String>, Query, description = "The daemon's token, if it asks for one."),
    ),
    responses(
        (status = 200, description = "A page with a terminal.", content_type = "text/html", body = String),
    ),
)]
pub(crate) async fn page(_request: Request<Context>) -> Result<Response, Refusal> {
    let mut response = respond::whole(200, "text/html; charset=utf-8", PAGE.to_vec());
    response.insert_header("content-security-policy", PAGE_POLICY);
    // The token stands in the page's address, which is nobody else's to know.
    response.insert_header("referrer-policy", "no-referrer");
    Ok(response)
}

/// The paths of the files of the page.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(path, ..)| *path)
}

/// The files of the page.
pub(crate) async fn file(request: Request<Context>) -> Result<Response, Refusal> {
    let path = request::target(&request).path();
    let (_, content_type, bytes) = FILES.iter().find(|(known, ..)| *known == path).unwrap_or(&FILES[0]);
    Ok(respond::whole(200, content_type, bytes.to_vec()))
}
