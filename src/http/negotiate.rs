//! Which form an answer takes: what the request accepts, whose mark it carries, and what the daemon is told. Pure.
//!
//! The published text says SSE; the official SDKs ask for `text/event-stream` and take only NDJSON. So a request with one of
//! their marks gets NDJSON, and any other what it asked for.

use crate::config::StreamDialect;

/// The form of the answer to a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartForm {
    /// One JSON object.
    Json,
    /// A stream of server-sent events.
    Sse,
    /// NDJSON as the SDKs read it: text only.
    SdkNdjson,
    /// NDJSON that was asked for by name: base64 where bytes are not text.
    Ndjson,
}

/// The form of a log stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogForm {
    /// Prefixed lines.
    Text,
    /// NDJSON with base64.
    Ndjson,
    /// Server-sent events.
    Sse,
}

/// The form for `POST /process`. Media types count wherever they stand in the header, as they do for the known server.
pub(crate) fn start_form(accept: &str, marked: bool, dialect: StreamDialect) -> StartForm {
    let accept = accept.to_ascii_lowercase();
    if accept.contains("application/x-ndjson") {
        return StartForm::Ndjson;
    }
    if !accept.contains("text/event-stream") {
        return StartForm::Json;
    }
    match dialect {
        StreamDialect::Ndjson => StartForm::SdkNdjson,
        StreamDialect::Auto if marked => StartForm::SdkNdjson,
        StreamDialect::Auto | StreamDialect::Sse => StartForm::Sse,
    }
}

/// The form for `GET /process/{id}/logs/stream`: the named type with the highest weight; of equal ones NDJSON, then SSE.
/// Wildcards mean text.
pub(crate) fn log_form(accept: &str) -> LogForm {
    let weight = |media: &str| {
        let ranges = accept.split(',').filter_map(parse_range);
        ranges.filter(|(name, _)| name.eq_ignore_ascii_case(media)).map(|(_, q)| q).max().unwrap_or(0)
    };
    let offers = [
        (weight("application/x-ndjson"), LogForm::Ndjson),
        (weight("text/event-stream"), LogForm::Sse),
        (weight("text/plain"), LogForm::Text),
    ];
    let best = offers.iter().map(|(q, _)| *q).max().unwrap_or(0);
    if best == 0 {
        return LogForm::Text;
    }
    offers.into_iter().find(|(q, _)| *q == best).map_or(LogForm::Text, |(_, form)| form)
}

/// Whether a request comes from an official SDK: its user agent, or a header that only they send.
pub(crate) fn is_sdk<'a>(user_agent: &str, mut header_names: impl Iterator<Item = &'a str>) -> bool {
    user_agent.to_ascii_lowercase().contains("blaxel/sdk/")
        || header_names.any(|name| {
            let name = name.to_ascii_lowercase();
            name == "blaxel-version" || name.starts_with("x-blaxel-")
        })
}

/// A media range and its weight in thousandths (RFC 9110 §12.4.2); a weight that is none counts as 1.
fn parse_range(range: &str) -> Option<(&str, u32)> {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let q = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    let weight = q.and_then(|q| q.parse::<f32>().ok()).filter(|q| (0.0..=1.0).contains(q)).unwrap_or(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
    Some((name, (weight * 1000.0).round() as u32))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_start_is_answered_as_asked() {
        use StartForm::{Json, Ndjson, SdkNdjson, Sse};
        use StreamDialect::Auto;
        #[track_caller]
        fn check(accept: &str, marked: bool, dialect: StreamDialect, expect: StartForm) {
            assert_eq!(start_form(accept, marked, dialect), expect, "{accept}");
        }
        check("", false, Auto, Json);
        check("*/*", true, Auto, Json);
        check("application/json", false, StreamDialect::Ndjson, Json);
        check("text/event-stream", false, Auto, Sse);
        check("text/event-stream", true, Auto, SdkNdjson);
        check("text/event-stream", true, StreamDialect::Sse, Sse);
        check("text/event-stream", false, StreamDialect::Ndjson, SdkNdjson);
        check("application/json, Text/Event-Stream;q=0.1", false, Auto, Sse);
        check("application/x-ndjson", false, Auto, Ndjson);
        check("text/event-stream, application/x-ndjson", false, StreamDialect::Sse, Ndjson);
    }

    #[test]
    fn a_log_stream_is_answered_by_weight() {
        #[track_caller]
        fn check(accept: &str, expect: LogForm) {
            assert_eq!(log_form(accept), expect, "{accept}");
        }
        check("", LogForm::Text);
        check("*/*", LogForm::Text);
        check("application/*", LogForm::Text);
        check("application/xml", LogForm::Text);
        check("text/plain", LogForm::Text);
        check("text/plain, application/x-ndjson", LogForm::Ndjson);
        check("application/x-ndjson;q=0, text/plain", LogForm::Text);
        check("application/x-ndjson;q=0", LogForm::Text);
        check("application/x-ndjson;q=0.5, text/plain;q=0.9", LogForm::Text);
        check("text/plain;q=0.5, application/x-ndjson;q=0.9", LogForm::Ndjson);
        check("text/event-stream", LogForm::Sse);
        check("text/event-stream, application/x-ndjson", LogForm::Ndjson);
        check("text/event-stream, application/x-ndjson;q=0.9", LogForm::Sse);
        check("text/event-stream, */*", LogForm::Sse);
        check("application/x-ndjson; q=nonsense", LogForm::Ndjson);
    }

    #[test]
    fn the_sdks_are_known_by_their_marks() {
        #[track_caller]
        fn check(user_agent: &str, headers: &[&str], expect: bool) {
            assert_eq!(is_sdk(user_agent, headers.iter().copied()), expect);
        }
        check("blaxel/sdk/typescript/0.3.21 (linux)", &[], true);
        check("curl/8", &["accept", "host"], false);
        check("curl/8", &["Blaxel-Version"], true);
        check("", &["x-blaxel-workspace"], true);
        check("my-blaxel-client", &["x-blaxe"], false);
    }

    proptest! {
        #[test]
        fn any_header_has_a_form(accept in "(text/event-stream|application/x-ndjson|text/plain|;q=|[0-9.,; a-zé*/-]){0,12}", marked: bool) {
            let start = start_form(&accept, marked, StreamDialect::Auto);
            prop_assert_eq!(start == StartForm::Ndjson, accept.contains("application/x-ndjson"));
            prop_assert!(marked || start != StartForm::SdkNdjson);
            let _form: LogForm = log_form(&accept);
            for range in accept.split(',').filter_map(parse_range) {
                prop_assert!(range.1 <= 1000 && !range.0.is_empty());
            }
        }
    }
}
