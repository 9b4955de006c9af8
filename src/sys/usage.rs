//! What a child has used up, as the kernel counts it when the child ends.

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde::{Deserialize, Serialize};

/// The kernel counts blocks of this size (`getrusage(2)`).
const BLOCK_BYTES: u64 = 512;

/// Used by a child and by those of its descendants that were waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResourceUsage {
    /// CPU time outside of the kernel.
    pub(crate) user: Duration,
    /// CPU time inside.
    pub(crate) system: Duration,
    /// The most memory that one of them held.
    pub(crate) max_rss_bytes: u64,
    /// Bytes read from storage.
    pub(crate) read_bytes: u64,
    /// Bytes written to storage.
    pub(crate) written_bytes: u64,
}

impl From<libc::rusage> for ResourceUsage {
    fn from(usage: libc::rusage) -> Self {
        let positive = |number: libc::c_long| u64::try_from(number).unwrap_or_default();
        let time = |time: libc::timeval| {
            Duration::from_secs(positive(time.tv_sec)) + Duration::from_micros(positive(time.tv_usec))
        };
        Self {
            user: time(usage.ru_utime),
            system: time(usage.ru_stime),
            max_rss_bytes: positive(usage.ru_maxrss).saturating_mul(1024),
            read_bytes: positive(usage.ru_inblock).saturating_mul(BLOCK_BYTES),
            written_bytes: positive(usage.ru_oublock).saturating_mul(BLOCK_BYTES),
        }
    }
}

/// Lets no process of a command that was just started, taken by itself, use more CPU time than this and a second. The kernel
/// holds it also when nobody watches the command any more.
pub(crate) fn limit_cpu(pid: u32, time: Duration) {
    let seconds = Some(time.as_secs().saturating_add(2));
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // A command that has ended already has no limits.
    if pid.is_some() {
        prlimit(pid, Resource::Cpu, Rlimit { current: seconds, maximum: seconds }).ok();
    }
}
