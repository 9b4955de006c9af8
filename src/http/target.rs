//! The request target as the client sent it, and the form of it that the router may see. Pure.
//!
//! The router's URL type collapses dot segments and turns backslashes round before anything can look at them. So it is
//! given a copy in which those are escaped once more, and endpoints read the untouched target.

use percent_encoding::percent_decode_str;

use super::file_target::FileTarget;

/// A request target in origin form, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    text: String,
    path_len: usize,
}

/// Why a target cannot be served.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadTarget {
    /// A `%` without two hexadecimal digits behind it.
    PercentEscape,
    /// It does not begin with a slash.
    Form,
}

impl Target {
    /// Checks a target of the request line.
    pub(crate) fn parse(text: &str) -> Result<Self, BadTarget> {
        if !text.starts_with('/') {
            return Err(BadTarget::Form);
        }
        let path_len = text.find('?').unwrap_or(text.len());
        let path = &text.as_bytes()[..path_len];
        let escapes =
            path.iter().enumerate().filter(|(_, b)| **b == b'%').map(|(i, _)| path.get(i + 1..i + 3));
        for digits in escapes {
            if !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
                return Err(BadTarget::PercentEscape);
            }
        }
        Ok(Self { text: text.to_owned(), path_len })
    }

    /// The path, still escaped.
    pub(crate) fn path(&self) -> &str {
        &self.text[..self.path_len]
    }

    /// The query without its question mark, still escaped.
    pub(crate) fn query(&self) -> Option<&str> {
        self.text.get(self.path_len + 1..)
    }

    /// Segment `n` of the path, still escaped.
    pub(crate) fn segment(&self, n: usize) -> &str {
        self.path().split('/').nth(n + 1).unwrap_or_default()
    }

    /// The first value of a query parameter, decoded (`+` is a blank).
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        parameter(self.query()?, name)
    }

    /// The URL for the router: the same segments, with what it would rewrite escaped once more, and what means a plain
    /// letter unescaped, so that `/%68ealth` is `/health`.
    pub(crate) fn routing_url(&self) -> String {
        // What the path of a file means is not the router's to know.
        if let Some(FileTarget { route, .. }) = FileTarget::parse(self.path()) {
            return format!("http://boxd{route}/-");
        }
        let mut url = String::with_capacity(self.text.len() + 16);
        url.push_str("http://boxd");
        for segment in self.path().split('/').skip(1) {
            url.push('/');
            if is_dots(segment) {
                url.push_str("%2E%2E%2E");
            } else {
                push_plain(&mut url, segment);
            }
        }
        url
    }
}

/// The first value of a parameter in a query, decoded (`+` is a blank).
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| decode_form(key) == name).map(|(_, value)| decode_form(value))
}

/// A target for a log line, whether it can be served or not: the values of secret parameters are not in it, wherever in the
/// text they stand.
pub(crate) fn redacted(text: &str) -> String {
    let is_secret = |key: &str| {
        let key = decode_form(key).to_ascii_lowercase();
        ["token", "key", "secret", "password", "auth", "signature"].iter().any(|s| key.contains(s))
    };
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive(['?', '&', ';', '#']) {
        let pair = part.trim_end_matches(['?', '&', ';', '#']);
        match pair.match_indices('=').map(|(at, _)| &pair[..at]).find(|key| is_secret(key)) {
            Some(key) => {
                out.push_str(key);
                out.push_str("=[REDACTED]");
                out.push_str(&part[pair.len()..]);
            }
            None => out.push_str(part),
        }
    }
    out
}

/// Decodes a path segment; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn decode(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// Decodes a name or a value of a query (`+` is a blank).
pub(crate) fn decode_form(text: &str) -> String {
    decode(&text.replace('+', " "))
}

