//! `Messages`: what one body says in JSON-RPC. Pure.
//!
//! The texts of what is refused are the known server's. A body may be a list, as older versions of the protocol have it.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::wire::decode::{SyntaxError, check_syntax, check_syntax_within, mend_halves};

/// Messages in one body. Each may start a process, so it is no way around the bounds of connections.
const BATCH_MAX: usize = 64;

/// Arrays and objects inside each other, those of the message among them: what the parser takes.
const DEPTH_MAX: usize = 127;

/// Why a body is answered with a status instead of a message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Unacceptable {
    /// There is none.
    #[error("POST requires a non-empty body")]
    Empty,
    /// It is no JSON, or none of JSON-RPC.
    #[error("malformed payload: {0}")]
    Malformed(String),
    /// A call that nobody could tell the answer of.
    #[error("invalid request: missing id for {0:?}")]
    MissingId(String),
    /// A notification that asks for an answer.
    #[error("invalid request: unexpected id for {0:?}")]
    UnexpectedId(String),
    /// The method needs them.
    #[error("invalid request: missing required \"params\"")]
    MissingParams,
    /// There is no such method.
    #[error("JSON RPC not handled: {0:?} unsupported")]
    Unsupported(String),
}

/// What can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Initialize,
    Ping,
    ListTools,
    CallTool,
    ListResources,
    ListTemplates,
    ListPrompts,
    SetLevel,
}

impl Method {
    fn find(name: &str) -> Option<Self> {
        Some(match name {
            "initialize" => Self::Initialize,
            "ping" => Self::Ping,
            "tools/list" => Self::ListTools,
            "tools/call" => Self::CallTool,
            "resources/list" => Self::ListResources,
            "resources/templates/list" => Self::ListTemplates,
            "prompts/list" => Self::ListPrompts,
            "logging/setLevel" => Self::SetLevel,
            _ => return None,
        })
    }

    fn needs_params(self) -> bool {
        matches!(self, Self::Initialize | Self::CallTool | Self::SetLevel)
    }
}

/// A call.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    /// A text or a number, given back as it came.
    pub(super) id: Value,
    pub(super) method: Method,
    /// `None` when they are something else than an object.
    pub(super) params: Option<Map<String, Value>>,
}

/// The calls of a body; notifications, and answers to nothing, are read and forgotten.
#[derive(Debug, PartialEq)]
pub(crate) struct Messages {
    pub(super) requests: Vec<Request>,
    /// The body was a list, and so is the answer.
    pub(super) is_batch: bool,
}

impl Messages {
    /// Reads a body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Unacceptable> {
        if body.is_empty() {
            return Err(Unacceptable::Empty);
        }
        let malformed = |why: &dyn std::fmt::Display| {
            Unacceptable::Malformed(format!("unmarshaling jsonrpc message: {why}"))
        };
        check(body).map_err(|error| malformed(&error))?;
        // Bytes and halves of characters that are no text become U+FFFD, as everywhere in this API.
        let text = String::from_utf8_lossy(body);
        let value: Value = serde_json::from_str(&mend_halves(&text)).map_err(|error| malformed(&error))?;
        let (values, is_batch) = match value {
            Value::Array(values) => (values, true),
            value => (vec![value], false),
        };
        if values.is_empty() {
            return Err(Unacceptable::Malformed("empty batch".to_owned()));
        }
        if values.len() > BATCH_MAX {
            return Err(Unacceptable::Malformed(format!("a batch of more than {BATCH_MAX} messages")));
        }
        let requests = values.into_iter().filter_map(|value| request(value).transpose());
        Ok(Self { requests: requests.collect::<Result<_, _>>()?, is_batch })
    }

    /// Whether a tool is called that may wait for long.
    pub(crate) fn wait(&self) -> bool {
        self.requests.iter().any(|request| {
            let params = request.params.as_ref();
            let argument = |name: &str| params?.get("arguments")?.get(name);
            match params.and_then(|params| params.get("name")?.as_str()) {
                Some("processWait") => true,
                Some("processExecute") => {
                    argument("waitForCompletion") == Some(&Value::Bool(true))
                        || argument("waitForPorts").is_some_and(|ports| !ports.is_null())
                }
                _ => false,
            }
        })
    }
}

/// Whether a body begins with JSON that can be taken; if not, what is wrong with it.
fn check(body: &[u8]) -> Result<(), String> {
    match check_syntax_within(body, DEPTH_MAX) {
        // What is wrong for everybody is said in the words that everybody knows.
        Err(SyntaxError::TooDeep) => check_syntax(body)
            .map_err(|error| error.to_string())
            .and_then(|()| Err(format!("more than {DEPTH_MAX} arrays and objects inside each other"))),
        checked => checked.map_err(|error| error.to_string()),
    }
}

