//! `Follower`: a client that follows one process to its end over any number of cut connections, and compares each byte with
//! the one that the command is known to have written.
//!
//! It resumes by `Last-Event-ID` alone and takes an event only when it came whole, as an EventSource does.

use std::{
    collections::HashSet,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    api::{Api, PATIENCE, Trouble},
    daemon::Daemon,
    script::Script,
};
use crate::{
    bench::server::pause,
    client::{Deadline, Exchange},
    stream::output_bytes,
};

/// Between two connections: a server that cuts at once isn't asked in a tight loop.
const AGAIN_AFTER: Duration = Duration::from_millis(2);
const STREAMS: [&str; 2] = ["stdout", "stderr"];

/// A follower and what it has seen so far.
#[derive(Debug)]
pub(super) struct Follower {
    name: String,
    expected: Arc<[Vec<u8>; 2]>,
    /// Bytes of each stream that were delivered, or said to be lost.
    pub(super) received: [usize; 2],
    /// Bytes of each `gap` event.
    pub(super) gaps: Vec<u64>,
    /// `restart` events.
    pub(super) restarts: usize,
    /// Connections that ended before the stream did.
    pub(super) cuts: usize,
    /// The terminal event.
    pub(super) result: Option<Value>,
    last_id: Option<String>,
    ids: HashSet<String>,
    pending: Vec<u8>,
}

impl Follower {
    /// A follower of the process of this name, which writes this to stdout and stderr.
    pub(super) fn new(name: &str, expected: Arc<[Vec<u8>; 2]>) -> Self {
        Self {
            name: name.to_owned(),
            expected,
            received: [0, 0],
            gaps: Vec::new(),
            restarts: 0,
            cuts: 0,
            result: None,
            last_id: None,
            ids: HashSet::new(),
            pending: Vec::new(),
        }
    }

    /// Follows to the end. The error is a sentence: a loss.
    pub(super) fn finish(&mut self, api: &Api, within: Duration) -> Result<(), String> {
        let began = Instant::now();
        while self.result.is_none() {
            let left = within.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(self.loss(&format!("the stream did not end within {} s", within.as_secs())));
            }
            match self.connect(api)? {
                Some(mut exchange) => {
                    self.read(&mut exchange, &Deadline::within(left))?;
                }
                None => pause(AGAIN_AFTER),
            }
        }
        self.check_whole()
    }

    /// Opens the stream where the last one ended; `None` when the connection was cut before there was an answer.
    pub(super) fn connect(&mut self, api: &Api) -> Result<Option<Exchange>, String> {
        self.pending.clear();
        let mut headers = vec![("accept", "text/event-stream")];
        headers.extend(self.last_id.as_deref().map(|id| ("last-event-id", id)));
        match api.open("GET", &format!("/process/{}/logs/stream", self.name), &headers, None) {
            Ok((head, exchange)) if head.status == 200 => Ok(Some(exchange)),
            Ok((head, _)) if head.status == 503 => Ok(None),
            Ok((head, _)) => Err(self.loss(&format!("the stream was answered {}", head.status))),
            Err(Trouble::Cut) => {
                self.cuts += 1;
                Ok(None)
            }
            Err(trouble) => Err(self.loss(&trouble.to_string())),
        }
    }

    /// Reads a stream to its end, or to where it was cut.
    pub(super) fn read(&mut self, exchange: &mut Exchange, deadline: &Deadline) -> Result<(), String> {
        while self.result.is_none() && self.read_some(exchange, deadline)? {}
        if self.result.is_none() {
            self.cuts += 1;
        }
        Ok(())
    }

    /// Takes what is there of a stream; `false` at its end.
    pub(super) fn read_some(&mut self, exchange: &mut Exchange, deadline: &Deadline) -> Result<bool, String> {
        let goes_on =
            exchange.read_body("the next event", deadline).map_err(|e| self.loss(&e.to_string()))?;
        self.pending.append(&mut exchange.body);
        while let Some(end) = self.pending.windows(2).position(|pair| pair == b"\n\n") {
            let frame: Vec<u8> = self.pending.drain(..end + 2).collect();
            let frame = String::from_utf8(frame).map_err(|_| self.loss("an event is no UTF-8"))?;
            self.take(&frame)?;
        }
        Ok(goes_on)
    }

    /// Whether everything came that was to come.
    fn check_whole(&self) -> Result<(), String> {
        for (stream, name) in STREAMS.iter().enumerate() {
            let (got, all) = (self.received[stream], self.expected[stream].len());
            if got != all {
                return Err(self.loss(&format!("{name} ended at byte {got} of {all}")));
            }
        }
        Ok(())
    }

    fn take(&mut self, frame: &str) -> Result<(), String> {
        if self.result.is_some() {
            return Err(self.loss("an event stands behind the terminal one"));
        }
        let field = |name: &str| {
            frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
        };
        let event = field("event").unwrap_or_default();
        let data: Value = serde_json::from_str(&field("data").unwrap_or_default())
            .map_err(|error| self.loss(&format!("the data of `{event}`: {error}")))?;
        let id = field("id");
        match event.as_str() {
            "start" => {}
            "stdout" => self.output(0, &data)?,
            "stderr" => self.output(1, &data)?,
            "gap" => self.gap(&data)?,
            "restart" => self.restarts += 1,
            "result" => self.result = Some(data),
            // The worker goes away in good order: the stream goes on with the next one.
            "failure" => return Ok(()),
            other => return Err(self.loss(&format!("an event is called `{other}`"))),
        }
        if let Some(id) = id {
            if !self.ids.insert(id.clone()) {
                return Err(self.loss(&format!("the id {id} came twice")));
            }
            self.last_id = Some(id);
        }
        Ok(())
    }

    fn output(&mut self, stream: usize, data: &Value) -> Result<(), String> {
        let bytes = output_bytes(data).map_err(|error| self.loss(&error))?;
        let at = self.received[stream];
        let expected = self.expected[stream].get(at..).unwrap_or_default();
        if !expected.starts_with(&bytes) {
            let same = expected.iter().zip(&bytes).take_while(|(a, b)| a == b).count();
            let place = at + same;
            return Err(self.loss(&format!(
                "{} differs from what was written at byte {place} (event of {} bytes at {at}, {} written in all)",
                STREAMS[stream],
                bytes.len(),
                self.expected[stream].len()
            )));
        }
        self.received[stream] = at + bytes.len();
        Ok(())
    }

    /// The event does not say of which stream, so only commands that write to one can have it.
    fn gap(&mut self, data: &Value) -> Result<(), String> {
        let bytes = data["bytes"].as_u64().ok_or_else(|| self.loss("a gap without its bytes"))?;
        let stream = usize::from(self.expected[0].is_empty());
        if !self.expected[1 - stream].is_empty() {
            return Err(self.loss(&format!("a gap of {bytes} bytes")));
        }
        self.gaps.push(bytes);
        self.received[stream] += super::script::size(bytes);
        Ok(())
    }

    fn loss(&self, what: &str) -> String {
        format!("{}: {what} (after {} cuts)", self.name, self.cuts)
    }
}

