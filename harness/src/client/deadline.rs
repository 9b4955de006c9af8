//! The moment until which a step may wait.

use std::time::{Duration, Instant};

use super::ClientError;

/// A moment, and when the wait for it began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    began: Instant,
    end: Instant,
}

impl Deadline {
    /// From now on, this long.
    pub(crate) fn within(limit: Duration) -> Self {
        let began = Instant::now();
        Self { began, end: began + limit }
    }

    /// What is left, never zero: sockets take a time-out of zero for none at all.
    pub(crate) fn left(&self, what: &str) -> Result<Duration, ClientError> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.error(what)) } else { Ok(left.max(Duration::from_millis(1))) }
    }

    /// The error that says that `what` didn't come in time.
    pub(crate) fn error(&self, what: &str) -> ClientError {
        ClientError::TimedOut { what: what.to_owned(), waited_ms: self.began.elapsed().as_millis() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}
