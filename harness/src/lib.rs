//! The harness: fixtures replayed against any server of the sandbox API, answers compared with snapshots.
//!
//! ```text
//! fixture (TOML) ──> run ──> conversation ──> client ──> the server, known by its URL alone
//!                     │           └─ stream: SSE, NDJSON, text, judged as streams
//!                     └─ normalise (rules.toml) ──> transcript ──> snapshot
//! ```
//! It never depends on the daemon's crate: what can't be seen over HTTP isn't tested here. No async runtime: blocking
//! sockets with time-outs, and threads where a case wants several things at once.

pub mod baseline;
pub mod bench;
pub mod book;
mod callbacks;
mod client;
pub mod comparison;
mod contract;
mod conversation;
pub mod coverage;
pub mod daemon;
mod drive;
mod exposition;
pub mod faults;
pub mod fixture;
pub mod fuzz;
pub mod glob;
mod ground;
pub mod helper;
pub mod judge;
mod look;
mod normalise;
mod parts;
pub mod place;
pub mod probe;
mod process;
pub mod profile;
mod random;
mod render;
pub mod report;
mod restart;
mod rules;
pub mod run;
pub mod site;
pub mod snapshot;
mod stand_in;
pub mod stream;
pub mod suite;
pub mod target;
mod text;
pub mod tour;
pub mod transcript;
mod upstream;
mod variables;
pub mod wire_log;
