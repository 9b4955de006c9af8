//! From a key to its echo: how a terminal feels.

use std::{
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

use super::{
    Bench, Measured, ms_since,
    row::{Goal, Row, Unit},
    server::pause,
    statistics::{median, percentile},
};
use crate::{
    client::{Connection, Deadline, Exchange, Heard, Opcode, Socket, masked},
    target::Target,
};

/// Fewer than the bytes of a line that the kernel edits (4,095).
const KEYS: usize = 1000;
const WARM_UP: usize = 50;
/// A pause between two keys, as a person makes them, only shorter: what is asleep has to wake.
const PAUSE: Duration = Duration::from_millis(1);
const WITHIN: Duration = Duration::from_mins(1);

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let (mut floors, mut middles, mut tails) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        floors.push(percentile(&bare()?, 99));
        let server = bench.server()?;
        let echoes = echoes(server.target())?;
        middles.push(median(&echoes));
        tails.push(percentile(&echoes, 99));
    }
    let row = |what: &str, floors: Vec<f64>, results, most| Row {
        figure: format!("A key's echo over a terminal's WebSocket, {what}"),
        n: format!("{} × {KEYS}", bench.rounds),
        floors,
        results,
        unit: Unit::Milliseconds,
        goal: Goal::AtMost(most),
    };
    Ok(Measured {
        rows: vec![
            row("p50", Vec::new(), middles, 1.0),
            row("p99; floor: the bare pseudo-terminal's", floors, tails, 5.0),
        ],
        notes: Vec::new(),
    })
}

/// Times keys on a terminal that nobody but this thread has open.
fn bare() -> io::Result<Vec<f64>> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal: OwnedFd = openpt(flags)?;
    grantpt(&terminal)?;
    unlockpt(&terminal)?;
    let _other_end = ioctl_tiocgptpeer(&terminal, flags)?;
    let mut took = Vec::with_capacity(KEYS);
    for _ in 0..KEYS {
        pause(PAUSE);
        let began = Instant::now();
        rustix::io::write(&terminal, b"x")?;
        rustix::io::read(&terminal, &mut [0; 16])?;
        took.push(ms_since(began));
    }
    Ok(took)
}

/// Times keys on a terminal of the server.
pub(super) fn echoes(target: &Target) -> io::Result<Vec<f64>> {
    let deadline = Deadline::within(WITHIN);
    let mut connection = Connection::open(target, &deadline).map_err(io::Error::other)?;
    let line = |(name, value): (&String, &String)| [name, ": ", value, "\r\n"].concat();
    let own: String = target.headers().iter().map(line).collect();
    let request = format!(
        "GET {}/terminal/ws?shell=/bin/cat HTTP/1.1\r\nhost: {}\r\n{own}connection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        target.prefix(),
        target.authority()
    );
    connection.write(request.as_bytes(), &deadline).map_err(io::Error::other)?;
    let mut exchange = Exchange::new(connection, "GET");
    exchange.read_head(&deadline).map_err(io::Error::other)?;
    if exchange.head.as_ref().map(|head| head.status) != Some(101) {
        return Err(io::Error::other("the server has no terminal"));
    }
    let early = std::mem::take(&mut exchange.body);
    let mut connection = exchange.into_connection();
    connection.put_back(early);
    let mut socket = Socket::new(connection);
    let key = masked(Opcode::Text, br#"{"type":"input","data":"x"}"#);
    let mut took = Vec::with_capacity(KEYS);
    for n in 0..WARM_UP + KEYS {
        pause(PAUSE);
        let began = Instant::now();
        socket.write(&key, &deadline).map_err(io::Error::other)?;
        match socket.hear("an echo", &deadline).map_err(io::Error::other)? {
            Heard::Message(message) if message.ends_with(b"x\"}\n") => {}
            other => return Err(io::Error::other(format!("no echo, but {other:?}"))),
        }
        if n >= WARM_UP {
            took.push(ms_since(began));
        }
    }
    Ok(took)
}
