//! The clocks. Wall time is what people read; spans are measured on the clock that never jumps; a span that must outlive the
//! daemon counts from the machine's boot.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the machine was started, time asleep included: the same for every process, and it never jumps.
pub(crate) fn boot_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanos) =
        (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    seconds * 1000 + nanos / 1_000_000
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    to_ms(SystemTime::now())
}

/// A wall-clock time as milliseconds since 1970; times before that count as 1970.
pub(crate) fn to_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
