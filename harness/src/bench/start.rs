//! From starting the daemon to its first answer; and how large it is.

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use super::{
    Bench, Measured, ms_since,
    row::{Goal, Row, Unit},
    server::{Folder, Program, pause},
};

const STARTS_MIN: usize = 20;
const START_WITHIN: Duration = Duration::from_secs(10);
/// A refused connection is tried again after this.
const AGAIN: Duration = Duration::from_micros(50);
const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let program = bench.program()?;
    let starts = bench.rounds.max(STARTS_MIN);
    let results: Vec<f64> = (0..starts).map(|_| start(program)).collect::<io::Result<_>>()?;
    let started = Row {
        figure: "Start to the first answered request".into(),
        n: starts.to_string(),
        floors: Vec::new(),
        results,
        unit: Unit::Milliseconds,
        goal: Goal::AtMost(5.0),
    };
    let bytes = u32::try_from(fs::metadata(&program.path)?.len()).map_err(io::Error::other)?;
    let size = Row {
        figure: "Size of the binary".into(),
        n: "1".into(),
        floors: Vec::new(),
        results: vec![f64::from(bytes) / 1e6],
        unit: Unit::Megabytes,
        goal: Goal::AtMost(12.0),
    };
    Ok(Measured { rows: vec![started, size], notes: Vec::new() })
}

fn start(program: &Program) -> io::Result<f64> {
    let folder = Folder::new()?;
    // Free a moment ago; whoever takes it in between makes the daemon say so and end.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let began = Instant::now();
    let mut daemon = program.spawn(&address.to_string(), &folder)?;
    let mut socket = loop {
        if let Ok(socket) = TcpStream::connect(address)
            && !is_connected_to_itself(&socket, address)?
        {
            break socket;
        }
        daemon.check()?;
        if began.elapsed() > START_WITHIN {
            return Err(io::Error::other("the daemon doesn't listen"));
        }
        pause(AGAIN);
    };
    socket.write_all(REQUEST)?;
    let mut answer = [0; 12];
    socket.read_exact(&mut answer)?;
    let took = ms_since(began);
    daemon.check()?;
    if &answer == b"HTTP/1.1 200" { Ok(took) } else { Err(io::Error::other("the first answer is no 200")) }
}

/// A socket that asks for a free port of its own may get the very port it wants to connect to, and then does.
fn is_connected_to_itself(socket: &TcpStream, address: SocketAddr) -> io::Result<bool> {
    Ok(socket.local_addr()? == address)
}
