//! One request under way: how far its answer has been read.

use super::{BodyDecoder, ClientError, Connection, Deadline, Ending, Head};

/// A request whose answer is read as far as somebody asks.
#[derive(Debug)]
pub(crate) struct Exchange {
    connection: Connection,
    method: String,
    /// Interim answers (100 Continue) before the real one.
    pub(crate) interim: Vec<u16>,
    /// `None` until it is read, and for good when the server closes without an answer.
    pub(crate) head: Option<Head>,
    pub(crate) body: Vec<u8>,
    decoder: BodyDecoder,
    /// How the body ended, once it has.
    pub(crate) ending: Option<Ending>,
}

impl Exchange {
    /// Takes over a connection on which a request of this method has been written.
    pub(crate) fn new(connection: Connection, method: &str) -> Self {
        Self {
            connection,
            method: method.to_owned(),
            interim: Vec::new(),
            head: None,
            body: Vec::new(),
            decoder: BodyDecoder::UntilClose,
            ending: None,
        }
    }

    /// Waits for the head. Afterwards there is one, or the exchange has ended without an answer.
    pub(crate) fn read_head(&mut self, deadline: &Deadline) -> Result<(), ClientError> {
        while self.head.is_none() && self.ending.is_none() {
            match Head::parse(&self.connection.unread)? {
                Some((head, length)) => {
                    self.connection.unread.drain(..length);
                    if (100..200).contains(&head.status) && head.status != 101 {
                        self.interim.push(head.status);
                        continue;
                    }
                    self.decoder = BodyDecoder::new(&self.method, &head)?;
                    self.head = Some(head);
                    self.decode()?;
                }
                None => {
                    if !self.connection.read("the head of the answer", deadline)? {
                        self.ending = Some(Ending::Cut);
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits for more of the body; `false` once it has ended.
    pub(crate) fn read_body(&mut self, what: &str, deadline: &Deadline) -> Result<bool, ClientError> {
        self.read_head(deadline)?;
        if self.ending.is_some() {
            return Ok(false);
        }
        if !self.connection.read(what, deadline)? {
            self.ending = Some(self.decoder.ending_at_close());
            return Ok(false);
        }
        self.decode()?;
        Ok(true)
    }

    fn decode(&mut self) -> Result<(), ClientError> {
        self.decoder.decode(&mut self.connection.unread, &mut self.body)?;
        if self.decoder == BodyDecoder::Done {
            self.ending = Some(Ending::Whole);
        }
        Ok(())
    }

    /// Closes the sending half of the connection.
    pub(crate) fn close_sending(&self) -> Result<(), ClientError> {
        self.connection.close_sending()
    }

    /// The connection, for the next request on it or for closing it.
    pub(crate) fn into_connection(self) -> Connection {
        self.connection
    }
}
