//! What decoding a stream brings to light.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

/// One event, whatever the dialect.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// The cursor that came with it (SSE only).
    pub(crate) id: Option<String>,
    pub(crate) kind: Kind,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// Bytes that the command wrote to `stdout` or `stderr`.
    Output { stream: String, bytes: Vec<u8> },
    /// Anything else before the end: `start`, `restart`, `gap`, …
    Notice { name: String, value: Value },
    /// How it ended.
    Terminal { name: String, value: Value },
}

/// The events of a stream, and the rules it broke.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) events: Vec<Event>,
    pub(crate) broken: Vec<String>,
    pub(crate) heartbeats: usize,
}

impl Event {
    pub(crate) fn name(&self) -> &str {
        match &self.kind {
            Kind::Output { stream, .. } => stream,
            Kind::Notice { name, .. } | Kind::Terminal { name, .. } => name,
        }
    }

    pub(crate) fn value(&self) -> Option<&Value> {
        match &self.kind {
            Kind::Output { .. } => None,
            Kind::Notice { value, .. } | Kind::Terminal { value, .. } => Some(value),
        }
    }

    pub(crate) fn output_of(&self, wanted: &str) -> Option<&[u8]> {
        match &self.kind {
            Kind::Output { stream, bytes } if stream == wanted => Some(bytes),
            _ => None,
        }
    }
}

impl Findings {
    /// Adds an event; after the terminal one there may be none.
    pub(crate) fn push(&mut self, kind: Kind, id: Option<String>) {
        let event = Event { id, kind };
        // A `failure` is no part of the log: who comes again goes on at the same place.
        let is_same = event.id.is_some() && self.events.last().is_some_and(|last| last.id == event.id);
        if is_same && event.name() != "failure" {
            self.break_rule("two events in a row have one id: who is cut between them misses the second");
        }
        if self.terminals().next().is_some() {
            self.break_rule(&format!("an event `{}` came after the terminal one", event.name()));
        }
        self.events.push(event);
    }

    /// Counts a heartbeat; after the terminal event there may be none.
    pub(crate) fn heartbeat(&mut self) {
        if self.terminals().next().is_some() {
            self.break_rule("a heartbeat came after the terminal event");
        }
        self.heartbeats += 1;
    }

    /// Notes a broken rule, once however often it is broken.
    pub(crate) fn break_rule(&mut self, sentence: &str) {
        if !self.broken.iter().any(|known| known == sentence) {
            self.broken.push(sentence.to_owned());
        }
    }

    pub(crate) fn terminals(&self) -> impl Iterator<Item = &Value> {
        // Only the last events can be terminal; a stream of many events is not searched from its start each time.
        self.events.iter().rev().take(2).filter_map(|event| match &event.kind {
            Kind::Terminal { value, .. } => Some(value),
            _ => None,
        })
    }
}

/// The bytes of an output record: its `data`, decoded when `encoding` says so.
pub(crate) fn output_bytes(record: &Value) -> Result<Vec<u8>, String> {
    let Some(data) = record["data"].as_str() else {
        return Err("an output event has no string `data`".to_owned());
    };
    match record.get("encoding") {
        None => Ok(data.as_bytes().to_vec()),
        Some(encoding) if encoding == "base64" => {
            let bytes = STANDARD.decode(data).map_err(|error| format!("base64 data is broken: {error}"))?;
            if std::str::from_utf8(&bytes).is_ok() {
                return Err("base64 is used for bytes that are text".to_owned());
            }
            Ok(bytes)
        }
        Some(other) => Err(format!("unknown encoding {other}")),
    }
}
