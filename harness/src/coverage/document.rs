//! `Document`: the operations of an OpenAPI document, in JSON or YAML, and what each promises to answer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use yaml_rust2::{Yaml, YamlLoader};

/// The methods that an OpenAPI path may have.
const METHODS: [&str; 8] = ["get", "head", "post", "put", "delete", "patch", "options", "trace"];

/// The operations of a document, in its order of paths.
#[derive(Debug)]
pub struct Document {
    pub(super) operations: Vec<Operation>,
}

/// A method and a path, and the answers that it promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) method: String,
    pub(super) path: String,
    /// Status → media types; none for an answer without a body.
    pub(super) statuses: BTreeMap<String, BTreeSet<String>>,
}

impl Operation {
    /// `GET /process/{id}`.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// A sentence that says why it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let root: Value = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| error.to_string())?
        } else {
            yaml(text)?
        };
        let paths = root.get("paths").and_then(Value::as_object).ok_or("it has no `paths`")?;
        let mut operations = Vec::new();
        for (path, item) in paths {
            for method in METHODS {
                if let Some(operation) = item.get(method) {
                    let statuses = statuses(&root, operation);
                    operations.push(Operation {
                        method: method.to_uppercase(),
                        path: path.clone(),
                        statuses,
                    });
                }
            }
        }
        Ok(Self { operations })
    }
}

fn yaml(text: &str) -> Result<Value, String> {
    let documents = YamlLoader::load_from_str(text).map_err(|error| error.to_string())?;
    documents.first().map(json).ok_or_else(|| "it is empty".to_owned())
}

/// The same in JSON, where keys are text.
fn json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::String(text) | Yaml::Real(text) => Value::String(text.clone()),
        Yaml::Integer(number) => (*number).into(),
        Yaml::Boolean(is_so) => (*is_so).into(),
        Yaml::Array(items) => items.iter().map(json).collect(),
        Yaml::Hash(map) => map.iter().map(|(name, value)| (key(name), json(value))).collect(),
        Yaml::Alias(_) | Yaml::Null | Yaml::BadValue => Value::Null,
    }
}

/// A status is often written as a number.
fn key(yaml: &Yaml) -> String {
    match json(yaml) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn statuses(root: &Value, operation: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let none = Map::new();
    let responses = operation.get("responses").and_then(Value::as_object).unwrap_or(&none);
    // `default` and `4XX` promise nothing that could be looked for.
    let exact = responses.iter().filter(|(status, _)| status.bytes().all(|byte| byte.is_ascii_digit()));
    exact.map(|(status, response)| (status.clone(), media_types(resolve(root, response)))).collect()
}

fn media_types(response: &Value) -> BTreeSet<String> {
    let content = response.get("content").and_then(Value::as_object);
    content.map(|content| content.keys().map(|name| plain(name)).collect()).unwrap_or_default()
}

/// A media type without its parameters.
pub(crate) fn plain(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// What a value stands for, if it is a reference within the document.
fn resolve<'a>(root: &'a Value, value: &'a Value) -> &'a Value {
    let target = value.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_say_the_same() {
        let json = r##"{"paths": {"/a": {"parameters": [], "put": {"responses": {
            "200": {"content": {"text/plain; charset=utf-8": {}}}, "404": {"$ref": "#/components/responses/Missing"}, "default": {}
        }}}}, "components": {"responses": {"Missing": {"content": {"application/json": {}}}}}}"##;
        let yaml = "openapi: 3.0.0\npaths:\n  \"/a\":\n    parameters: []\n    put:\n      responses:\n        \"200\":\n          \
                    content:\n            text/plain; charset=utf-8: {}\n        404:\n          \
                    $ref: \"#/components/responses/Missing\"\n        default: {}\ncomponents:\n  responses:\n    Missing:\n      \
                    content:\n        application/json: {}\n";
        let of = |text| Document::parse(text).unwrap().operations;
        assert_eq!(of(json), of(yaml));
        let [operation] = &of(json)[..] else { panic!("one operation") };
        assert_eq!(operation.name(), "PUT /a");
        let said: Vec<_> =
            operation.statuses.iter().map(|(status, types)| format!("{status} {types:?}")).collect();
        assert_eq!(said, ["200 {\"text/plain\"}", "404 {\"application/json\"}"]);
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in ["", "{", "{}", "a: b", "- 1"] {
            assert!(Document::parse(text).is_err(), "{text}");
        }
    }
}
