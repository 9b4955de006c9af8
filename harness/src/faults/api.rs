//! `Api`: the daemon as a client of these tests sees it: an answer, a connection that was cut, or one that was refused.
//!
//! The three are kept apart because they mean different things while a worker dies: a cut is to be expected, a refusal never is.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    bench::server::pause,
    client::{ClientError, Connection, Deadline, Ending, Exchange, Head, Request},
    target::Target,
};

/// Nothing that is asked here takes as long.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
const AGAIN_AFTER: Duration = Duration::from_millis(5);

/// A daemon that can be asked.
#[derive(Debug, Clone)]
pub(super) struct Api {
    target: Target,
    /// Its sockets take little from the kernel, so that a client which stops reading is noticed soon.
    is_narrow: bool,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: Head,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection was closed before the answer was whole.
    Cut,
    /// Nobody took the connection.
    Refused(String),
    /// No answer in time, or one that is no HTTP.
    Other(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => write!(f, "the connection was cut"),
            Self::Refused(error) | Self::Other(error) => write!(f, "{error}"),
        }
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Connect { .. } => Self::Refused(error.to_string()),
            ClientError::Send(_) => Self::Cut,
            ClientError::TimedOut { .. } | ClientError::Malformed(_) => Self::Other(error.to_string()),
        }
    }
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.head.status
    }

    /// The body, `Null` when it is no JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Status and body for a person.
    pub(super) fn excerpt(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        format!("{} {}", self.head.status, crate::text::short(&body))
    }
}

impl Api {
    /// The daemon at this place.
    pub(super) fn new(target: Target) -> Self {
        Self { target, is_narrow: false }
    }

    /// The same, for a client whose kernel takes little ahead of it.
    pub(super) fn narrow(&self) -> Self {
        Self { is_narrow: true, ..self.clone() }
    }

    /// `host:port`.
    pub(super) fn authority(&self) -> &str {
        self.target.authority()
    }

    /// A connection with nothing on it.
    pub(super) fn connect(&self) -> Result<Connection, Trouble> {
        let connection = Connection::open(&self.target, &Deadline::within(PATIENCE))?;
        if self.is_narrow {
            connection.narrow()?;
        }
        Ok(connection)
    }

    /// The bytes of a request.
    pub(super) fn bytes(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Vec<u8> {
        let mut all: BTreeMap<String, String> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if body.is_some() {
            all.insert("content-type".to_owned(), "application/json".to_owned());
        }
        let request = Request {
            method: method.to_owned(),
            target: path.to_owned(),
            headers: all,
            body: body.map(|body| body.to_string().into_bytes()),
            pieces: None,
        };
        request.bytes(self.target.authority())
    }

    /// Sends a request and reads the head of its answer.
    pub(super) fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<(Head, Exchange), Trouble> {
        let deadline = Deadline::within(PATIENCE);
        let mut connection = self.connect()?;
        connection.write(&self.bytes(method, path, headers, body), &deadline)?;
        let mut exchange = Exchange::new(connection, method);
        exchange.read_head(&deadline)?;
        exchange.head.clone().map(|head| (head, exchange)).ok_or(Trouble::Cut)
    }

    /// Asks once.
    pub(super) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, Trouble> {
        Self::finish(self.open(method, path, &[("connection", "close")], body)?.1)
    }

    /// Reads an answer to its end.
    fn finish(mut exchange: Exchange) -> Result<Answer, Trouble> {
        let deadline = Deadline::within(PATIENCE);
        while exchange.read_body("the rest of an answer", &deadline)? {}
        match (exchange.ending, exchange.head) {
            (Some(Ending::Whole), Some(head)) => Ok(Answer { head, body: exchange.body }),
            _ => Err(Trouble::Cut),
        }
    }

    /// Writes to the stdin of a process, once.
    pub(super) fn write_stdin(&self, name: &str, text: &str) -> Result<Answer, Trouble> {
        let request = Request {
            method: "POST".to_owned(),
            target: format!("/process/{name}/stdin"),
            headers: BTreeMap::from([("connection".to_owned(), "close".to_owned())]),
            body: Some(text.as_bytes().to_vec()),
            pieces: None,
        };
        let deadline = Deadline::within(PATIENCE);
        let mut connection = self.connect()?;
        connection.write(&request.bytes(self.target.authority()), &deadline)?;
        Self::finish(Exchange::new(connection, "POST"))
    }

    /// Asks until an answer comes whole: for requests that change nothing. The error is a sentence.
    pub(super) fn look(&self, path: &str) -> Result<Answer, String> {
        let began = Instant::now();
        loop {
            match self.call("GET", path, None) {
                Ok(answer) if answer.status() != 503 => return Ok(answer),
                Ok(_) | Err(Trouble::Cut) if began.elapsed() < PATIENCE => pause(AGAIN_AFTER),
                Ok(answer) => return Err(format!("GET {path}: {}", answer.excerpt())),
                Err(trouble) => return Err(format!("GET {path}: {trouble}")),
            }
        }
    }

    /// Starts a process, whatever happens to the worker meanwhile: a client whose request was cut looks for it by its name.
    pub(super) fn start(&self, request: &Value) -> Result<(), String> {
        let name = request["name"].as_str().unwrap_or_default();
        let began = Instant::now();
        loop {
            match self.call("POST", "/process", Some(request)) {
                Ok(answer) if answer.status() == 200 => return Ok(()),
                Ok(answer) if answer.status() == 503 && began.elapsed() < PATIENCE => pause(AGAIN_AFTER),
                Ok(answer) => return Err(format!("{name}: the start was answered {}", answer.excerpt())),
                Err(Trouble::Cut) if self.look(&format!("/process/{name}"))?.status() == 200 => return Ok(()),
                Err(Trouble::Cut) if began.elapsed() < PATIENCE => {}
                Err(trouble) => return Err(format!("{name}: the start: {trouble}")),
            }
        }
    }

    /// The process when it is over.
    pub(super) fn over(&self, name: &str) -> Result<Value, String> {
        let began = Instant::now();
        loop {
            let answer = self.look(&format!("/process/{name}/wait?timeout=20"))?;
            let process = answer.json();
            if answer.status() == 200 && process["status"] != "running" {
                return Ok(process);
            }
            if answer.status() == 404 || began.elapsed() > PATIENCE {
                return Err(format!("{name}: the wait was answered {}", answer.excerpt()));
            }
        }
    }
}
