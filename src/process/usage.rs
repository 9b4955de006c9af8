//! `Usage`: what the runs of a process have used, as it is kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sys::usage::ResourceUsage;

/// What finished runs have used: the command itself and those of its descendants that somebody in its tree waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Microseconds of CPU time outside of the kernel, all runs together.
    pub(crate) user_us: u64,
    /// The same inside.
    pub(crate) system_us: u64,
    /// The most memory that one process of any run held.
    pub(crate) max_rss_bytes: u64,
    /// Bytes read from storage, all runs together.
    pub(crate) read_bytes: u64,
    /// The same written.
    pub(crate) written_bytes: u64,
}

impl Usage {
    /// This, and what one more run has used.
    pub(crate) fn and(self, run: Self) -> Self {
        Self {
            user_us: self.user_us.saturating_add(run.user_us),
            system_us: self.system_us.saturating_add(run.system_us),
            max_rss_bytes: self.max_rss_bytes.max(run.max_rss_bytes),
            read_bytes: self.read_bytes.saturating_add(run.read_bytes),
            written_bytes: self.written_bytes.saturating_add(run.written_bytes),
        }
    }

    /// CPU time in all.
    pub(crate) fn cpu(self) -> Duration {
        Duration::from_micros(self.user_us.saturating_add(self.system_us))
    }
}

impl From<ResourceUsage> for Usage {
    fn from(usage: ResourceUsage) -> Self {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self {
            user_us: micros(usage.user),
            system_us: micros(usage.system),
            max_rss_bytes: usage.max_rss_bytes,
            read_bytes: usage.read_bytes,
            written_bytes: usage.written_bytes,
        }
    }
}
