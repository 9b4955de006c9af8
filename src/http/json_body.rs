//! `JsonBody`: a JSON answer that shows logs, written piece by piece.
//!
//! The objects are serialised with empty texts, and the stretches of the log are read into their places while the answer
//! is sent. So a list of a thousand processes with full logs needs no more memory than one item of one log.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_lite::{Stream, StreamExt};
use serde::Serialize;

use super::log_text::{LogText, Shown, Stretch};
use super::view;
use crate::error::Result;
use crate::log::OutputStream;
use crate::process::Process;
use crate::wire::json;
use crate::wire::process::LogsResponse;

/// Answers with less output than this are put together before they are sent, so that they have a length.
const WHOLE_BYTES_MAX: u64 = 64 * 1024;

enum Part {
    Bytes(Vec<u8>),
    Text(Box<LogText>),
    /// A process of a list and how much of its streams to show. Looked at when its turn comes.
    Process(Arc<Process>, u64),
}

/// A JSON text as a stream of its bytes.
pub(crate) struct JsonBody {
    parts: VecDeque<Part>,
    /// Bytes of output that the parts show, where known.
    output_bytes: u64,
}

impl JsonBody {
    /// The object of a process with the last `bytes_max` bytes of its streams.
    pub(crate) fn process(process: &Arc<Process>, bytes_max: u64) -> Self {
        // The state before the log: an object that says "ended" then shows everything up to the end.
        let object = json::to_vec(&view::process(process));
        let stretch = Stretch::tail(process.log.clone(), process.spec.restart, bytes_max);
        if stretch.is_empty() {
            return Self::whole(object);
        }
        let streams = [
            ("logs", Shown::Both),
            ("stdout", Shown::One(OutputStream::Stdout)),
            ("stderr", Shown::One(OutputStream::Stderr)),
        ];
        Self::fill(&object, &stretch, &streams)
    }

    /// The texts of a process's log, with the last `bytes_max` bytes of its streams.
    pub(crate) fn logs(process: &Process, bytes_max: u64) -> Self {
        let stretch = Stretch::tail(process.log.clone(), process.spec.restart, bytes_max);
        let streams = [
            ("stdout", Shown::One(OutputStream::Stdout)),
            ("stderr", Shown::One(OutputStream::Stderr)),
            ("logs", Shown::Both),
        ];
        Self::fill(&json::to_vec(&LogsResponse::default()), &stretch, &streams)
    }

    /// An array of processes with the last `bytes_max` bytes of their streams.
    pub(crate) fn list(processes: Vec<Arc<Process>>, bytes_max: u64) -> Self {
        let mut parts = VecDeque::from([Part::Bytes(b"[".to_vec())]);
        for (i, process) in processes.into_iter().enumerate() {
            if i > 0 {
                parts.push_back(Part::Bytes(b",".to_vec()));
            }
            parts.push_back(Part::Process(process, bytes_max));
        }
        parts.push_back(Part::Bytes(b"]".to_vec()));
        Self { parts, output_bytes: u64::MAX }
    }

    /// Any value without output.
    pub(crate) fn value(value: &impl Serialize) -> Self {
        Self::whole(json::to_vec(value))
    }

    /// Puts bytes in front of and behind everything.
    pub(crate) fn wrap(mut self, before: Vec<u8>, after: Vec<u8>) -> Self {
        self.parts.push_front(Part::Bytes(before));
        self.parts.push_back(Part::Bytes(after));
        self
    }

    /// Whether it is small enough to be put together before it is sent.
    pub(crate) fn is_small(&self) -> bool {
        self.output_bytes <= WHOLE_BYTES_MAX
    }

    /// Puts it together.
    pub(crate) async fn collect(mut self) -> Result<Vec<u8>> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.next().await {
            let bytes = bytes?;
            if whole.is_empty() { whole = bytes } else { whole.extend_from_slice(&bytes) }
        }
        Ok(whole)
    }

    fn whole(bytes: Vec<u8>) -> Self {
        Self { parts: VecDeque::from([Part::Bytes(bytes)]), output_bytes: 0 }
    }

    /// Puts the texts into the places of the empty strings under these keys.
    fn fill(object: &[u8], stretch: &Stretch, texts: &[(&str, Shown)]) -> Self {
        let mut parts = VecDeque::new();
        let mut rest = object;
        for (key, shown) in texts {
            // No string can contain this: its quotes would be escaped there.
            let place = format!("\"{key}\":\"\"");
            let at =
                find(rest, place.as_bytes()).expect("the object was made with an empty text under this key");
            let (before, after) = rest.split_at(at + place.len() - 1);
            parts.push_back(Part::Bytes(before.to_vec()));
            parts.push_back(Part::Text(Box::new(stretch.text(*shown))));
            rest = after;
        }
        parts.push_back(Part::Bytes(rest.to_vec()));
        Self { parts, output_bytes: stretch.len() }
    }
}

impl Stream for JsonBody {
    type Item = Result<Vec<u8>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>>>> {
        let this = self.get_mut();
        loop {
            match this.parts.front_mut() {
                None => return Poll::Ready(None),
                Some(Part::Bytes(bytes)) => {
                    let bytes = std::mem::take(bytes);
                    this.parts.pop_front();
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Some(Part::Text(text)) => match ready!(Pin::new(&mut **text).poll_next(cx)) {
                    None => drop(this.parts.pop_front()),
                    some => return Poll::Ready(some),
                },
                Some(Part::Process(process, bytes_max)) => {
                    let body = Self::process(process, *bytes_max);
                    this.parts.pop_front();
                    for part in body.parts.into_iter().rev() {
                        this.parts.push_front(part);
                    }
                }
            }
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