/// One message; `None` is one that is not answered.
fn request(value: Value) -> Result<Option<Request>, Unacceptable> {
    let Value::Object(mut message) = value else {
        return Err(Unacceptable::Malformed("a message must be an object".to_owned()));
    };
    let version = message.get("jsonrpc").and_then(Value::as_str).unwrap_or_default();
    if version != "2.0" {
        return Err(Unacceptable::Malformed(format!(
            "invalid message version tag {}; expected \"2.0\"",
            Value::from(version)
        )));
    }
    let id = match message.remove("id") {
        None | Some(Value::Null) => None,
        Some(id @ (Value::String(_) | Value::Number(_))) => Some(id),
        Some(_) => {
            return Err(Unacceptable::Malformed("invalid message id: neither text nor number".to_owned()));
        }
    };
    let Some(Value::String(name)) = message.remove("method") else {
        if message.contains_key("result") || message.contains_key("error") {
            return Ok(None);
        }
        return Err(Unacceptable::Malformed("a message has neither a method nor a result".to_owned()));
    };
    if name.starts_with("notifications/") {
        return if id.is_some() { Err(Unacceptable::UnexpectedId(name)) } else { Ok(None) };
    }
    let Some(method) = Method::find(&name) else { return Err(Unacceptable::Unsupported(name)) };
    let Some(id) = id else { return Err(Unacceptable::MissingId(name)) };
    let params = match message.remove("params") {
        None | Some(Value::Null) if method.needs_params() => return Err(Unacceptable::MissingParams),
        None | Some(Value::Null) => Some(Map::new()),
        Some(Value::Object(params)) => Some(params),
        Some(_) => None,
    };
    Ok(Some(Request { id, method, params }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn refused(body: &str, text: &str) {
        assert_eq!(Messages::parse(body.as_bytes()).unwrap_err().to_string(), text, "{body}");
    }

    #[test]
    fn what_is_no_message_is_refused_in_the_known_words() {
        refused("", "POST requires a non-empty body");
        refused(" ", "malformed payload: unmarshaling jsonrpc message: EOF");
        refused("{", "malformed payload: unmarshaling jsonrpc message: unexpected EOF");
        refused(
            "x",
            "malformed payload: unmarshaling jsonrpc message: invalid character 'x' looking for beginning of value",
        );
        refused("[]", "malformed payload: empty batch");
        refused("5", "malformed payload: a message must be an object");
        refused(
            r#"{"id":1,"method":"ping"}"#,
            r#"malformed payload: invalid message version tag ""; expected "2.0""#,
        );
        refused(
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"invalid request: missing id for "ping""#,
        );
        refused(
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#,
            r#"invalid request: missing required "params""#,
        );
        refused(r#"{"jsonrpc":"2.0","id":1,"method":"a/b"}"#, r#"JSON RPC not handled: "a/b" unsupported"#);
        refused(
            r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#,
            "malformed payload: invalid message id: neither text nor number",
        );
        let many = format!("[{}]", vec![r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#; 65].join(","));
        refused(&many, "malformed payload: a batch of more than 64 messages");
        refused(&nested(2000), "malformed payload: unmarshaling jsonrpc message: exceeded max depth");
    }

    /// A call with so many arrays and objects inside each other.
    fn nested(depth: usize) -> String {
        let (open, close) = ("[".repeat(depth - 2), "]".repeat(depth - 2));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":{open}1{close}}}}}"#)
    }

    #[test]
    fn how_deep_a_message_may_be_is_said() {
        assert_eq!(Messages::parse(nested(DEPTH_MAX).as_bytes()).unwrap().requests.len(), 1);
        for depth in [DEPTH_MAX + 1, 500, 1000] {
            refused(
                &nested(depth),
                "malformed payload: unmarshaling jsonrpc message: more than 127 arrays and objects inside each other",
            );
        }
    }

    #[test]
    fn notifications_and_answers_are_not_answered() {
        for body in [
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        ] {
            assert_eq!(Messages::parse(body.as_bytes()).unwrap().requests, []);
        }
    }

    #[test]
    fn halves_of_characters_stand_for_the_replacement_character() {
        let body = r#"{"jsonrpc":"2.0","id":"a\ud800b\\ud800\ud83d\ude80","method":"ping"}"#;
        let id = &Messages::parse(body.as_bytes()).unwrap().requests[0].id;
        assert_eq!(id.as_str(), Some("a\u{fffd}b\\ud800🚀"));
    }

    #[test]
    fn ids_come_back_as_they_were() {
        for id in ["1", "-7", "1.5", "\"abc\"", "\"\"", "18446744073709551615"] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(Messages::parse(body.as_bytes()).unwrap().requests[0].id.to_string(), id);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            Messages::parse(&body).ok();
        }
    }
}
