//! The SSE dialect, stricter than any client: what some client trips over is a broken rule.
//!
//! A frame is lines up to an empty line. Comments stand only between frames and are no frame of their own, `retry` stands
//! only in the first one, `data` is one line of JSON whose `type` repeats the event's name.

use serde_json::Value;

use super::{
    event::{Findings, Kind},
    lines::Lines,
};
use crate::text;

/// The one comment that is sent, as a heartbeat.
const HEARTBEAT: &str = ": hb";

/// Decodes frames from bytes cut anywhere.
#[derive(Debug, Default)]
pub(super) struct Sse {
    lines: Lines,
    frame: RawFrame,
    frames: Vec<RawFrame>,
}

/// The fields of one frame, as they stood on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RawFrame {
    pub(super) event: Option<String>,
    pub(super) data: Option<String>,
    pub(super) id: Option<String>,
    pub(super) retry: Option<String>,
}

impl Sse {
    pub(super) fn feed(&mut self, bytes: &[u8], findings: &mut Findings) {
        for line in self.lines.feed(bytes) {
            match std::str::from_utf8(&line) {
                Ok(line) => self.line(line, findings),
                Err(_) => findings.break_rule("an SSE line isn't UTF-8"),
            }
        }
    }

    pub(super) fn is_unfinished(&self) -> bool {
        self.lines.is_unfinished() || self.frame != RawFrame::default()
    }

    pub(super) fn frames(&self) -> &[RawFrame] {
        &self.frames
    }

    fn line(&mut self, line: &str, findings: &mut Findings) {
        if line.contains('\r') {
            findings.break_rule("an SSE line holds a CR: lines end with LF alone");
        }
        if line.contains(['\u{85}', '\u{2028}', '\u{2029}']) {
            findings.break_rule("U+0085, U+2028 or U+2029 stands unescaped: some clients split lines there");
        }
        if line.is_empty() {
            if self.frame == RawFrame::default() {
                findings
                    .break_rule("an empty line without an event before it: some clients emit an empty event");
                return;
            }
            let frame = std::mem::take(&mut self.frame);
            judge(&frame, self.frames.is_empty(), findings);
            self.frames.push(frame);
        } else if line.starts_with(':') {
            if line != HEARTBEAT {
                findings.break_rule(&format!("a comment that is no heartbeat: {}", text::short(line)));
            }
            if self.frame != RawFrame::default() {
                findings.break_rule("a heartbeat stands inside an event");
            }
            findings.heartbeat();
        } else {
            self.field(line, findings);
        }
    }

    fn field(&mut self, line: &str, findings: &mut Findings) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        let slot = match name {
            "event" => &mut self.frame.event,
            "data" => &mut self.frame.data,
            "id" => &mut self.frame.id,
            "retry" => {
                if !self.frames.is_empty() {
                    findings.break_rule("`retry` stands outside the first event");
                }
                if value.parse::<u32>().is_err() {
                    findings.break_rule("`retry` is no whole number of milliseconds");
                }
                &mut self.frame.retry
            }
            other => {
                findings.break_rule(&format!("`{}` is no SSE field", text::short(other)));
                return;
            }
        };
        if slot.replace(value).is_some() {
            findings.break_rule(&format!("an event has two `{name}` lines"));
        }
    }
}

/// Checks a whole frame and turns it into an event.
fn judge(frame: &RawFrame, is_first: bool, findings: &mut Findings) {
    let RawFrame { event: Some(name), data: Some(data), id, .. } = frame else {
        let retry_alone = frame.retry.is_some() && frame.event.is_none() && frame.data.is_none();
        findings.break_rule(if retry_alone {
            "`retry` stands alone, not inside the first event"
        } else {
            "an event lacks its `event` or its `data` line"
        });
        return;
    };
    if name == "error" {
        findings.break_rule("an event is named `error`: EventSource takes it for a lost connection");
    }
    if is_first != frame.retry.is_some() {
        findings.break_rule("`retry` stands not in the first event");
    }
    if (name == "start") == id.is_some() {
        findings.break_rule(&format!("`{name}`: every event but `start` has an id, and `start` has none"));
    }
    if id.as_ref().is_some_and(|id| id.is_empty() || id.contains('\0')) {
        findings.break_rule("an id is empty or holds NUL");
    }
    let Ok(Value::Object(mut fields)) = serde_json::from_str(data) else {
        findings.break_rule(&format!("the data of `{name}` is no JSON object: {}", text::short(data)));
        return;
    };
    if fields.remove("type") != Some(Value::from(name.as_str())) {
        findings.break_rule(&format!("the `type` in the data of `{name}` doesn't repeat the event's name"));
    }
    let value = Value::Object(fields);
    let kind = match name.as_str() {
        "stdout" | "stderr" => {
            // Milliseconds of our age: seconds, or microseconds, would be off by a factor of a thousand.
            if !value["ts"].as_u64().is_some_and(|ts| (1_000_000_000_000..10_000_000_000_000).contains(&ts)) {
                findings.break_rule("the `ts` of an output event is no time in milliseconds since 1970");
            }
            match super::event::output_bytes(&value) {
                Ok(bytes) => Kind::Output { stream: name.clone(), bytes },
                Err(sentence) => return findings.break_rule(&sentence),
            }
        }
        "result" | "failure" => {
            if !data.ends_with(&format!(r#""type":"{name}"}}"#)) {
                findings.break_rule(&format!("`type` isn't the last key in the data of `{name}`"));
            }
            Kind::Terminal { name: name.clone(), value }
        }
        _ => Kind::Notice { name: name.clone(), value },
    };
    findings.push(kind, id.clone());
}
