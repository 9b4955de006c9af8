//! `Seen`: an event as every client of SSE is to see it, whatever parser it uses.

use serde::Serialize;

use super::sse::RawFrame;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Seen<'a> {
    /// `message` where the frame names none.
    pub(super) event: &'a str,
    pub(super) data: &'a str,
    /// The last one that came, empty before that: what a client would send as `Last-Event-ID`.
    pub(super) id: &'a str,
    /// Milliseconds, if this frame sets them.
    pub(super) retry: Option<u64>,
}

impl<'a> Seen<'a> {
    /// What of these frames a client sees: those with data.
    pub(super) fn of(frames: &'a [RawFrame]) -> Vec<Self> {
        let mut last_id = "";
        let mut seen = Vec::new();
        for RawFrame { event, data, id, retry } in frames {
            if let Some(id) = id {
                last_id = id;
            }
            if let Some(data) = data {
                let event = event.as_deref().unwrap_or("message");
                let retry = retry.as_ref().and_then(|retry| retry.parse().ok());
                seen.push(Self { event, data, id: last_id, retry });
            }
        }
        seen
    }
}
