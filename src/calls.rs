//! Calls of the API that have more than one door: what HTTP and MCP ask for alike, done by the core.
//!
//! Requests come in the wire's types and answers go out in the core's. Nothing here knows who asked.

pub(crate) mod start;
pub(crate) mod stdin;
