//! The port proxy: what it costs to go through it, against the same server asked directly, and through a relay that knows no HTTP.
//!
//! Client, server and whatever stands between them share the machine: the relay says how much of a direct connection is left for
//! anybody there.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::{
    Bench, Measured,
    pass_through::PassThrough,
    row::{Goal, Row, Unit},
    statistics::{median, number},
    wire::Wire,
};
use crate::{target::Target, upstream};

const CONNECTIONS: usize = 64;
const ROUND: Duration = Duration::from_secs(2);
/// What a server in a scripting language needs for an answer.
const WORK: Duration = Duration::from_micros(250);
/// Blocks of 64 KiB.
const LARGE_BLOCKS: usize = 16 << 10;
const LARGE_BYTES: usize = LARGE_BLOCKS << 16;
const READ_BYTES: usize = 256 << 10;
/// Of a direct connection.
const GOAL: f64 = 0.7;
/// Of the relay.
const RELAY_GOAL: f64 = 0.7;

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let listener_address = listener.local_addr()?;
    let port = listener_address.port();
    // It ends with the bench.
    thread::spawn(move || upstream::serve(&listener).is_ok());
    let direct = Target::parse(&format!("http://127.0.0.1:{port}")).map_err(io::Error::other)?;
    let relay = PassThrough::start(listener_address)?;
    let relayed = Target::parse(&format!("http://{}", relay.address())).map_err(io::Error::other)?;
    let server = bench.server()?;
    let mut figures: [Figure; 4] = Default::default();
    // The first round warms up.
    for _ in 0..=bench.rounds {
        let ways =
            [(&direct, String::new()), (&relayed, String::new()), (server.target(), format!("/port/{port}"))];
        for (place, (target, prefix)) in ways.into_iter().enumerate() {
            for (figure, measure) in figures.iter_mut().zip([requests, worked, downloaded, uploaded]) {
                figure.0[place].push(measure(target, &prefix)?);
            }
        }
    }
    let small = format!("small requests to a port, {CONNECTIONS} connections");
    let works = format!("{small}, server that works {} µs for each", WORK.as_micros());
    let duration = format!("{} × {} s", bench.rounds, ROUND.as_secs());
    let names = [(small.as_str(), Unit::PerSecond), (works.as_str(), Unit::PerSecond), DOWN, UP];
    let (mut rows, mut shares) = (Vec::new(), Vec::new());
    for (n, (figure, (name, unit))) in figures.into_iter().zip(names).enumerate() {
        let [direct, relayed, server] = figure.0.map(|mut results| results.split_off(1));
        shares.push(format!("{:.0} %", 100.0 * median(&relayed) / median(&direct)));
        let n = if n < 2 { duration.clone() } else { bench.rounds.to_string() };
        let row = |floor: &str, floors, goal| Row {
            figure: format!("{name}; floor: {floor}"),
            n: n.clone(),
            floors,
            results: server.clone(),
            unit,
            goal,
        };
        rows.push(row("the same server, directly", direct, Goal::Share(GOAL)));
        rows.push(row("through a bare relay", relayed, Goal::Share(RELAY_GOAL)));
    }
    let note = format!(
        "A bare relay (epoll, read, write; no HTTP) in boxd's place reaches, of what the server does directly: {} of the small requests, {} of those that cost work, {} down, {} up.",
        shares[0], shares[1], shares[2], shares[3]
    );
    Ok(Measured { rows, notes: vec![note] })
}

const DOWN: (&str, Unit) = ("1 GiB from a port", Unit::MegabytesPerSecond);
const UP: (&str, Unit) = ("1 GiB to a port", Unit::MegabytesPerSecond);

/// Results of the server alone, through the relay and through boxd, the warm-up first.
#[derive(Default)]
struct Figure([Vec<f64>; 3]);

fn requests(target: &Target, prefix: &str) -> io::Result<f64> {
    answered(target, &format!("{prefix}/small"))
}

fn worked(target: &Target, prefix: &str) -> io::Result<f64> {
    answered(target, &format!("{prefix}/works?{}", WORK.as_micros()))
}

/// Two threads, each asking on half of the connections and then reading all the answers.
fn answered(target: &Target, path: &str) -> io::Result<f64> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", target.authority());
    let wires = (0..CONNECTIONS).map(|_| Wire::connect(target, 1024)).collect::<io::Result<Vec<_>>>();
    let mut wires = wires?;
    let began = Instant::now();
    let ask = |wires: &mut [Wire]| {
        let mut count = 0;
        while began.elapsed() < ROUND {
            wires.iter_mut().try_for_each(|wire| wire.send(request.as_bytes()))?;
            wires.iter_mut().try_for_each(Wire::finish)?;
            count += wires.len();
        }
        Ok::<usize, io::Error>(count)
    };
    let counts = thread::scope(|scope| {
        let threads: Vec<_> =
            wires.chunks_mut(CONNECTIONS / 2).map(|half| scope.spawn(|| ask(half))).collect();
        let joined = threads.into_iter().map(|thread| thread.join().expect("a client doesn't panic"));
        joined.collect::<io::Result<Vec<usize>>>()
    })?;
    Ok(number(counts.iter().sum()) / began.elapsed().as_secs_f64())
}

fn downloaded(target: &Target, prefix: &str) -> io::Result<f64> {
    let mut socket = TcpStream::connect(&target.addresses()?[..])?;
    let began = Instant::now();
    let authority = target.authority();
    write!(socket, "GET {prefix}/large?{LARGE_BLOCKS} HTTP/1.1\r\nHost: {authority}\r\n\r\n")?;
    let mut left = LARGE_BYTES;
    let mut space = vec![0; READ_BYTES];
    // The head is some hundred bytes: they do not show.
    while left > 0 {
        match socket.read(&mut space)? {
            0 => return Err(io::Error::other(format!("{left} bytes are missing"))),
            read => left = left.saturating_sub(read),
        }
    }
    Ok(number(LARGE_BYTES) / 1e6 / began.elapsed().as_secs_f64())
}

fn uploaded(target: &Target, prefix: &str) -> io::Result<f64> {
    let mut socket = TcpStream::connect(&target.addresses()?[..])?;
    let began = Instant::now();
    let authority = target.authority();
    write!(
        socket,
        "POST {prefix}/swallow HTTP/1.1\r\nHost: {authority}\r\nContent-Length: {LARGE_BYTES}\r\n\r\n"
    )?;
    let block = vec![b'y'; READ_BYTES];
    for _ in 0..LARGE_BYTES / READ_BYTES {
        socket.write_all(&block)?;
    }
    let mut answer = [0; 12];
    socket.read_exact(&mut answer)?;
    if &answer != b"HTTP/1.1 200" {
        return Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned()));
    }
    Ok(number(LARGE_BYTES) / 1e6 / began.elapsed().as_secs_f64())
}
