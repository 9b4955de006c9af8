//! The keeper: what it holds in memory, and how soon its next worker answers.

use std::{
    io::{self, Read, Write},
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::parts;

use super::{
    Bench, Measured, ms_since,
    row::{Goal, Row, Unit},
    server::Server,
};

const PROCESSES: u32 = 500;
/// Each with a daemon of its own: from the second death in a row on there is a pause.
const KILLS_MIN: usize = 20;
const ROUNDS_MAX: usize = 3;
const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let rounds = bench.rounds.min(ROUNDS_MAX);
    let (mut empty, mut each) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let server = bench.server()?;
        server.connect()?.call(&server.get("/health", "*/*"))?;
        let before = private_mib(&server)?;
        let mut wire = server.connect()?;
        let start = server.post("/process", "application/json", r#"{"command":"cat","stdin":true}"#);
        (0..PROCESSES).try_for_each(|_| wire.call(&start))?;
        empty.push(before);
        each.push((private_mib(&server)? - before).max(0.0) * 1024.0 / f64::from(PROCESSES));
    }
    let kills = bench.rounds.max(KILLS_MIN);
    let restarts: Vec<f64> = (0..kills).map(|_| restart(&bench.server()?)).collect::<io::Result<_>>()?;
    let row = |figure: &str, n: usize, results, unit, goal| Row {
        figure: figure.to_owned(),
        n: n.to_string(),
        floors: Vec::new(),
        results,
        unit,
        goal,
    };
    let rows = vec![
        row("Keeper: private memory, no process", rounds, empty, Unit::Mebibytes, Goal::AtMost(1.0)),
        row(
            "Keeper: private memory for each running process",
            rounds,
            each,
            Unit::Kibibytes,
            Goal::AtMost(4.0),
        ),
        row(
            "SIGKILL of the worker to the next answer",
            kills,
            restarts,
            Unit::Milliseconds,
            Goal::AtMost(50.0),
        ),
    ];
    Ok(Measured { rows, notes: Vec::new() })
}

/// From the kill to the first answer, on a connection that is made after it.
fn restart(server: &Server) -> io::Result<f64> {
    server.connect()?.call(&server.get("/health", "*/*"))?;
    let worker = parts::worker_of(server.pid()?).and_then(Pid::from_raw);
    let worker = worker.ok_or_else(|| io::Error::other("the daemon has no worker"))?;
    let began = Instant::now();
    kill_process(worker, Signal::KILL)?;
    loop {
        // One that the dying worker has still accepted is cut.
        let mut socket = std::net::TcpStream::connect(&server.target().addresses()?[..])?;
        let mut answer = [0; 12];
        if socket.write_all(REQUEST).and_then(|()| socket.read_exact(&mut answer)).is_ok() {
            return if &answer == b"HTTP/1.1 200" {
                Ok(ms_since(began))
            } else {
                Err(io::Error::other("the first answer is no 200"))
            };
        }
    }
}

fn private_mib(server: &Server) -> io::Result<f64> {
    let bytes = parts::private_bytes(server.pid()?)
        .ok_or_else(|| io::Error::other("the keeper's memory cannot be looked into"))?;
    Ok(f64::from(u32::try_from(bytes / 1024).map_err(io::Error::other)?) / 1024.0)
}
