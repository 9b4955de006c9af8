//! A text to stream, and whether a follower got all of it.

use std::{
    borrow::Cow,
    fmt::Write as _,
    fs,
    io::{self, BufRead},
    path::PathBuf,
};

use serde::Deserialize;

use super::{server::Folder, wire::Wire};

const BYTES: usize = 64 << 20;
/// What a line of the text lacks to its length.
const FILLING: &str = "lorem ipsum dolor sit amet consetetur sadipscing elitr";

/// Server-sent events.
pub(crate) const SSE: &str = "text/event-stream";
/// JSON lines.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// A file of 64 MiB of ordinary log lines of 60 to 100 bytes.
#[derive(Debug)]
pub(crate) struct Text {
    bytes: Vec<u8>,
    path: PathBuf,
    _folder: Folder,
}

impl Text {
    /// Writes the file; the text is the same each time.
    pub(crate) fn new() -> io::Result<Self> {
        let folder = Folder::new()?;
        let path = folder.path().join("text.log");
        let bytes = lines();
        fs::write(&path, &bytes)?;
        Ok(Self { bytes, path, _folder: folder })
    }

    /// The command that prints it.
    pub(crate) fn command(&self) -> String {
        format!("cat {}", self.path.display())
    }

    /// In 10^6 bytes.
    pub(crate) fn megabytes(&self) -> f64 {
        super::statistics::number(self.bytes.len()) / 1e6
    }

    /// Room for an answer with the text in it, when most of it needs no escape.
    pub(crate) fn room(&self) -> usize {
        self.bytes.len() / 4 * 5
    }

    /// Looks whether a whole streamed answer holds exactly the text on stdout, and then the one end it should have.
    pub(crate) fn verify(&self, wire: &Wire, accept: &str) -> io::Result<()> {
        let mut rest = &self.bytes[..];
        let mut ends = 0;
        for line in wire.body()?.lines() {
            let line = line?;
            let Some(json) = (if accept == SSE { line.strip_prefix("data: ") } else { Some(line.as_str()) })
            else {
                continue;
            };
            let event: Event<'_> = serde_json::from_str(json)?;
            match (&*event.kind, &event.data, &event.encoding) {
                ("stdout", Some(data), None) => {
                    rest = rest.strip_prefix(data.as_bytes()).ok_or_else(|| self.wrong(rest, "differs"))?;
                }
                ("result", ..) => ends += 1,
                ("start" | "keepalive", ..) => {}
                _ => return Err(io::Error::other(format!("an event of another kind: {json:.300}"))),
            }
        }
        match (rest, ends) {
            ([], 1) => Ok(()),
            ([], ends) => Err(io::Error::other(format!("{ends} terminal events"))),
            _ => Err(self.wrong(rest, "ends")),
        }
    }

    fn wrong(&self, rest: &[u8], how: &str) -> io::Error {
        let at = self.bytes.len() - rest.len();
        io::Error::other(format!("the stream {how} at byte {at} of {}", self.bytes.len()))
    }
}

/// An event of a stream, in either form.
#[derive(Debug, Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    encoding: Option<String>,
}

fn lines() -> Vec<u8> {
    let mut text = String::with_capacity(BYTES + 128);
    let mut state = 1_u32;
    while text.len() < BYTES {
        // The constants of Numerical Recipes' quick generator; any would do.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (worker, took, filling) = (state >> 28, state >> 20 & 0xff, (state >> 12) as usize % 37);
        let (at, filling) = (text.len(), &FILLING[..filling]);
        writeln!(
            text,
            "2026-11-24T09:14:03Z INFO w{worker:02} request {at:09} done in {took:03} ms {filling}"
        )
        .expect("a string takes every text");
    }
    text.truncate(BYTES - 1);
    text.push('\n');
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_long_as_they_are_said_to_be() {
        let text = lines();
        assert_eq!(text.len(), BYTES);
        let lengths: Vec<_> = text.lines().map(|line| line.unwrap().len() + 1).collect();
        let lengths = &lengths[..lengths.len() - 1];
        assert!(lengths.iter().all(|length| (60..=100).contains(length)), "{:?}", lengths.iter().min());
    }
}
