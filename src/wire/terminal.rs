//! What a terminal and its viewers say to each other: one JSON object a message, and a line end behind those of the server.

use serde_json::{Map, Value};

use super::decode::mend_halves;
use super::escape::{escape_into, escape_lossy_into};

/// What a viewer says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ViewerMessage {
    /// Keys were pressed.
    Input(String),
    /// The viewer's window has another size.
    Resize { cols: u16, rows: u16 },
}

impl ViewerMessage {
    /// What a message says; `None` for what makes no sense, which is passed over. Names of fields are read whatever their case, and a field
    /// of the wrong type spoils the message, as with the known server.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let message = String::from_utf8_lossy(bytes);
        // Clients that cut texts by their 16-bit units send halves of characters.
        let Value::Object(fields) = serde_json::from_str(&mend_halves(&message)).ok()? else { return None };
        let (kind, data) = (text(&fields, "type")?, text(&fields, "data")?);
        let (cols, rows) = (number(&fields, "cols")?, number(&fields, "rows")?);
        match kind.as_str() {
            "input" => Some(Self::Input(data)),
            "resize" => Some(Self::Resize { cols, rows }),
            _ => None,
        }
    }
}

/// A message that shows output.
pub(crate) fn output(bytes: &[u8]) -> String {
    message("output", |out| escape_lossy_into(out, bytes))
}

/// A message that says why there is no terminal.
pub(crate) fn error(text: &str) -> String {
    message("error", |out| escape_into(out, text))
}

fn message(kind: &str, data: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = format!("{{\"type\":\"{kind}\",\"data\":\"").into_bytes();
    data(&mut out);
    out.extend_from_slice(b"\"}\n");
    String::from_utf8(out).expect("what is escaped is UTF-8")
}

fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a Value {
    fields.iter().rfind(|(key, _)| key.eq_ignore_ascii_case(name)).map_or(&Value::Null, |(_, value)| value)
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    match field(fields, name) {
        Value::Null => Some(String::new()),
        value => value.as_str().map(str::to_owned),
    }
}

fn number(fields: &Map<String, Value>, name: &str) -> Option<u16> {
    match field(fields, name) {
        Value::Null => Some(0),
        value => u16::try_from(value.as_u64()?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_makes_no_sense_is_passed_over() {
        #[track_caller]
        fn check(text: &str, expect: Option<&ViewerMessage>) {
            assert_eq!(ViewerMessage::parse(text.as_bytes()).as_ref(), expect, "{text}");
        }
        check(r#"{"type":"input","data":"ls\n"}"#, Some(&ViewerMessage::Input("ls\n".into())));
        check(r#"{"TYPE":"input","Data":"x","more":[1]}"#, Some(&ViewerMessage::Input("x".into())));
        check(r#"{"type":"input"}"#, Some(&ViewerMessage::Input(String::new())));
        check(
            r#"{"type":"resize","cols":120,"rows":40}"#,
            Some(&ViewerMessage::Resize { cols: 120, rows: 40 }),
        );
        let half = ViewerMessage::Input("\u{fffd} ".into());
        check(r#"{"type":"input","data":"\ud800 "}"#, Some(&half));
        check(r#"{"type":"resize","cols":65536,"rows":40}"#, None);
        check(r#"{"type":"resize","cols":1.5,"rows":40}"#, None);
        check(r#"{"type":"resize","cols":"80","rows":40}"#, None);
        check(r#"{"type":"input","data":7}"#, None);
        check(r#"{"type":"bogus"}"#, None);
        check("not json", None);
        check("[]", None);
        check("", None);
    }

    #[test]
    fn output_is_safe_inside_html_and_broken_bytes_are_shown_as_such() {
        assert_eq!(
            output(b"a<&>\xff\x1b\n"),
            "{\"type\":\"output\",\"data\":\"a\\u003c\\u0026\\u003e\\ufffd\\u001b\\n\"}\n"
        );
        assert_eq!(error("no"), "{\"type\":\"error\",\"data\":\"no\"}\n");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            ViewerMessage::parse(&bytes);
            let value: Value = serde_json::from_str(&output(&bytes)).unwrap();
            prop_assert_eq!(value["data"].as_str().unwrap(), String::from_utf8_lossy(&bytes));
        }
    }
}
