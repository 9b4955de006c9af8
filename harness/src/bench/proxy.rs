//! The port proxy: what it costs to go through it, against the same server asked directly.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::{
    Bench, Measured,
    row::{Goal, Row, Unit},
    statistics::number,
    wire::Wire,
};
use crate::{target::Target, upstream};

const CONNECTIONS: usize = 64;
const ROUND: Duration = Duration::from_secs(2);
/// Blocks of 64 KiB.
const LARGE_BLOCKS: usize = 16 << 10;
const LARGE_BYTES: usize = LARGE_BLOCKS << 16;
const READ_BYTES: usize = 256 << 10;
/// A proxied request costs two on the wire.
const GOAL: f64 = 0.7;

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    // It ends with the bench.
    thread::spawn(move || upstream::serve(&listener).is_ok());
    let direct = Target::parse(&format!("http://127.0.0.1:{port}")).map_err(io::Error::other)?;
    let server = bench.server()?;
    let (mut rate, mut down, mut up) = (Pair::default(), Pair::default(), Pair::default());
    // The first round warms up.
    for _ in 0..=bench.rounds {
        for (target, prefix, place) in
            [(&direct, String::new(), 0), (server.target(), format!("/port/{port}"), 1)]
        {
            rate.0[place].push(requests(target, &prefix)?);
            down.0[place].push(downloaded(target, &prefix)?);
            up.0[place].push(uploaded(target, &prefix)?);
        }
    }
    let n = format!("{} × {} s", bench.rounds, ROUND.as_secs());
    let small =
        format!("small requests to a port, {CONNECTIONS} connections; floor: the same server, directly");
    let one = bench.rounds.to_string();
    Ok(Measured {
        rows: vec![
            rate.row(small, n, Unit::PerSecond),
            down.row("1 GiB from a port; floor: directly".to_owned(), one.clone(), Unit::MegabytesPerSecond),
            up.row("1 GiB to a port; floor: directly".to_owned(), one, Unit::MegabytesPerSecond),
        ],
        notes: Vec::new(),
    })
}

/// Results of the floor and of the server, the warm-up first.
#[derive(Default)]
struct Pair([Vec<f64>; 2]);

impl Pair {
    fn row(self, figure: String, n: String, unit: Unit) -> Row {
        let [mut floors, mut results] = self.0;
        let (floors, results) = (floors.split_off(1), results.split_off(1));
        Row { figure, n, floors, results, unit, goal: Goal::Share(GOAL) }
    }
}

/// Two threads, each asking on half of the connections and then reading all the answers.
fn requests(target: &Target, prefix: &str) -> io::Result<f64> {
    let request = format!("GET {prefix}/small HTTP/1.1\r\nHost: {}\r\n\r\n", target.authority());
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
