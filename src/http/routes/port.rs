//! The description of the port proxy. What it does is in `port_proxy.rs`, beside the router.

/// Passes a request on to whatever listens on a port of this host.
///
/// Any method, any path, any body, streamed in both directions; a connection that changes its protocol (a WebSocket) goes on as bytes. The
/// answer is the server's own. It sees itself called by `localhost` and the port; `X-Forwarded-For`, `-Host`, `-Proto` and `-Prefix` say who
/// asked for what. This daemon's token and the SDKs' headers do not reach it.
#[utoipa::path(method(get, post, put, delete, patch, head, options), path = "/port/{port}/{path}", operation_id = "proxyPort", tag = "network",
    params(
        ("port" = u16, Path, description = "A port that something listens on, on 127.0.0.1 or ::1.", minimum = 1),
        ("path" = String, Path, description = "The rest of the path, which may be empty and is passed on as it is, as the query is."),
    ),
    responses(
        (status = 200, description = "Whatever the server answers, with whatever status.", content_type = "*/*", body = String),
        (status = 400, description = "The port is none, or the request is framed in a way that is not passed on.", body = crate::wire::system::ErrorResponse),
        (status = 502, description = "Nothing listens there, or it gives no answer.", body = crate::wire::system::ErrorResponse),
        (status = 503, description = "As many connections are passed on as may; try again.", body = crate::wire::system::ErrorResponse),
        (status = 504, description = "It takes no connection.", body = crate::wire::system::ErrorResponse),
        (status = 508, description = "The port is this daemon's own.", body = crate::wire::system::ErrorResponse),
))]
#[expect(dead_code, reason = "it is answered beside the router; this is what describes it")]
pub(crate) const fn pass() {}
