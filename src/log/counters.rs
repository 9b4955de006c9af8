//! What is counted of all logs: bytes that came, bytes that are nowhere, bytes that followers were given, and what they missed.

use crate::metrics::Counter;

use super::OutputStream;

/// See the module. One for the daemon.
#[derive(Debug, Default)]
pub(crate) struct LogCounters {
    printed: [Counter; 2],
    /// Bytes of those that nothing took.
    pub(crate) lost: Counter,
    /// Bytes that followers were given, once for each of them.
    pub(crate) followed: Counter,
    /// How often a follower was told that something is missing.
    pub(crate) gaps: Counter,
    /// How many bytes were missing.
    pub(crate) gap_bytes: Counter,
}

impl LogCounters {
    /// Bytes that commands have printed to a stream.
    pub(crate) fn printed(&self, stream: OutputStream) -> &Counter {
        &self.printed[stream as usize]
    }
}
