//! A WebSocket after its handshake, with nothing hidden: what the server sends frame by frame, and any bytes to it.

use super::{ClientError, Connection, Deadline};

/// Nobody looks at what the mask is.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// In the second byte of a frame: that there is a mask, and where the length is that does not fit there.
const MASKED: u8 = 0x80;
const LENGTH_IN_16_BITS: u8 = 126;
const LENGTH_IN_64_BITS: u8 = 127;

/// A message of a server longer than this is broken.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Opcode {
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A whole message.
    Message(Vec<u8>),
    /// The answer to a ping.
    Pong(Vec<u8>),
    /// The close frame; it was answered.
    Closed { code: Option<u16>, reason: String },
    /// The connection was closed; nothing more comes.
    End,
}

/// The connection, and a message that is not whole.
#[derive(Debug)]
pub(crate) struct Socket {
    connection: Connection,
    partial: Vec<u8>,
}

impl Socket {
    /// Takes over a connection on which the server has agreed.
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, partial: Vec::new() }
    }

    /// Writes bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8], deadline: &Deadline) -> Result<(), ClientError> {
        self.connection.write(bytes, deadline)
    }

    /// Waits for the next word. Pings are answered.
    pub(crate) fn hear(&mut self, what: &str, deadline: &Deadline) -> Result<Heard, ClientError> {
        loop {
            let Some((head, payload)) = take_frame(&mut self.connection.unread)? else {
                if !self.connection.read(what, deadline)? {
                    return Ok(Heard::End);
                }
                continue;
            };
            match head & 0x0f {
                0..=2 => {
                    self.partial.extend(payload);
                    if head & 0x80 != 0 {
                        return Ok(Heard::Message(std::mem::take(&mut self.partial)));
                    }
                }
                8 => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned();
                    self.write(&masked(Opcode::Close, &payload), deadline)?;
                    return Ok(Heard::Closed { code, reason });
                }
                9 => self.write(&masked(Opcode::Pong, &payload), deadline)?,
                10 => return Ok(Heard::Pong(payload)),
                other => return Err(ClientError::Malformed(format!("a frame of kind {other}"))),
            }
        }
    }

    /// Closes it without a word.
    pub(crate) fn close(self, reset: bool) {
        self.connection.close(reset);
    }
}

/// A whole frame of a client's.
pub(crate) fn masked(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode as u8];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..126), _) => frame.push(MASKED | length),
        (_, Ok(length)) => {
            frame.push(MASKED | LENGTH_IN_16_BITS);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(MASKED | LENGTH_IN_64_BITS);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The first byte and the payload of a frame at the front of `bytes`, once it is whole.
fn take_frame(bytes: &mut Vec<u8>) -> Result<Option<(u8, Vec<u8>)>, ClientError> {
    let [head, second, ..] = bytes[..] else { return Ok(None) };
    if head & 0x70 != 0 || second & 0x80 != 0 {
        return Err(ClientError::Malformed("a frame of a server's with a mask or an extension".to_owned()));
    }
    let (at, length) = match second {
        LENGTH_IN_16_BITS => match bytes.get(2..4) {
            Some(length) => (4, usize::from(length[0]) << 8 | usize::from(length[1])),
            None => return Ok(None),
        },
        LENGTH_IN_64_BITS => match bytes.get(2..).and_then(|rest| rest.first_chunk()) {
            Some(length) => (10, usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX)),
            None => return Ok(None),
        },
        length => (2, usize::from(length)),
    };
    if length > MESSAGE_BYTES_MAX {
        return Err(ClientError::Malformed(format!("a frame of {length} bytes")));
    }
    if bytes.len() < at + length {
        return Ok(None);
    }
    let payload = bytes[at..at + length].to_vec();
    bytes.drain(..at + length);
    Ok(Some((head, payload)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_of_every_length_are_read_when_they_are_whole() {
        for length in [0_usize, 1, 125, 126, 65_535, 65_536] {
            let mut frame = masked(Opcode::Text, &vec![b'x'; length]);
            // The same frame without its mask.
            let payload_at = frame.len() - length;
            frame.truncate(payload_at - MASK.len());
            frame[1] &= 0x7f;
            frame.extend(vec![b'x'; length]);
            let whole = frame.clone();
            let last = frame.pop().unwrap_or_default();
            assert_eq!(take_frame(&mut frame).unwrap(), None, "{length}");
            frame.push(last);
            frame.push(7);
            assert_eq!(take_frame(&mut frame).unwrap().unwrap(), (0x81, vec![b'x'; length]));
            assert_eq!((frame, whole[0]), (vec![7], 0x81));
        }
        assert!(take_frame(&mut masked(Opcode::Text, b"x")).is_err(), "a server sends no masks");
    }

    proptest! {
        #[test]
        fn any_cutting_of_the_wire_gives_the_same_frames(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6), cut in 1_usize..40,
        ) {
            let mut wire = Vec::new();
            for payload in &payloads {
                let head = masked(Opcode::Binary, payload);
                let head_bytes = head.len() - payload.len() - MASK.len();
                wire.extend([head[0], head[1] & !MASKED]);
                wire.extend(&head[2..head_bytes]);
                wire.extend(payload);
            }
            let (mut unread, mut found) = (Vec::new(), Vec::new());
            for piece in wire.chunks(cut) {
                unread.extend_from_slice(piece);
                while let Some((_, payload)) = take_frame(&mut unread).unwrap() {
                    found.push(payload);
                }
            }
            prop_assert_eq!(found, payloads);
            prop_assert!(unread.is_empty());
        }

        #[test]
        fn any_bytes_are_a_frame_or_none(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut unread = bytes.clone();
            if let Ok(Some((_, payload))) = take_frame(&mut unread) {
                prop_assert!(bytes.ends_with(&[payload, unread].concat()));
            } else {
                prop_assert_eq!(unread, bytes);
            }
        }
    }
}
