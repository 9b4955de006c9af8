//! The bytes of a request.

use std::collections::BTreeMap;

/// A request, ready to be written.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Lower-case name → value.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Option<Vec<u8>>,
    /// The lengths of the pieces for chunked framing; none means a Content-Length.
    pub(crate) pieces: Option<Vec<usize>>,
}

impl Request {
    /// The request as it goes over the wire: Host first, then the headers in the order of their names.
    pub(crate) fn bytes(&self, authority: &str) -> Vec<u8> {
        let mut headers = self.headers.clone();
        let host = headers.remove("host").unwrap_or_else(|| authority.to_owned());
        let mut lines = vec![format!("{} {} HTTP/1.1", self.method, self.target), format!("host: {host}")];
        match (&self.body, &self.pieces) {
            (_, Some(_)) => drop(headers.insert("transfer-encoding".to_owned(), "chunked".to_owned())),
            (Some(body), None) => {
                headers.entry("content-length".to_owned()).or_insert_with(|| body.len().to_string());
            }
            (None, None) => {}
        }
        lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
        let mut bytes = (lines.join("\r\n") + "\r\n\r\n").into_bytes();
        match (&self.body, &self.pieces) {
            (Some(body), Some(pieces)) => bytes.extend(chunked(body, pieces)),
            (Some(body), None) => bytes.extend_from_slice(body),
            (None, _) => {}
        }
        bytes
    }
}

fn chunked(body: &[u8], pieces: &[usize]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(body.len() + 16 * pieces.len());
    let mut rest = body;
    for &length in pieces {
        let (piece, after) = rest.split_at(length.min(rest.len()));
        framed.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        framed.extend_from_slice(piece);
        framed.extend_from_slice(b"\r\n");
        rest = after;
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    framed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_written_byte_for_byte() {
        let mut request = Request {
            method: "PUT".into(),
            target: "/a%2Fb//c".into(),
            headers: BTreeMap::from([("accept".into(), "x/y".into())]),
            body: Some(b"hello".to_vec()),
            pieces: None,
        };
        assert_eq!(
            String::from_utf8_lossy(&request.bytes("box:80")),
            "PUT /a%2Fb//c HTTP/1.1\r\nhost: box:80\r\naccept: x/y\r\ncontent-length: 5\r\n\r\nhello",
        );
        request.pieces = Some(vec![1, 4]);
        assert_eq!(
            String::from_utf8_lossy(&request.bytes("box:80")),
            "PUT /a%2Fb//c HTTP/1.1\r\nhost: box:80\r\naccept: x/y\r\ntransfer-encoding: chunked\r\n\r\n\
             1\r\nh\r\n4\r\nello\r\n0\r\n\r\n",
        );
    }
}
