//! One change of one request.

use serde_json::Value;

use super::{
    call::{Call, Payload, Sequence},
    generate::{escaped, one_line},
    values::{index, odd_text, odd_value, once_in, pick, text},
};
use crate::random::Random;

/// Methods that do no more than they ought to, wherever they are sent.
const METHODS: [&str; 5] = ["GET", "HEAD", "OPTIONS", "PATCH", "FUZZ"];

/// Headers and how they may be changed.
const HEADERS: [&str; 9] = [
    "accept",
    "content-type",
    "range",
    "if-match",
    "if-none-match",
    "last-event-id",
    "mcp-protocol-version",
    "x-request-id",
    "x-blaxel-workspace",
];

const MEDIA_TYPES: [&str; 7] = [
    "application/json",
    "application/JSON; charset=latin1",
    "text/plain",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "application/octet-stream",
    ";",
];

/// Deeper than any value that a client means.
const DEPTH: usize = 3000;

/// Changes one request of a sequence. Those that later ones take something from stay as they are.
pub(super) fn mutate(sequence: &mut Sequence, random: &mut Random) {
    let free: Vec<_> = (0..sequence.0.len()).filter(|at| sequence.0[*at].capture.is_empty()).collect();
    if free.is_empty() {
        return;
    }
    // What comes last is what the sequence is about.
    let at = if once_in(random, 3) { free[index(random, free.len())] } else { free[free.len() - 1] };
    let call = &mut sequence.0[at];
    match random.below(12) {
        0 => call.method = pick(random, &METHODS).to_owned(),
        1 | 2 => change_query(call, random),
        3 | 4 => change_header(call, random),
        5 => break_body(call, random),
        6 => {
            let again = sequence.0[at].clone();
            sequence.0.insert(at, again);
        }
        _ => match &mut call.body {
            Payload::Json(value) => change_value(value, random),
            _ => change_query(call, random),
        },
    }
}

fn change_query(call: &mut Call, random: &mut Random) {
    let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
    let mut pairs: Vec<String> =
        query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
    let at = index(random, pairs.len());
    match (pairs.get(at).cloned(), random.below(5)) {
        (Some(_), 0) => drop(pairs.remove(at)),
        (Some(pair), 1) => pairs.push(pair),
        (Some(pair), 2 | 3) => {
            let name = pair.split('=').next().unwrap_or_default().to_owned();
            let value = if once_in(random, 3) { "%zz".to_owned() } else { escaped(&odd_text(random)) };
            pairs[at] = format!("{name}={value}");
        }
        _ => {
            let name =
                pick(random, &["recursive", "timeout", "maxResults", "download", "cursor", "fuzz", ""]);
            pairs.push(format!("{name}={}", escaped(&odd_text(random))));
        }
    }
    call.target = if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) };
}

fn change_header(call: &mut Call, random: &mut Random) {
    let name = pick(random, &HEADERS);
    if once_in(random, 4) {
        call.headers.remove(name);
        return;
    }
    let value = match name {
        "content-type" => pick(random, &MEDIA_TYPES).to_owned(),
        _ if once_in(random, 4) => one_line(&odd_text(random)),
        _ => text(random, name),
    };
    call.headers.insert(name.to_owned(), one_line(&value));
}

/// Makes the body something else than it says, without a new word in it.
fn break_body(call: &mut Call, random: &mut Random) {
    let text = match &call.body {
        Payload::Json(value) => value.to_string(),
        Payload::Text(text) => text.clone(),
        _ => return,
    };
    let middle =
        (index(random, text.len().max(1))..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (before, after) = text.split_at(middle);
    call.body = match random.below(7) {
        0 => Payload::Text(before.to_owned()),
        1 => Payload::Text(format!("{text}{}", pick(random, &["}", ",", "x", "\u{0}", "{}", "\n\n"]))),
        2 => Payload::Text(format!("\u{feff}{text}")),
        3 => Payload::Chunked(vec![before.to_owned(), after.to_owned()]),
        4 => Payload::Text("[".repeat(DEPTH)),
        5 => Payload::Absent,
        _ => Payload::Bytes([text.as_bytes(), &[0xff, 0xc3]].concat()),
    };
    if matches!(call.body, Payload::Text(_) | Payload::Bytes(_) | Payload::Chunked(_)) && once_in(random, 2) {
        call.headers.entry("content-type".to_owned()).or_insert_with(|| "application/json".to_owned());
    }
}

/// Changes one place of a JSON value.
fn change_value(value: &mut Value, random: &mut Random) {
    match value {
        Value::Object(fields) if !fields.is_empty() && !once_in(random, 12) => {
            let at = index(random, fields.len());
            let Some(key) = fields.keys().nth(at).cloned() else { return };
            match random.below(6) {
                0 => drop(fields.remove(&key)),
                1 => {
                    let field = fields.remove(&key).unwrap_or_default();
                    let other = if once_in(random, 2) { key.to_uppercase() } else { format!("{key}x") };
                    fields.insert(other, field);
                }
                2 => {
                    fields.insert("fuzz".to_owned(), odd_value(random));
                }
                _ => {
                    if let Some(field) = fields.get_mut(&key) {
                        change_value(field, random);
                    }
                }
            }
        }
        Value::Array(items) if !items.is_empty() && !once_in(random, 4) => {
            let at = index(random, items.len());
            change_value(&mut items[at], random);
        }
        other => *other = odd_value(random),
    }
}
