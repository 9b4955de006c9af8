//! A command that prints much while nobody follows.

use std::{fs, io, time::Instant};

use crate::variables::unique_name;

use super::{
    Bench, Measured,
    row::{Goal, Row, Unit},
    server::Server,
    shell,
    statistics::number,
    wire::Wire,
};

const BYTES: usize = 256 << 20;
const COMMAND: &str = "head -c 256M /dev/zero";
/// The answer of the waited start shows 4 MiB of NUL twice, six characters each.
const ROOM: usize = 64 << 20;
const GOAL: f64 = 0.9;

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let server = bench.server()?;
    let mut wire = Wire::connect(server.target(), ROOM)?;
    let waited = format!(r#"{{"command":"{COMMAND}","waitForCompletion":true}}"#);
    let waited = server.post("/process", "application/json", &waited);
    let (mut floors, mut in_two, mut in_one) = (Vec::new(), Vec::new(), Vec::new());
    // The first round warms up.
    for _ in 0..=bench.rounds {
        floors.push(redirected(&server)?);
        in_two.push(rate(|| in_two_requests(&server, &mut wire))?);
        floors.push(redirected(&server)?);
        in_one.push(rate(|| wire.call(&waited))?);
    }
    let floors = floors.split_off(2);
    let row = |how: &str, mut results: Vec<f64>| Row {
        figure: format!("`{COMMAND}`, nobody following, {how}; floor: `{COMMAND} > file`"),
        n: bench.rounds.to_string(),
        floors: floors.clone(),
        results: results.split_off(1),
        unit: Unit::MegabytesPerSecond,
        goal: Goal::Share(GOAL),
    };
    let size = number(wire.raw().len()) / 1e6;
    let rows = vec![row("`POST /process`, then `/wait`", in_two), row("waited by the `POST` itself", in_one)];
    let note = format!(
        "The waited `POST` of `{COMMAND}` is answered with {size:.0} MB of JSON: the tail of its output."
    );
    Ok(Measured { rows, notes: vec![note] })
}

fn rate(deed: impl FnOnce() -> io::Result<()>) -> io::Result<f64> {
    let began = Instant::now();
    deed()?;
    Ok(number(BYTES) / 1e6 / began.elapsed().as_secs_f64())
}

/// Into a new file beside the daemon's logs, which is gone afterwards.
fn redirected(server: &Server) -> io::Result<f64> {
    let file = server.folder().join("floor");
    let rate = rate(|| shell::run(&format!("{COMMAND} > {}", file.display())))?;
    fs::remove_file(file)?;
    Ok(rate)
}

fn in_two_requests(server: &Server, wire: &mut Wire) -> io::Result<()> {
    let name = unique_name();
    let body = format!(r#"{{"name":"{name}","command":"{COMMAND}"}}"#);
    wire.call(&server.post("/process", "application/json", &body))?;
    wire.call(&server.get(&format!("/process/{name}/wait?timeout=60"), "application/json"))
}
