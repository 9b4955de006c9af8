//! A request to a server of the API and what came back: an HTTP exchange whose body may be a stream of events.

use std::time::Duration;

use serde_json::Value;

use crate::{
    client::{ClientError, Connection, Deadline, Ending, Exchange, Head, Request},
    exposition::{Exposition, is_exposition},
    stream::{Asked, StreamLog},
    target::Target,
};

/// A request that was sent and whose answer is being read.
#[derive(Debug)]
pub(crate) struct Conversation {
    exchange: Exchange,
    asked: Asked,
    began: Deadline,
    log: Option<StreamLog>,
    /// How many bytes of the body the log has seen.
    fed: usize,
}

/// What came back for one request, as far as it was read.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Interim answers (100 Continue) before the real one.
    pub(crate) interim: Vec<u16>,
    /// `None` when the server closed the connection without an answer.
    pub(crate) head: Option<Head>,
    pub(crate) body: Vec<u8>,
    pub(crate) ending: Ending,
    /// The body read as events, when it is a stream of them.
    pub(crate) stream: Option<StreamLog>,
    /// From the first byte sent to the last one read.
    pub(crate) took: Duration,
}

/// An answer as far as it has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) head: Option<&'a Head>,
    pub(crate) body: &'a [u8],
    pub(crate) stream: Option<&'a StreamLog>,
}

impl Conversation {
    /// Sends a request on a connection.
    pub(crate) fn begin(
        mut connection: Connection,
        request: &Request,
        target: &Target,
        deadline: &Deadline,
    ) -> Result<Self, ClientError> {
        connection.write(&request.bytes(target.authority()), deadline)?;
        let asked = Asked::new(&request.method, &request.target, request.headers.get("accept"));
        Ok(Self::on(connection, asked, *deadline))
    }

    /// Takes over a connection on which a request has been written.
    pub(crate) fn on(connection: Connection, asked: Asked, began: Deadline) -> Self {
        let exchange = Exchange::new(connection, &asked.method);
        Self { exchange, asked, began, log: None, fed: 0 }
    }

    /// Closes the sending half of the connection.
    pub(crate) fn close_sending(&self) -> Result<(), ClientError> {
        self.exchange.close_sending()
    }

    /// Reads the head, and nothing else on purpose.
    pub(crate) fn read_head(&mut self, deadline: &Deadline) -> Result<(), ClientError> {
        self.exchange.read_head(deadline)?;
        if let (Some(head), None) = (&self.exchange.head, &self.log) {
            self.log = StreamLog::for_answer(&self.asked, head);
        }
        self.feed();
        Ok(())
    }

    /// Reads on until the stream is as `done` wants it, or has ended; says which.
    pub(crate) fn read_until(
        &mut self,
        what: &str,
        deadline: &Deadline,
        done: impl Fn(&StreamLog) -> bool,
    ) -> Result<bool, ClientError> {
        self.read_head(deadline)?;
        loop {
            if self.log.as_ref().is_some_and(&done) {
                return Ok(true);
            }
            if !self.exchange.read_body(what, deadline)? {
                return Ok(false);
            }
            self.feed();
        }
    }

    /// Reads the rest.
    pub(crate) fn finish(&mut self, deadline: &Deadline) -> Result<(), ClientError> {
        self.read_head(deadline)?;
        while self.exchange.read_body("the end of the answer", deadline)? {
            self.feed();
        }
        self.feed();
        Ok(())
    }

    /// What was read so far, and the connection. A stream that isn't at its end counts as left by the client.
    pub(crate) fn into_answer(mut self) -> (Answer, Connection) {
        let ending = self.exchange.ending.unwrap_or(Ending::Left);
        if let Some(log) = &mut self.log {
            log.close(ending, &self.exchange.body);
        }
        let answer = Answer {
            interim: std::mem::take(&mut self.exchange.interim),
            head: self.exchange.head.take(),
            body: std::mem::take(&mut self.exchange.body),
            ending,
            stream: self.log,
            took: self.began.elapsed(),
        };
        (answer, self.exchange.into_connection())
    }

    /// What has come so far.
    pub(crate) fn view(&self) -> View<'_> {
        View { head: self.exchange.head.as_ref(), body: &self.exchange.body, stream: self.log.as_ref() }
    }

    fn feed(&mut self) {
        if let Some(log) = &mut self.log {
            log.feed(&self.exchange.body[self.fed..]);
            self.fed = self.exchange.body.len();
        }
    }
}

impl Answer {
    /// What a condition or an expectation can look at.
    pub(crate) fn view(&self) -> View<'_> {
        View { head: self.head.as_ref(), body: &self.body, stream: self.stream.as_ref() }
    }
}

impl View<'_> {
    pub(crate) fn status(&self) -> Option<u16> {
        self.head.map(|head| head.status)
    }

    /// The JSON that the answer is about: its body, or the terminal event (or else the first one) of its stream.
    pub(crate) fn json(&self) -> Option<Value> {
        match self.stream {
            Some(log) => log.subject().cloned(),
            None if self.is_exposition() => {
                Some(Exposition::read(&String::from_utf8_lossy(self.body)).json())
            }
            None => serde_json::from_slice(self.body).ok(),
        }
    }

    /// Whether the body is in Prometheus' format.
    fn is_exposition(&self) -> bool {
        self.head.and_then(|head| head.header("content-type")).is_some_and(is_exposition)
    }
}
