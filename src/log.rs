//! The log of a process: files and an order.
//!
//! Bytes go from a pipe to a file at an absolute offset; offsets only grow. A second, small record says in which order
//! the two streams' bytes were read. Everything that reads (a follower, the JSON texts, a resumed stream) does so
//! through a cursor of its own, at its own pace, and is never fed by a queue.
//!
//! ```text
//! pump ──splice──> writer ──> segment files      follower ──plan──> store ──pread──> segment files
//!                     └─ publish(end) ──> store ──event──> followers
//! ```
//! **Invariants.** The writer never waits for a reader. A byte leaves the pipe when it is stored, or its loss is a gap that
//! every reader sees. No lock is held while a file is read or written by a follower. Nothing here knows HTTP.

mod arrivals;
mod counters;
pub(crate) mod cursor;
mod dir;
mod follower;
mod keeping;
mod order;
mod order_file;
mod output_stream;
mod pump;
pub(crate) mod record;
mod retention;
mod segment;
mod store;
mod writer;

pub(crate) use dir::{LogDir, LogLimits};
pub(crate) use follower::{Follower, Item, Output};
pub(crate) use keeping::Kept;
pub(crate) use output_stream::{Offsets, OutputStream};
pub(crate) use pump::{ExitWatch, Intake, OnExit, Pump, Readers};
pub(crate) use store::{Attachment, Boundary, Log, LogDeposits, Position};

#[cfg(test)]
mod tests;
