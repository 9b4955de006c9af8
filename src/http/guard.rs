//! Who may come in. The decisions are pure; `middleware.rs` applies them.
//!
//! Always: a loopback listener answers to loopback names only, and no web page of another origin may call, so that no
//! website can run commands on a developer's machine, by its own origin or by a name that it makes point here. With a
//! token: every request must carry it, with few exceptions.

use std::net::IpAddr;

use subtle::ConstantTimeEq;

use crate::config::{Access, Secret};

/// The parts of a request that decide.
#[derive(Debug, Default)]
pub(crate) struct Caller<'a> {
    /// The request's path, still escaped.
    pub(crate) path: &'a str,
    /// The `Host` header; absent only for HTTP/1.0.
    pub(crate) host: Option<&'a str>,
    /// The `Origin` header.
    pub(crate) origin: Option<&'a str>,
    /// The `Sec-Fetch-Site` header.
    pub(crate) fetch_site: Option<&'a str>,
    /// A browser opens what is asked for as a page of its own: a link was followed, or a form of GET sent.
    pub(crate) is_navigation: bool,
    /// An OPTIONS request that asks what a page may do.
    pub(crate) is_preflight: bool,
    /// Whether the listener is bound to a loopback address.
    pub(crate) on_loopback: bool,
    /// Everything that may be the token: headers, and `?token=` where a browser cannot set headers.
    pub(crate) tokens: Vec<&'a str>,
}

impl<'a> Caller<'a> {
    /// Takes them from a request: its headers (the last value of each, with something in the place of what is no ASCII) and the
    /// token in its query.
    pub(crate) fn new(
        (method, path): (&str, &'a str),
        header: impl Fn(&'static str) -> Option<&'a str>,
        query_token: Option<&'a str>,
        on_loopback: bool,
    ) -> Self {
        let names = ["authorization", "x-blaxel-authorization", "x-blaxel-preview-token"];
        let mut tokens: Vec<&str> = names.into_iter().filter_map(&header).map(bare_token).collect();
        // A browser cannot set headers for what it opens itself; all of that is GET.
        tokens.extend(query_token.filter(|_| method == "GET"));
        Self {
            path,
            host: header("host"),
            origin: header("origin"),
            fetch_site: header("sec-fetch-site"),
            is_navigation: method == "GET"
                && header("sec-fetch-mode") == Some("navigate")
                && header("sec-fetch-dest") == Some("document"),
            is_preflight: method == "OPTIONS" && header("access-control-request-method").is_some(),
            on_loopback,
            tokens,
        }
    }
}

/// Why a request is turned away.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// A loopback listener does not answer to this name.
    Host(String),
    /// A page of this origin may not call.
    Origin(String),
    /// The browser says that another site makes the request, or another origin of this site: every port of `localhost` is one.
    CrossSite,
    /// The token is missing or wrong.
    Token,
}

/// Paths that need no token: a health check has none, and the page must load before it can ask for one.
const OPEN: [&str; 3] = ["/health", "/docs", "/docs/"];

/// Pages that a link may lead to from another port of this host: they are for people, everything behind them asks
/// again, and their addresses choose nothing that runs.
const PAGES: [&str; 6] = ["/", "/docs", "/docs/", "/swagger", "/swagger/index.html", "/terminal"];

/// Decides about a request.
pub(crate) fn admit(access: &Access, caller: &Caller<'_>) -> Result<(), TurnedAway> {
    let host = caller.host.map(host_name);
    if caller.on_loopback
        && let Some(host) = &host
        && !is_loopback_name(host)
        && !access.allow_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    {
        return Err(TurnedAway::Host(host.clone()));
    }
    let allowed = allowed_origin(access, caller.origin).is_some();
    if let Some(origin) = caller.origin
        && !allowed
        && !is_same_origin(origin, caller.host)
    {
        return Err(TurnedAway::Origin(origin.to_owned()));
    }
    let any_origin = access.cors_allow_origins.iter().any(|o| o == "*");
    if is_foreign(caller) && !allowed && !any_origin {
        return Err(TurnedAway::CrossSite);
    }
    match &access.token {
        Some(token) if !caller.is_preflight && !is_open(caller.path) => {
            if caller.tokens.iter().any(|given| is_token(token, given)) {
                Ok(())
            } else {
                Err(TurnedAway::Token)
            }
        }
        _ => Ok(()),
    }
}

/// Whether the browser says that a page of another origin asks. What a person asks for, by typing the address, is `none`.
fn is_foreign(caller: &Caller<'_>) -> bool {
    let is = |site: &str| caller.fetch_site.is_some_and(|found| found.eq_ignore_ascii_case(site));
    // `same-origin` would be said of this one.
    let follows_link = caller.is_navigation && PAGES.contains(&caller.path);
    is("cross-site") || (is("same-site") && !follows_link)
}

/// Whether this is the token, found out in the same time whatever it is.
pub(crate) fn is_token(token: &Secret, given: &str) -> bool {
    given.as_bytes().ct_eq(token.expose().as_bytes()).into()
}

/// The token in the value of an `Authorization`.
pub(crate) fn bare_token(value: &str) -> &str {
    let bare = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    bare.map_or(value, |(_, token)| token.trim())
}

/// What `Access-Control-Allow-Origin` says to a request of this origin, if anything.
pub(crate) fn allowed_origin<'a>(access: &'a Access, origin: Option<&str>) -> Option<&'a str> {
    let list = &access.cors_allow_origins;
    if let Some(any) = list.iter().find(|o| *o == "*") {
        return Some(any);
    }
    list.iter().find(|o| origin.is_some_and(|origin| o.eq_ignore_ascii_case(origin))).map(String::as_str)
}

