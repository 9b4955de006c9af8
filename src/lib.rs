//! boxd: a sandbox daemon. ARCHITECTURE.md is the map; each module's head says what it owns.

mod calls;
mod capabilities;
pub mod cli;
mod clock;
mod codegen;
pub mod config;
mod credential_proxy;
mod custody;
pub mod daemon;
mod degradation;
mod error;
mod filesystem;
mod http;
mod id;
mod keeper;
mod listen;
mod log;
mod mcp;
mod network;
mod process;
mod runtime;
mod sandbox;
mod sys;
mod telemetry;
mod terminal;
mod underway;
mod upgrade;
mod user;
mod view;
mod wire;
mod worker;

pub use upgrade::prove;
