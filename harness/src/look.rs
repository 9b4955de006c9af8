//! How a value must look before it is hidden.
//!
//! A mark in a snapshot that hides anything at all would hide a bug as well: `[date]` has to be a date, and of today.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;

/// The tests that `rules.toml` can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Look {
    #[serde(rename = "positive number in a string")]
    PositiveNumberText,
    #[serde(rename = "name made up by the server")]
    AutoName,
    #[serde(rename = "recent HTTP date or empty")]
    RecentDateOrEmpty,
    #[serde(rename = "recent HTTP date")]
    RecentDate,
    #[serde(rename = "HTTP date")]
    Date,
    #[serde(rename = "recent RFC 3339 time")]
    RecentTime,
    #[serde(rename = "number of milliseconds")]
    Milliseconds,
    #[serde(rename = "number of bytes")]
    Bytes,
    #[serde(rename = "number of seconds")]
    Seconds,
    #[serde(rename = "random UUID")]
    Uuid,
    #[serde(rename = "absolute path")]
    AbsolutePath,
    #[serde(rename = "cursor")]
    Cursor,
    #[serde(rename = "connection option")]
    ConnectionOption,
    #[serde(rename = "whole number")]
    WholeNumber,
    #[serde(rename = "integer")]
    Integer,
    #[serde(rename = "chunked")]
    Chunked,
    #[serde(rename = "entity tag")]
    EntityTag,
    #[serde(rename = "text")]
    Text,
}

/// Times further from the harness's clock than this are wrong: half an hour would be another time zone.
const RECENT_MAX: Duration = Duration::from_secs(1000);

/// Durations of a case's processes: more than a day is a broken clock or a broken unit.
const MILLISECONDS_MAX: f64 = 86_400_000.0;

impl Look {
    /// Whether a JSON value looks as it should.
    pub(crate) fn fits(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Bytes | Self::WholeNumber, value) => value.is_u64(),
            (Self::Integer, value) => value.is_i64() || value.is_u64(),
            (Self::Milliseconds, value) => {
                value.as_f64().is_some_and(|ms| (0.0..MILLISECONDS_MAX).contains(&ms))
            }
            (Self::Seconds, value) => value.as_f64().is_some_and(|seconds| seconds >= 0.0),
            (_, Value::String(text)) => self.fits_text(text),
            _ => false,
        }
    }

    /// Whether a text looks as it should.
    pub(crate) fn fits_text(self, text: &str) -> bool {
        match self {
            Self::PositiveNumberText => {
                text.parse::<u32>().is_ok_and(|number| number > 0) && !text.starts_with('+')
            }
            Self::AutoName => text.strip_prefix("proc-").is_some_and(|rest| {
                rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            }),
            Self::RecentDateOrEmpty => text.is_empty() || date(text).is_some_and(is_recent),
            Self::RecentDate => date(text).is_some_and(is_recent),
            Self::RecentTime => timestamp(text).is_some_and(is_recent),
            Self::Date => date(text).is_some(),
            Self::Uuid => {
                text.len() == 36
                    && text.bytes().enumerate().all(|(n, byte)| match n {
                        8 | 13 | 18 | 23 => byte == b'-',
                        14 => byte == b'4',
                        19 => b"89ab".contains(&byte),
                        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
                    })
            }
            Self::AbsolutePath => text.starts_with('/'),
            Self::Cursor => {
                !text.is_empty()
                    && text
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
            }
            Self::ConnectionOption => matches!(text, "close" | "keep-alive" | "upgrade" | "Upgrade"),
            Self::WholeNumber => text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty(),
            Self::Chunked => text == "chunked",
            // A strong one: the daemon has no other.
            Self::EntityTag => {
                text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).is_some_and(|tag| {
                    !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
                })
            }
            Self::Text => !text.is_empty(),
            Self::Milliseconds | Self::Bytes | Self::Seconds | Self::Integer => false,
        }
    }
}

