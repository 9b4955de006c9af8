//! `WireLog`: every byte that went over the wire in a case, for reports.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use serde::{Deserialize, Serialize};

/// Bytes that are kept of one case: enough to see what was said, and little beside a report of a thousand cases.
const CASE_BYTES_MAX: usize = 64 * 1024;

/// Bytes that are kept of one piece.
const PIECE_BYTES_MAX: usize = 8 * 1024;

/// What happened on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// Bytes went to the server.
    Sent,
    /// Bytes came from it.
    Received,
    /// It closed its half.
    Ended,
}

/// One piece of a wire log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Milliseconds since the case began.
    pub ms: u64,
    /// Which connection of the case, from 1.
    pub connection: usize,
    /// What happened.
    pub way: Way,
    /// How many bytes there were, those that are not kept included.
    pub bytes: usize,
    /// The bytes, or their beginning; what is no UTF-8 is shown as U+FFFD.
    pub text: String,
}

/// See the module. Clones write into the same log.
#[derive(Debug, Clone)]
pub struct WireLog {
    began: Instant,
    connections: Arc<AtomicUsize>,
    pieces: Arc<Mutex<Vec<Piece>>>,
    kept: Arc<AtomicUsize>,
}

impl Default for WireLog {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            connections: Arc::default(),
            pieces: Arc::default(),
            kept: Arc::default(),
        }
    }
}

impl WireLog {
    /// The log's side of a new connection.
    pub(crate) fn connection(&self) -> Line {
        Line { log: self.clone(), number: self.connections.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    /// What was noted so far, in its order.
    pub fn pieces(&self) -> Vec<Piece> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One connection's part in a log.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    log: WireLog,
    number: usize,
}

impl Line {
    /// Notes bytes, or an end.
    pub(crate) fn note(&self, way: Way, bytes: &[u8]) {
        let room = CASE_BYTES_MAX.saturating_sub(self.log.kept.load(Ordering::Relaxed));
        let kept = &bytes[..bytes.len().min(PIECE_BYTES_MAX).min(room)];
        self.log.kept.fetch_add(kept.len(), Ordering::Relaxed);
        let piece = Piece {
            ms: u64::try_from(self.log.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            connection: self.number,
            way,
            bytes: bytes.len(),
            text: String::from_utf8_lossy(kept).into_owned(),
        };
        let mut pieces = self.log.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        // Small pieces of one direction are one to who reads the log.
        match pieces.last_mut() {
            Some(last)
                if last.connection == piece.connection
                    && last.way == way
                    && way != Way::Ended
                    && last.text.len() + piece.text.len() <= PIECE_BYTES_MAX =>
            {
                last.bytes += piece.bytes;
                last.text.push_str(&piece.text);
            }
            _ => pieces.push(piece),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_bounded_and_says_how_much_there_was() {
        let log = WireLog::default();
        let (one, two) = (log.connection(), log.connection());
        one.note(Way::Sent, b"GET /");
        one.note(Way::Sent, b" HTTP/1.1\r\n");
        two.note(Way::Received, &vec![b'x'; 1_000_000]);
        one.note(Way::Ended, b"");
        let pieces = log.pieces();
        let shown: Vec<_> = pieces.iter().map(|piece| (piece.connection, piece.way, piece.bytes)).collect();
        assert_eq!(shown, [(1, Way::Sent, 16), (2, Way::Received, 1_000_000), (1, Way::Ended, 0)]);
        assert_eq!(pieces[0].text, "GET / HTTP/1.1\r\n");
        for _ in 0..20 {
            two.note(Way::Received, &vec![b'x'; 1_000_000]);
        }
        let kept: usize = log.pieces().iter().map(|piece| piece.text.len()).sum();
        assert!(kept <= CASE_BYTES_MAX, "{kept}");
    }
}
