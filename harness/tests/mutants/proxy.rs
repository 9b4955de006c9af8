//! A proxy that breaks one thing of what passes through it.
//!
//! What its defect does not meet is passed on as it comes; what it does meet is read to its end first, and broken then.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

use boxd_harness::target::Target;

use super::defects::Defect;

/// Headers about how a body is cut, which change when it is.
const FRAMING: [&str; 2] = ["transfer-encoding", "content-length"];

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Lower-case names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// An answer that was read to its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Lower-case names, without those about the framing.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Bytes that its head promises and that do not come.
    pub(crate) missing: usize,
    is_chunked: bool,
    has_length: bool,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Whether events are asked for, by nobody's SDK.
    pub(crate) fn wants_sse(&self) -> bool {
        self.header("accept") == "text/event-stream"
            && self.header("x-blaxel-workspace").is_empty()
            && self.header("blaxel-version").is_empty()
            && !self.header("user-agent").contains("blaxel")
    }
}

impl Answer {
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(key, _)| key != name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.headers.retain(|(key, _)| key != name);
    }
}

/// Starts a proxy in front of a server; its threads end with the test's process.
pub(crate) fn start(defect: &'static Defect, server: &Target) -> io::Result<Target> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let target = Target::parse(&format!("http://{}", listener.local_addr()?)).map_err(io::Error::other)?;
    let server = server.clone();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = server.clone();
            // A connection that breaks is seen by the case.
            thread::spawn(move || serve(client, &server, defect).ok());
        }
    });
    Ok(target)
}

fn serve(client: TcpStream, server: &Target, defect: &Defect) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut from_client = BufReader::new(client.try_clone()?);
    while let Some(mut asked) = request(&mut from_client)? {
        let upstream = TcpStream::connect(server.to_string())?;
        upstream.set_nodelay(true)?;
        let is_met = (defect.meets)(&asked);
        if is_met {
            (defect.request)(&mut asked);
        }
        (&upstream).write_all(&bytes_of(&asked)?)?;
        if !is_met {
            return pass_on(client, upstream);
        }
        let mut answer = answer(&mut BufReader::new(upstream), &asked.method)?;
        (defect.answer)(&asked, &mut answer);
        (&client).write_all(&bytes_to_client(&answer)?)?;
        if answer.missing > 0 {
            return client.shutdown(Shutdown::Both);
        }
    }
    Ok(())
}

/// Both ways, until either side has enough.
fn pass_on(client: TcpStream, upstream: TcpStream) -> io::Result<()> {
    let (mut client_in, mut upstream_out) = (client.try_clone()?, upstream.try_clone()?);
    thread::spawn(move || {
        // The end of one way is told to the other side; there is nobody else to tell.
        io::copy(&mut client_in, &mut upstream_out).ok();
        upstream_out.shutdown(Shutdown::Write).ok();
    });
    let (mut upstream, mut client) = (upstream, client);
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = upstream.read(&mut buffer)?;
        if read == 0 {
            return client.shutdown(Shutdown::Both);
        }
        client.write_all(&buffer[..read])?;
    }
}

fn request(from: &mut impl BufRead) -> io::Result<Option<Asked>> {
    let Some(first) = line(from)? else { return Ok(None) };
    let mut words = first.split(' ');
    let (method, target) =
        (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let headers = headers(from)?;
    let body = if is_chunked(&headers) {
        chunks(from)?
    } else {
        let mut body = vec![0; length(&headers).unwrap_or(0)];
        from.read_exact(&mut body)?;
        body
    };
    // What is no text is no body that a defect looks at.
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(Asked { method, target, headers, body }))
}

/// For a connection of its own, which the server closes behind the answer.
fn bytes_of(asked: &Asked) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    write!(out, "{} {} HTTP/1.1\r\n", asked.method, asked.target)?;
    for (name, value) in asked.headers.iter().filter(|(name, _)| !FRAMING.contains(&name.as_str())) {
        write!(out, "{name}: {value}\r\n")?;
    }
    write!(out, "content-length: {}\r\n\r\n{}", asked.body.len(), asked.body)?;
    Ok(out)
}

fn answer(from: &mut impl BufRead, method: &str) -> io::Result<Answer> {
    let first = line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let status =
        first.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let headers = headers(from)?;
    let is_chunked = is_chunked(&headers);
    let length = length(&headers);
    let mut body = Vec::new();
    if method == "HEAD" || status == 204 {
    } else if is_chunked {
        body = chunks(from)?;
    } else {
        body = vec![0; length.unwrap_or(0)];
        from.read_exact(&mut body)?;
    }
    let headers = headers.into_iter().filter(|(name, _)| !FRAMING.contains(&name.as_str())).collect();
    let body = String::from_utf8(body).map_err(io::Error::other)?;
    Ok(Answer { status, headers, body, missing: 0, is_chunked, has_length: length.is_some() })
}

fn is_chunked(headers: &[(String, String)]) -> bool {
    headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked")
}

/// A body in chunks, without them.
fn chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size];
        from.read_exact(&mut chunk)?;
        body.extend_from_slice(&chunk);
        line(from)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn bytes_to_client(answer: &Answer) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    write!(out, "HTTP/1.1 {} X\r\n", answer.status)?;
    for (name, value) in &answer.headers {
        write!(out, "{name}: {value}\r\n")?;
    }
    let body = &answer.body;
    if answer.is_chunked {
        write!(out, "transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n", body.len())?;
        if !body.is_empty() {
            out.extend_from_slice(b"0\r\n\r\n");
        }
    } else if answer.has_length || !body.is_empty() {
        write!(out, "content-length: {}\r\n\r\n{body}", body.len() + answer.missing)?;
    } else {
        out.extend_from_slice(b"\r\n");
    }
    Ok(out)
}

fn headers(from: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    while let Some(line) = line(from)?.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    Ok(headers)
}

fn length(headers: &[(String, String)]) -> Option<usize> {
    headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok())
}

fn line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let text = String::from_utf8(line).map_err(io::Error::other)?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}
