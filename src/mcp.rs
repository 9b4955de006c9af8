//! MCP: the calls of this API as tools for agents, over JSON-RPC.
//!
//! ```text
//! body ─ Messages::parse ─> Mcp::answer ─> a Tool (schema, function) ─> calls, Sandbox, Codegen
//!                 └ Unacceptable             └ Outcome: JSON with sorted keys, or a failure in words
//! ```
//! It is stateless: a message is answered by itself, and nothing is sent that was not asked for. It knows no HTTP;
//! `http/routes/mcp.rs` is its door. **Invariant:** whatever comes is answered, with what is bounded (`Room`).

mod arguments;
mod call;
mod message;
mod room;
mod schema;
mod server;
mod tools;

pub(crate) use message::{Messages, Unacceptable};
pub(crate) use room::Answer;
pub(crate) use server::{Leaving, Mcp, Settings, VERSIONS};
