//! The only room with raw system calls, and the only one where `unsafe` may stand.
//!
//! Each file wraps one kernel facility in a safe function or type that says what the kernel promises. It knows no
//! process table, no log and no HTTP: what the numbers mean is decided above.

pub(crate) mod bell;
pub(crate) mod birth;
pub(crate) mod census;
pub(crate) mod code_pages;
pub(crate) mod credentials;
pub(crate) mod descriptors;
pub(crate) mod environment;
pub(crate) mod exec;
#[cfg(target_env = "gnu")]
mod fast_spawn;
pub(crate) mod file;
pub(crate) mod fork;
pub(crate) mod heap;
#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
pub(crate) mod host_names;
pub(crate) mod lane;
pub(crate) mod netlink;
pub(crate) mod oom;
pub(crate) mod packets;
pub(crate) mod pidfd;
pub(crate) mod pipe;
pub(crate) mod poller;
pub(crate) mod pty;
pub(crate) mod readiness;
pub(crate) mod shared_memory;
pub(crate) mod signals;
pub(crate) mod spread;
pub(crate) mod stat;
pub(crate) mod tun;
pub(crate) mod usage;
pub(crate) mod wait;