impl std::fmt::Display for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::PositiveNumberText => "a positive number in a string",
            Self::AutoName => "`proc-` and eight of [a-z0-9]",
            Self::RecentDateOrEmpty | Self::RecentDate => {
                "a date like `Mon, 23 Nov 2026 21:35:01 GMT`, of now"
            }
            Self::RecentTime => "a time like `2026-11-23T21:35:01Z`, of now",
            Self::Date => "a date like `Mon, 23 Nov 2026 21:35:01 GMT`",
            Self::Milliseconds => "a number of milliseconds",
            Self::Bytes => "a whole number of bytes",
            Self::Seconds => "a number of seconds",
            Self::Uuid => "a random UUID in lower case",
            Self::AbsolutePath => "an absolute path",
            Self::Cursor => "letters, digits and dots",
            Self::ConnectionOption => "`close`, `keep-alive` or `upgrade`",
            Self::WholeNumber => "a whole number",
            Self::Integer => "an integer",
            Self::Chunked => "`chunked`",
            Self::EntityTag => "a strong entity tag, in quotes",
            Self::Text => "a text",
        })
    }
}

/// The strict form only: what `httpdate` writes again as it was read.
fn date(text: &str) -> Option<SystemTime> {
    let time = httpdate::parse_http_date(text).ok()?;
    (httpdate::fmt_http_date(time) == text).then_some(time)
}

/// A time in UTC like `2026-11-23T21:35:01Z`, with or without a fraction of a second.
fn timestamp(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, month_and_day) = date.split_once('-')?;
    let (month, day) = month_and_day.split_once('-')?;
    let month = MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
    // The same moment in the form that there is a parser for; it demands the name of the day, which isn't known here.
    let mut names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].iter();
    names.find_map(|name| httpdate::parse_http_date(&format!("{name}, {day} {month} {year} {time} GMT")).ok())
}

fn is_recent(time: SystemTime) -> bool {
    let now = SystemTime::now();
    let apart = now.duration_since(time).or_else(|_| time.duration_since(now)).unwrap_or(Duration::MAX);
    apart < RECENT_MAX
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_looked_at() {
        #[track_caller]
        fn check(look: Look, value: &Value, expected: bool) {
            assert_eq!(look.fits(value), expected, "{value}");
        }
        check(Look::PositiveNumberText, &json!("4711"), true);
        check(Look::PositiveNumberText, &json!("0"), false);
        check(Look::PositiveNumberText, &json!(4711), false);
        check(Look::AutoName, &json!("proc-a1b2c3d4"), true);
        check(Look::AutoName, &json!("proc-A1b2c3d4"), false);
        check(Look::Milliseconds, &json!(0.25), true);
        check(Look::Milliseconds, &json!(-1), false);
        check(Look::Bytes, &json!(4096), true);
        check(Look::Bytes, &json!(0.5), false);
        check(Look::Date, &json!("Mon, 23 Nov 2026 21:35:01 GMT"), true);
        check(Look::Date, &json!("Tue, 23 Nov 2026 21:35:01 GMT"), false);
        check(Look::Date, &json!("2026-11-23T21:35:01Z"), false);
        check(Look::RecentDate, &json!("Mon, 23 Nov 2020 21:35:01 GMT"), false);
        check(Look::RecentDate, &json!(httpdate::fmt_http_date(SystemTime::now())), true);
        check(Look::RecentTime, &json!("2020-11-24T21:35:01Z"), false);
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_606_253_701);
        assert_eq!(timestamp("2020-11-24T21:35:01Z"), Some(long_ago));
        assert_eq!(timestamp("2020-11-24T21:35:01.25Z"), Some(long_ago));
        assert_eq!((timestamp("2020-11-24T21:35:01"), timestamp("2020-13-23T21:35:01Z")), (None, None));
        check(Look::Cursor, &json!("9f2c.1.14.4.end"), true);
        check(Look::Cursor, &json!("a b"), false);
        check(Look::AbsolutePath, &json!("tmp"), false);
        check(Look::WholeNumber, &json!(7), true);
        check(Look::WholeNumber, &json!(-7), false);
        check(Look::EntityTag, &json!("\"1f-2.a\""), true);
        check(Look::EntityTag, &json!("W/\"1f-2.a\""), false);
        check(Look::EntityTag, &json!("\"\""), false);
        check(Look::EntityTag, &json!("1f-2.a"), false);
        check(Look::Uuid, &json!("e52ae71f-a789-4377-b774-1e18565382ad"), true);
        check(Look::Uuid, &json!("e52ae71f-a789-1377-b774-1e18565382ad"), false);
        check(Look::Uuid, &json!("E52AE71F-A789-4377-B774-1E18565382AD"), false);
    }
}
