//! Memory of the server: warm after the first quarter of a run, and at the end.

use crate::parts;

/// What may come on top of the warm value: room for what the server remembers of finished processes, and what an allocator keeps.
const GROWTH_BYTES_MAX: u64 = 16 << 20;
/// And a part of the warm value itself.
const GROWTH_PART: u64 = 4;

/// Resident memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// After the first quarter.
    pub warm: u64,
    /// At the end.
    pub end: u64,
}

impl Memory {
    /// The most that it may be at the end: a quarter and 16 MiB more than warm.
    pub fn most(&self) -> u64 {
        self.warm + self.warm / GROWTH_PART + GROWTH_BYTES_MAX
    }

    /// Whether it is not more than that.
    pub fn is_flat(&self) -> bool {
        self.end <= self.most()
    }
}

/// What a server and, of a daemon with a keeper, its worker hold now. `None` when there is no such process.
pub(super) fn resident(pid: i32) -> Option<u64> {
    let worker = parts::worker_of(pid).and_then(parts::resident_bytes).unwrap_or_default();
    parts::resident_bytes(pid).map(|own| own + worker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_has_a_bound() {
        const MIB: u64 = 1 << 20;
        assert!(Memory { warm: 20 * MIB, end: 41 * MIB }.is_flat());
        assert!(!Memory { warm: 20 * MIB, end: 42 * MIB }.is_flat());
        assert!(Memory { warm: 20 * MIB, end: MIB }.is_flat());
        assert!(resident(i32::try_from(std::process::id()).unwrap()).unwrap() > MIB);
    }
}
