//! The clocks. Wall time is what people read, and it may jump; spans are measured on the clock that never does; a span that must
//! outlive the daemon counts from the machine's boot.
//!
//! In a debug build the wall clock can be moved: `BOXD_CLOCK_OFFSET_FILE` names a file with the milliseconds to add, read at
//! each look. A release build has no such thing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the machine was started, time asleep included: the same for every process, and it never jumps.
pub(crate) fn boot_ms() -> u64 {
    millis(boot())
}

/// When a moment that has just been, in milliseconds since 1970, was on the clock that never jumps; never too early.
pub(crate) fn boot_of(wall_ms: u64) -> u64 {
    millis(boot_at(boot(), wall(), wall_ms))
}

/// The moment lies somewhere in its millisecond: the end of that, if it is not yet to come, makes nothing seem shorter than it was.
fn boot_at(boot: Duration, wall: Duration, wall_ms: u64) -> Duration {
    let end = Duration::from_millis(wall_ms).saturating_add(Duration::from_nanos(999_999));
    boot.saturating_sub(wall.saturating_sub(end))
}

fn boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(time).unwrap_or_default()
}

/// Milliseconds since 1970; times before that count as 1970.
pub(crate) fn now_ms() -> u64 {
    millis(wall())
}

/// Seconds since 1970, and nanoseconds.
pub(crate) fn now_parts() -> (i64, u32) {
    let now = wall();
    (i64::try_from(now.as_secs()).unwrap_or(i64::MAX), now.subsec_nanos())
}

fn wall() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    #[cfg(debug_assertions)]
    let since = {
        let ms = injected_ms();
        let moved = Duration::from_millis(ms.unsigned_abs());
        if ms < 0 { since.saturating_sub(moved) } else { since.saturating_add(moved) }
    };
    since
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// By how much the wall clock was moved.
#[cfg(debug_assertions)]
fn injected_ms() -> i64 {
    static FILE: std::sync::OnceLock<Option<std::ffi::OsString>> = std::sync::OnceLock::new();
    let Some(file) = FILE.get_or_init(|| std::env::var_os("BOXD_CLOCK_OFFSET_FILE")) else { return 0 };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_seen_a_while_ago_is_not_moved_forward(boot_ns in 10_000_000_000u64..20_000_000_000, wall_ns in 10_000_000_000u64..20_000_000_000, ago_ns in 0u64..5_000_000_000) {
            let (boot, wall) = (Duration::from_nanos(boot_ns), Duration::from_nanos(wall_ns));
            let ago = Duration::from_nanos(ago_ns);
            let found = boot_at(boot, wall, millis(wall.saturating_sub(ago)));
            prop_assert!(millis(found) >= millis(boot.saturating_sub(ago)) && found <= boot, "{found:?}");
            prop_assert!(found <= boot.saturating_sub(ago) + Duration::from_millis(1), "{found:?}");
        }
    }
}