/// The files of pages: anybody may have them.
const OPEN_FOLDERS: [&str; 2] = ["/docs/", "/terminal/assets/"];

fn is_open(path: &str) -> bool {
    OPEN.contains(&path) || OPEN_FOLDERS.iter().any(|folder| path.starts_with(folder))
}

/// A `Host` without its port, in lower case and without the brackets of an IPv6 address.
fn host_name(host: &str) -> String {
    let host = host.trim();
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn is_loopback_name(name: &str) -> bool {
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether a page of this origin lives at the very host and port it calls.
pub(crate) fn is_same_origin(origin: &str, host: Option<&str>) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    matches!((authority, host), (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(host: &'static str) -> Caller<'static> {
        Caller { path: "/process", host: Some(host), on_loopback: true, ..Caller::default() }
    }

    #[test]
    fn a_loopback_listener_answers_to_loopback_names() {
        let access = Access { allow_hosts: vec!["Box.test".to_owned()], ..Access::default() };
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:1",
            "127.1.2.3",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:8080",
            "[::ffff:7f00:1]",
            "a.localhost",
            "box.test:9",
            "localhost.",
        ] {
            assert_eq!(admit(&access, &call(host)), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "10.0.0.1",
            "[::2]",
            "[::ffff:10.0.0.1]:8080",
            "127.0.0.1.evil.example",
        ] {
            assert!(matches!(admit(&access, &call(host)), Err(TurnedAway::Host(_))), "{host}");
            let elsewhere = Caller { on_loopback: false, ..call(host) };
            assert_eq!(admit(&access, &elsewhere), Ok(()), "{host}");
        }
        assert_eq!(admit(&access, &Caller { host: None, ..call("") }), Ok(()));
    }

    #[test]
    fn another_origin_may_not_call() {
        let access = Access::default();
        #[track_caller]
        fn check(access: &Access, origin: Option<&'static str>, fetch_site: Option<&'static str>, ok: bool) {
            let caller = Caller { origin, fetch_site, ..call("localhost:8080") };
            assert_eq!(admit(access, &caller).is_ok(), ok, "{origin:?} {fetch_site:?}");
        }
        check(&access, Some("http://localhost:8080"), Some("same-origin"), true);
        check(&access, Some("http://localhost:3000"), None, false);
        check(&access, Some("https://evil.example"), None, false);
        check(&access, Some("null"), None, false);
        check(&access, None, Some("cross-site"), false);
        check(&access, None, Some("same-site"), false);
        check(&access, None, Some("Same-Site"), false);
        check(&access, Some("http://localhost:3000"), Some("same-site"), false);
        check(&access, None, Some("none"), true);
        check(&access, None, Some("same-origin"), true);
        check(&access, None, None, true);
        let one = Access { cors_allow_origins: vec!["https://app.example".to_owned()], ..Access::default() };
        check(&one, Some("https://app.example"), Some("cross-site"), true);
        check(&one, Some("https://evil.example"), Some("cross-site"), false);
        check(&one, None, Some("cross-site"), false);
        let any = Access { cors_allow_origins: vec!["*".to_owned()], ..Access::default() };
        check(&any, Some("https://evil.example"), Some("cross-site"), true);
        check(&any, None, Some("cross-site"), true);
        check(&any, None, Some("same-site"), true);
        let neighbour =
            Access { cors_allow_origins: vec!["http://localhost:3000".to_owned()], ..Access::default() };
        check(&neighbour, Some("http://localhost:3000"), Some("same-site"), true);
        check(&neighbour, None, Some("same-site"), false);
    }

    #[test]
    fn links_lead_to_pages_and_nowhere_else() {
        #[track_caller]
        fn check(asked: (&str, &'static str), site: &'static str, mode: &str, dest: &str, ok: bool) {
            let header = |name| match name {
                "host" => Some("localhost:8080"),
                "sec-fetch-site" => Some(site),
                "sec-fetch-mode" => Some(mode),
                "sec-fetch-dest" => Some(dest),
                _ => None,
            };
            let admitted = admit(&Access::default(), &Caller::new(asked, header, None, true));
            assert_eq!(admitted.is_ok(), ok, "{asked:?} {site} {mode} {dest}");
        }
        for page in PAGES {
            check(("GET", page), "same-site", "navigate", "document", true);
            check(("GET", page), "cross-site", "navigate", "document", false);
            check(("GET", page), "same-site", "navigate", "iframe", false);
            check(("GET", page), "same-site", "no-cors", "document", false);
            check(("POST", page), "same-site", "navigate", "document", false);
        }
        for path in ["/port/3000", "/port/3000/", "/process", "/terminal/ws", "/docs/docs.js"] {
            check(("GET", path), "same-site", "navigate", "document", false);
            check(("GET", path), "same-site", "no-cors", "image", false);
            check(("GET", path), "none", "navigate", "document", true);
            check(("GET", path), "same-origin", "no-cors", "script", true);
        }
    }

    #[test]
    fn a_token_is_needed_almost_everywhere() {
        let access = Access { token: Some(Secret::new("t0ken".to_owned())), ..Access::default() };
        let with = |path, tokens: Vec<&'static str>| Caller { path, tokens, ..call("localhost") };
        assert_eq!(admit(&access, &with("/process", vec!["t0ken"])), Ok(()));
        assert_eq!(admit(&access, &with("/process", vec!["other", "t0ken"])), Ok(()));
        for tokens in [vec![], vec![""], vec!["t0ke"], vec!["t0ken "], vec!["T0KEN"]] {
            assert_eq!(admit(&access, &with("/process", tokens)), Err(TurnedAway::Token));
        }
        assert_eq!(admit(&access, &with("/nope", vec![])), Err(TurnedAway::Token));
        assert_eq!(admit(&access, &with("/healthy", vec![])), Err(TurnedAway::Token));
        assert_eq!(admit(&access, &with("/docs/../process", vec![])), Ok(()), "no such file there");
        for path in ["/health", "/docs", "/docs/docs.js"] {
            assert_eq!(admit(&access, &with(path, vec![])), Ok(()), "{path}");
        }
        let options = |is_preflight| Caller { is_preflight, ..with("/process", vec![]) };
        assert_eq!(admit(&access, &options(true)), Ok(()));
        assert_eq!(admit(&access, &options(false)), Err(TurnedAway::Token));
    }
}
