//! `Call`: a call of a tool while it is done, and what it comes to.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::str;
use std::sync::Arc;

use serde_json::Value;

use super::arguments::Arguments;
use super::room::Room;
use super::server::Mcp;
use crate::error::Error;
use crate::wire::escape::escape_into;
use crate::wire::json;

/// Held while a call may still change something: a worker that is replaced waits for it.
pub(crate) type Change = Arc<dyn Any + Send + Sync>;

/// See the module.
pub(super) struct Call {
    pub(super) mcp: Mcp,
    pub(super) arguments: Arguments,
    pub(super) room: Room,
    /// Dropped when what the call changes is changed, and only waiting is left.
    pub(super) change: Option<Change>,
}

/// What a tool gives: an object with its keys sorted, as text, for agents, and as it is, for programs.
#[derive(Debug)]
pub(super) struct Output {
    /// The result of the call, as JSON.
    pub(super) result: Vec<u8>,
    pub(super) room: Room,
}

/// Why it gives none, in words for the agent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure(pub(super) String);

pub(super) type Outcome = Result<Output, Failure>;

/// A tool at work.
pub(super) type Working = Pin<Box<dyn Future<Output = Outcome> + Send>>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl Failure {
    /// Puts words before an error.
    pub(super) fn of<E: std::fmt::Display>(doing: &'static str) -> impl Fn(E) -> Self {
        move |error| Self(format!("{doing}: {error}"))
    }
}

impl Call {
    /// The call is done. A large answer is made in turn, like a listing: to escape some MiB takes a while.
    pub(super) async fn done(self, value: Value) -> Outcome {
        let room = self.room;
        if room.is_small() {
            return output(&value, room);
        }
        let files = self.mcp.sandbox.files.as_daemon();
        files.run_in_turn(move |_| Ok(output(&value, room))).await?
    }
}

fn output(value: &Value, room: Room) -> Outcome {
    let room = room.for_answer(weight(value))?;
    let json = json::to_vec(value);
    let mut result = b"{\"content\":[{\"type\":\"text\",\"text\":\"".to_vec();
    escape_into(&mut result, str::from_utf8(&json).unwrap_or_default());
    result.extend_from_slice(b"\"}],\"structuredContent\":");
    result.extend_from_slice(&json);
    result.push(b'}');
    Ok(Output { result, room })
}

/// The most bytes that a value takes in an answer: as JSON, and in the JSON of that JSON.
fn weight(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.bytes().map(byte_weight).sum::<u64>() + 8,
        Value::Array(values) => values.iter().map(weight).sum::<u64>() + 8,
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| key.len() as u64 * 14 + weight(value) + 16).sum()
        }
        _ => 64,
    }
}

fn byte_weight(byte: u8) -> u64 {
    match byte {
        b'\n' | b'\r' | b'\t' | b'"' | b'\\' => 6,
        // `\u0001`, and with its backslash doubled; U+2028 and its like begin with the last two.
        0..0x20 | b'<' | b'>' | b'&' | 0xc2 | 0xe2 => 13,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_weighs_no_more_than_said() {
        for text in ["", "plain", "\n\t\"\\", "\u{1}<&>", "é“\u{2028}\u{85}\u{7f}"] {
            let value = json!({ "key": [text.repeat(100), 1.5, null, true, { "a": {} }] });
            let output = output(&value, Room::new(&Arc::default())).unwrap();
            assert!(output.result.len() as u64 <= weight(&value) + 128, "{text:?}");
        }
    }

    #[test]
    fn keys_are_sorted() {
        // A feature of serde_json, which any dependency can switch on, would keep the order in which they were given.
        assert_eq!(
            json::to_vec(&json!({ "b": 1, "a": { "d": 1, "c": "<" } })),
            br#"{"a":{"c":"\u003c","d":1},"b":1}"#
        );
    }
}
