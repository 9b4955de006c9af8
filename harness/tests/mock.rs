//! A scripted server: what the engine does is proven against answers that are known byte for byte.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use boxd_harness::target::Target;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

/// What the server sends, and what it does then.
pub(crate) struct Reply {
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) then: Then,
}

pub(crate) enum Then {
    /// Wait for the next request on the connection.
    Keep,
    /// Close it.
    Close,
    /// Wait until the client closes it.
    Hang,
}

/// A running server; its threads end with the test's process.
pub(crate) struct Mock {
    pub(crate) target: Target,
    url: String,
    seen: Arc<Mutex<Vec<Asked>>>,
}

impl Mock {
    /// Starts a server that answers each request as the script says.
    pub(crate) fn start(script: impl Fn(&Asked) -> Reply + Sync + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let target = Target::parse(&url).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, log) = (Arc::new(script), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                thread::spawn(move || serve(&stream.unwrap(), &*script, &log));
            }
        });
        Self { target, url, seen }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().clone()
    }
}

impl Reply {
    /// An answer with a length.
    pub(crate) fn plain(status: u16, content_type: &str, body: &str) -> Self {
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Self { pieces: vec![head.into_bytes(), body.as_bytes().to_vec()], then: Then::Keep }
    }

    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::plain(status, "application/json; charset=utf-8", body)
    }

    /// A chunked answer, each piece a chunk; without an end when `then` isn't to keep the connection.
    pub(crate) fn stream(content_type: &str, chunks: &[&str], then: Then) -> Self {
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut pieces = vec![head.into_bytes()];
        pieces.extend(chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len()).into_bytes()));
        if matches!(then, Then::Keep) {
            pieces.push(b"0\r\n\r\n".to_vec());
        }
        Self { pieces, then }
    }
}

fn serve(stream: &TcpStream, script: &dyn Fn(&Asked) -> Reply, log: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read(&mut reader) {
        log.lock().unwrap().push(asked.clone());
        let reply = script(&asked);
        let mut writer = stream;
        for piece in reply.pieces {
            if writer.write_all(&piece).is_err() {
                return;
            }
        }
        match reply.then {
            Then::Keep => {}
            Then::Close => return drop(stream.shutdown(Shutdown::Both)),
            Then::Hang => return drop(reader.read_to_end(&mut Vec::new())),
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut asked = Asked { line: line(reader)?, ..Asked::default() };
    let mut length = 0;
    loop {
        let header = line(reader)?;
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        asked.headers.push(header);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).unwrap();
    Some(asked)
}

fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let read = reader.read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}
