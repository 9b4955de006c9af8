//! What happens around every endpoint: who may come in, the headers that all answers share, and what is no route.

use std::time::Instant;

use tide::http::headers::HeaderName;
use tide::http::{Method, StatusCode};
use tide::{Middleware, Next, Request, Response};

use super::context::{Client, Context};
use super::guard::{Caller, admit, allowed_origin};
use super::refusal::Refusal;
use super::respond::{self, Ours};
use super::route_table::Fallback;
use super::target::Target;
use crate::config::Access;

/// On every routed answer, as the known server has them.
const COMMON: [(&str, &str); 4] = [
    ("cache-control", "no-cache, no-store, must-revalidate"),
    ("pragma", "no-cache"),
    ("expires", "0"),
    ("x-content-type-options", "nosniff"),
];

/// What a page of an allowed origin may do.
const CORS_METHODS: &str = "GET, POST, PUT, DELETE, HEAD, OPTIONS";

/// Headers that a page may send: the known server's, and those of resumed streams and of the SDKs.
const CORS_HEADERS: &str = "Content-Type, Authorization, Last-Event-ID, X-Blaxel-Authorization, X-Blaxel-Workspace, \
                            X-Blaxel-Preview-Token, Blaxel-Version";

/// The one middleware: its order is its meaning.
#[derive(Debug)]
pub(crate) struct Around;

#[tide::utils::async_trait]
impl Middleware<Context> for Around {
    async fn handle(&self, request: Request<Context>, next: Next<'_, Context>) -> tide::Result {
        let began = Instant::now();
        let context = request.state().clone();
        let method = request.method();
        let target = request.ext::<Target>().cloned();
        let origin = header(&request, "origin").map(str::to_owned);
        let response = match admit(&context.access, &caller(&request, target.as_ref())) {
            Err(turned_away) => respond::refusal(&Refusal::TurnedAway(turned_away)),
            // Any path: a preflight is asked before a route is known to exist.
            Ok(()) if method == Method::Options => respond::empty(204),
            Ok(()) => next.run(request).await,
        };
        let mut response = if response.ext::<Ours>().is_some() {
            response
        } else {
            let (response, is_redirect) = unrouted(&context, method, target.as_ref());
            if is_redirect {
                return Ok(response);
            }
            response
        };
        if response.status() == StatusCode::SwitchingProtocols {
            // What follows is no HTTP.
            return Ok(response);
        }
        dress(&mut response, &context, method, origin.as_deref());
        if context.server_timing {
            let ms = began.elapsed().as_secs_f64() * 1000.0;
            let value = format!("total;dur={ms:.2};desc=\"Processing time of the Sandbox API request\"");
            response.insert_header("server-timing", value);
        }
        Ok(response)
    }
}

fn header<'a>(request: &'a Request<Context>, name: &'static str) -> Option<&'a str> {
    request.header(HeaderName::from(name)).map(|values| values.last().as_str())
}

fn caller<'a>(request: &'a Request<Context>, target: Option<&'a Target>) -> Caller<'a> {
    let query_token = request.ext().map(|QueryToken(token)| token.as_str());
    let on_loopback = request.ext::<Client>().is_some_and(|client| client.on_loopback);
    let method = request.method();
    let asked = (method.as_ref(), target.map_or("/", Target::path));
    Caller::new(asked, |name| header(request, name), query_token, on_loopback)
}

/// The value of `?token=`, put beside the request by the adapter.
#[derive(Debug, Clone)]
pub(crate) struct QueryToken(pub(crate) String);

/// The answer to a request that no route took, and whether it is a redirect, which carries none of the common headers.
fn unrouted(context: &Context, method: Method, target: Option<&Target>) -> (Response, bool) {
    let fallback =
        target.map_or(Fallback::NotFound, |t| context.routes.fallback(method, t.path(), t.query()));
    match fallback {
        Fallback::Redirect(to) if method == Method::Get => {
            let escaped =
                to.replace('&', "&amp;").replace('"', "&#34;").replace('<', "&lt;").replace('>', "&gt;");
            let link = format!("<a href=\"{escaped}\">Moved Permanently</a>.\n\n");
            let mut response = respond::whole(301, "text/html; charset=utf-8", link.into_bytes());
            response.insert_header("location", to);
            (response, true)
        }
        Fallback::Redirect(to) => {
            let mut response = respond::empty(307);
            response.insert_header("location", to);
            (response, true)
        }
        Fallback::NotFound if method == Method::Get && is_under_swagger(target) => {
            (respond::whole(404, "text/plain; charset=utf-8", b"Not Found".to_vec()), false)
        }
        Fallback::NotFound => {
            let body = if method == Method::Head { Vec::new() } else { b"404 page not found".to_vec() };
            (respond::whole(404, "text/plain", body), false)
        }
    }
}

/// The known server has a folder of files there, which says it in words of its own.
fn is_under_swagger(target: Option<&Target>) -> bool {
    target.is_some_and(|target| target.path().starts_with("/swagger/"))
}

/// Gives an answer the headers that all answers of ours share.
pub(crate) fn dress(response: &mut Response, context: &Context, method: Method, origin: Option<&str>) {
    if method != Method::Options {
        add_common(response);
    }
    add_cors(response, context, origin);
}

fn add_common(response: &mut Response) {
    for (name, value) in COMMON {
        // A stream has its own word about caches.
        if response.header(name).is_none() {
            response.insert_header(name, value);
        }
    }
}

fn add_cors(response: &mut Response, context: &Context, origin: Option<&str>) {
    for (name, value) in cors(&context.access, origin) {
        response.insert_header(name, value);
    }
}

/// What an answer to a request of this origin says about pages.
pub(crate) fn cors<'a>(access: &'a Access, origin: Option<&str>) -> Vec<(&'static str, &'a str)> {
    let mut headers = Vec::new();
    if access.cors_allow_origins.is_empty() {
        return headers;
    }
    if let Some(allowed) = allowed_origin(access, origin) {
        headers.push(("access-control-allow-origin", allowed));
        headers.push(("access-control-allow-methods", CORS_METHODS));
        headers.push(("access-control-allow-headers", CORS_HEADERS));
    }
    if !access.cors_allow_origins.iter().any(|o| o == "*") {
        headers.push(("vary", "Origin"));
    }
    headers
}
