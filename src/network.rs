//! The network as the kernel's tables show it.

pub(crate) mod listeners;