/// Appends a segment in which escapes of letters, digits, `-`, `_` and `~` are undone (RFC 3986 §6.2.2.2: they mean the same
/// with and without) and backslashes are escaped.
fn push_plain(url: &mut String, segment: &str) {
    let mut rest = segment;
    while let Some(at) = rest.find(['%', '\\']) {
        url.push_str(&rest[..at]);
        let escape = rest.get(at + 1..at + 3).filter(|_| rest[at..].starts_with('%'));
        let byte = escape.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, escape) {
            (Some(b), _) if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'~') => {
                url.push(char::from(b));
            }
            (_, Some(hex)) => {
                url.push('%');
                url.push_str(hex);
            }
            (_, None) => url.push_str("%5C"),
        }
        rest = &rest[at + escape.map_or(1, |hex| 1 + hex.len())..];
    }
    url.push_str(rest);
}

/// What a URL parser takes for `.` or `..`.
fn is_dots(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_target_is_taken_apart_and_not_changed() {
        let target = Target::parse("/process/a%2Fb%20%F0%9F%9A%80/logs?cursor=x%2Ey&empty&plus=a+b").unwrap();
        assert_eq!(target.path(), "/process/a%2Fb%20%F0%9F%9A%80/logs");
        assert_eq!((target.segment(0), target.segment(2), target.segment(3)), ("process", "logs", ""));
        assert_eq!(decode(target.segment(1)), "a/b 🚀");
        assert_eq!(target.parameter("cursor").as_deref(), Some("x.y"));
        assert_eq!(target.parameter("empty").as_deref(), Some(""));
        assert_eq!(target.parameter("plus").as_deref(), Some("a b"));
        assert_eq!(target.parameter("none"), None);
    }

    #[test]
    fn broken_targets_are_refused() {
        for (text, expect) in [
            ("/a%zz", BadTarget::PercentEscape),
            ("/a%2", BadTarget::PercentEscape),
            ("/%", BadTarget::PercentEscape),
            ("*", BadTarget::Form),
            ("", BadTarget::Form),
        ] {
            assert_eq!(Target::parse(text), Err(expect), "{text}");
        }
        assert!(Target::parse("/a?b=%zz").is_ok());
    }

    #[test]
    fn the_router_sees_the_same_segments() {
        #[track_caller]
        fn check(target: &str, path: &str) {
            let url = tide::http::Url::parse(&Target::parse(target).unwrap().routing_url()).unwrap();
            assert_eq!(url.path(), path);
        }
        check("/health", "/health");
        check("/x/../health", "/x/%2E%2E%2E/health");
        check("/./health", "/%2E%2E%2E/health");
        check("/process/%2e%2E", "/process/%2E%2E%2E");
        check("/process//logs", "/process//logs");
        check("//health", "//health");
        check("/a\\b", "/a%5Cb");
        check("/process/a%2Fb", "/process/a%2Fb");
        check("/health/", "/health/");
        check("/%68ealth", "/health");
        check("/process/%34%37%2F%2f%e2%82%ac%7E%25", "/process/47%2F%2f%e2%82%ac~%25");
    }

    #[test]
    fn secrets_do_not_reach_the_log() {
        #[track_caller]
        fn check(target: &str, expect: &str) {
            assert_eq!(redacted(target), expect);
        }
        check(
            "/process/x/logs/stream?token=abc&cursor=1&api_key=z",
            "/process/x/logs/stream?token=[REDACTED]&cursor=1&api_key=[REDACTED]",
        );
        check("/process/%zz?token=abc", "/process/%zz?token=[REDACTED]");
        check("/a?b=?%74oken=abc=d&c", "/a?b=?%74oken=[REDACTED]&c");
        check("/process&token=abc", "/process&token=[REDACTED]");
        check("/a?x=1%26token=abc", "/a?x=1%26token=[REDACTED]");
        check("token=abc", "token=[REDACTED]");
        check("/a?b=1&", "/a?b=1&");
        check("/a", "/a");
    }

    proptest! {
        #[test]
        fn segments_keep_their_number(path in "(/[a-z.%2E\\\\é]{0,6}){1,5}") {
            if let Ok(target) = Target::parse(&path) {
                let url = tide::http::Url::parse(&target.routing_url()).unwrap();
                prop_assert_eq!(url.path().split('/').count(), path.split('/').count());
            }
        }
    }
}
