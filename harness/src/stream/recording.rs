//! `Recording`: the bytes of an SSE body, read by our own parser, for others to be compared with.

use serde::Serialize;

use super::{Findings, seen::Seen, sse::Sse};

/// See the module. It may break off anywhere.
#[derive(Debug)]
pub struct Recording {
    sse: Sse,
    findings: Findings,
}

#[derive(Serialize)]
struct Shown<'a> {
    events: Vec<Seen<'a>>,
    heartbeats: usize,
    broken: &'a [String],
}

impl Recording {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Self {
        let mut recording = Self { sse: Sse::default(), findings: Findings::default() };
        recording.sse.feed(body, &mut recording.findings);
        recording
    }

    /// The events as a client sees them (`event`, `data`, `id`: the last one that came, `retry`), how many heartbeats there were, and the
    /// sentences of broken rules; as JSON.
    ///
    /// # Errors
    /// None that is known: these are texts and numbers.
    pub fn json(&self) -> serde_json::Result<String> {
        let shown = Shown {
            events: Seen::of(self.sse.frames()),
            heartbeats: self.findings.heartbeats,
            broken: &self.findings.broken,
        };
        serde_json::to_string(&shown)
    }

    /// Whether no rule of the API's streams is broken.
    pub fn is_clean(&self) -> bool {
        self.findings.broken.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_shown_as_clients_see_it() {
        let recording = Recording::read(
            b"retry: 1000\nevent: start\ndata: {\"type\":\"start\"}\n\n: hb\nid: 7\nevent: result\ndata: {\"type\":\"result\"}\n\nid: 8\n",
        );
        assert!(recording.is_clean(), "{recording:?}");
        assert_eq!(
            recording.json().unwrap(),
            r#"{"events":[{"event":"start","data":"{\"type\":\"start\"}","id":"","retry":1000},{"event":"result","data":"{\"type\":\"result\"}","id":"7","retry":null}],"heartbeats":1,"broken":[]}"#
        );
        assert!(!Recording::read(b"event: x\r\n").is_clean());
    }
}
