//! A stand-in for a server that a command of a client runs: what it answers, and how badly, is in the path of the request.
//!
//! The port proxy is tried against it (`{{helper}} upstream ADDR`), and measured against it. It speaks as much HTTP as that takes,
//! and gives back what it was asked byte for byte, so that a transcript shows what has reached it.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, clock_gettime};

/// What a large answer is made of.
static BLOCK: [u8; 64 * 1024] = [b'x'; 64 * 1024];
/// A head that nobody takes.
const GIANT_BYTES: usize = 200 * 1024;
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// `/go` was asked for: `/events` goes on.
static GO: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// Requests that are never answered, or not to their end, and whose clients are still there.
static HANGING: AtomicUsize = AtomicUsize::new(0);

/// Answers requests until the process is killed, a thread for each connection.
pub(crate) fn serve(listener: &TcpListener) -> io::Result<()> {
    for connection in listener.incoming() {
        let mut connection = connection?;
        connection.set_nodelay(true)?;
        // A client that leaves in the middle is what some cases are about.
        thread::spawn(move || converse(&mut connection).is_ok());
    }
    Ok(())
}

/// One connection: request after request, until one of them is of the kind that ends it.
fn converse(connection: &mut TcpStream) -> io::Result<()> {
    let mut unread = Vec::new();
    while let Some(request) = Request::read(connection, &mut unread)? {
        if request.path() == "/duplex" {
            duplex(connection, &request, &mut unread)?;
        } else if !answer(connection, &request)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Answers a request; false when the connection is over.
fn answer(to: &mut TcpStream, request: &Request) -> io::Result<bool> {
    match request.path() {
        "/small" => {
            to.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")?;
        }
        // So many microseconds of a processor's time, as an application needs them.
        "/works" => {
            let until = processor_time() + Duration::from_micros(request.number().unwrap_or(0) as u64);
            while processor_time() < until {}
            to.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")?;
        }
        "/events" => events(to)?,
        "/go" => {
            *GO.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            GO.1.notify_all();
            plain(to, "200 OK", "", b"gone on\n")?;
        }
        "/hanging" => {
            let body = format!(r#"{{"hanging":{}}}"#, HANGING.load(Ordering::SeqCst));
            plain(to, "200 OK", "", body.as_bytes())?;
        }
        "/head" => to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: \"abc\"\r\n\r\n")?,
        "/no-content" => to.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?,
        "/not-modified" => to.write_all(b"HTTP/1.1 304 Not Modified\r\nETag: \"abc\"\r\n\r\n")?,
        "/unavailable" => plain(to, "503 Busy", "Retry-After: 7\r\n", b"not now\n")?,
        "/cors" => plain(to, "200 OK", "Access-Control-Allow-Origin: https://theirs.example\r\n", b"mine\n")?,
        "/early-hints" => {
            to.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")?;
            plain(to, "200 OK", "", b"late\n")?;
        }
        "/hop-by-hop" => {
            let lines = "Connection: X-Mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\n";
            plain(to, "200 OK", lines, b"bare\n")?;
        }
        "/chunked" => {
            to.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
            )?;
            to.write_all(b"3\r\none\r\n4\r\n two\r\n0\r\n\r\n")?;
        }
        "/both-framings" => {
            to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            to.write_all(b"3\r\nabc\r\n0\r\n\r\n")?;
        }
        "/large" => {
            let blocks = request.number().unwrap_or(1);
            let length = blocks * BLOCK.len();
            to.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes())?;
            (0..blocks).try_for_each(|_| to.write_all(&BLOCK))?;
        }
        path => return badly(to, path, request),
    }
    Ok(true)
}

/// What this thread has used.
fn processor_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

/// The answers that end the connection, and the echo.
fn badly(to: &mut TcpStream, path: &str, request: &Request) -> io::Result<bool> {
    match path {
        "/stalls" => hang(to),
        "/until-close" => to.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nto the end")?,
        "/dies-before" => {}
        "/dies-in-head" => to.write_all(b"HTTP/1.1 200 O")?,
        "/dies-in-body" => to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")?,
        "/hangs-in-body" => {
            to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")?;
            hang(to);
        }
        "/dies-in-chunks" => {
            to.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")?;
        }
        "/bad-chunk" => to.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")?,
        "/strange-coding" => {
            to.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")?;
        }
        // Before the body has come, and the connection is closed over what comes of it.
        "/early" => {
            to.write_all(b"HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbig\n")?;
        }
        "/garbage" => to.write_all(b"SSH-2.0-OpenSSH_9.9\r\n")?,
        "/giant-head" => {
            let giant = "a".repeat(GIANT_BYTES);
            to.write_all(format!("HTTP/1.1 200 OK\r\nX-Giant: {giant}\r\n\r\n").as_bytes())?;
        }
        "/two-lengths" => {
            to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde")?;
        }
        "/unasked-upgrade" => to.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")?,
        "/upgrade" => return upgrade(to).map(|()| false),
        _ => return plain(to, "200 OK", "", &request.bytes).map(|()| true),
    }
    to.shutdown(Shutdown::Write)?;
    Ok(false)
}

/// Sends as many bytes as it is sent, and does both at once.
fn duplex(connection: &mut TcpStream, request: &Request, unread: &mut Vec<u8>) -> io::Result<()> {
    let all = length(&request.bytes).unwrap_or(0);
    let mut to = connection.try_clone()?;
    thread::scope(|scope| {
        let sent = scope.spawn(move || {
            to.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {all}\r\n\r\n").as_bytes())?;
            io::copy(&mut io::repeat(b'z').take(all as u64), &mut to)
        });
        let left = all - unread.len().min(all);
        unread.drain(..unread.len().min(all));
        let read = io::copy(&mut connection.take(left as u64), &mut io::sink())?;
        sent.join().map_err(|_| io::ErrorKind::Other)??;
        if read == left as u64 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    })
}

