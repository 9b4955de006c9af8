//! The same SSE bytes, read by the parser that Rust clients really run.
//!
//! A stream that only our own decoder likes is worth nothing; so each one also goes through `eventsource-stream`, the
//! parser below `reqwest-eventsource`, in chunks that fall anywhere, and both must see the same events.

use std::time::Duration;

use eventsource_stream::Eventsource;
use futures_lite::{StreamExt, future, stream};

use super::{seen::Seen, sse::RawFrame};

/// Small enough that frames are cut in their middle, large enough that a long line isn't parsed from its start too
/// often: the other parser looks at all of an unfinished line again with each chunk.
const CHUNK_BYTES_MIN: usize = 4099;
const CHUNKS_MAX: usize = 256;

/// A sentence when the other parser sees other events than we did.
pub(super) fn disagreement(body: &[u8], frames: &[RawFrame]) -> Option<String> {
    // A line that is cut is no event for anybody; the other parser complains when it is cut inside a character.
    let body = &body[..body.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1)];
    let chunk = CHUNK_BYTES_MIN.max(body.len() / CHUNKS_MAX);
    let chunks = body.chunks(chunk).map(Ok::<_, std::convert::Infallible>);
    let theirs = future::block_on(stream::iter(chunks).eventsource().collect::<Vec<_>>());
    let ours = Seen::of(frames);
    let counts = (ours.len(), theirs.len());
    let mut ours = ours.into_iter();
    for (index, event) in theirs.into_iter().enumerate() {
        let event = match event {
            Ok(event) => event,
            Err(error) => return Some(format!("eventsource-stream can't read the stream: {error}")),
        };
        let agreed = ours.next().is_some_and(|ours| {
            let retry = ours.retry.map(Duration::from_millis);
            (ours.event, ours.data, ours.id) == (&event.event, &event.data, &event.id) && retry == event.retry
        });
        if !agreed {
            return Some(format!(
                "eventsource-stream sees another event no. {}: `{}`",
                index + 1,
                event.event
            ));
        }
    }
    let (all, seen) = counts;
    (seen < all).then(|| format!("eventsource-stream misses {} events of {all}", all - seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Findings, sse::Sse};

    const BODY: &str = "retry: 1000\nevent: start\ndata: {\"a\":1}\n\n: hb\nid: 1.0\nevent: stdout\ndata: {\"b\":\"ä\"}\n\n\
                        event: stdout\ndata: {}\n\nid: 1.1.end\nevent: result\ndata: {\"c\":null}\n\n";

    fn frames(body: &[u8]) -> Vec<RawFrame> {
        let mut sse = Sse::default();
        sse.feed(body, &mut Findings::default());
        sse.frames().to_vec()
    }

    /// What is said when one thing of our own frames is changed.
    #[track_caller]
    fn check(change: impl FnOnce(&mut Vec<RawFrame>), expected: Option<&str>) {
        let mut changed = frames(BODY.as_bytes());
        change(&mut changed);
        assert_eq!(disagreement(BODY.as_bytes(), &changed).as_deref(), expected);
    }

    #[test]
    fn each_difference_is_seen() {
        check(|_| (), None);
        let other = |number: usize, name: &str| {
            format!("eventsource-stream sees another event no. {number}: `{name}`")
        };
        check(|frames| frames[0].event = Some("begin".to_owned()), Some(&other(1, "start")));
        check(|frames| frames[1].event = None, Some(&other(2, "stdout")));
        check(|frames| frames[1].data = Some("{\"b\":\"a\"}".to_owned()), Some(&other(2, "stdout")));
        check(|frames| frames[1].id = Some("1.1".to_owned()), Some(&other(2, "stdout")));
        // The id of the event before is the last one for this event, too.
        check(|frames| frames[2].id = Some("0".to_owned()), Some(&other(3, "stdout")));
        check(|frames| frames[3].id = None, Some(&other(4, "result")));
        check(|frames| frames[0].retry = Some("2000".to_owned()), Some(&other(1, "start")));
        check(|frames| frames[0].retry = None, Some(&other(1, "start")));
        check(|frames| frames[3].retry = Some("1000".to_owned()), Some(&other(4, "result")));
        check(|frames| drop(frames.remove(1)), Some(&other(2, "stdout")));
        check(|frames| drop(frames.pop()), Some(&other(4, "result")));
        check(|frames| frames.swap(1, 2), Some(&other(2, "stdout")));
        check(|frames| frames.push(frames[3].clone()), Some("eventsource-stream misses 1 events of 5"));
    }

    #[test]
    fn what_is_cut_is_no_event_for_either() {
        for end in 0..BODY.len() {
            let part = &BODY.as_bytes()[..end];
            assert_eq!(disagreement(part, &frames(part)), None, "{end}");
        }
    }
}