/// How two readers got through the output of a script, which was all there but for the gaps.
#[derive(Debug)]
pub(super) struct Followed {
    /// Of who followed it, and of who read it again afterwards.
    pub(super) live_gaps: usize,
    pub(super) late_gaps: usize,
    /// Connections of both that ended before their stream did.
    pub(super) cuts: usize,
}

impl Followed {
    /// Whether nobody met more than one gap on a connection, or more cuts than there were reasons for.
    pub(super) fn expect(&self, name: &str, cuts_max: usize) -> Result<(), String> {
        let Self { live_gaps, late_gaps, cuts } = *self;
        if live_gaps <= 1 + cuts && late_gaps <= 1 && cuts <= cuts_max {
            return Ok(());
        }
        Err(format!("{name}: {live_gaps} gaps, and {late_gaps} when read again; {cuts} cuts"))
    }
}

/// Starts a script and follows it on one connection, doing something each time that output has come. Then asks for its exit
/// code, and reads the log once more. A connection that is cut is followed by another. Only a script that writes to one stream can have gaps.
pub(super) fn follow_script(
    daemon: &Daemon,
    name: &str,
    script: &Script,
    meanwhile: &mut dyn FnMut() -> io::Result<()>,
) -> Result<Followed, String> {
    let command = script.command(&daemon.marks(), name).map_err(|error| error.to_string())?;
    daemon.api().start(&json!({ "name": name, "command": command }))?;
    let output = Arc::new(script.output());
    let mut live = Follower::new(name, output.clone());
    let deadline = Deadline::within(PATIENCE);
    if let Some(mut exchange) = live.connect(daemon.api())? {
        while live.result.is_none() && live.read_some(&mut exchange, &deadline)? {
            meanwhile().map_err(|error| error.to_string())?;
        }
        live.cuts += usize::from(live.result.is_none());
    }
    live.finish(daemon.api(), PATIENCE)?;
    let code = daemon.api().over(name)?["exitCode"].as_i64();
    if code != Some(script.exit_code()) {
        return Err(format!("{name}: the exit code is {code:?}"));
    }
    let mut late = Follower::new(name, output);
    late.finish(daemon.api(), PATIENCE).map_err(|loss| format!("a late reader: {loss}"))?;
    Ok(Followed { live_gaps: live.gaps.len(), late_gaps: late.gaps.len(), cuts: live.cuts + late.cuts })
}
