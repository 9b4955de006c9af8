//! `Viewer`: who looks at a session, from the place that it has come to.
//!
//! It begins with what the session has shown last, and goes on behind that. One that falls behind by more than the tape is long
//! begins anew, with a word that clears its screen: so it misses something of what went by, as everybody does who reads slowly, and never has a
//! wrong picture in the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ending::Ending;
use super::session::{Session, State};
use super::text;

/// What is shown of the past, as by the known server.
const REPLAY_BYTES_MAX: u64 = 100 * 1024;

/// One piece of what comes then.
const PIECE_BYTES_MAX: usize = 32 * 1024;

/// Stands before what is replayed: plain characters, as the known server has it.
const PLAIN: &[u8] = b"\x1b[0m";

/// Stands before it when the viewer has missed something: a terminal as it is in the beginning (RIS).
const RESET: &[u8] = b"\x1bc";

/// What a viewer is shown next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// These bytes, which end with a whole character.
    Output(Vec<u8>),
    /// Nothing more.
    Over(Ending),
}

/// A place among all viewers, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Place {
    /// Takes one; `None` when there are `max`.
    pub(super) fn take(count: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        // Counted first, and given back by the drop: two that come at once cannot both have the last place.
        let place = Self(count.clone());
        (count.fetch_add(1, Ordering::Relaxed) < max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Viewer {
    /// What it looks at.
    pub(crate) session: Arc<Session>,
    number: u64,
    /// `None` before the beginning.
    at: Option<u64>,
    _place: Place,
}

impl Viewer {
    /// One that begins, with the past unless the session `is_new`. When the session is over it gives the place back.
    pub(super) fn of(session: &Arc<Session>, place: Place, is_new: bool) -> Result<Self, Place> {
        let at = is_new.then_some(0);
        match session.enter() {
            Some(number) => Ok(Self { session: session.clone(), number, at, _place: place }),
            None => Err(place),
        }
    }

    /// What it is shown next, as soon as there is something. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Shown {
        loop {
            let changed = self.session.listen();
            if let Some(shown) = self.look() {
                return shown;
            }
            changed.await;
        }
    }

    fn look(&mut self) -> Option<Shown> {
        let session = self.session.clone();
        let mut state = session.state();
        if state.ending == Some(Ending::Moved) {
            // The next worker shows the rest.
            return Some(Shown::Over(Ending::Moved));
        }
        let (shown, at) = match self.at {
            None => replayed(&state, PLAIN),
            Some(at) if at < state.tape.oldest() => replayed(&state, RESET),
            Some(at) => following(&state, at),
        };
        let was = self.at.replace(at);
        let before = state.places.insert(self.number, at);
        let ending = state.ending.filter(|_| shown.is_empty() && at == state.tape.end());
        drop(state);
        if was.is_some() && before != Some(at) {
            session.got_on();
        }
        if shown.is_empty() { ending.map(Shown::Over) } else { Some(Shown::Output(shown)) }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.session.leave(self.number);
    }
}

/// The last of what was shown, behind a word, and where it ends.
fn replayed(state: &State, word: &[u8]) -> (Vec<u8>, u64) {
    let end = state.tape.end();
    let from = end.saturating_sub(REPLAY_BYTES_MAX).max(state.tape.oldest());
    let bytes = read(state, from, usize::MAX);
    let begin = if from > 0 { text::beginning(&bytes) } else { 0 };
    let whole = whole(state, &bytes[begin..]);
    let shown = &bytes[begin..begin + whole];
    let at = from + (begin + whole) as u64;
    (if shown.is_empty() { Vec::new() } else { [word, shown].concat() }, at)
}

/// What comes behind a place, and where it ends.
fn following(state: &State, at: u64) -> (Vec<u8>, u64) {
    let mut bytes = read(state, at, PIECE_BYTES_MAX);
    let whole = whole(state, &bytes);
    bytes.truncate(whole);
    (bytes, at + whole as u64)
}

/// How many of these bytes may be shown now: the beginning of a character waits for its end, unless there will be none.
fn whole(state: &State, bytes: &[u8]) -> usize {
    match text::whole_characters(bytes) {
        // The last that there will be, and too little for a piece that goes on.
        0 if state.ending.is_some() => bytes.len(),
        whole => whole,
    }
}

/// What is on the tape. What cannot be read is as good as not there: a file in memory has no such errors.
fn read(state: &State, from: u64, max: usize) -> Vec<u8> {
    state.tape.read(from, max).unwrap_or_default()
}

#[cfg(test)]
mod tests;
