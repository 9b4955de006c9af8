//! A stand-in for a server that the daemon calls: it answers as the fixture says, and remembers what it was asked.
//!
//! It begins before the daemon, so that the daemon's settings can name it (`{{stand_in}}`), and lives as long.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::fixture::Script;

/// A client that sends nothing is given up, so that no thread stays for ever.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Method and target.
    pub(crate) line: String,
    /// What it carried as its credentials.
    pub(crate) authorization: Option<String>,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    asked: Vec<Asked>,
    /// How many of them were taken.
    taken: usize,
    /// Answers that are held may go.
    is_released: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    is_over: AtomicBool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl StandIn {
    /// Starts it on a free port of loopback.
    pub(crate) fn start(scripts: &[Script]) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let (scripts, of_thread): (Arc<[Script]>, _) = (scripts.into(), Arc::clone(&shared));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (scripts, shared) = (Arc::clone(&scripts), Arc::clone(&of_thread));
                // A client that leaves early is the daemon's business.
                thread::spawn(move || drop(serve(&stream, &scripts, &shared)));
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked since this was called last; waits until there is something.
    pub(crate) fn take_asked(&self, within: Duration) -> Vec<Asked> {
        let until = Instant::now() + within;
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.taken == state.asked.len() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let new = state.asked[state.taken..].to_vec();
        state.taken = state.asked.len();
        new
    }

    /// Lets go what is held.
    pub(crate) fn release(&self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).is_released = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.release();
        // Wakes the thread that waits for clients.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: &TcpStream, scripts: &[Script], shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    let asked = read(&mut reader)?;
    let script = scripts.iter().find(|script| script.fits(&asked.line, &asked.body));
    {
        let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked.push(asked);
        shared.changed.notify_all();
        let is_held = script.is_some_and(|script| script.holds);
        let waited =
            shared.changed.wait_timeout_while(state, PATIENCE, |state| is_held && !state.is_released);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
    let (status, headers, body) = match script {
        Some(script) => (script.status, script.headers(), script.body()),
        None => (404, String::new(), b"the stand-in has no answer to this".to_vec()),
    };
    let promised = body.len() + script.map_or(0, |script| script.missing_bytes);
    let head =
        format!("HTTP/1.1 {status} Said\r\n{headers}content-length: {promised}\r\nconnection: close\r\n\r\n");
    let mut writer = stream;
    writer.write_all(head.as_bytes())?;
    writer.write_all(&body)
}

fn read(reader: &mut impl BufRead) -> std::io::Result<Asked> {
    let mut asked = Asked::default();
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 && !line.trim_end().is_empty() {
        let text = line.trim_end();
        match text.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim())) {
            _ if asked.line.is_empty() => text.trim_end_matches(" HTTP/1.1").clone_into(&mut asked.line),
            Some((name, value)) if name == "content-length" => length = value.parse().unwrap_or(0),
            Some((name, value)) if name == "authorization" => asked.authorization = Some(value.to_owned()),
            _ => {}
        }
        line.clear();
    }
    reader.take(length).read_to_end(&mut asked.body)?;
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(url: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
        let head = format!(
            "POST /a HTTP/1.1\r\nAuthorization: Bearer k\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn it_answers_as_told_and_remembers() {
        let scripts: Vec<Script> = toml::from_str::<std::collections::BTreeMap<String, Vec<Script>>>(
            "s = [{ ask = 'POST /a', contains = 'x', status = 429, text = 'slow' }, { ask = 'POST /a', json = { a = 1 } }]",
        )
        .unwrap()
        .remove("s")
        .unwrap();
        let stand_in = StandIn::start(&scripts).unwrap();
        assert!(ask(&stand_in.url(), "x").starts_with("HTTP/1.1 429"));
        assert!(ask(&stand_in.url(), "y").ends_with("{\"a\":1}"));
        let asked = stand_in.take_asked(Duration::ZERO);
        assert_eq!(asked.len(), 2);
        assert_eq!(
            (asked[0].line.as_str(), asked[0].authorization.as_deref()),
            ("POST /a", Some("Bearer k"))
        );
        assert_eq!(stand_in.take_asked(Duration::ZERO), []);
    }
}
