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
mod drives;
mod environment;
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
mod scale_file;
mod sys;
mod telemetry;
mod terminal;
mod underway;
mod upgrade;
mod user;
mod view;
mod wire;
mod worker;

pub use environment::load as load_environment;
pub use upgrade::prove;
