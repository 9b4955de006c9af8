//! `Call` and `Sequence`: requests as the fuzzer makes them, and as a fixture says them.
//!
//! What is sent is what the fixture says: a generated sequence is written as TOML and run by the same engine as every other
//! case, so what was found can be replayed by `boxd-harness run`.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{contract::Contract, text};

/// A request. Target and texts may hold `{{name}}`, `{{dir}}` and captured variables.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Payload,
    /// Only the beginning of its answer is read, if that is a stream.
    pub(super) open: bool,
    /// Variable → place in the answer.
    pub(super) capture: BTreeMap<String, String>,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Payload {
    Absent,
    Json(Value),
    Text(String),
    Bytes(Vec<u8>),
    Chunked(Vec<String>),
}

/// Requests that belong together, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sequence(pub(super) Vec<Call>);

impl Call {
    pub(super) fn new(method: &str, target: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.into(),
            headers: BTreeMap::new(),
            body: Payload::Absent,
            open: false,
            capture: BTreeMap::new(),
        }
    }

    /// The same with a JSON body.
    pub(super) fn with(mut self, body: Value) -> Self {
        self.body = Payload::Json(body);
        self
    }

    /// The operation that the document has for it.
    pub(super) fn operation(&self) -> &'static str {
        Contract::own().operation_of(&self.method, &self.target)
    }

    fn step(&self, number: usize, within_ms: u64) -> String {
        let mut lines = vec![
            "[[step]]".to_owned(),
            format!("send = {}", quoted(&format!("{} {}", self.method, self.target))),
        ];
        let mut headers = self.headers.clone();
        let body = match &self.body {
            Payload::Absent => None,
            Payload::Json(value) => Some(if let Some(value) = inline(value, DEPTH_MAX) {
                format!("json = {value}")
            } else {
                // TOML has no null, no large numbers, and its parser goes only so deep.
                headers.entry("content-type".to_owned()).or_insert("application/json".to_owned());
                format!("text = {}", quoted(&value.to_string()))
            }),
            Payload::Text(text) => Some(format!("text = {}", quoted(text))),
            Payload::Bytes(bytes) => Some(format!("base64 = {}", quoted(&STANDARD.encode(bytes)))),
            Payload::Chunked(pieces) => {
                let pieces: Vec<_> = pieces.iter().map(|piece| quoted(piece)).collect();
                Some(format!("chunked = [{}]", pieces.join(", ")))
            }
        };
        lines.extend(table("headers", &headers));
        lines.extend(body);
        lines.extend(self.open.then(|| format!("open = \"s{number}\"")));
        lines.extend(table("capture", &self.capture));
        lines.push("show = \"nothing\"".to_owned());
        lines.push(format!("within_ms = {within_ms}"));
        lines.push(format!("expect = [{{ documented = {} }}]", quoted(self.operation())));
        lines.join("\n") + "\n"
    }
}

impl Sequence {
    /// The fixture that says this.
    pub(super) fn fixture(&self, why: &str, within_ms: u64) -> String {
        let steps = self.0.iter().enumerate().map(|(index, call)| call.step(index + 1, within_ms));
        let head = format!("why = {}\nsource = \"extension\"\n", quoted(why));
        std::iter::once(head).chain(steps).collect::<Vec<_>>().join("\n")
    }
}

fn table(key: &str, entries: &BTreeMap<String, String>) -> Option<String> {
    let pairs: Vec<_> =
        entries.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
    (!pairs.is_empty()).then(|| format!("{key} = {{ {} }}", pairs.join(", ")))
}

/// TOML is read as deep as this and more.
const DEPTH_MAX: usize = 30;

/// A JSON value in TOML, on one line.
fn inline(value: &Value, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    let inner = |value: &Value| inline(value, depth);
    Some(match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) if number.is_i64() => number.to_string(),
        Value::Number(number) if number.is_f64() => format!("{:?}", number.as_f64()?),
        Value::Null | Value::Number(_) => return None,
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(inner).collect::<Option<Vec<_>>>()?.join(", "))
        }
        Value::Object(fields) => {
            let pair =
                |(name, value): (&String, &Value)| Some(format!("{} = {}", quoted(name), inner(value)?));
            let pairs = fields.iter().map(pair).collect::<Option<Vec<_>>>()?;
            if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
        }
    })
}

/// A basic string of TOML.
fn quoted(value: &str) -> String {
    let mut quoted = String::from("\"");
    for character in value.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            hidden if text::is_hidden(hidden) => {
                text::write(&mut quoted, format_args!("\\U{:08X}", u32::from(hidden)));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::fixture::{Action, Body, Fixture};

    fn body_of(call: &Call) -> Body {
        let text = Sequence(vec![call.clone()]).fixture("It is a test.", 1000);
        let fixture = Fixture::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        match &fixture.steps[0].action {
            Action::Send(send) => send.plan.body.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_toml_cannot_say_is_sent_as_text() {
        let with = |body| body_of(&Call::new("POST", "/process").with(body));
        assert_eq!(
            with(json!({"a": [1, 1.5, "x", {}, []]})),
            Body::Json(json!({"a": [1, 1.5, "x", {}, []]}))
        );
        assert_eq!(with(json!({"a": null})), Body::Text("{\"a\":null}".to_owned()));
        assert_eq!(with(json!(u64::MAX)), Body::Text(u64::MAX.to_string()));
    }

    proptest! {
        #[test]
        fn a_fixture_says_what_the_call_is(
            texts in prop::collection::vec(any::<String>(), 3),
            number in any::<i64>(),
            fraction in any::<f64>(),
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut call = Call::new("PUT", format!("/filesystem/{}", texts[0]));
            call.body = Payload::Json(json!({ &texts[1]: [number, if fraction.is_finite() { fraction } else { 0.5 }], "t": texts[2] }));
            let Payload::Json(value) = &call.body else { unreachable!() };
            prop_assert_eq!(body_of(&call), Body::Json(value.clone()));
            call.body = Payload::Text(texts[2].clone());
            prop_assert_eq!(body_of(&call), Body::Text(texts[2].clone()));
            call.body = Payload::Bytes(bytes.clone());
            prop_assert_eq!(body_of(&call), Body::Bytes(bytes));
            call.body = Payload::Chunked(texts.clone());
            prop_assert_eq!(body_of(&call), Body::Chunked(texts));
        }
    }
}
