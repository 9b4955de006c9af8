//! Resident memory of the daemon: idle, with many finished processes, with many idle followers.
//!
//! A fresh daemon each time, because what an allocator has once taken it may keep.

use std::{io, time::Duration};

use rustix::process::{Resource, getrlimit, setrlimit};

use super::{
    Bench, Measured,
    exec::WAITED_TRUE,
    row::{Goal, Row, Unit},
    server::{Server, pause},
    text::SSE,
    wire::Wire,
};

const MANY: usize = 1000;
const ROUNDS_MAX: usize = 3;
/// What a server still does when it has answered.
const SETTLE: Duration = Duration::from_millis(300);
/// Room for the beginning of a stream.
const ROOM: usize = 4096;

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    raise_descriptor_limit()?;
    let rounds = bench.rounds.min(ROUNDS_MAX);
    let mut series = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (series, load) in series.iter_mut().zip([idle, finished, followed]) {
            let server = bench.server()?;
            let held = load(&server)?;
            pause(SETTLE);
            series.push(server.resident_mib()?);
            drop(held);
        }
    }
    let names = ["idle", "with 1,000 finished processes", "with 1,000 idle followers (SSE)"];
    let rows = names.iter().zip(series).zip([8.0, 16.0, 32.0]).map(|((name, series), most)| Row {
        figure: format!("Memory {name}"),
        n: rounds.to_string(),
        floors: Vec::new(),
        results: series,
        unit: Unit::Mebibytes,
        goal: Goal::AtMost(most),
    });
    Ok(Measured { rows: rows.collect(), notes: Vec::new() })
}

/// The connections that have to stay open while memory is looked at.
type Held = Vec<Wire>;

fn idle(server: &Server) -> io::Result<Held> {
    let mut wire = server.connect()?;
    wire.call(&server.get("/health", "*/*"))?;
    Ok(vec![wire])
}

fn finished(server: &Server) -> io::Result<Held> {
    let mut wire = server.connect()?;
    let request = server.post("/process", "application/json", WAITED_TRUE);
    (0..MANY).try_for_each(|_| wire.call(&request))?;
    Ok(vec![wire])
}

/// The command ends with its stdin, that is, with the daemon.
fn followed(server: &Server) -> io::Result<Held> {
    let body = r#"{"name":"quiet","command":"cat","stdin":true}"#;
    server.connect()?.call(&server.post("/process", "application/json", body))?;
    let request = server.get("/process/quiet/logs/stream", SSE);
    let follow = |_| {
        let mut wire = Wire::connect(server.target(), ROOM)?;
        wire.send(&request)?;
        wire.read_until(b"event: start")?;
        Ok(wire)
    };
    (0..MANY).map(follow).collect()
}

/// As far as it goes without asking: both ends of each connection are on this machine, and the daemon inherits the limit.
pub(crate) fn raise_descriptor_limit() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
