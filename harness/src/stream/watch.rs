//! The stream about a watched folder: one JSON object a line, `[keepalive]` lines between.
//!
//! An event's name is its `op`; what the rest of the line says is its value. The clients know these keys, in this order.

use serde_json::Value;

use super::{
    event::{Findings, Kind},
    lines::Lines,
};
use crate::text::{quote, short};

const KEEPALIVE: &[u8] = b"[keepalive]";

/// What may be told.
const OPS: [&str; 7] = ["CREATE", "WRITE", "REMOVE", "RENAME", "CHMOD", "OVERFLOW", "ERROR"];

/// Decodes lines from bytes cut anywhere.
#[derive(Debug, Default)]
pub(super) struct Watch {
    lines: Lines,
}

impl Watch {
    pub(super) fn feed(&mut self, bytes: &[u8], findings: &mut Findings) {
        for line in self.lines.feed(bytes) {
            match event(&line) {
                Ok(Some(kind)) => findings.push(kind, None),
                Ok(None) => findings.heartbeat(),
                Err(sentence) => findings.break_rule(&sentence),
            }
        }
    }

    pub(super) fn is_unfinished(&self) -> bool {
        self.lines.is_unfinished()
    }
}

/// What a line says; `None` is a keepalive.
fn event(line: &[u8]) -> Result<Option<Kind>, String> {
    if line == KEEPALIVE {
        return Ok(None);
    }
    let shown = || short(&quote(line));
    let record: Value =
        serde_json::from_slice(line).map_err(|error| format!("a line is no JSON ({error}): {}", shown()))?;
    let Value::Object(mut fields) = record else { return Err(format!("a line is no object: {}", shown())) };
    let op = match fields.remove("op") {
        Some(Value::String(op)) if OPS.contains(&op.as_str()) => op,
        _ => return Err(format!("a line has no known `op`: {}", shown())),
    };
    let is_text = |key: &str| fields.get(key).is_some_and(Value::is_string);
    let path = fields.get("path").and_then(Value::as_str).unwrap_or_default();
    if !is_text("name") || !path.starts_with('/') || path.len() > 1 && path.ends_with('/') {
        return Err(format!(
            "a line has no `name`, or no absolute `path` without a slash behind it: {}",
            shown()
        ));
    }
    if !fields.get("error").is_some_and(|error| error.is_string() || error.is_null()) {
        return Err(format!("the `error` of a line is neither text nor null: {}", shown()));
    }
    Ok(Some(Kind::Notice { name: op, value: Value::Object(fields) }))
}
