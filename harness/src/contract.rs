//! `Contract`: what an OpenAPI document promises of an answer, and whether an answer keeps it.
//!
//! An answer has a status that the document lists for the operation, a media type that it lists for the status, and, in
//! JSON, a body that fits the schema. Beside the document stand refusals that HTTP has for every request, such as 413.
//! A fault of the server (5xx) is allowed where the document lists it and says what leads to it. A 500 is not a way to refuse
//! a request; that the known server takes it for one at a few places is written down in [`REASONED`].

mod schema;

use std::{collections::BTreeMap, sync::OnceLock};

use serde_json::Value;

pub(crate) use self::schema::Schema;
use crate::{
    conversation::View,
    coverage::{OWN, Route, find_route, plain},
};

/// Operations of which a request gets a 500 by what it says, as from the known server, with the reason that the document gives.
/// Everywhere else a 500 means that the disk or the kernel has failed, and under a fuzzer neither does.
const REASONED: [(&str, &str); 10] = [
    ("GET /filesystem-find/{path}", "there is no such folder"),
    ("GET /filesystem-search/{path}", "there is no such folder"),
    ("POST /filesystem-multipart/{uploadId}/complete", "a part has not come, or the file cannot be written"),
    ("PUT /filesystem-multipart/{uploadId}/part", "no such upload, no such number, a body that is cut"),
    ("POST /process/{identifier}/stdin", "the command has closed its end"),
    ("POST /environment/reload", "the file makes no sense"),
    ("POST /drives/mount", "a mapping is malformed, or the mounting program fails"),
    ("DELETE /drives/mount/{mountPath}", "the path is none, or nothing is mounted there"),
    ("POST /archive/export", "there is no image to compare with"),
    ("PUT /network/tunnel/config", "there is no TUN device"),
];

/// Refusals that any request may get, whatever the document lists: HTTP's own, and those of who may come in.
const GENERAL: [u16; 11] = [400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 431];

/// The operation of a request that fits none: it gets a refusal.
pub(crate) const NONE: &str = "none";

/// An OpenAPI document, ready to be asked.
#[derive(Debug)]
pub(crate) struct Contract {
    document: Value,
    routes: Vec<Route>,
    /// In the order of `routes`.
    names: Vec<String>,
    operations: BTreeMap<String, Operation>,
}

/// An operation of a document.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) method: String,
    /// Its path, with parameters in braces.
    pub(crate) path: String,
    pub(crate) parameters: Vec<Parameter>,
    /// Media type → schema of a body that it takes.
    pub(crate) bodies: BTreeMap<String, Value>,
    /// Status → media type → schema.
    answers: BTreeMap<u16, BTreeMap<String, Value>>,
}

/// A parameter of an operation.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// `path`, `query` or `header`.
    pub(crate) place: String,
    pub(crate) required: bool,
    pub(crate) schema: Value,
}

