//! `GET /health`: how many a second, and how late the latest while a command writes.

use std::{
    io,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::variables::unique_name;

use super::{
    Bench, Measured,
    clients::repeated,
    row::{Goal, Row, Unit},
    server::{Server, pause},
    statistics::percentile,
    wire::Wire,
};

const CONNECTIONS: usize = 64;
const ROUND: Duration = Duration::from_secs(2);
const GOAL_PER_S: f64 = 50_000.0;
const PROBES: usize = 4;
const PACE: Duration = Duration::from_millis(4);
const WRITER: &str = "head -c 8G /dev/zero";
/// Each takes many seconds and thousands of probes.
const WRITER_ROUNDS_MAX: usize = 3;
const GOAL_MS: f64 = 10.0;

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let rate = rate(bench)?;
    let late = while_writing(bench)?;
    let note = format!(
        "`/health` while a command writes: {PROBES} connections, each asking every {} ms.",
        PACE.as_millis()
    );
    let used = if has_wrk() { "`wrk -t1`" } else { "the bench's own, because `wrk` isn't in PATH" };
    let notes = vec![format!("The load generator of `GET /health` was {used}."), note];
    Ok(Measured { rows: vec![rate, late], notes })
}

fn rate(bench: &Bench) -> io::Result<Row> {
    let server = bench.server()?;
    let generator = if has_wrk() { with_wrk } else { with_our_own };
    let results: Vec<f64> = (0..bench.rounds).map(|_| generator(&server)).collect::<io::Result<_>>()?;
    Ok(Row {
        figure: format!("`GET /health`, {CONNECTIONS} connections"),
        n: format!("{} × {} s", bench.rounds, ROUND.as_secs()),
        floors: Vec::new(),
        results,
        unit: Unit::PerSecond,
        goal: Goal::AtLeast(GOAL_PER_S),
    })
}

#[expect(clippy::disallowed_methods, reason = "a program that is asked whether it is there")]
fn has_wrk() -> bool {
    let mut wrk = Command::new("wrk");
    wrk.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    wrk.spawn().and_then(|mut wrk| wrk.wait()).is_ok()
}

fn with_wrk(server: &Server) -> io::Result<f64> {
    let target = server.target();
    let url = format!("http://{}{}/health", target.authority(), target.prefix());
    let (connections, duration) = (format!("-c{CONNECTIONS}"), format!("-d{}s", ROUND.as_secs()));
    let output = Command::new("wrk").args(["-t1", &connections, &duration, &url]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let has_errors = text.contains("Non-2xx") || text.contains("Socket errors");
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok());
    rate.filter(|_| !has_errors).ok_or_else(|| io::Error::other(format!("wrk says: {text}")))
}

/// Two threads, each asking on half of the connections and then reading all the answers.
pub(super) fn with_our_own(server: &Server) -> io::Result<f64> {
    let request = server.get("/health", "*/*");
    let mut wires: Vec<Wire> = (0..CONNECTIONS).map(|_| server.connect()).collect::<io::Result<_>>()?;
    let ask = |wires: &mut [Wire]| {
        wires.iter_mut().try_for_each(|wire| wire.send(&request))?;
        wires.iter_mut().try_for_each(Wire::finish)?;
        Ok(wires.len())
    };
    repeated(ROUND, wires.chunks_mut(CONNECTIONS / 2).map(|half| || ask(half)).collect())
}

fn while_writing(bench: &Bench) -> io::Result<Row> {
    let server = bench.server()?;
    let rounds = bench.rounds.min(WRITER_ROUNDS_MAX);
    let (mut floors, mut results, mut probes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        let idle = probe_during(&server, || {
            pause(ROUND);
            Ok(())
        })?;
        floors.push(percentile(&idle, 99));
        let busy = probe_during(&server, || write(&server))?;
        results.push(percentile(&busy, 99));
        probes += busy.len();
    }
    Ok(Row {
        figure: format!("`GET /health` while `{WRITER}` runs, p99; floor: while nothing runs"),
        n: format!("{rounds} × {}", probes / rounds),
        floors,
        results,
        unit: Unit::Milliseconds,
        goal: Goal::AtMost(GOAL_MS),
    })
}

/// Runs the writer to its end; nobody follows it.
fn write(server: &Server) -> io::Result<()> {
    let name = unique_name();
    let mut wire = server.connect()?;
    let body = format!(r#"{{"name":"{name}","command":"{WRITER}"}}"#);
    wire.call(&server.post("/process", "application/json", &body))?;
    let wait = server.get(&format!("/process/{name}/wait?timeout=600"), "application/json");
    wire.call(&wait)?;
    let body = wire.body()?;
    let is_over = body.windows(11).any(|window| window == b"\"completed\"");
    if is_over { Ok(()) } else { Err(io::Error::other(format!("`{WRITER}` did not complete"))) }
}

/// Asks at a steady pace on several connections until the deed is done; how long each answer took, in milliseconds.
pub(super) fn probe_during(server: &Server, deed: impl FnOnce() -> io::Result<()>) -> io::Result<Vec<f64>> {
    let done = AtomicBool::new(false);
    let request = server.get("/health", "*/*");
    thread::scope(|scope| {
        let probe = || probe(server.connect()?, &request, &done);
        let probes: Vec<_> = (0..PROBES).map(|_| scope.spawn(probe)).collect();
        let outcome = deed();
        done.store(true, Ordering::Relaxed);
        let mut latencies = Vec::new();
        for probe in probes {
            latencies.extend(probe.join().expect("a probe doesn't panic")?);
        }
        outcome.map(|()| latencies)
    })
}

/// An answer that is late delays the next question; that one then counts from when it was due, so that a stall counts as
/// often as it should. A probe that merely woke up late counts from its waking.
fn probe(mut wire: Wire, request: &[u8], done: &AtomicBool) -> io::Result<Vec<f64>> {
    let mut latencies = Vec::new();
    let mut due = Instant::now();
    while !done.load(Ordering::Relaxed) {
        let early = due.saturating_duration_since(Instant::now());
        let began = if early.is_zero() {
            due
        } else {
            pause(early);
            Instant::now()
        };
        wire.call(request)?;
        latencies.push(super::ms_since(began));
        due += PACE;
    }
    Ok(latencies)
}
