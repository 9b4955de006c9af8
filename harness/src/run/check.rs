//! Expectations and captures of a step.

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};

use crate::{
    contract::Contract, conversation::View, fixture::Expectation, stream::StreamLog, text,
    variables::Variables,
};

/// `None` when the answer is as expected, else what is wrong.
pub(super) fn complaint(
    expectation: &Expectation,
    answer: View<'_>,
    variables: &Variables,
) -> Result<Option<String>, String> {
    Ok(match expectation {
        Expectation::Output { stream, test } => {
            let bytes = answer.stream.map(|log| log.output(stream)).unwrap_or_default();
            let contains = test.contains.as_ref().map(|part| variables.fill(part)).transpose()?;
            if test.bytes.is_some_and(|expected| expected != bytes.len()) {
                Some(format!(
                    "{stream} has {} bytes, expected: {}",
                    bytes.len(),
                    test.bytes.unwrap_or_default()
                ))
            } else if test.sha256.as_ref().is_some_and(|expected| *expected != text::sha256(&bytes)) {
                Some(format!("{stream} has other bytes than expected: sha256 {}", text::sha256(&bytes)))
            } else {
                let part = contains.unwrap_or_default();
                let found = String::from_utf8_lossy(&bytes).contains(&part);
                (!found).then(|| format!("{stream} doesn't contain {}", text::quote(part.as_bytes())))
            }
        }
        Expectation::Header { name, test } => {
            let value = answer.head.and_then(|head| head.header(name)).map(Into::into);
            test.fill(variables)?
                .complaint(value.as_ref())
                .map(|wrong| format!("the header `{name}` {wrong}"))
        }
        Expectation::Pointer { pointer, test } => {
            let json = answer.json();
            let value = json.as_ref().and_then(|json| json.pointer(pointer));
            test.fill(variables)?.complaint(value).map(|wrong| format!("`{pointer}` {wrong}"))
        }
        Expectation::RawContains(part) => {
            let part = variables.fill(part)?;
            (!contains(answer.body, &part))
                .then(|| format!("the body doesn't hold {}", text::quote(part.as_bytes())))
        }
        Expectation::RawLacks(part) => {
            let part = variables.fill(part)?;
            contains(answer.body, &part).then(|| format!("the body holds {}", text::quote(part.as_bytes())))
        }
        Expectation::KeyOrder(expected) => {
            let keys = keys(answer.body).unwrap_or_default();
            let begins = keys.len() >= expected.len() && keys[..expected.len()] == expected[..];
            (!begins).then(|| {
                format!("the keys are {}, expected to begin: {}", keys.join(" "), expected.join(" "))
            })
        }
        Expectation::Documented(name) => Contract::own().complaint(name, answer),
        Expectation::Heartbeats(least) => {
            let count = answer.stream.map(StreamLog::heartbeats).unwrap_or_default();
            (count < *least).then(|| format!("{count} heartbeats came, expected: at least {least}"))
        }
    })
}

/// The value that a capture takes: `last_event_id`, a place in the answer's JSON, or one in the first event of a name.
pub(super) fn captured(from: &str, answer: View<'_>) -> Result<String, String> {
    if from == "last_event_id" {
        let id = answer.stream.and_then(StreamLog::last_id);
        return id.map(str::to_owned).ok_or_else(|| "no event with an id came".to_owned());
    }
    let (event, pointer) = from.split_once(':').unwrap_or(("", from));
    let json = match event {
        "" => answer.json(),
        name => answer.stream.and_then(|log| log.value_of(name)).cloned(),
    };
    let json = json.ok_or_else(|| format!("the answer holds no JSON to capture `{from}` from"))?;
    match json.pointer(pointer) {
        Some(serde_json::Value::String(text)) => Ok(text.clone()),
        Some(value) => Ok(text::json(value)),
        None => Err(format!("`{from}` isn't in the answer: {}", text::short(&text::json(&json)))),
    }
}

fn contains(body: &[u8], part: &str) -> bool {
    part.is_empty() || body.windows(part.len()).any(|window| window == part.as_bytes())
}

/// The keys of a JSON object in the order of the wire.
fn keys(body: &[u8]) -> Option<Vec<String>> {
    struct Keys;

    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, IgnoredAny)) = map.next_entry()? {
                keys.push(key);
            }
            Ok(keys)
        }
    }

    serde_json::Deserializer::from_slice(body).deserialize_map(Keys).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_the_order_of_the_wire() {
        assert_eq!(keys(br#"{"z":{"y":1},"a":[2]}"#), Some(vec!["z".to_owned(), "a".to_owned()]));
        assert_eq!(keys(b"[]"), None);
    }
}
