//! The clocks. Wall time is what people read, and it may jump; spans are measured on the clock that never does; a span that must
//! outlive the daemon counts from the machine's boot.
//!
//! In a debug build the wall clock can be moved: `BOXD_CLOCK_OFFSET_FILE` names a file with the milliseconds to add, read at
//! each look. A release build has no such thing.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the machine was started, time asleep included: the same for every process, and it never jumps.
pub(crate) fn boot_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanos) =
        (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    seconds * 1000 + nanos / 1_000_000
}

/// When a moment that has just been, in milliseconds since 1970, was on the clock that never jumps.
pub(crate) fn boot_of(wall_ms: u64) -> u64 {
    boot_ms().saturating_sub(now_ms().saturating_sub(wall_ms))
}

/// Milliseconds since 1970; times before that count as 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    #[cfg(debug_assertions)]
    let ms = ms.saturating_add_signed(injected_ms());
    ms
}

/// By how much the wall clock was moved.
#[cfg(debug_assertions)]
fn injected_ms() -> i64 {
    static FILE: std::sync::OnceLock<Option<std::ffi::OsString>> = std::sync::OnceLock::new();
    let Some(file) = FILE.get_or_init(|| std::env::var_os("BOXD_CLOCK_OFFSET_FILE")) else { return 0 };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}
