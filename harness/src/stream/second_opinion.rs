//! The same SSE bytes, read by the parser that Rust clients really run.
//!
//! A stream that only our own decoder likes is worth nothing; so each one also goes through `eventsource-stream`, the
//! parser below `reqwest-eventsource`, in chunks that fall anywhere, and both must see the same events.

use eventsource_stream::Eventsource;
use futures_lite::{StreamExt, future, stream};

use super::sse::RawFrame;

/// Small enough that frames are cut in their middle, large enough that a long line isn't parsed from its start too
/// often: the other parser looks at all of an unfinished line again with each chunk.
const CHUNK_BYTES_MIN: usize = 4099;
const CHUNKS_MAX: usize = 256;

/// A sentence when the other parser sees other events than we did.
pub(super) fn disagreement(body: &[u8], frames: &[RawFrame]) -> Option<String> {
    let chunk = CHUNK_BYTES_MIN.max(body.len() / CHUNKS_MAX);
    let chunks = body.chunks(chunk).map(Ok::<_, std::convert::Infallible>);
    let seen = future::block_on(stream::iter(chunks).eventsource().collect::<Vec<_>>());
    let mut ours = frames.iter().filter(|frame| frame.data.is_some());
    let mut count = 0;
    for event in seen {
        count += 1;
        let event = match event {
            Ok(event) => event,
            Err(error) => return Some(format!("eventsource-stream can't read the stream: {error}")),
        };
        let agreed = ours.next().is_some_and(|frame| {
            frame.event.as_deref().unwrap_or("message") == event.event
                && frame.data.as_deref() == Some(event.data.as_str())
                && frame.id.as_ref().is_none_or(|id| *id == event.id)
        });
        if !agreed {
            return Some(format!("eventsource-stream sees another event no. {count}: `{}`", event.event));
        }
    }
    let missed = ours.count();
    (missed > 0).then(|| format!("eventsource-stream misses {missed} events of {}", count + missed))
}
