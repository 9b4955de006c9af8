//! The head of an answer.

use super::ClientError;

/// httparse wants a bound; a server that sends more headers than this is broken anyway.
const HEADERS_MAX: usize = 128;

/// Status line and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Lower-case name, value; in the order of the wire.
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head from the front of `bytes`; `None` while it isn't whole, else the head and its length.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ClientError> {
        let mut slots = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut slots);
        match response.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => {
                let headers = response
                    .headers
                    .iter()
                    .map(|header| {
                        (header.name.to_lowercase(), String::from_utf8_lossy(header.value).into_owned())
                    })
                    .collect();
                let status = response.code.unwrap_or_default();
                Ok(Some((Self { status, headers }, length)))
            }
            Ok(httparse::Status::Partial) => Ok(None),
            Err(error) => Err(ClientError::Malformed(error.to_string())),
        }
    }

    /// The first value of a header, by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_head_is_read_when_it_is_whole(
            status in 100_u16..600, headers in prop::collection::vec(("[a-z-]{1,8}", "[!-~]{0,12}"), 0..6), body in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let lines: String = headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
            let head = format!("HTTP/1.1 {status} X\r\n{lines}\r\n");
            let wire = [head.as_bytes(), &body].concat();
            for cut in 0..head.len() {
                prop_assert_eq!(Head::parse(&wire[..cut]).unwrap(), None);
            }
            prop_assert_eq!(Head::parse(&wire).unwrap(), Some((Head { status, headers }, head.len())));
        }

        #[test]
        fn any_bytes_are_a_head_or_none(rest in prop::collection::vec(any::<u8>(), 0..60)) {
            for wire in [rest.clone(), [b"HTTP/1.1 200 OK\r\n", rest.as_slice()].concat()] {
                if let Ok(Some((_, length))) = Head::parse(&wire) {
                    prop_assert!(length <= wire.len());
                }
            }
        }
    }
}
