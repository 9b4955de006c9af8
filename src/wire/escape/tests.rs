//! Each escape at each place relative to the blocks, then arbitrary text and bytes, read back by another parser.

use proptest::prelude::*;

use super::*;

fn escaped(text: &str) -> String {
    let mut out = b"before ".to_vec();
    escape_into(&mut out, text);
    String::from_utf8(out).unwrap().strip_prefix("before ").unwrap().to_owned()
}

fn escaped_lossy(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    escape_lossy_into(&mut out, bytes);
    String::from_utf8(out).unwrap()
}

/// The text alone, and at every place relative to the blocks.
#[track_caller]
fn check(text: &str, expect: &str) {
    assert_eq!(escaped(text), expect);
    for pad in 0..=2 * WINDOW {
        let (front, back) = ("é".repeat(pad % 2) + &"a".repeat(pad), "z".repeat(WINDOW));
        assert_eq!(escaped(&format!("{front}{text}")), format!("{front}{expect}"));
        assert_eq!(escaped(&format!("{front}{text}{back}")), format!("{front}{expect}{back}"));
    }
}

#[track_caller]
fn check_lossy(bytes: &[u8], expect: &str) {
    assert_eq!(escaped_lossy(bytes), expect);
}

#[test]
fn text() {
    check("", "");
    check("plain text", "plain text");
    check("\"\\/", r#"\"\\/"#);
    check("\n\r\t\u{8}\u{c}", r"\n\r\t\b\f");
    check("\0\u{1}\u{b}\u{1b}[1m\u{1f}\u{7f}", "\\u0000\\u0001\\u000b\\u001b[1m\\u001f\u{7f}");
    check("<a href='x'>&amp;", r"\u003ca href='x'\u003e\u0026amp;");
    check("\u{85}\u{2028}\u{2029}", r"\u0085\u2028\u2029");
    check(
        "\u{84}\u{86}\u{2027}\u{202a}\u{c5}\u{20a8}\u{e285}",
        "\u{84}\u{86}\u{2027}\u{202a}\u{c5}\u{20a8}\u{e285}",
    );
    check("größer 服务器 🚀 “…”", "größer 服务器 🚀 “…”");
}

#[test]
fn dense() {
    check(&"\0".repeat(100), &r"\u0000".repeat(100));
    check(&"\u{2028}".repeat(100), &r"\u2028".repeat(100));
    check(&"\"\u{85}".repeat(50), &r#"\"\u0085"#.repeat(50));
}

#[test]
fn broken_bytes() {
    check_lossy(b"ok", "ok");
    check_lossy(b"\xc3\x28\xff", r"\ufffd(\ufffd");
    check_lossy(b"cut \xf0\x9f\x9a", r"cut \ufffd");
    check_lossy(b"cut \xe2\x80", r"cut \ufffd");
    check_lossy(b"\xed\xa0\x80", r"\ufffd\ufffd\ufffd");
    check_lossy(b"\xe2\x80\xa8\xe2\x80\n", r"\u2028\ufffd\n");
    check_lossy("\u{fffd}".as_bytes(), "\u{fffd}");
}

/// Text in which the escaped characters are frequent.
fn any_text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => any::<char>(),
        4 => proptest::char::range(' ', '~'),
        2 => prop::sample::select(vec!['"', '\\', '<', '>', '&', '\n', '\0', '\u{1f}', '\u{85}', '\u{2028}', '\u{2029}']),
        1 => prop::sample::select(vec!['\u{a0}', '\u{c5}', '\u{2027}', '\u{202a}', '\u{2500}']),
    ];
    prop::collection::vec(character, 0..200).prop_map(String::from_iter)
}

/// Bytes that are UTF-8 for long stretches.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece =
        prop_oneof![any_text().prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..4)];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn parses_back(text in any_text()) {
        let json = format!("\"{}\"", escaped(&text));
        prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn is_one_harmless_line(text in any_text()) {
        let harmful = |c: char| c < ' ' || matches!(c, '<' | '>' | '&' | '\u{85}' | '\u{2028}' | '\u{2029}');
        prop_assert!(!escaped(&text).contains(harmful));
    }

    #[test]
    fn lossy_equals_the_standard_one(bytes in any_bytes()) {
        let json = format!("\"{}\"", escaped_lossy(&bytes));
        prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), String::from_utf8_lossy(&bytes));
    }
}
