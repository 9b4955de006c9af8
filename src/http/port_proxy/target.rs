//! What a request to the port proxy asks for: the port, and the target as its server gets it. Pure.
//!
//! Not a byte of the path or the query is changed: only what stands before the path is cut off, and boxd's own token.

use crate::config::Secret;
use crate::http::target;

/// A request for the server behind a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    /// The segment that should be a port.
    port: &'a str,
    /// What follows it: a path and a query, either of which may be missing.
    rest: &'a str,
}

impl<'a> Asked<'a> {
    /// The request of this target, if it is one for the proxy.
    pub(crate) fn find(target: &'a str) -> Option<Self> {
        let behind = target.strip_prefix("/port/")?;
        let (port, rest) = behind.split_at(behind.find(['/', '?']).unwrap_or(behind.len()));
        Some(Self { port, rest })
    }

    /// The port; the text of it when it is none.
    pub(crate) fn port(&self) -> Result<u16, &'a str> {
        let is_plain = self.port.bytes().all(|b| b.is_ascii_digit()) && !self.port.starts_with('0');
        self.port.parse().ok().filter(|_| is_plain).ok_or(self.port)
    }

    /// The target for the server behind the port, without the parameter that carries boxd's token.
    pub(crate) fn target(&self, token: Option<&Secret>) -> String {
        let (path, query) = match self.rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.rest, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        let Some(query) = query else { return path.to_owned() };
        let is_ours = |pair: &&str| {
            let token = token.map(Secret::expose);
            pair.split_once('=').is_some_and(|(name, value)| {
                target::decode_form(name) == "token" && Some(target::decode_form(value).as_str()) == token
            })
        };
        if !query.split('&').any(|pair| is_ours(&pair)) {
            return format!("{path}?{query}");
        }
        let kept: Vec<&str> = query.split('&').filter(|pair| !is_ours(pair)).collect();
        if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_path_behind_the_port_is_the_path() {
        #[track_caller]
        fn check(target: &str, expect: &str) {
            assert_eq!(Asked::find(target).unwrap().target(None), expect);
        }
        check("/port/80", "/");
        check("/port/80/", "/");
        check("/port/80?a=b", "/?a=b");
        check("/port/80/a/../%2e%zz//b?x=%zz?&token=t", "/a/../%2e%zz//b?x=%zz?&token=t");
        check("/port/80/?", "/?");
        assert_eq!(Asked::find("/port"), None);
        assert_eq!(Asked::find("/portal/80"), None);
    }

    #[test]
    fn a_port_is_a_number_from_1_to_65535() {
        let port = |target: &'static str| Asked::find(target).unwrap().port();
        assert_eq!((port("/port/1/x"), port("/port/65535")), (Ok(1), Ok(65535)));
        for bad in ["", "0", "65536", "080", "+80", "-1", "http", "80%20", "8 0", "99999999999999999999"] {
            let target = format!("/port/{bad}/x");
            assert_eq!(Asked::find(&target).unwrap().port(), Err(bad));
        }
    }

    #[test]
    fn our_token_does_not_go_on_and_no_other_does_stay() {
        let token = Secret::new("t/1".to_owned());
        let target = |query| Asked::find(query).unwrap().target(Some(&token));
        assert_eq!(target("/port/80/a?token=t/1"), "/a");
        assert_eq!(target("/port/80/a?x=1&%74oken=t%2f1&y"), "/a?x=1&y");
        assert_eq!(target("/port/80/a?x=1&token=theirs&y="), "/a?x=1&token=theirs&y=");
    }

    proptest! {
        #[test]
        fn without_a_token_nothing_is_changed(rest in "/[ -~]{0,30}") {
            let target = format!("/port/3000{rest}");
            prop_assert_eq!(Asked::find(&target).unwrap().target(None), rest);
        }
    }
}
