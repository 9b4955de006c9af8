//! `Schema`: whether a JSON value is what a schema says, for the words that OpenAPI 3.1 documents of this API use.
//!
//! A word that is not known here is an error when the document is read: it would otherwise be held to nothing.

use serde_json::{Map, Value};

/// Words that say something for people.
const ANNOTATIONS: [&str; 9] = [
    "description",
    "examples",
    "example",
    "default",
    "title",
    "deprecated",
    "format",
    "contentEncoding",
    "contentMediaType",
];

/// Words that are looked at.
const KNOWN: [&str; 18] = [
    "$ref",
    "type",
    "enum",
    "const",
    "required",
    "properties",
    "additionalProperties",
    "propertyNames",
    "items",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "allOf",
    "anyOf",
    "oneOf",
];

/// A schema in its document, to which its references lead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema<'a> {
    root: &'a Value,
    schema: &'a Value,
}

impl<'a> Schema<'a> {
    pub(crate) fn new(root: &'a Value, schema: &'a Value) -> Self {
        Self { root, schema }
    }

    /// What is wrong with a value, and where; `None` when it fits.
    pub(crate) fn complaint(self, value: &Value) -> Option<String> {
        self.check("", value).err()
    }

    /// The schema itself, its references followed.
    pub(crate) fn resolved(self) -> &'a Value {
        let mut schema = self.schema;
        while let Some(target) = reference(schema).and_then(|pointer| self.root.pointer(pointer)) {
            schema = target;
        }
        schema
    }

    /// Words that nothing here looks at.
    pub(crate) fn unknown_words(schema: &Value) -> Vec<String> {
        let mut unknown = Vec::new();
        let Value::Object(words) = schema else { return unknown };
        for (word, value) in words {
            match word.as_str() {
                "properties" => {
                    let each = value.as_object().into_iter().flat_map(Map::values);
                    unknown.extend(each.flat_map(Self::unknown_words));
                }
                "items" | "additionalProperties" | "propertyNames" => {
                    unknown.extend(Self::unknown_words(value));
                }
                "allOf" | "anyOf" | "oneOf" => {
                    let each = value.as_array().into_iter().flatten();
                    unknown.extend(each.flat_map(Self::unknown_words));
                }
                known if KNOWN.contains(&known) || ANNOTATIONS.contains(&known) => {}
                other => unknown.push(other.to_owned()),
            }
        }
        unknown
    }

    fn at(self, schema: &'a Value) -> Self {
        Self { schema, ..self }
    }

    fn check(self, place: &str, value: &Value) -> Result<(), String> {
        let words = match self.schema {
            Value::Bool(true) => return Ok(()),
            Value::Bool(false) => return Err(format!("`{place}` may not be there")),
            Value::Object(words) => words,
            _ => return Err(format!("the schema of `{place}` is none")),
        };
        if let Some(pointer) = reference(self.schema) {
            let target = self.root.pointer(pointer).ok_or_else(|| format!("`{pointer}` is nowhere"))?;
            self.at(target).check(place, value)?;
        }
        check_itself(words, place, value)?;
        self.check_parts(words, place, value)?;
        self.check_combined(words, place, value)
    }

    fn check_parts(self, words: &'a Map<String, Value>, place: &str, value: &Value) -> Result<(), String> {
        if let (Value::Array(items), Some(schema)) = (value, words.get("items")) {
            for (index, item) in items.iter().enumerate() {
                self.at(schema).check(&format!("{place}/{index}"), item)?;
            }
        }
        let Value::Object(fields) = value else { return Ok(()) };
        let required = words.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                return Err(format!("`{place}/{name}` is missing"));
            }
        }
        let properties = words.get("properties").and_then(Value::as_object);
        for (name, field) in fields {
            let place = format!("{place}/{name}");
            if let Some(schema) = words.get("propertyNames") {
                self.at(schema).check(&place, &Value::String(name.clone()))?;
            }
            let known = properties.and_then(|properties| properties.get(name));
            if let Some(schema) = known.or_else(|| words.get("additionalProperties")) {
                self.at(schema).check(&place, field)?;
            }
        }
        Ok(())
    }

    fn check_combined(self, words: &'a Map<String, Value>, place: &str, value: &Value) -> Result<(), String> {
        let fitting = |word: &str| {
            let each = words.get(word)?.as_array()?;
            Some((
                each.iter().filter(|schema| self.at(schema).check(place, value).is_ok()).count(),
                each.len(),
            ))
        };
        match (fitting("allOf"), fitting("anyOf"), fitting("oneOf")) {
            (Some((fit, all)), _, _) if fit < all => Err(format!("`{place}` fits {fit} of {all} schemas")),
            (_, Some((0, _)), _) => Err(format!("`{place}` fits none of its schemas")),
            (_, _, Some((fit, _))) if fit != 1 => Err(format!("`{place}` fits {fit} schemas, not one")),
            _ => Ok(()),
        }
    }
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'))
}

