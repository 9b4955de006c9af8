//! One follower of a command that prints much.

use std::{io, time::Instant};

use super::{
    Bench, Measured,
    ceiling::Ceiling,
    row::{Goal, Row, Unit},
    text::{NDJSON, SSE, Text},
    wire::Wire,
};

const GOAL_MB_PER_S: f64 = 400.0;

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let server = bench.server()?;
    let text = Text::new()?;
    let body = format!(r#"{{"command":"{}"}}"#, text.command());
    let mut wire = Wire::connect(server.target(), text.room())?;
    let mut runs = Vec::new();
    for (accept, name) in [(SSE, "SSE"), (NDJSON, "NDJSON")] {
        let request = server.post("/process", accept, &body);
        // Warms up, and records an answer for the ceiling.
        rate(&mut wire, &request, &text)?;
        text.verify(&wire, accept)?;
        let ceiling = Ceiling::start(wire.raw(), 1)?;
        let limit = Wire::connect(ceiling.target(), text.room())?;
        runs.push(Run { accept, name, request, limit, floors: Vec::new(), results: Vec::new() });
    }
    for _ in 0..bench.rounds {
        for run in &mut runs {
            run.floors.push(rate(&mut run.limit, &run.request, &text)?);
            run.results.push(rate(&mut wire, &run.request, &text)?);
            text.verify(&wire, run.accept)?;
        }
    }
    let row = |run: Run| Row {
        figure: format!(
            "One follower of `cat` of 64 MiB of log lines, {}; floor: the same bytes from memory",
            run.name
        ),
        n: bench.rounds.to_string(),
        floors: run.floors,
        results: run.results,
        unit: Unit::MegabytesPerSecond,
        goal: Goal::AtLeast(GOAL_MB_PER_S),
    };
    Ok(Measured { rows: runs.into_iter().map(row).collect(), notes: Vec::new() })
}

/// One form of the stream.
struct Run {
    accept: &'static str,
    name: &'static str,
    request: Vec<u8>,
    limit: Wire,
    floors: Vec<f64>,
    results: Vec<f64>,
}

fn rate(wire: &mut Wire, request: &[u8], text: &Text) -> io::Result<f64> {
    let began = Instant::now();
    wire.call(request)?;
    Ok(text.megabytes() / began.elapsed().as_secs_f64())
}
