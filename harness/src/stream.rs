//! Streams: an answer's body read as events, in each of the API's dialects, and judged as one.
//!
//! ```text
//! body bytes ──> Sse | Ndjson | Text | Watch ──> Findings (events, broken rules, heartbeats) ──> join ──> Pieces
//! ```
//! How a server cuts output into events, and when heartbeats come, is no contract: both are gone after `join`. What is
//! contract is checked on the way, on the raw bytes, and each broken rule becomes a sentence.

mod event;
mod join;
mod lines;
mod ndjson;
mod recording;
mod second_opinion;
mod seen;
mod sse;
mod text;
mod watch;

pub use self::recording::Recording;
pub(crate) use self::{
    event::{Event, Findings, output_bytes},
    join::{Piece, join},
};

use serde_json::Value;

use self::{ndjson::Ndjson, sse::Sse, text::Text, watch::Watch};
use crate::client::{Ending, Head};

/// What of a request decides how its answer is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    path: String,
    accept: String,
}

/// The events of one stream, as far as it was read.
#[derive(Debug)]
pub(crate) struct StreamLog {
    decoder: Decoder,
    findings: Findings,
    /// Whether the stream must end with exactly one terminal event.
    needs_terminal: bool,
}

#[derive(Debug)]
enum Decoder {
    Sse(Sse),
    Ndjson(Ndjson),
    Text(Text),
    Watch(Watch),
}

impl Asked {
    pub(crate) fn new(method: &str, target: &str, accept: Option<&String>) -> Self {
        let path = target.split('?').next().unwrap_or_default().to_owned();
        Self { method: method.to_owned(), path, accept: accept.cloned().unwrap_or_default() }
    }
}

impl StreamLog {
    /// A log for the answer with this head; `None` when it is no stream.
    pub(crate) fn for_answer(asked: &Asked, head: &Head) -> Option<Self> {
        if head.status != 200 || asked.method == "HEAD" {
            return None;
        }
        let follows_logs = asked.path.ends_with("/logs/stream");
        let media_type = head.header("content-type").unwrap_or_default().split(';').next()?.trim();
        let (decoder, needs_terminal) = match media_type {
            "text/event-stream" => (Decoder::Sse(Sse::default()), true),
            "application/x-ndjson" => {
                let by_name = asked.accept.contains("application/x-ndjson");
                (Decoder::Ndjson(Ndjson::new(by_name)), !follows_logs)
            }
            "text/plain" if follows_logs => (Decoder::Text(Text::default()), false),
            "text/plain" if asked.path.starts_with("/watch/") => (Decoder::Watch(Watch::default()), false),
            _ => return None,
        };
        Some(Self { decoder, findings: Findings::default(), needs_terminal })
    }

    /// Takes in further bytes of the body.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        match &mut self.decoder {
            Decoder::Sse(sse) => sse.feed(bytes, &mut self.findings),
            Decoder::Ndjson(ndjson) => ndjson.feed(bytes, &mut self.findings),
            Decoder::Text(text) => text.feed(bytes, &mut self.findings),
            Decoder::Watch(watch) => watch.feed(bytes, &mut self.findings),
        }
    }

    /// Notes how the body ended, and judges the stream as a whole; `body` is all of it.
    pub(crate) fn close(&mut self, ending: Ending, body: &[u8]) {
        let findings = &mut self.findings;
        if let Decoder::Sse(sse) = &self.decoder {
            findings.broken.extend(second_opinion::disagreement(body, sse.frames()));
        }
        if ending == Ending::Left {
            return;
        }
        let unfinished = match &self.decoder {
            Decoder::Sse(sse) => sse.is_unfinished(),
            Decoder::Ndjson(ndjson) => ndjson.is_unfinished(),
            Decoder::Text(text) => text.is_unfinished(),
            Decoder::Watch(watch) => watch.is_unfinished(),
        };
        if ending == Ending::Cut {
            findings
                .break_rule("the stream was cut: the connection closed before the body's framing was whole");
        } else if unfinished {
            findings.break_rule("the stream ended inside an event: its last line or frame isn't whole");
        }
        if self.needs_terminal && findings.terminals().count() == 0 {
            findings.break_rule("the stream ended without a terminal event");
        }
    }

    pub(crate) fn events(&self) -> &[Event] {
        &self.findings.events
    }

    /// The events of a stream that was left, and before them those of the one that it went on with: what a third goes on with.
    pub(crate) fn behind(&self, mut earlier: Vec<Event>) -> Vec<Event> {
        // What came without an id isn't behind the cursor: it will come again, or is told once anyway.
        let is_first = earlier.is_empty();
        earlier.extend(self.events().iter().filter(|event| event.id.is_some() || is_first).cloned());
        earlier
    }

    /// The sentences of broken rules.
    pub(crate) fn broken(&self) -> &[String] {
        &self.findings.broken
    }

    pub(crate) fn heartbeats(&self) -> usize {
        self.findings.heartbeats
    }

    /// The id of the last event that had one.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.findings.events.iter().rev().find_map(|event| event.id.as_deref())
    }

    /// The bytes of one output stream, joined.
    pub(crate) fn output(&self, stream: &str) -> Vec<u8> {
        self.findings.events.iter().filter_map(|event| event.output_of(stream)).flatten().copied().collect()
    }

    /// Whether the bytes of the output stream of this name, joined, hold a text, or the JSON of another event of this name.
    pub(crate) fn holds(&self, name: &str, part: &str) -> bool {
        let in_output = || self.output(name).windows(part.len()).any(|window| window == part.as_bytes());
        let in_notice = |event: &Event| match &event.kind {
            event::Kind::Notice { name: known, value } => {
                known == name && crate::text::json(value).contains(part)
            }
            event::Kind::Output { .. } | event::Kind::Terminal { .. } => false,
        };
        part.is_empty() || self.findings.events.iter().any(in_notice) || in_output()
    }

    /// How many events of this name came.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.findings.events.iter().filter(|event| event.name() == name).count()
    }

    /// The JSON of the first event of this name.
    pub(crate) fn value_of(&self, name: &str) -> Option<&Value> {
        self.findings.events.iter().find(|event| event.name() == name).and_then(Event::value)
    }

    /// What the stream is about: the JSON of its terminal event, or else of its first one.
    pub(crate) fn subject(&self) -> Option<&Value> {
        self.findings.terminals().next().or_else(|| self.findings.events.first().and_then(Event::value))
    }

    /// Whether the transcript should say that the stream ended, because no terminal event does.
    pub(crate) fn ends_silently(&self) -> bool {
        !self.needs_terminal
    }
}

#[cfg(test)]
mod tests;
