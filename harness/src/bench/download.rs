//! A large file, read over a socket.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
    time::Instant,
};

use super::{
    Bench, Measured,
    row::{Goal, Row, Unit},
    server::Server,
    statistics::number,
};

const BYTES: usize = 1 << 30;
/// What `cat` reads and writes at one time.
const CAT_BYTES: usize = 128 << 10;
/// What the reader takes at one time, of both.
const READ_BYTES: usize = 256 << 10;
const GOAL: f64 = 0.6;

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let server = bench.server()?;
    let path = server.folder().join("large");
    fill(&path)?;
    let (mut floors, mut results) = (Vec::new(), Vec::new());
    // The first round warms up.
    for _ in 0..=bench.rounds {
        floors.push(copied(&path)?);
        results.push(downloaded(&server, &path)?);
    }
    fs::remove_file(&path)?;
    Ok(Measured::row(Row {
        figure: "download of a file of 1 GiB; floor: one process that copies it into a socket, as `cat` does"
            .into(),
        n: bench.rounds.to_string(),
        floors: floors.split_off(1),
        results: results.split_off(1),
        unit: Unit::MegabytesPerSecond,
        goal: Goal::Share(GOAL),
    }))
}

fn fill(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    let block: Vec<u8> = (0..1_u32 << 18).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    for _ in 0..BYTES / block.len() {
        file.write_all(&block)?;
    }
    Ok(())
}

/// Reads so many bytes.
fn drain(socket: &mut TcpStream, bytes: usize) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    let mut left = bytes;
    while left > 0 {
        match socket.read(&mut buffer)? {
            0 => return Err(io::Error::other(format!("{left} bytes are missing"))),
            read => left -= read,
        }
    }
    Ok(())
}

fn rate(began: Instant) -> f64 {
    number(BYTES) / 1e6 / began.elapsed().as_secs_f64()
}

fn copied(path: &Path) -> io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut reader = TcpStream::connect(listener.local_addr()?)?;
    let (mut writer, _) = listener.accept()?;
    let mut file = File::open(path)?;
    let began = Instant::now();
    thread::scope(|scope| {
        let copy = scope.spawn(move || -> io::Result<()> {
            let mut buffer = vec![0; CAT_BYTES];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(()),
                    read => writer.write_all(&buffer[..read])?,
                }
            }
        });
        drain(&mut reader, BYTES)?;
        copy.join().map_err(|_| io::Error::other("the copy failed"))?
    })?;
    Ok(rate(began))
}

fn downloaded(server: &Server, path: &Path) -> io::Result<f64> {
    let request = server.get(&format!("/filesystem/{}", path.display()), "application/octet-stream");
    let mut socket = TcpStream::connect(&server.target().addresses()?[..])?;
    let began = Instant::now();
    socket.write_all(&request)?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    if !head.starts_with(b"HTTP/1.1 200 ") {
        return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
    }
    drain(&mut socket, BYTES)?;
    Ok(rate(began))
}
