//! The text dialect: `stdout:` or `stderr:` before every line, `[keepalive]` lines between.
//!
//! Bytes behind a prefix count as soon as they are there, also without the line's end: a prompt is output. A line in
//! brackets is a notice of the server; any other line without a prefix is a broken rule.

use serde_json::json;

use super::event::{Findings, Kind};
use crate::text::{quote, short};

const KEEPALIVE: &[u8] = b"[keepalive]";

/// Decodes lines from bytes cut anywhere.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// The start of a line, while it is too short to tell its prefix.
    start: Vec<u8>,
    /// The stream of the line that is under way.
    stream: Option<&'static str>,
}

impl Text {
    pub(super) fn feed(&mut self, bytes: &[u8], findings: &mut Findings) {
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.start.extend_from_slice(line);
            self.part(findings);
        }
    }

    /// A line that isn't whole at the end is output without a final newline, unless its prefix isn't whole either.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.start.is_empty()
    }

    fn part(&mut self, findings: &mut Findings) {
        if self.stream.is_none() {
            let Some(stream) = ["stdout", "stderr"].into_iter().find(|stream| {
                self.start.strip_prefix(stream.as_bytes()).is_some_and(|rest| rest.starts_with(b":"))
            }) else {
                if self.start.ends_with(b"\n") {
                    notice(&std::mem::take(&mut self.start), findings);
                }
                return;
            };
            self.stream = Some(stream);
            self.start.drain(..=stream.len());
        }
        let Some(stream) = self.stream else { return };
        let bytes = std::mem::take(&mut self.start);
        if bytes.ends_with(b"\n") {
            self.stream = None;
        }
        if !bytes.is_empty() {
            findings.push(Kind::Output { stream: stream.to_owned(), bytes }, None);
        }
    }
}

fn notice(line: &[u8], findings: &mut Findings) {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    if line == KEEPALIVE {
        findings.heartbeat();
    } else if line.starts_with(b"[") && line.ends_with(b"]") {
        let value = json!(String::from_utf8_lossy(line));
        findings.push(Kind::Notice { name: "notice".to_owned(), value }, None);
    } else {
        findings.break_rule(&format!("a line has no prefix: {}", short(&quote(line))));
    }
}
