//! The figures, in the order of the table.

use std::io;

use super::{super::row::Unit, command, file, place::Place};

/// One figure: a number for each round of each server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// What is measured, for a reader.
    pub(crate) what: &'static str,
    pub(crate) unit: Unit,
    /// One round; an error when the server cannot do it.
    pub(crate) measure: fn(&Place) -> io::Result<f64>,
}

const fn figure(
    name: &'static str,
    what: &'static str,
    unit: Unit,
    measure: fn(&Place) -> io::Result<f64>,
) -> Figure {
    Figure { name, what, unit, measure }
}

use Unit::{MegabytesPerSecond as Throughput, Milliseconds as Ms, PerSecond as Rate};

pub(super) const FIGURES: [Figure; 17] = [
    figure("exec", "`POST /process` of `true`, waited, p50", Ms, command::exec),
    figure("clients", "16 clients doing that", Rate, command::clients),
    figure("first-byte", "request to the first streamed byte (SSE), p50", Ms, command::first_byte),
    figure("follow-sse", "one follower of 16 MiB of output, SSE", Throughput, command::follow_sse),
    figure("follow-ndjson", "one follower of 16 MiB of output, NDJSON", Throughput, command::follow_ndjson),
    figure("fanout", "20 followers of 4 MiB together, `/logs/stream`", Throughput, command::fanout),
    figure("write", "16 MiB of output, nobody following, waited", Throughput, command::unfollowed),
    figure("processes", "`GET /process`, p50", Ms, command::list),
    figure("health", "`GET /health`, 64 connections", Rate, command::health),
    figure("health-busy", "`GET /health` while a command prints 64 MiB, p99", Ms, command::health_busy),
    figure("file-writes", "small files by `PUT /filesystem`, 4 connections", Rate, file::writes),
    figure("file-reads", "a small file by `GET /filesystem`, 4 connections", Rate, file::reads),
    figure("download", "download of a file of 64 MiB", Throughput, file::download),
    figure("listing", "a folder of 1,000 files, listed, p50", Ms, file::listing),
    figure("search", "`GET /filesystem-find` in that folder, p50", Ms, file::find),
    figure("terminal", "a key's echo over a terminal's WebSocket, p50", Ms, command::terminal),
    figure("mcp", "MCP `processExecute` of `true`, waited, p50", Ms, command::mcp),
];