/// Waits until the client has left.
fn hang(from: &mut TcpStream) {
    HANGING.fetch_add(1, Ordering::SeqCst);
    // However it leaves.
    let _left: bool = from.read_to_end(&mut Vec::new()).is_ok();
    HANGING.fetch_sub(1, Ordering::SeqCst);
}

fn plain(to: &mut TcpStream, status: &str, lines: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n{lines}Content-Length: {length}\r\n\r\n");
    to.write_all(&[head.as_bytes(), body].concat())
}

/// A stream whose second event waits for `/go`.
fn events(to: &mut TcpStream) -> io::Result<()> {
    to.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    )?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
    chunk(
        to,
        &format!(
            "retry: 1000\nevent: stdout\nid: 1\ndata: {{\"type\":\"stdout\",\"data\":\"one\\n\",\"ts\":{now}}}\n\n"
        ),
    )?;
    let gone = GO.0.lock().unwrap_or_else(PoisonError::into_inner);
    drop(GO.1.wait_while(gone, |gone| !*gone));
    chunk(to, "event: result\nid: 2\ndata: {\"type\":\"result\"}\n\n")?;
    to.write_all(LAST_CHUNK)
}

fn chunk(to: &mut TcpStream, text: &str) -> io::Result<()> {
    to.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
}

/// Says each thing back until the client says `end` or has no more to say, and then goodbye.
fn upgrade(to: &mut TcpStream) -> io::Result<()> {
    to.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello;")?;
    let mut space = [0; 4096];
    loop {
        match to.read(&mut space)? {
            0 => break,
            read => {
                to.write_all(&space[..read])?;
                if space[..read].ends_with(b"end") {
                    break;
                }
            }
        }
    }
    to.write_all(b";bye")?;
    to.shutdown(Shutdown::Write)
}

/// A request as it came, body and framing included.
struct Request {
    bytes: Vec<u8>,
    head_bytes: usize,
}

impl Request {
    /// The next one; `None` when the client has none any more.
    fn read(from: &mut TcpStream, unread: &mut Vec<u8>) -> io::Result<Option<Self>> {
        loop {
            if let Some(bytes) = whole(unread) {
                let rest = unread.split_off(bytes);
                let bytes = std::mem::replace(unread, rest);
                let head_bytes = head_end(&bytes).unwrap_or(bytes.len());
                return Ok(Some(Self { bytes, head_bytes }));
            }
            let is_begun =
                [&b"POST /early "[..], b"POST /duplex "].iter().any(|line| unread.starts_with(line));
            if let Some(head_bytes) = head_end(unread).filter(|_| is_begun) {
                let rest = unread.split_off(head_bytes);
                return Ok(Some(Self { bytes: std::mem::replace(unread, rest), head_bytes }));
            }
            if unread.starts_with(b"POST /swallow ") && head_end(unread).is_some() {
                // Of a body that is too long to be held only the length is of interest.
                return swallow(from, unread).map(Some);
            }
            let mut space = [0; 16 * 1024];
            match from.read(&mut space)? {
                0 => return Ok(None),
                read => unread.extend_from_slice(&space[..read]),
            }
        }
    }

    fn path(&self) -> &str {
        let target = std::str::from_utf8(&self.bytes[..self.head_bytes]).unwrap_or_default();
        let target = target.split(' ').nth(1).unwrap_or_default();
        target.split('?').next().unwrap_or_default()
    }

    /// The number that is the query.
    fn number(&self) -> Option<usize> {
        let line = std::str::from_utf8(&self.bytes[..self.head_bytes]).ok()?;
        line.split(' ').nth(1)?.split_once('?')?.1.parse().ok()
    }
}

fn swallow(from: &mut TcpStream, unread: &mut Vec<u8>) -> io::Result<Request> {
    let head_bytes = head_end(unread).unwrap_or(unread.len());
    let mut left = length(&unread[..head_bytes]).unwrap_or(0) - (unread.len() - head_bytes);
    unread.truncate(head_bytes);
    let mut space = vec![0; 256 * 1024];
    while left > 0 {
        match from.read(&mut space)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => left -= read,
        }
    }
    Ok(Request { bytes: std::mem::take(unread), head_bytes })
}

/// How many bytes of these the first request is, if it is whole.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = head_end(bytes)?;
    let text = bytes[..head].to_ascii_lowercase();
    if text.windows(26).any(|window| window == b"transfer-encoding: chunked") {
        let end = bytes[head..].windows(LAST_CHUNK.len()).position(|window| window == LAST_CHUNK)?;
        return Some(head + end + LAST_CHUNK.len());
    }
    let end = head + length(&bytes[..head]).unwrap_or(0);
    (bytes.len() >= end).then_some(end)
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn length(head: &[u8]) -> Option<usize> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_taken_apart_where_they_end() {
        assert_eq!(whole(b"GET / HTTP/1.1\r\n\r\nGET"), Some(18));
        assert_eq!(whole(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab"), None);
        assert_eq!(whole(b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcd"), Some(41));
        let chunked = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
        assert_eq!(whole(chunked), Some(chunked.len()));
        assert_eq!(whole(&chunked[..chunked.len() - 1]), None);
    }
}
