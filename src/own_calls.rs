//! The daemon's own calls of others, by URL: how they are made, and what of a URL may be shown.

use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

/// Stands for what is not shown.
const REDACTED: &str = "[REDACTED]";

/// What all calls of this URL have in common: a status is an answer and no error, and a proxy is what `HTTPS_PROXY` and its like say, but
/// for what is here, of which one for the world outside does not know.
pub(crate) fn settings(url: &str) -> ConfigBuilder<AgentScope> {
    #[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
    crate::sys::host_names::stay_inside();
    let settings = Agent::config_builder().http_status_as_error(false);
    if leads_here(url) { settings.proxy(None) } else { settings }
}

/// Whether a URL leads to this host.
fn leads_here(url: &str) -> bool {
    let (_, authority, _) = parts(url);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// A URL without what may be a secret in it: a login, and all that stands behind the path.
pub(crate) fn shown(url: &str) -> String {
    let (scheme, authority, rest) = parts(url);
    let host = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{REDACTED}@{host}"),
        None => authority.to_owned(),
    };
    match rest.find(['?', '#']) {
        Some(at) => format!("{scheme}{host}{}{REDACTED}", &rest[..=at]),
        None => format!("{scheme}{host}{rest}"),
    }
}

/// Where somebody is, and nothing of what is asked there: the path of a hook is often a secret.
pub(crate) fn origin(url: &str) -> String {
    let (scheme, authority, _) = parts(url);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}{host}")
}

/// The scheme with its slashes, the authority, and what follows.
fn parts(url: &str) -> (&str, &str, &str) {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(authority);
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    (scheme, authority, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_is_known_by_its_names() {
        for here in
            ["http://localhost/", "http://LOCALHOST:1/x", "http://a:b@127.0.0.2:80", "https://[::1]:5/?"]
        {
            assert!(leads_here(here), "{here}");
        }
        for there in
            ["http://example.org/localhost", "http://10.0.0.1/", "http://localhost@evil.example/", "x"]
        {
            assert!(!leads_here(there), "{there}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        #[track_caller]
        fn check(url: &str, expect: &str, expect_origin: &str) {
            assert_eq!((shown(url).as_str(), origin(url).as_str()), (expect, expect_origin), "{url}");
        }
        check("http://h:1/a/b", "http://h:1/a/b", "http://h:1");
        check("http://u:p@h/a?sig=x#y", "http://[REDACTED]@h/a?[REDACTED]", "http://h");
        check("https://u@h#x", "https://[REDACTED]@h#[REDACTED]", "https://h");
        check("http://u:p@x@h", "http://[REDACTED]@h", "http://h");
        check("u:p@h?x", "[REDACTED]@h?[REDACTED]", "h");
        check("http://h/x?a@b", "http://h/x?[REDACTED]", "http://h");
        check("", "", "");
    }
}
