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

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    /// Set for the process that has the heap for itself.
    const ALONE: &str = "BOXD_TEST_HEAP_ALONE";

    #[test]
    fn a_large_allocation_is_a_mapping_whatever_was_freed() {
        if std::env::var_os(ALONE).is_none() {
            // What other tests have freed here would do for the allocation.
            let name = "sys::heap::tests::a_large_allocation_is_a_mapping_whatever_was_freed";
            let test = std::env::current_exe().unwrap();
            let run =
                std::process::Command::new(test).args(["--exact", name]).env(ALONE, "1").output().unwrap();
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
            return;
        }
        give_back_freed();
        drop(Vec::<u8>::with_capacity(24 << 20));
        let large = Vec::<u8>::with_capacity(16 << 20);
        // A mapping of its own begins with two words of the allocator.
        assert_eq!(large.as_ptr() as usize % 4096, 16);
    }
}
