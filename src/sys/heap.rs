//! The heap: how much of what was freed goes back to the kernel.

/// Allocations from there on are mappings of their own, which go back when they are freed: more than the pieces that are sent and read
/// all the time, and less than the names of a large folder.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES: libc::c_int = 1 << 20;

/// What an arena keeps at its end.
#[cfg(target_env = "gnu")]
const KEPT_BYTES: libc::c_int = 4 << 20;

/// Holds glibc to fixed bounds. Its own grow to 32 MiB with the first large allocation that is freed, and each thread's arena keeps twice as
/// much from then on: 200 listings of a million names left 1.3 GB with a daemon that had nothing to do.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "no library has mallopt")]
pub(crate) fn give_back_freed() {
    for (option, value) in [(libc::M_MMAP_THRESHOLD, MAPPED_BYTES), (libc::M_TRIM_THRESHOLD, KEPT_BYTES)] {
        // SAFETY: it takes two numbers, and may be called at any time. One that it refuses changes nothing.
        unsafe { libc::mallopt(option, value) };
    }
}

/// Other allocators keep little.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_back_freed() {}
