//! Steps on a WebSocket: opening one, saying something, and hearing what comes.

use super::{Outcome, Run, perform};
use crate::{
    client::{ClientError, Deadline, Heard, Socket},
    conversation::Conversation,
    fixture::{Plan, Show, SocketTalk, Step, StreamWait},
    render, text,
};

/// The key of RFC 6455, and what a server makes of it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A WebSocket between the steps that use it.
#[derive(Debug)]
pub(super) struct OpenSocket {
    socket: Socket,
    /// What came and was not shown yet.
    heard: Vec<Heard>,
}

impl OpenSocket {
    /// Closes it without a word.
    pub(super) fn close(self, reset: bool) {
        self.socket.close(reset);
    }

    /// The texts of all messages of a kind that came since the last step, joined: those of the field `data`.
    fn said(&self, kind: &str) -> String {
        self.heard.iter().filter_map(message).filter(|(of, _)| of == kind).map(|(_, data)| data).collect()
    }

    fn holds(&self, until: &StreamWait) -> bool {
        match until {
            StreamWait::Contains { stream, text } => self.said(stream).contains(text),
            StreamWait::Bytes { stream, bytes } => self.said(stream).len() >= *bytes,
            StreamWait::Event { name, count } if name == "pong" => {
                self.heard.iter().filter(|heard| matches!(heard, Heard::Pong(_))).count() >= *count
            }
            StreamWait::Event { name, count } => {
                let of_kind = |heard: &&Heard| message(heard).is_some_and(|(kind, _)| kind == *name);
                self.heard.iter().filter(of_kind).count() >= *count
            }
        }
    }
}

impl Run<'_> {
    /// Asks for a WebSocket. A server that does not agree has answered, and nothing is open.
    pub(super) fn open_socket(
        &mut self,
        (plan, name): (&Plan, &str),
        step: &Step,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let mut request = perform::request(plan, self.target, &self.variables)?;
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", KEY),
        ] {
            request.headers.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        // An empty value in a fixture is a header that is not sent.
        request.headers.retain(|_, value| !value.is_empty());
        let deadline = Deadline::within(step.within);
        let connection = crate::client::Connection::open(self.target, &deadline).map_err(sentence)?;
        let mut conversation =
            Conversation::begin(connection, &request, self.target, &deadline).map_err(sentence)?;
        conversation.read_head(&deadline).map_err(sentence)?;
        if conversation.view().status() != Some(101) {
            conversation.finish(&deadline).map_err(sentence)?;
            let (answer, _) = conversation.into_answer();
            return self.show(&answer, step, (false, None), outcome);
        }
        let view = conversation.view();
        let head = view.head.ok_or("there is no head")?;
        outcome.lines.extend(render::head_lines(head, &step.show_headers, &mut self.normaliser));
        if head.header("sec-websocket-accept") != Some(ACCEPT) {
            outcome.sentences.push("the server's answer to the key is wrong".to_owned());
        }
        self.expect(view, step, outcome)?;
        let (answer, mut connection) = conversation.into_answer();
        // What has come behind the head is no body.
        connection.put_back(answer.body);
        let socket = Socket::new(connection);
        self.sockets.insert(name.to_owned(), OpenSocket { socket, heard: Vec::new() });
        Ok(())
    }

    /// Says something on a WebSocket and hears what comes, as far as the step wants.
    pub(super) fn talk(
        &mut self,
        talk: &SocketTalk,
        step: &Step,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let mut open =
            self.sockets.remove(&talk.name).ok_or_else(|| format!("no socket is open as `{}`", talk.name))?;
        let deadline = Deadline::within(step.within);
        for frame in &talk.frames {
            open.socket.write(&frame.fill(&self.variables)?, &deadline).map_err(sentence)?;
        }
        let until = talk.until.as_ref().map(|until| until.fill(&self.variables)).transpose()?;
        let what = until.as_ref().map_or_else(|| "the end of the socket".to_owned(), ToString::to_string);
        let mut result = Ok(());
        while talk.closes || until.as_ref().is_some_and(|until| !open.holds(until)) {
            match open.socket.hear(&what, &deadline) {
                Ok(heard) => {
                    let is_end = heard == Heard::End;
                    open.heard.push(heard);
                    if is_end {
                        break;
                    }
                }
                Err(error) => {
                    result = Err(sentence(error));
                    break;
                }
            }
        }
        if let Some(until) = until.filter(|until| result.is_ok() && !open.holds(until)) {
            result = Err(format!("the socket ended before: {until}"));
        }
        // First, so that the transcript can show captured values by their names.
        for (name, from) in &step.capture {
            let (kind, pattern) = from.split_once(':').ok_or("a capture is `kind:text before it`")?;
            let said = open.said(kind);
            let (_, rest) = said.split_once(pattern).ok_or_else(|| format!("`{pattern}` was not said"))?;
            let word: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
            self.set(name, word);
        }
        self.show_heard(&open, step, outcome);
        open.heard.clear();
        if !talk.closes {
            self.sockets.insert(talk.name.clone(), open);
        }
        result
    }

    fn show_heard(&mut self, open: &OpenSocket, step: &Step, outcome: &mut Outcome) {
        let mut joined: Vec<(String, String)> = Vec::new();
        for heard in &open.heard {
            let (kind, data) = match (heard, message(heard)) {
                (_, Some(said)) => said,
                (Heard::Message(bytes), None) => {
                    ("message".to_owned(), String::from_utf8_lossy(bytes).into_owned())
                }
                (Heard::Pong(bytes), _) => ("pong".to_owned(), String::from_utf8_lossy(bytes).into_owned()),
                (Heard::Closed { code, reason }, _) => {
                    let code = code.map_or_else(|| "without a code".to_owned(), |code| code.to_string());
                    (format!("closed {code}"), reason.clone())
                }
                (Heard::End, _) => ("end".to_owned(), String::new()),
            };
            match joined.last_mut() {
                // How output is cut is no contract.
                Some((last, text)) if *last == kind && kind == "output" => text.push_str(&data),
                _ => joined.push((kind, data)),
            }
        }
        for (kind, data) in joined {
            if kind == "end" {
                outcome.lines.push("end".to_owned());
            } else if step.show != Show::Head || kind != "output" {
                outcome.lines.push(format!("{kind} {}", self.normaliser.bytes(data.as_bytes())));
            }
        }
        for heard in &open.heard {
            if let Heard::Message(bytes) = heard
                && !bytes.ends_with(b"\n")
            {
                outcome.sentences.push(format!("a message without a line end: {}", text::quote_short(bytes)));
            }
        }
    }
}

/// Kind and data of a message in the form of a terminal's.
fn message(heard: &Heard) -> Option<(String, String)> {
    let Heard::Message(bytes) = heard else { return None };
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    Some((value.get("type")?.as_str()?.to_owned(), value.get("data")?.as_str()?.to_owned()))
}

#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn sentence(error: ClientError) -> String {
    error.to_string()
}
