//! Bytes and JSON as a transcript shows them: one line, nothing invisible, nothing endless.
//!
//! Pure. The same bytes always give the same text, whatever the locale or the version of a Unicode table.

use std::fmt::Write;

use hmac_sha256::Hash;
use serde_json::Value;

/// A payload longer than this is shown by its length and digest.
const SHOWN_BYTES_MAX: usize = 2048;

/// Puts bytes in quotes: control characters and invisible ones escaped, bytes that are not UTF-8 as `\xff`.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let mut quoted = String::with_capacity(bytes.len() + 2);
    quoted.push('"');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => quoted.push_str("\\\""),
                '\\' => quoted.push_str("\\\\"),
                '\n' => quoted.push_str("\\n"),
                '\r' => quoted.push_str("\\r"),
                '\t' => quoted.push_str("\\t"),
                hidden if is_hidden(hidden) => {
                    write(&mut quoted, format_args!("\\u{{{:x}}}", u32::from(hidden)));
                }
                plain => quoted.push(plain),
            }
        }
        for byte in chunk.invalid() {
            write(&mut quoted, format_args!("\\x{byte:02x}"));
        }
    }
    quoted.push('"');
    quoted
}

/// Like [`quote`], but what is too long is shown as `<10485760 bytes sha256:…>`.
pub(crate) fn quote_short(bytes: &[u8]) -> String {
    if bytes.len() > SHOWN_BYTES_MAX { summary(bytes) } else { quote(bytes) }
}

/// The summary of a long payload; `None` while it is short enough to be shown.
pub(crate) fn summary_if_long(bytes: &[u8]) -> Option<String> {
    (bytes.len() > SHOWN_BYTES_MAX).then(|| summary(bytes))
}

/// Lower-case hexadecimal SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Hash::hash(bytes).iter().fold(String::new(), |mut hex, byte| {
        write(&mut hex, format_args!("{byte:02x}"));
        hex
    })
}

/// A JSON value on one line, keys sorted at every level, characters that break lines escaped.
pub(crate) fn json(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            let entries: Vec<_> =
                entries.iter().map(|(key, value)| format!("{}:{}", json_text(key), json(value))).collect();
            format!("{{{}}}", entries.join(","))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(json).collect();
            format!("[{}]", items.join(","))
        }
        Value::String(text) => json_text(text),
        other => other.to_string(),
    }
}

/// The first part of a text that may be long, for a sentence that quotes it.
pub(crate) fn short(text: &str) -> String {
    const SENTENCE_CHARS_MAX: usize = 200;
    if text.chars().count() <= SENTENCE_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(SENTENCE_CHARS_MAX).chain("…".chars()).collect()
}

fn summary(bytes: &[u8]) -> String {
    format!("<{} bytes sha256:{}>", bytes.len(), sha256(bytes))
}

fn json_text(text: &str) -> String {
    let plain = Value::from(text).to_string();
    plain.chars().fold(String::with_capacity(plain.len()), |mut escaped, character| {
        if is_hidden(character) && u32::from(character) <= 0xffff {
            write(&mut escaped, format_args!("\\u{:04x}", u32::from(character)));
        } else {
            escaped.push(character);
        }
        escaped
    })
}

/// Control characters, line and paragraph separators, direction marks, and what has no width.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

pub(crate) fn write(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a String takes all that is written to it");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bytes_are_quoted_so_that_each_is_seen() {
        #[track_caller]
        fn check(bytes: &[u8], expected: &str) {
            assert_eq!(quote(bytes), expected);
        }
        check(b"hi\n", r#""hi\n""#);
        check(b"\xff\x00\xe2", r#""\xff\u{0}\xe2""#);
        check("é \u{2028}\u{85}€".as_bytes(), r#""é \u{2028}\u{85}€""#);
        check(b"a\"b\\c\r\t\x1b", r#""a\"b\\c\r\t\u{1b}""#);
    }

    #[test]
    fn long_payloads_are_summarised() {
        let long = "a".repeat(SHOWN_BYTES_MAX + 1);
        assert_eq!(quote_short(long.as_bytes()), format!("<2049 bytes sha256:{}>", sha256(long.as_bytes())));
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn json_is_sorted_and_free_of_line_breakers() {
        let value = json!({"b": [1, {"d": null, "c": "x\u{2028}y"}], "a": "\u{85}"});
        assert_eq!(json(&value), r#"{"a":"\u0085","b":[1,{"c":"x\u2028y","d":null}]}"#);
    }
}
