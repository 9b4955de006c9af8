//! Whether a value is what a JSON Schema says, as far as the schemas of our tools go. Pure.
//!
//! They use `type`, `properties`, `required`, `additionalProperties` and `items`. The texts are the known server's.

use serde_json::{Map, Value};

/// Bytes of a value, or of names, that an error shows: the client knows the rest.
const SHOWN_BYTES_MAX: usize = 200;

/// Checks the arguments of a tool.
///
/// # Errors
/// In words: where, and what is wrong there.
pub(super) fn check_arguments(schema: &Value, arguments: &Value) -> Result<(), String> {
    check(schema, arguments, "root", "").map_err(|error| format!("validating \"arguments\": {error}"))
}

fn check(schema: &Value, value: &Value, name: &str, path: &str) -> Result<(), String> {
    let failed = |why: String| Err(format!("validating {name}: {why}"));
    if let Some(why) = wrong_type(schema, value) {
        return failed(why);
    }
    if let (Some(items), Value::Array(values)) = (schema.get("items"), value) {
        for value in values {
            within(items, value, path, "items").or_else(failed)?;
        }
    }
    let Value::Object(values) = value else { return Ok(()) };
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    for (key, property) in properties {
        if let Some(value) = values.get(key) {
            within(property, value, &format!("{path}/properties"), key).or_else(failed)?;
        }
    }
    let others = || values.iter().filter(|(key, _)| !properties.contains_key(*key));
    match schema.get("additionalProperties") {
        Some(Value::Bool(false)) if others().next().is_some() => {
            return failed(format!(
                "unexpected additional properties {}",
                names(others().map(|(key, _)| key))
            ));
        }
        Some(schema @ Value::Object(_)) => {
            for (_, value) in others() {
                within(schema, value, path, "additionalProperties").or_else(failed)?;
            }
        }
        _ => {}
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let missing: Vec<_> =
        required.filter_map(Value::as_str).filter(|key| !values.contains_key(*key)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    failed(format!("required: missing properties: {}", names(missing)))
}

/// Checks a value inside another. There may be millions of simple ones, which need no path of their own.
fn within(schema: &Value, value: &Value, path: &str, step: &str) -> Result<(), String> {
    if wrong_type(schema, value).is_none() && !matches!(value, Value::Array(_) | Value::Object(_)) {
        return Ok(());
    }
    let path = format!("{path}/{step}");
    check(schema, value, &path, &path)
}

fn wrong_type(schema: &Value, value: &Value) -> Option<String> {
    let found = type_of(value);
    let fits = |wanted: &str| wanted == found || wanted == "number" && found == "integer";
    let wanted = match schema.get("type")? {
        Value::String(wanted) if !fits(wanted) => format!("want {wanted:?}"),
        Value::Array(any) if !any.iter().filter_map(Value::as_str).any(fits) => {
            let list: Vec<_> = any.iter().filter_map(Value::as_str).collect();
            format!("want one of {:?}", list.join(", "))
        }
        _ => return None,
    };
    Some(format!("type: {} has type {found:?}, {wanted}", shown(value)))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        // A number without a fraction is whole, however it is written.
        Value::Number(number) if number.as_f64().is_some_and(|n| n.fract() == 0.0) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A value as the known server prints it; what is long is cut.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => cut(text.clone()),
        Value::Array(_) | Value::Object(_) => cut(value.to_string()),
        value => value.to_string(),
    }
}

fn names<'a>(names: impl IntoIterator<Item = impl AsRef<str> + 'a>) -> String {
    let mut text = String::new();
    for name in names {
        if text.len() > SHOWN_BYTES_MAX {
            break;
        }
        text.push(if text.is_empty() { '[' } else { ' ' });
        text.push_str(&Value::from(name.as_ref()).to_string());
    }
    text.push(']');
    cut(text)
}

fn cut(text: String) -> String {
    if text.len() <= SHOWN_BYTES_MAX {
        return text;
    }
    format!("{}…", &text[..text.floor_char_boundary(SHOWN_BYTES_MAX)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_refused_in_the_known_words() {
        let schema = json!({ "type": "object", "additionalProperties": false, "required": ["command", "other"], "properties": {
            "command": { "type": "string" }, "other": { "type": ["null", "integer"] }, "any": { "type": "number" },
            "env": { "type": "object", "additionalProperties": { "type": "string" } },
            "ports": { "type": ["null", "array"], "items": { "type": "integer" } },
        } });
        #[track_caller]
        fn check(schema: &Value, arguments: &Value, text: &str) {
            let found = check_arguments(schema, arguments).err().unwrap_or_default();
            let expect = if text.is_empty() {
                String::new()
            } else {
                format!("validating \"arguments\": validating root: {text}")
            };
            assert_eq!(found, expect);
        }
        let s = &schema;
        check(
            s,
            &json!({ "command": "x", "other": null, "any": 1, "env": { "A": "b" }, "ports": [1, 2.0] }),
            "",
        );
        check(s, &json!({}), r#"required: missing properties: ["command" "other"]"#);
        check(
            s,
            &json!({ "command": "x", "other": 1, "bogus": 1 }),
            r#"unexpected additional properties ["bogus"]"#,
        );
        check(
            s,
            &json!({ "command": 5 }),
            r#"validating /properties/command: type: 5 has type "integer", want "string""#,
        );
        check(
            s,
            &json!({ "env": { "A": 1 } }),
            r#"validating /properties/env: validating /properties/env/additionalProperties: type: 1 has type "integer", want "string""#,
        );
        check(
            s,
            &json!({ "ports": ["x"] }),
            r#"validating /properties/ports: validating /properties/ports/items: type: x has type "string", want "integer""#,
        );
        check(
            s,
            &json!({ "other": 1.5 }),
            r#"validating /properties/other: type: 1.5 has type "number", want one of "null, integer""#,
        );
        check(s, &json!([1]), r#"type: [1] has type "array", want "object""#);
        let long = check_arguments(s, &json!({ "command": ["é".repeat(1000)] })).unwrap_err();
        assert!(long.len() < 400 && long.contains('…'));
    }

    proptest! {
        #[test]
        fn any_arguments_fit_or_are_refused(
            kind in prop_oneof![Just("string"), Just("integer"), Just("array"), Just("object")],
            text in "\\PC{0,300}", key in "a|b|\\PC{0,4}", number: i64,
        ) {
            let schema = serde_json::json!({"type": "object", "properties": {"a": {"type": kind, "items": {"type": "string"}}}, "required": ["b"], "additionalProperties": false});
            for value in [serde_json::json!(text), serde_json::json!(number), serde_json::json!([text]), serde_json::json!({&key: text}), Value::Null] {
                let arguments = serde_json::json!({ &key: value, "b": 1 });
                // `b` is no property of it, so nothing fits.
                prop_assert!(check_arguments(&schema, &arguments).is_err());
                let error = check_arguments(&schema, &value).unwrap_err();
                prop_assert!(error.len() < 2000, "{} bytes", error.len());
            }
        }
    }
}