/// What a schema says of a value without its parts.
fn check_itself(words: &Map<String, Value>, place: &str, value: &Value) -> Result<(), String> {
    let wrong = |what: String| Err(format!("`{place}` is {}, {what}", shown(value)));
    if let Some(kinds) = words.get("type") {
        let kinds: Vec<_> = match kinds {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => kind.as_str().into_iter().collect(),
        };
        if !kinds.iter().any(|kind| is_of(kind, value)) {
            return wrong(format!("not of type {}", kinds.join(" or ")));
        }
    }
    if let Some(Value::Array(values)) = words.get("enum")
        && !values.contains(value)
    {
        return wrong("which is none of those listed".to_owned());
    }
    if let Some(constant) = words.get("const")
        && constant != value
    {
        return wrong(format!("not {constant}"));
    }
    let bound = |word: &str| words.get(word).and_then(Value::as_f64);
    if let Some(number) = value.as_f64() {
        let is_within = bound("minimum").is_none_or(|least| number >= least)
            && bound("maximum").is_none_or(|most| number <= most)
            && bound("exclusiveMinimum").is_none_or(|least| number > least)
            && bound("exclusiveMaximum").is_none_or(|most| number < most);
        if !is_within {
            return wrong("beyond its bounds".to_owned());
        }
    }
    if let Some(text) = value.as_str() {
        let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        let size = |word: &str| words.get(word).and_then(Value::as_u64);
        if size("minLength").is_some_and(|least| length < least)
            || size("maxLength").is_some_and(|most| length > most)
        {
            return wrong("too short or too long".to_owned());
        }
    }
    Ok(())
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        _ => false,
    }
}

fn shown(value: &Value) -> String {
    crate::text::short(&value.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: &Value, value: &Value, expected: Option<&str>) {
        let root = json!({"components": {"schemas": {"Name": {"type": "string", "minLength": 1}}}});
        let complaint = Schema::new(&root, schema).complaint(value);
        match (complaint, expected) {
            (None, None) => {}
            (Some(found), Some(part)) if found.contains(part) => {}
            (found, expected) => panic!("{value} is {found:?}, expected: {expected:?}"),
        }
    }

    #[test]
    fn values_are_held_to_their_schemas() {
        let person = json!({
            "type": "object", "required": ["name"],
            "properties": {"name": {"$ref": "#/components/schemas/Name"}, "age": {"type": ["integer", "null"], "minimum": 0}},
        });
        check(&person, &json!({"name": "a", "age": 3, "more": []}), None);
        check(&person, &json!({"name": "a", "age": null}), None);
        check(&person, &json!({"age": 3}), Some("`/name` is missing"));
        check(&person, &json!({"name": ""}), Some("`/name` is \"\", too short"));
        check(&person, &json!({"name": "a", "age": 1.5}), Some("`/age` is 1.5, not of type integer or null"));
        check(&person, &json!({"name": "a", "age": -1}), Some("beyond its bounds"));
        check(&person, &json!([]), Some("not of type object"));
        let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
        check(&texts, &json!({"a": "b"}), None);
        check(&texts, &json!({"a": 1}), Some("`/a` is 1"));
        check(&json!({"type": "array", "items": {"type": "number"}}), &json!([1, "x"]), Some("`/1`"));
        check(&json!({"oneOf": [{"type": "number"}, {"type": "integer"}]}), &json!(1), Some("2 schemas"));
        check(&json!({"anyOf": [{"type": "number"}, {"type": "null"}]}), &json!("x"), Some("none"));
        check(&json!({"enum": ["a", "b"]}), &json!("c"), Some("listed"));
        check(&json!({"const": 1, "exclusiveMinimum": 1}), &json!(1), Some("bounds"));
    }

    #[test]
    fn a_word_that_is_not_known_is_told() {
        let schema =
            json!({"properties": {"a": {"items": {"pattern": "x"}}}, "oneOf": [{"not": {}}], "title": "x"});
        let mut unknown = Schema::unknown_words(&schema);
        unknown.sort();
        assert_eq!(unknown, ["not", "pattern"]);
    }
}
