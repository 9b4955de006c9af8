//! Schemas: JSON Schema of 2020, as OpenAPI 3.1 has it, in the dialect of Swagger 2.0.

use serde_json::{Map, Value, json};

/// The object of JSON.
pub(super) type Object = Map<String, Value>;

/// Where schemas are kept in the newer form, and in the older.
pub(super) const NEWER: &str = "#/components/schemas/";
const OLDER: &str = "#/definitions/";

/// What both dialects have, with the same meaning.
const SAME: [&str; 16] = [
    "title",
    "description",
    "format",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "enum",
    "readOnly",
];

/// What a parameter may say of its value.
const OF_PARAMETERS: [&str; 16] = [
    "type",
    "format",
    "items",
    "default",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "enum",
    "multipleOf",
];

/// Puts a value in. Called and not inlined, as `changed`: what is asked for so seldom is to take little room in the program.
#[inline(never)]
pub(super) fn put(out: &mut Object, key: &str, value: Value) {
    out.insert(key.to_owned(), value);
}

/// An object with each value changed.
#[inline(never)]
pub(super) fn changed(from: &Object, change: &dyn Fn(&Value) -> Value) -> Value {
    let mut out = Map::new();
    for (key, value) in from {
        put(&mut out, key, change(value));
    }
    Value::Object(out)
}

/// A schema. One that says nothing allows anything.
pub(super) fn of_schema(schema: &Value) -> Value {
    let Value::Object(schema) = schema else { return json!({}) };
    let alternatives = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(*key)?.as_array());
    if let Some(alternatives) = alternatives {
        return alternative(schema, alternatives);
    }
    let mut out = Map::new();
    for (key, value) in schema {
        convert(key, value, &mut out);
    }
    if out.get("type").is_some_and(|name| name == "array") && !out.contains_key("items") {
        put(&mut out, "items", json!({}));
    }
    with_reference_alone(out)
}

/// What a parameter or a header says of its value, which is a simple one: what is none is text.
pub(super) fn of_parameter(schema: &Value) -> Object {
    let Value::Object(schema) = of_schema(schema) else { return Map::new() };
    let mut out = schema;
    out.retain(|key, _| OF_PARAMETERS.contains(&key.as_str()));
    if out.get("type").is_none_or(|name| name == "object") {
        out.clear();
        put(&mut out, "type", "string".into());
    }
    if let Some(items) = out.get_mut("items") {
        *items = Value::Object(of_parameter(items));
    }
    out
}

/// One of several schemas. There is a word for one that may be nothing, and none for others.
fn alternative(schema: &Object, alternatives: &[Value]) -> Value {
    let others: Vec<Value> =
        alternatives.iter().filter(|other| other["type"] != "null").map(of_schema).collect();
    let may_be_null = others.len() < alternatives.len();
    let mut out = Map::new();
    if let [Value::Object(one)] = &others[..] {
        out.clone_from(one);
    } else {
        put(&mut out, "x-oneOf", Value::Array(others));
    }
    if may_be_null {
        put(&mut out, "x-nullable", true.into());
    }
    if let Some(description) = schema.get("description") {
        put(&mut out, "description", description.clone());
    }
    with_reference_alone(out)
}

/// Nothing may stand beside a reference, but beside a list of one.
fn with_reference_alone(mut schema: Object) -> Value {
    if schema.len() > 1
        && let Some(reference) = schema.remove("$ref")
    {
        put(&mut schema, "allOf", json!([{ "$ref": reference }]));
    }
    Value::Object(schema)
}

fn convert(key: &str, value: &Value, out: &mut Object) {
    let mut put = |key: &str, value: Value| put(out, key, value);
    match (key, value) {
        ("$ref", Value::String(path)) => put("$ref", path.replacen(NEWER, OLDER, 1).into()),
        ("type", Value::Array(names)) => {
            let others: Vec<&Value> = names.iter().filter(|name| *name != "null").collect();
            if others.len() < names.len() {
                put("x-nullable", true.into());
            }
            if let [one] = others[..] {
                put("type", one.clone());
            }
        }
        ("type", name) if name != "null" => put("type", name.clone()),
        ("properties", Value::Object(fields)) => {
            put("properties", changed(fields, &of_schema));
        }
        ("items", items) => put("items", of_schema(items)),
        ("additionalProperties", Value::Bool(_)) => put(key, value.clone()),
        ("additionalProperties", others) => put(key, of_schema(others)),
        ("allOf", Value::Array(parts)) => put("allOf", parts.iter().map(of_schema).collect()),
        ("const", only) => put("enum", json!([only])),
        ("examples", Value::Array(examples)) => {
            if let Some(first) = examples.first() {
                put("example", first.clone());
            }
        }
        ("exclusiveMinimum" | "exclusiveMaximum", Value::Number(bound)) => {
            put(if key == "exclusiveMinimum" { "minimum" } else { "maximum" }, bound.clone().into());
            put(key, true.into());
        }
        // Nothing is of no type here.
        ("default", Value::Null) => {}
        // A list of nothing is no list here.
        ("required", Value::Array(names)) if !names.is_empty() => put(key, value.clone()),
        _ if SAME.contains(&key) || key == "multipleOf" => put(key, value.clone()),
        _ => {}
    }
}
