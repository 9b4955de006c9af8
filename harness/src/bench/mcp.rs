//! One command at a time as a tool of MCP: `true`, waited for, beside the route that does the same.

use std::io;

use super::{
    Bench, Measured,
    exec::WAITED_TRUE,
    in_turn, ms,
    row::{Goal, Row, Unit},
    server::Server,
};

const PAIRS: usize = 200;
const WARM_UP: usize = 50;

/// The same start as a call of a tool.
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"processExecute","arguments":{"command":"true","waitForCompletion":true}}}"#;

pub(super) fn call(server: &Server) -> Vec<u8> {
    server.post("/mcp", "application/json, text/event-stream", CALL)
}

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let (mut floors, mut results) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let server = bench.server()?;
        let route = server.post("/process", "application/json", WAITED_TRUE);
        let tool = call(&server);
        let mut wire = server.connect()?;
        let (floor, result) =
            in_turn(WARM_UP, PAIRS, || Ok((ms(|| wire.call(&route))?, ms(|| wire.call(&tool))?)))?;
        floors.push(floor);
        results.push(result);
    }
    Ok(Measured::row(Row {
        figure: "MCP `processExecute` of `true`, waited, p50; floor: `POST /process` of it".to_owned(),
        n: format!("{} × {PAIRS}", bench.rounds),
        floors,
        results,
        unit: Unit::Milliseconds,
        goal: Goal::Adds(1.0),
    }))
}
