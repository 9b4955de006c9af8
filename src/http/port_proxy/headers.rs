//! The headers of a proxied request and of its answer. Pure.
//!
//! What belongs to one connection stays with it, in both directions: the hop-by-hop headers and those that `Connection` names.
//! The framing is made anew from what was read, never copied, so that two readers cannot take it for two things. boxd's own
//! credentials do not reach the server behind the port.

use std::net::IpAddr;

use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    REFERER, TE, TRANSFER_ENCODING, UPGRADE,
};

use crate::config::Secret;
use crate::http::{guard, negotiate, target};

/// Headers of one connection (RFC 9110 §7.6.1), as reverse proxies have always known them.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Headers of the official SDKs that carry their credentials: never meant for the server behind a port.
const SDK_CREDENTIALS: [&str; 3] = ["x-blaxel-authorization", "x-blaxel-workspace", "x-blaxel-preview-token"];

/// What the server behind the port is told besides what the client said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forwarding<'a> {
    /// The port.
    pub(super) port: u16,
    /// Who asked.
    pub(super) peer: Option<IpAddr>,
    /// What boxd asks of every request.
    pub(super) token: Option<&'a Secret>,
    /// The length of the body; `None` when only its end will tell.
    pub(super) length: Option<u64>,
}

/// The protocol that a client wants to change to.
pub(super) fn wanted_upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    named_by_connection(headers)
        .any(|name| name == "upgrade")
        .then(|| headers.get(UPGRADE).cloned())
        .flatten()
}

/// Whether the body is framed in a way that only its sender knows how to undo.
pub(super) fn has_strange_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    codings.next().is_some_and(|first| !is_chunked(first)) || codings.next().is_some()
}

/// Makes the headers of the request to the server of those that the client sent.
pub(super) fn forward(headers: &mut HeaderMap, upgrade: Option<HeaderValue>, how: &Forwarding<'_>) {
    strip_credentials(headers, how.token);
    let takes_trailers = list(headers, &TE).any(|coding| coding == "trailers");
    strip_hop_by_hop(headers);
    headers.remove(EXPECT);
    set_length(headers, how.length);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, protocol);
    }
    say_where_from(headers, how);
}

/// Makes the headers of the answer to the client of those that the server sent.
pub(in crate::http) fn give_back(headers: &mut HeaderMap) {
    if headers.contains_key(TRANSFER_ENCODING) {
        // It decides where the body ends (RFC 9112 §6.3).
        headers.remove(CONTENT_LENGTH);
    }
    strip_hop_by_hop(headers);
}

/// The server sees itself called by a local name, as if its user sat before it: development servers refuse others. A page that
/// it has served through the proxy is then of its own origin, too.
fn say_where_from(headers: &mut HeaderMap, how: &Forwarding<'_>) {
    let here = format!("localhost:{}", how.port);
    let host = headers.remove(HOST);
    let own_origin = host.as_ref().and_then(|host| host.to_str().ok()).is_some_and(|host| {
        let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
        origin.is_some_and(|origin| guard::is_same_origin(origin, Some(host)))
    });
    if own_origin {
        set(headers, ORIGIN, &format!("http://{here}"));
    }
    set(headers, HOST, &here);
    // A proxy in front of boxd knows better what the client asked for.
    if let Some(host) = host {
        headers.entry("x-forwarded-host").or_insert(host);
    }
    headers.entry("x-forwarded-proto").or_insert(HeaderValue::from_static("http"));
    let before = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let prefix = format!("{}/port/{}", before("x-forwarded-prefix").trim_end_matches('/'), how.port);
    let passed = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let peer = how.peer.map(|peer| peer.to_canonical().to_string());
    let route: Vec<&str> = passed.chain(peer.as_deref()).collect();
    let route = route.join(", ");
    set(headers, HeaderName::from_static("x-forwarded-prefix"), &prefix);
    set(headers, HeaderName::from_static("x-forwarded-for"), &route);
}

/// Takes away what was for boxd. An `Authorization` that is not boxd's is the server's; in a request of an SDK it never is.
fn strip_credentials(headers: &mut HeaderMap, token: Option<&Secret>) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_ours = match token {
        Some(token) => {
            let mut given = headers.get_all(AUTHORIZATION).iter().filter_map(|value| value.to_str().ok());
            given.any(|value| guard::is_token(token, guard::bare_token(value)))
        }
        None => negotiate::is_sdk(text("user-agent"), headers.keys().map(HeaderName::as_str)),
    };
    if is_ours {
        headers.remove(AUTHORIZATION);
    }
    // The page that was asked for with the token names it to whatever it loads.
    let page = headers.get(REFERER).and_then(|value| value.to_str().ok());
    let in_page = page.and_then(|page| target::parameter(page.split_once('?')?.1, "token"));
    if in_page.is_some_and(|given| token.is_some_and(|token| guard::is_token(token, &given))) {
        headers.remove(REFERER);
    }
    for name in SDK_CREDENTIALS {
        headers.remove(name);
    }
}

/// Takes away what belongs to one connection.
pub(in crate::http) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = named_by_connection(headers)
        .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
        .collect();
    // What says how long the body is belongs to the message, whatever `Connection` says.
    for name in named.into_iter().filter(|name| name != CONTENT_LENGTH && name != HOST) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// The length that was read, not the one that was written.
pub(in crate::http) fn set_length(headers: &mut HeaderMap, length: Option<u64>) {
    let was_there = headers.remove(CONTENT_LENGTH).is_some();
    match length {
        Some(length) if was_there || length > 0 => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Some(_) => {}
        // Said, because there are methods whose requests hyper takes for such without a body.
        None => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
}

fn named_by_connection(headers: &HeaderMap) -> impl Iterator<Item = String> {
    list(headers, &CONNECTION)
}

/// The elements of a header that is a list, in lower case.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> + use<'a> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|element| element.trim().to_ascii_lowercase())
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) if !value.is_empty() => headers.insert(name, value),
        _ => headers.remove(name),
    };
}

#[cfg(test)]
mod tests;
