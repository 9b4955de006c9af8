//! How old a line is when a follower has it.
//!
//! The writer prints the clock; the age is the clock of the arrival less that. The time that the writer itself takes from
//! its clock to its write is in the floor as well.

use std::{
    io::{self, Read},
    time::SystemTime,
};

use super::{
    Bench, Measured, relay,
    row::{Goal, Row, Unit},
    shell,
    statistics::{median, percentile},
    text::SSE,
    wire::Wire,
};

const LINES: usize = 400;
/// Digits of nanoseconds since 1970, until the year 2286.
const DIGITS: usize = 19;

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let writer = "date +%s%N; sleep 0.003";
    let command = format!("i=0; while [ $i -lt {LINES} ]; do {writer}; i=$((i+1)); done");
    let body = format!(r#"{{"command":"{command}"}}"#);
    // Of the bare pipe, the server, and the relay.
    let (mut p50, mut p99) = ([const { Vec::new() }; 3], [const { Vec::new() }; 3]);
    for _ in 0..bench.rounds {
        let server = bench.server()?;
        let request = server.post("/process", SSE, &body);
        let ages = [bare(&command)?, followed(server.connect()?, &request)?, relayed(&command)?];
        for (index, ages) in ages.iter().enumerate() {
            p50[index].push(median(ages));
            p99[index].push(percentile(ages, 99));
        }
    }
    let relay = [&p50[2], &p99[2]].map(|series| Unit::Milliseconds.text(median(series)));
    let row = |[floors, results, _]: [Vec<f64>; 3], percentile, times| Row {
        figure: format!("Age of a line at a follower (SSE), {percentile}; floor: a bare pipe's"),
        n: format!("{} × {LINES}", bench.rounds),
        floors,
        results,
        unit: Unit::Milliseconds,
        goal: Goal::Times(times),
    };
    let rows = vec![row(p50, "p50", 2.2), row(p99, "p99", 1.5)];
    let notes = vec![
        format!("The writer of the lines whose age is measured is a shell that repeats `{writer}`."),
        format!(
            "In the same rounds a process that only copies that pipe to a connection: p50 {}, p99 {}.",
            relay[0], relay[1]
        ),
    ];
    Ok(Measured { rows, notes })
}

/// Of a follower of the server.
fn followed(mut wire: Wire, request: &[u8]) -> io::Result<Vec<f64>> {
    let mut arrivals = Vec::new();
    wire.send(request)?;
    loop {
        let goes_on = wire.read()?;
        arrivals.push((wire.raw().len(), SystemTime::now()));
        if !goes_on {
            break;
        }
    }
    // The terminal event shows the output once more.
    let output = wire.raw().split(|byte| *byte == b'\n').take_while(|line| *line != b"event: result");
    let end = output.map(|line| line.len() + 1).sum::<usize>().min(wire.raw().len());
    ages(&wire.raw()[..end], &arrivals)
}

fn bare(command: &str) -> io::Result<Vec<f64>> {
    let mut child = shell::start(command)?;
    let ages = read(child.stdout.take().expect("stdout is piped"))?;
    child.wait()?;
    Ok(ages)
}

fn relayed(command: &str) -> io::Result<Vec<f64>> {
    let (mut child, connection) = relay::start(command)?;
    let ages = read(connection)?;
    child.wait()?;
    Ok(ages)
}

/// Of whoever reads the plain output.
fn read(mut source: impl Read) -> io::Result<Vec<f64>> {
    let (mut bytes, mut arrivals) = (Vec::new(), Vec::new());
    let mut buffer = [0; 4096];
    loop {
        let read = source.read(&mut buffer)?;
        let at = SystemTime::now();
        if read == 0 {
            return ages(&bytes, &arrivals);
        }
        bytes.extend_from_slice(&buffer[..read]);
        arrivals.push((bytes.len(), at));
    }
}

/// The ages of all lines in milliseconds: a line is a run of digits of the right length, and arrived with the first read
/// that reaches behind it.
fn ages(bytes: &[u8], arrivals: &[(usize, SystemTime)]) -> io::Result<Vec<f64>> {
    let mut ages = Vec::with_capacity(LINES);
    let mut end = 0;
    for run in bytes.chunk_by(|left, right| left.is_ascii_digit() == right.is_ascii_digit()) {
        end += run.len();
        if run.len() != DIGITS || !run[0].is_ascii_digit() {
            continue;
        }
        let printed: u64 = String::from_utf8_lossy(run).parse().map_err(io::Error::other)?;
        let arrived = arrivals.iter().find(|(read, _)| *read > end).map(|(_, at)| *at);
        let arrived = arrived.ok_or_else(|| io::Error::other("a line without its end"))?;
        let printed = SystemTime::UNIX_EPOCH + std::time::Duration::from_nanos(printed);
        // A clock that was set back meanwhile makes no line younger than 0.
        ages.push(arrived.duration_since(printed).unwrap_or_default().as_secs_f64() * 1e3);
    }
    if ages.len() == LINES {
        return Ok(ages);
    }
    Err(io::Error::other(format!("{} lines instead of {LINES}", ages.len())))
}
