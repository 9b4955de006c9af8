//! The body of an answer: its framing undone, piece by piece, and how it ended.
//!
//! Pure: bytes in, bytes out. A body that was cut is not the same as one that ended, and the difference is the whole
//! point of a stream's terminal event; so the decoder says which it was.

use super::{ClientError, Head};

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As its framing promised.
    Whole,
    /// The connection closed before that.
    Cut,
    /// The client stopped reading, which says nothing about the server.
    Left,
}

/// The state of the framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyDecoder {
    /// So many bytes are still to come.
    Length(u64),
    /// At the line that holds a chunk's size.
    ChunkSize,
    /// Inside a chunk: so many bytes, then CR LF.
    Chunk(u64),
    /// Behind a chunk's bytes.
    ChunkEnd,
    /// Behind the last chunk, at a trailer line or the empty line.
    Trailer,
    /// Until the connection closes.
    UntilClose,
    /// Over.
    Done,
}

/// A chunk-size line longer than this is an attack or a mistake.
const SIZE_LINE_BYTES_MAX: usize = 4096;

impl BodyDecoder {
    /// The framing that a head announces for the answer to a request of this method.
    pub(crate) fn new(method: &str, head: &Head) -> Result<Self, ClientError> {
        if head.status == 101 {
            // No HTTP any more: whatever comes is shown.
            return Ok(Self::UntilClose);
        }
        if method == "HEAD" || matches!(head.status, 100..=199 | 204 | 304) {
            return Ok(Self::Done);
        }
        if let Some(coding) = head.header("transfer-encoding") {
            return if coding.eq_ignore_ascii_case("chunked") {
                Ok(Self::ChunkSize)
            } else {
                Err(ClientError::Malformed(format!("transfer-encoding `{coding}`")))
            };
        }
        match head.header("content-length").map(str::parse) {
            Some(Ok(0)) => Ok(Self::Done),
            Some(Ok(length)) => Ok(Self::Length(length)),
            Some(Err(_)) => Err(ClientError::Malformed("content-length is no number".to_owned())),
            None => Ok(Self::UntilClose),
        }
    }

    /// Moves what `unread` holds of the body over to `body`; what lies behind the body's end stays.
    pub(crate) fn decode(&mut self, unread: &mut Vec<u8>, body: &mut Vec<u8>) -> Result<(), ClientError> {
        let mut used = 0;
        loop {
            let rest = &unread[used..];
            match *self {
                Self::Length(left) | Self::Chunk(left) => {
                    let take = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    body.extend_from_slice(&rest[..take]);
                    used += take;
                    let left = left - take as u64;
                    let in_chunk = matches!(self, Self::Chunk(_));
                    *self = match (left, in_chunk) {
                        (0, true) => Self::ChunkEnd,
                        (0, false) => Self::Done,
                        (_, true) => Self::Chunk(left),
                        (_, false) => Self::Length(left),
                    };
                    if left > 0 {
                        break;
                    }
                }
                Self::UntilClose => {
                    body.extend_from_slice(rest);
                    used += rest.len();
                    break;
                }
                Self::Done => break,
                Self::ChunkSize | Self::ChunkEnd | Self::Trailer => {
                    let Some(line) = line(rest)? else { break };
                    used += line.len() + 2;
                    *self = self.after_line(line)?;
                }
            }
        }
        unread.drain(..used);
        Ok(())
    }

    fn after_line(self, line: &[u8]) -> Result<Self, ClientError> {
        let malformed = || ClientError::Malformed(format!("chunk line {}", crate::text::quote(line)));
        match self {
            Self::ChunkSize => {
                let size = line.split(|&byte| byte == b';').next().unwrap_or_default();
                let size = std::str::from_utf8(size).map_err(|_| malformed())?;
                match u64::from_str_radix(size.trim(), 16).map_err(|_| malformed())? {
                    0 => Ok(Self::Trailer),
                    size => Ok(Self::Chunk(size)),
                }
            }
            Self::ChunkEnd if line.is_empty() => Ok(Self::ChunkSize),
            Self::ChunkEnd => Err(malformed()),
            _ if line.is_empty() => Ok(Self::Done),
            trailer => Ok(trailer),
        }
    }

    /// How the body ended when the connection closes now.
    pub(crate) fn ending_at_close(self) -> Ending {
        if matches!(self, Self::Done | Self::UntilClose) { Ending::Whole } else { Ending::Cut }
    }
}

/// The line at the front, without its CR LF; `None` while it isn't whole.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, ClientError> {
    match bytes.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => Ok(Some(&bytes[..end])),
        None if bytes.len() > SIZE_LINE_BYTES_MAX => {
            Err(ClientError::Malformed("a chunk-size line without an end".to_owned()))
        }
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(status: u16, headers: &[(&str, &str)]) -> Head {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Head { status, headers }
    }

    fn decode(mut decoder: BodyDecoder, pieces: &[&[u8]]) -> (Vec<u8>, Vec<u8>, BodyDecoder) {
        let (mut unread, mut body) = (Vec::new(), Vec::new());
        for piece in pieces {
            unread.extend_from_slice(piece);
            decoder.decode(&mut unread, &mut body).unwrap();
        }
        (body, unread, decoder)
    }

    #[test]
    fn framing_follows_the_head() {
        #[track_caller]
        fn check(method: &str, status: u16, headers: &[(&str, &str)], expected: BodyDecoder) {
            assert_eq!(BodyDecoder::new(method, &head(status, headers)).unwrap(), expected);
        }
        check("GET", 200, &[("content-length", "5")], BodyDecoder::Length(5));
        check("HEAD", 200, &[("content-length", "5")], BodyDecoder::Done);
        check("GET", 204, &[], BodyDecoder::Done);
        check("GET", 200, &[("transfer-encoding", "chunked")], BodyDecoder::ChunkSize);
        check("GET", 200, &[], BodyDecoder::UntilClose);
    }

    #[test]
    fn a_cut_body_is_told_from_a_whole_one() {
        let (body, _, decoder) = decode(BodyDecoder::ChunkSize, &[b"3\r\nabc\r\n"]);
        assert_eq!((body.as_slice(), decoder.ending_at_close()), (b"abc".as_slice(), Ending::Cut));
        let (_, rest, decoder) = decode(BodyDecoder::ChunkSize, &[b"3;x=y\r\nabc\r\n0\r\na: b\r\n\r\nHTTP"]);
        assert_eq!((rest.as_slice(), decoder), (b"HTTP".as_slice(), BodyDecoder::Done));
    }

    proptest! {
        #[test]
        fn any_cutting_of_the_wire_gives_the_same_body(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            cut in 1_usize..9,
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend(format!("{:X}\r\n", chunk.len()).into_bytes());
                wire.extend(chunk);
                wire.extend(b"\r\n");
            }
            wire.extend(b"0\r\n\r\n");
            let pieces: Vec<_> = wire.chunks(cut).collect();
            let (body, rest, decoder) = decode(BodyDecoder::ChunkSize, &pieces);
            prop_assert_eq!(body, chunks.concat());
            prop_assert!(rest.is_empty());
            prop_assert_eq!(decoder, BodyDecoder::Done);
        }
    }
}
