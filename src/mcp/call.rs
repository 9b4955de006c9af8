//! `Call`: a call of a tool while it is done, and what it comes to.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::arguments::Arguments;
use super::room::Room;
use super::server::Mcp;
use crate::error::Error;
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

/// What a tool gives: an object as JSON, with its keys sorted.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) json: Vec<u8>,
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
    /// The call is done.
    #[expect(clippy::unnecessary_wraps, reason = "it is how a tool ends")]
    pub(super) fn done(self, value: &Value) -> Outcome {
        Ok(Output { json: json::to_vec(value), room: self.room })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted() {
        // A feature of serde_json, which any dependency can switch on, would keep the order in which they were given.
        assert_eq!(
            json::to_vec(&json!({ "b": 1, "a": { "d": 1, "c": "<" } })),
            br#"{"a":{"c":"\u003c","d":1},"b":1}"#
        );
    }
}
