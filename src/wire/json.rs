//! Whole values to JSON, for answers and stream events.
//!
//! Compact, keys in the order of the struct, every string escaped as `escape` does: the result is one line.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Serializer, ser::Formatter};

use super::escape::escape_into;

/// Serialises `value`. Panics when it can't be JSON, that is when a map has keys that are no strings or numbers: a
/// mistake in the type, not in the data.
pub(crate) fn to_vec<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut serializer = Serializer::with_formatter(&mut out, EscapingFormatter::default());
    value.serialize(&mut serializer).expect("wire types have string keys only");
    out
}

/// The compact form with more characters escaped. `serde_json` hands over the text between the escapes it knows itself.
#[derive(Default)]
struct EscapingFormatter {
    escaped: Vec<u8>,
}

impl Formatter for EscapingFormatter {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // Most fragments are short and need nothing: look before the text goes another way round.
        let special = |byte: u8| byte & !0x02 == b'<' || matches!(byte, b'&' | 0xc2 | 0xe2);
        if !fragment.bytes().fold(false, |found, byte| found | special(byte)) {
            return writer.write_all(fragment.as_bytes());
        }
        self.escaped.clear();
        escape_into(&mut self.escaped, fragment);
        writer.write_all(&self.escaped)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct Answer {
        pid: &'static str,
        name: &'static str,
        logs: Option<&'static str>,
        exit_code: i32,
    }

    #[track_caller]
    fn check(value: impl Serialize, expect: &str) {
        assert_eq!(String::from_utf8(to_vec(&value)).unwrap(), expect);
    }

    #[test]
    fn values() {
        let answer = Answer { pid: "15517", name: "a<b>\u{1b}[1m\u{2028}é", logs: None, exit_code: -1 };
        check(
            answer,
            r#"{"pid":"15517","name":"a\u003cb\u003e\u001b[1m\u2028é","logs":null,"exit_code":-1}"#,
        );
        check(BTreeMap::from([("b&", vec![1, 2]), ("a", vec![])]), r#"{"a":[],"b\u0026":[1,2]}"#);
        check("\"\\\n\r\t\u{8}\u{c}\0", r#""\"\\\n\r\t\b\f\u0000""#);
        check([true, false], "[true,false]");
    }

    proptest! {
        #[test]
        fn strings_are_escaped_alike(text in "(?s).*") {
            let mut expect = b"{\"text\":\"".to_vec();
            escape_into(&mut expect, &text);
            expect.extend_from_slice(b"\"}");
            prop_assert_eq!(to_vec(&json!({ "text": text })), expect);
        }
    }
}
