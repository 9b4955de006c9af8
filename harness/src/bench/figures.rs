//! The figures of the bench, in the order of the table, and what a server that runs already, or is elsewhere, cannot give.

use std::io;

use super::{
    Bench, Measured, age, clients, download, exec, fanout, file_writes, first_byte, follow, health, keeper,
    listing, mcp, memory, ports, proxy, search, start, terminal, watch, write,
};

/// A figure or a small group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figure {
    /// What `--only` calls it.
    pub(super) name: &'static str,
    /// What is measured, for a reader, where there are no rows that say it better.
    pub(super) what: &'static str,
    /// What it takes beside a server.
    pub(super) needs: Needs,
    pub(super) measure: fn(&Bench) -> io::Result<Measured>,
}

/// What a figure takes beside a server, and why.
#[derive(Debug, Clone, Copy)]
pub(super) enum Needs {
    /// A URL is enough: it can be measured of two servers side by side, too.
    Nothing,
    /// The server has to be on this machine.
    Machine(&'static str),
    /// The bench has to start the daemon.
    Daemon(&'static str),
}

impl Figure {
    /// Why it cannot be measured of servers by their URLs alone, wherever they are.
    pub(super) fn not_by_url(&self) -> Option<&'static str> {
        match self.needs {
            Nothing => None,
            Machine(why) | Daemon(why) => Some(why),
        }
    }
}

const fn figure(
    name: &'static str,
    what: &'static str,
    needs: Needs,
    measure: fn(&Bench) -> io::Result<Measured>,
) -> Figure {
    Figure { name, what, needs, measure }
}

use Needs::{Daemon, Machine, Nothing};

const AS_USER: Needs = Daemon("the daemon has to be started with `--user`");
const AGE: Needs = Machine("the command prints its clock, and the follower reads the same one");
const MEMORY: Needs = Daemon("the daemon's own process has to be looked into, and no API tells its memory");
const START: Needs = Daemon("the daemon has to be started, from its binary");
const KEEPER: Needs = Daemon("parts of the daemon have to be looked into, and killed");
const WATCH: Needs = Machine("the files are written into the server's folder without asking it");
const PORTS: Needs = Machine("its floor is to read the processes' files in `/proc`");
const PROXY: Needs = Machine("the server behind the port is the bench's own");

pub(super) const FIGURES: [Figure; 21] = [
    figure("exec", "`POST /process` of `true`, waited, p50", Nothing, exec::measure),
    figure(
        "exec-user",
        "`POST /process` of `true` as another user (`--user`), waited, p50",
        AS_USER,
        exec::measure_as_user,
    ),
    figure("clients", "16 clients doing that", Nothing, clients::measure),
    figure("first-byte", "request to the first streamed byte (SSE), p50", Nothing, first_byte::measure),
    figure("age", "age of a line at a follower (SSE)", AGE, age::measure),
    figure("follow", "one follower of much output", Nothing, follow::measure),
    figure("fanout", "many followers of the same output", Nothing, fanout::measure),
    figure("write", "much output, nobody following", Nothing, write::measure),
    figure("health", "`GET /health`, idle and busy", Nothing, health::measure),
    figure("memory", "memory, idle, with finished processes and with followers", MEMORY, memory::measure),
    figure("start", "start to the first answered request, and the binary's size", START, start::measure),
    figure("keeper", "the keeper's memory, and a killed worker to the next answer", KEEPER, keeper::measure),
    figure("download", "download of a large file", Nothing, download::measure),
    figure("file-writes", "small files by `PUT /filesystem`", Nothing, file_writes::measure),
    figure("listing", "a large folder, listed", Nothing, listing::measure),
    figure("search", "a search in many files", Nothing, search::measure),
    figure(
        "watch",
        "an event of `GET /watch/filesystem`, from before the file is written",
        WATCH,
        watch::measure,
    ),
    figure("ports", "ports of a process with many descendants", PORTS, ports::measure),
    figure("proxy", "requests to a port through `/port`", PROXY, proxy::measure),
    figure("terminal", "a key's echo over a terminal's WebSocket", Nothing, terminal::measure),
    figure("mcp", "MCP `processExecute` of `true`, waited, p50", Nothing, mcp::measure),
];
