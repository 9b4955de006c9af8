//! A server for callbacks, as a program: it prints the body of each call on a line, and answers well or badly.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Bytes of a body that are read: callbacks are short.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How calls are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// With 200.
    Take,
    /// So many with 500, then with 200.
    Fail(usize),
    /// Never.
    Hang,
    /// With a redirect to itself.
    Loop,
    /// With bytes that are no HTTP, without an end.
    Garbage,
}

/// Serves until it is killed.
pub(crate) fn serve(address: &str, manner: &[&str]) -> io::Result<()> {
    let manner = match manner {
        ["take"] => Manner::Take,
        ["fail", count] => Manner::Fail(count.parse().map_err(io::Error::other)?),
        ["hang"] => Manner::Hang,
        ["loop"] => Manner::Loop,
        ["garbage"] => Manner::Garbage,
        _ => return Err(io::Error::other("no such manner")),
    };
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let listener = TcpListener::bind(address)?;
    for connection in listener.incoming() {
        let connection = connection?;
        thread::spawn(move || {
            // Whoever calls and leaves is no trouble of the server's.
            answer(&connection, manner, || CALLS.fetch_add(1, Ordering::SeqCst)).ok();
        });
    }
    Ok(())
}

fn answer(connection: &TcpStream, manner: Manner, count: impl Fn() -> usize) -> io::Result<()> {
    let mut reader = BufReader::new(connection);
    let (path, body) = request(&mut reader)?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{body}")?;
    stdout.flush()?;
    drop(stdout);
    let before = count();
    let mut writer = connection;
    let head = match manner {
        Manner::Fail(failures) if before < failures => "HTTP/1.1 500 Internal Server Error\r\n".to_owned(),
        Manner::Take | Manner::Fail(_) => "HTTP/1.1 200 OK\r\n".to_owned(),
        Manner::Loop => format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {path}\r\n"),
        Manner::Hang => {
            // Until the client has had enough.
            io::copy(&mut reader, &mut io::sink())?;
            return Ok(());
        }
        Manner::Garbage => loop {
            writer.write_all(&[b'x'; 4096])?;
        },
    };
    writer.write_all(format!("{head}Content-Length: 0\r\n\r\n").as_bytes())
}

/// The path and the body of a request.
fn request(reader: &mut impl BufRead) -> io::Result<(String, String)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length.min(BODY_BYTES_MAX)];
    reader.read_exact(&mut body)?;
    Ok((path, String::from_utf8_lossy(&body).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_to_the_end_of_its_body() {
        let call = "POST /cb HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(request(&mut call.as_bytes()).unwrap(), ("/cb".to_owned(), "{}".to_owned()));
        assert!(request(&mut "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n{}".as_bytes()).is_err());
    }
}
