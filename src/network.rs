//! The network as the kernel's tables show it: sockets, whose they are, and which ports that makes.
//!
//! ```text
//! sock_diag ─┐
//!            ├─> sockets (of a network namespace) ─┬─> ports (of a process and its descendants)
//! proc_net ──┘                owners (by inode)  ──┘
//! ```

pub(crate) mod monitor;
mod owners;
pub(crate) mod ports;
mod proc_net;
mod sock_diag;
pub(crate) mod sockets;
pub(crate) mod tunnel;

pub(crate) use monitor::Monitors;
pub(crate) use owners::inodes;
pub(crate) use ports::Port;
pub(crate) use sockets::{Socket, Which, visible_from};
