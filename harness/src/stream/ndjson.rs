//! The NDJSON dialects: one JSON object a line, no blank lines.
//!
//! The SDKs parse each line and know only text; base64 may come only where the request asked for NDJSON by name. The
//! `result` carries the process as a JSON string.

use serde_json::Value;

use super::{
    event::{Findings, Kind, output_bytes},
    lines::Lines,
};
use crate::text;

/// Decodes lines from bytes cut anywhere.
#[derive(Debug)]
pub(super) struct Ndjson {
    lines: Lines,
    /// Whether the request named the media type, as the SDKs do not.
    by_name: bool,
}

impl Ndjson {
    pub(super) fn new(by_name: bool) -> Self {
        Self { lines: Lines::default(), by_name }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], findings: &mut Findings) {
        for line in self.lines.feed(bytes) {
            if let Err(sentence) = self.line(&line, findings) {
                findings.break_rule(&sentence);
            }
        }
    }

    pub(super) fn is_unfinished(&self) -> bool {
        self.lines.is_unfinished()
    }

    fn line(&self, line: &[u8], findings: &mut Findings) -> Result<(), String> {
        if line.is_empty() {
            return Err("an NDJSON line is empty: the SDKs parse every line".to_owned());
        }
        let record: Value = serde_json::from_slice(line).map_err(|error| {
            format!("an NDJSON line is no JSON ({error}): {}", text::short(&text::quote(line)))
        })?;
        let Some(kind) = record["type"].as_str() else {
            return Err(format!("a record has no `type`: {}", text::short(&text::quote(line))));
        };
        if record.get("encoding").is_some() && !self.by_name {
            return Err("a record has an `encoding`, which the SDKs don't know".to_owned());
        }
        let kind = match kind {
            "keepalive" => {
                findings.heartbeat();
                return Ok(());
            }
            "stdout" | "stderr" => {
                let bytes = output_bytes(&record)?;
                if !self.by_name && bytes.is_empty() {
                    return Err("an output record is empty".to_owned());
                }
                Kind::Output { stream: kind.to_owned(), bytes }
            }
            "result" => {
                let Some(data) = record["data"].as_str() else {
                    return Err("the data of `result` is no string".to_owned());
                };
                let value = serde_json::from_str(data)
                    .map_err(|error| format!("the data of `result` is no JSON in a string: {error}"))?;
                Kind::Terminal { name: kind.to_owned(), value }
            }
            name => {
                let name = name.to_owned();
                let Value::Object(mut fields) = record else {
                    return Err("a record is no object".to_owned());
                };
                fields.remove("type");
                let value = Value::Object(fields);
                if name == "error" { Kind::Terminal { name, value } } else { Kind::Notice { name, value } }
            }
        };
        findings.push(kind, None);
        Ok(())
    }
}
