//! A thousand clients of a server behind a port, who ask for much and read nothing, and one that reads when it has sent all.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::{
    Suite,
    api::{Api, PATIENCE},
    daemon::Daemon,
    report::Row,
};
use crate::{
    bench::server::pause,
    client::{Connection, Deadline},
    upstream,
};

/// What one of them may cost: three buffers of 64 KiB (what waits for the client, what was read behind it, and what hyper reads into),
/// what belongs to two connections, and the allocator's untidiness.
const KIB_EACH_MAX: u64 = 240;
/// And the daemon without them.
const KIB_OWN_MAX: u64 = 16 * 1024;
/// Blocks of 64 KiB that are asked for: more than any kernel takes ahead of a client.
const BLOCKS: usize = 512;
/// More than the kernels on the way take: whole blocks of 1 MiB.
const DUPLEX_BYTES: usize = 64 << 20;
/// How soon somebody else is answered meanwhile.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// Memory is looked at until it has not grown so many times.
const LOOKS: usize = 10;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(super) fn run(suite: &Suite) -> io::Result<Vec<Row>> {
    let readers = suite.times(200, 1000, 4000);
    let mut row = Row::new(format!("{readers} clients of a port never read"));
    row.tried = readers;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    // It ends with the suite.
    thread::spawn(move || upstream::serve(&listener).is_ok());
    let mut daemon = Daemon::plain(suite)?;
    let api = daemon.api().narrow();
    let large = format!("/port/{port}/large?{BLOCKS}");
    let held = (0..readers).map(|_| asked(&api, &large)).collect::<io::Result<Vec<_>>>()?;
    let most = settled_kib(&daemon);
    let allowed = KIB_OWN_MAX + KIB_EACH_MAX * readers as u64;
    row.expect(most <= allowed, || format!("the daemon took {most} KiB (of {allowed})"));
    let mut slowest = Duration::ZERO;
    for path in ["/health".to_owned(), format!("/port/{port}/small")] {
        let began = Instant::now();
        let answer = daemon.api().call("GET", &path, None);
        slowest = slowest.max(began.elapsed());
        row.note(match answer {
            Ok(answer) if answer.status() == 200 => Ok(()),
            Ok(answer) => Err(format!("{path}: {}", answer.excerpt())),
            Err(trouble) => Err(format!("{path}: {trouble}")),
        });
    }
    row.expect(slowest <= ANSWERED_WITHIN, || format!("others were answered after {slowest:?}"));
    drop(held);
    row.note(daemon.check().map_err(|error| error.to_string()));
    row.checked = format!(
        "memory at most {most} KiB (of {allowed}); others answered within {} ms meanwhile",
        slowest.as_millis()
    );
    let mut both = Row::new(format!("{DUPLEX_BYTES} bytes each way, and nothing read before all is sent"));
    both.tried = 1;
    both.note(duplex(&daemon, port).map_err(|error| error.to_string()));
    "every byte came back".clone_into(&mut both.checked);
    Ok(vec![row, both])
}

/// Sends much to a server that sends as much meanwhile.
fn duplex(daemon: &Daemon, port: u16) -> io::Result<()> {
    let mut client = TcpStream::connect(daemon.api().authority())?;
    client.set_write_timeout(Some(PATIENCE))?;
    client.set_read_timeout(Some(PATIENCE))?;
    let authority = daemon.api().authority();
    write!(
        client,
        "POST /port/{port}/duplex HTTP/1.1\r\nHost: {authority}\r\nContent-Length: {DUPLEX_BYTES}\r\nConnection: close\r\n\r\n"
    )?;
    let block = vec![b'x'; 1 << 20];
    (0..DUPLEX_BYTES >> 20).try_for_each(|_| client.write_all(&block))?;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer)?;
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n").map(|at| &answer[at + 4..]);
    match body {
        Some(body) if body.len() == DUPLEX_BYTES && body.iter().all(|byte| *byte == b'z') => Ok(()),
        Some(body) => Err(io::Error::other(format!("{} of {DUPLEX_BYTES} bytes came back", body.len()))),
        None => Err(io::Error::other("no whole head came back")),
    }
}

/// A connection on which something was asked for; nothing is ever read from it.
fn asked(api: &Api, path: &str) -> io::Result<Connection> {
    let mut connection = api.connect().map_err(|trouble| io::Error::other(trouble.to_string()))?;
    let request = api.bytes("GET", path, &[], None);
    connection.write(&request, &Deadline::within(PATIENCE)).map_err(io::Error::other)?;
    Ok(connection)
}

/// The memory of the daemon when it grows no more.
fn settled_kib(daemon: &Daemon) -> u64 {
    let (mut most, mut same) = (0, 0);
    while same < LOOKS {
        pause(LOOK_AGAIN);
        let now = daemon.resident_kib();
        same = if now > most { 0 } else { same + 1 };
        most = most.max(now);
    }
    most
}
