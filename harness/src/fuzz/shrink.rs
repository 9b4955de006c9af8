//! Shrinking: a sequence that fails becomes the smallest one, found step by step, that fails in the same way.

use serde_json::Value;

use super::call::{Call, Payload, Sequence};

/// So many smaller sequences are tried for one failure.
const TRIES_MAX: usize = 120;

/// Makes a sequence smaller as long as `fails` says that it still fails in the same way.
pub(super) fn shrink(mut sequence: Sequence, mut fails: impl FnMut(&Sequence) -> bool) -> Sequence {
    let mut tries = 0;
    'smaller: loop {
        for candidate in candidates(&sequence) {
            if tries == TRIES_MAX {
                return sequence;
            }
            tries += 1;
            if fails(&candidate) {
                sequence = candidate;
                continue 'smaller;
            }
        }
        return sequence;
    }
}

/// Smaller sequences, those first that are much smaller.
fn candidates(sequence: &Sequence) -> Vec<Sequence> {
    let mut candidates = Vec::new();
    let calls = &sequence.0;
    if calls.len() > 1 {
        candidates.push(Sequence(calls[calls.len() - 1..].to_vec()));
        for left_out in 0..calls.len() {
            let mut fewer = calls.clone();
            fewer.remove(left_out);
            candidates.push(Sequence(fewer));
        }
    }
    for (at, call) in calls.iter().enumerate() {
        candidates.extend(smaller_calls(call).into_iter().map(|smaller| {
            let mut calls = calls.clone();
            calls[at] = smaller;
            Sequence(calls)
        }));
    }
    candidates
}

fn smaller_calls(call: &Call) -> Vec<Call> {
    let mut smaller = Vec::new();
    let mut add = |change: &dyn Fn(&mut Call)| {
        let mut changed = call.clone();
        change(&mut changed);
        if changed != *call {
            smaller.push(changed);
        }
    };
    add(&|call| call.body = Payload::Absent);
    add(&|call| call.headers.clear());
    add(&|call| call.target = call.target.split('?').next().unwrap_or_default().to_owned());
    for name in call.headers.keys() {
        add(&|call| drop(call.headers.remove(name)));
    }
    for target in smaller_targets(&call.target) {
        add(&|call| target.clone_into(&mut call.target));
    }
    match &call.body {
        Payload::Absent => {}
        Payload::Json(value) => {
            for value in smaller_values(value) {
                add(&|call| call.body = Payload::Json(value.clone()));
            }
        }
        Payload::Text(text) => {
            for text in smaller_texts(text) {
                add(&|call| call.body = Payload::Text(text.clone()));
            }
        }
        Payload::Bytes(bytes) => {
            add(&|call| call.body = Payload::Bytes(bytes[..bytes.len() / 2].to_vec()));
            add(&|call| call.body = Payload::Bytes(bytes[bytes.len() / 2..].to_vec()));
        }
        Payload::Chunked(pieces) => add(&|call| call.body = Payload::Text(pieces.concat())),
    }
    smaller
}

/// With one pair of the query less, or one pair without its value.
fn smaller_targets(target: &str) -> Vec<String> {
    let Some((path, query)) = target.split_once('?') else { return Vec::new() };
    let pairs: Vec<_> = query.split('&').collect();
    let mut targets = Vec::new();
    for left_out in 0..pairs.len() {
        let mut fewer = pairs.clone();
        fewer.remove(left_out);
        targets.push(if fewer.is_empty() { path.to_owned() } else { format!("{path}?{}", fewer.join("&")) });
    }
    targets
}

fn smaller_values(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(fields) => {
            let fewer = fields.keys().map(|key| {
                let mut fewer = fields.clone();
                fewer.remove(key);
                Value::Object(fewer)
            });
            let within = fields.iter().flat_map(|(key, field)| {
                smaller_values(field).into_iter().map(move |smaller| {
                    let mut fields = fields.clone();
                    fields.insert(key.clone(), smaller);
                    Value::Object(fields)
                })
            });
            fewer.chain(within).collect()
        }
        Value::Array(items) if !items.is_empty() => {
            let fewer = (0..items.len()).map(|at| {
                let mut fewer = items.clone();
                fewer.remove(at);
                Value::Array(fewer)
            });
            std::iter::once(Value::Array(Vec::new())).chain(fewer).collect()
        }
        Value::String(text) => smaller_texts(text).into_iter().map(Value::String).collect(),
        _ => Vec::new(),
    }
}

/// Halves, until little is left.
fn smaller_texts(text: &str) -> Vec<String> {
    // Short texts are words; a half of one means nothing.
    const WORD_BYTES_MAX: usize = 16;
    if text.len() <= WORD_BYTES_MAX {
        return Vec::new();
    }
    let middle = (text.len() / 2..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    vec![text[..middle].to_owned(), text[middle..].to_owned()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_matter_goes() {
        let mut call = Call::new("POST", "/process?a=1&bad=2&c=3");
        call.headers.insert("accept".to_owned(), "*/*".to_owned());
        let body = json!({"a": [1, {"x": 1}], "b": {"deep": {"bad": "y".repeat(100)}, "c": 1}});
        let call = call.with(body);
        let sequence = Sequence(vec![Call::new("GET", "/health"), call, Call::new("GET", "/metrics")]);
        let fails = |sequence: &Sequence| {
            sequence.0.iter().any(|call| {
                let Payload::Json(value) = &call.body else { return false };
                call.target.contains("bad=2") && value.pointer("/b/deep/bad").is_some()
            })
        };
        let [left] = &shrink(sequence, fails).0[..] else { panic!("one request") };
        assert_eq!(left.target, "/process?bad=2");
        assert!(left.headers.is_empty());
        let Payload::Json(value) = &left.body else { panic!("{left:?}") };
        let bad = value.pointer("/b/deep/bad").and_then(Value::as_str).unwrap();
        assert!(bad.len() <= 16 && value.to_string().len() < 50, "{value}");
    }

    #[test]
    fn what_never_fails_again_stays() {
        let sequence = Sequence(vec![Call::new("GET", "/a?b"), Call::new("GET", "/c")]);
        assert_eq!(shrink(sequence.clone(), |_| false), sequence);
    }
}
