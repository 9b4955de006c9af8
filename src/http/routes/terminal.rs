//! `GET /terminal/ws`: a shell on a terminal, for programs and for the page.

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tide::{Request, Response};

use crate::http::audit::Subject;
use crate::http::context::Context;
use crate::http::refusal::Refusal;
use crate::http::upgraded::{Then, switch};
use crate::http::{request, respond, terminal_socket};
use crate::sys::pty::Size;
use crate::terminal::Wanted;

/// The session of who names none.
const DEFAULT_SESSION: &str = "default";

/// Bytes of a session's name.
const SESSION_BYTES_MAX: usize = 256;

/// The size of who says none.
const DEFAULT_SIZE: Size = Size { cols: 80, rows: 24 };

/// The version of the protocol, and the bytes of a client's key.
const VERSION: &str = "13";
const KEY_BYTES: usize = 16;

/// Looks at a terminal.
#[utoipa::path(get, path = "/terminal/ws", operation_id = "connectTerminal", tag = "terminal",
    description = "A WebSocket (version 13). Messages are JSON objects. From the client: `{\"type\":\"input\",\"data\":\"ls\\n\"}` and `{\"type\":\"resize\",\"cols\":120,\"rows\":40}`, in text or binary frames of 256 KiB at most; what makes no sense is passed over. To the client: `{\"type\":\"output\",\"data\":\"…\"}`, cut at characters only, and `{\"type\":\"error\",\"data\":\"…\"}`, each with a line end behind it. A session is shared by all who name it and outlives them; who comes is shown the last 100 KiB behind `ESC[0m`, who falls behind by more than 512 KiB begins anew behind `ESC c`. It is over when its shell is: with a close frame, 1000, whose reason says how. 1012: another worker goes on with the session, connect again. 1001: the daemon goes away. 1011: the shell could not be started. 1013: try again later.",
    params(
        ("sessionId" = Option<String>, Query, description = "Which session [default: `default`]; 256 bytes at most."),
        ("shell" = Option<String>, Query, description = "The program, when the session begins [default: `$SHELL`, or the first of zsh, bash, sh and ash in `/bin`]."),
        ("workingDir" = Option<String>, Query, description = "Where it runs, when the session begins [default: the daemon's folder]."),
        ("cols" = Option<u16>, Query, description = "Columns [default: 80]."),
        ("rows" = Option<u16>, Query, description = "Rows [default: 24]."),
    ),
    responses(
        (status = 101, description = "The WebSocket begins."),
        (status = 400, description = "Not an upgrade to a WebSocket of version 13, or a bad parameter.", content_type = "text/plain", body = String),
        (status = 503, description = "As many terminals or viewers are there as may be.", content_type = "application/json", body = crate::wire::system::ErrorResponse),
    ),
)]
pub(crate) async fn socket(request: Request<Context>) -> Result<Response, Refusal> {
    let Some(key) = key(&request) else {
        let mut response = respond::whole(400, "text/plain; charset=utf-8", b"Bad Request\n".to_vec());
        response.insert_header("sec-websocket-version", VERSION);
        return Ok(response);
    };
    request::may_wait(&request)?;
    let context = request.state().clone();
    let target = request::target(&request);
    let given = |name| target.parameter(name).filter(|value| !value.is_empty());
    let session = given("sessionId").unwrap_or_else(|| DEFAULT_SESSION.to_owned());
    if session.len() > SESSION_BYTES_MAX {
        return Err(Refusal::BadRequest(format!("sessionId has {SESSION_BYTES_MAX} bytes at most")));
    }
    let number =
        |name, default| given(name).and_then(|text| text.parse().ok()).filter(|n| *n > 0).unwrap_or(default);
    let wanted = Wanted {
        size: Size { cols: number("cols", DEFAULT_SIZE.cols), rows: number("rows", DEFAULT_SIZE.rows) },
        shell: given("shell"),
        folder: context.sandbox.folder(&given("workingDir").unwrap_or_default())?,
    };
    context.sandbox.terminals.check_room(&session)?;
    let subject = Subject::of(&request);
    let then =
        Then::new(move |upgraded| terminal_socket::serve(upgraded, context, (session, wanted), subject));
    let mut response = switch("websocket", then);
    response.insert_header("sec-websocket-accept", derive_accept_key(key.as_bytes()));
    Ok(response)
}

/// The key of a request that asks for a WebSocket as it has to be asked for.
fn key(request: &Request<Context>) -> Option<String> {
    let has = |name, word: &str| {
        request::header_list(request, name).split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    let key = request::header(request, "sec-websocket-key")?;
    let is_key = STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == KEY_BYTES);
    let is_asked_for = has("connection", "upgrade")
        && has("upgrade", "websocket")
        && request::header(request, "sec-websocket-version") == Some(VERSION);
    (is_key && is_asked_for).then(|| key.to_owned())
}