impl Contract {
    /// The document of boxd itself.
    pub(crate) fn own() -> &'static Self {
        static CONTRACT: OnceLock<Contract> = OnceLock::new();
        CONTRACT.get_or_init(|| Self::read(OWN).expect("the document beside the source can be read"))
    }

    /// Reads a document in JSON.
    fn read(text: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let paths = document.get("paths").and_then(Value::as_object).ok_or("it has no `paths`")?;
        let (mut routes, mut names, mut operations) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (path, item) in paths {
            for (method, said) in item.as_object().into_iter().flatten() {
                let method = method.to_uppercase();
                let operation = Operation::read(&method, path, said)?;
                let name = operation.name();
                routes.push(Route::new(&method, path));
                names.push(name.clone());
                operations.insert(name, operation);
            }
        }
        let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
        let unknown: Vec<_> =
            schemas.into_iter().flatten().flat_map(|(_, schema)| Schema::unknown_words(schema)).collect();
        if !unknown.is_empty() {
            return Err(format!("its schemas say what is not understood: {}", unknown.join(", ")));
        }
        Ok(Self { document, routes, names, operations })
    }

    /// All operations, by their names.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (&str, &Operation)> {
        self.operations.iter().map(|(name, operation)| (name.as_str(), operation))
    }

    /// The name of the operation that a request is for, or [`NONE`].
    pub(crate) fn operation_of(&self, method: &str, target: &str) -> &str {
        find_route(&self.routes, method, target).map_or(NONE, |at| &self.names[at])
    }

    /// Whether a name is one of an operation.
    pub(crate) fn knows(&self, name: &str) -> bool {
        name == NONE || self.operations.contains_key(name)
    }

    /// A schema of the document.
    pub(crate) fn schema<'a>(&'a self, schema: &'a Value) -> Schema<'a> {
        Schema::new(&self.document, schema)
    }

    /// What is wrong with an answer to a request for an operation; `None` when it keeps all that is promised. A body that
    /// is a stream is judged elsewhere.
    pub(crate) fn complaint(&self, name: &str, answer: View<'_>) -> Option<String> {
        let Some(head) = answer.head else { return Some("the server closed without an answer".to_owned()) };
        let (status, media_type) = (head.status, plain(head.header("content-type").unwrap_or_default()));
        let listed = self.operations.get(name).and_then(|operation| operation.answers.get(&status));
        if status == 500 && !REASONED.iter().any(|(known, _)| *known == name) {
            return Some(format!("500, a fault of the server: {}", start(answer.body)));
        }
        // An answer to HEAD has the head of another one, and no body; of an unknown route the method is not known.
        let is_head = name.starts_with("HEAD ") || (name == NONE && answer.body.is_empty());
        let Some(contents) = listed else {
            let is_refusal = GENERAL.contains(&status) || (name == NONE && status < 500);
            if !is_refusal {
                return Some(format!(
                    "the status {status} is not in the document of `{name}`: {}",
                    start(answer.body)
                ));
            }
            return (media_type == "application/json" && status >= 400 && !is_head)
                .then(|| self.refusal_complaint(answer.body))
                .flatten();
        };
        if is_head || contents.contains_key("*/*") {
            return None;
        }
        if contents.is_empty() {
            let is_bare = answer.body.is_empty();
            return (!is_bare).then(|| format!("{status} of `{name}` has a body: {}", start(answer.body)));
        }
        let Some(schema) = contents.get(&media_type) else {
            return Some(format!("`{media_type}` with {status} is not in the document of `{name}`"));
        };
        if media_type != "application/json" {
            return None;
        }
        self.body_complaint(schema, answer.body).map(|wrong| format!("{status} of `{name}`: {wrong}"))
    }

    fn refusal_complaint(&self, body: &[u8]) -> Option<String> {
        let schema = self.document.pointer("/components/schemas/ErrorResponse")?;
        self.body_complaint(schema, body).map(|wrong| format!("the refusal is none: {wrong}"))
    }

    fn body_complaint(&self, schema: &Value, body: &[u8]) -> Option<String> {
        match serde_json::from_slice(body) {
            Ok(value) => self.schema(schema).complaint(&value),
            Err(error) => Some(format!("the body says that it is JSON and isn't: {error}: {}", start(body))),
        }
    }
}

impl Operation {
    fn read(method: &str, path: &str, said: &Value) -> Result<Self, String> {
        let text =
            |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let parameters = said.get("parameters").and_then(Value::as_array).into_iter().flatten();
        let parameters = parameters.map(|parameter| Parameter {
            name: text(parameter, "name"),
            place: text(parameter, "in"),
            required: parameter.get("required") == Some(&Value::Bool(true)),
            schema: parameter.get("schema").cloned().unwrap_or_default(),
        });
        let mut answers = BTreeMap::new();
        for (status, answer) in said.get("responses").and_then(Value::as_object).into_iter().flatten() {
            let number = status.parse().map_err(|_| format!("`{status}` of {method} {path} is no status"))?;
            answers.insert(number, contents(answer));
        }
        Ok(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            parameters: parameters.collect(),
            bodies: said.get("requestBody").map(contents).unwrap_or_default(),
            answers,
        })
    }

    /// `GET /process/{id}`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Media type → schema.
fn contents(of: &Value) -> BTreeMap<String, Value> {
    let content = of.get("content").and_then(Value::as_object).into_iter().flatten();
    content
        .map(|(media_type, said)| {
            (plain(media_type), said.get("schema").cloned().unwrap_or(Value::Bool(true)))
        })
        .collect()
}

fn start(body: &[u8]) -> String {
    crate::text::quote_short(body)
}

#[cfg(test)]
mod tests;
