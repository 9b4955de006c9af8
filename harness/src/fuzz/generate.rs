//! `Generator`: sequences of requests, from the OpenAPI document and from the fixtures, mutated.
//!
//! The same seed and number give the same sequence, whatever was answered before.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    call::{Call, Payload, Sequence},
    leash::{COMMANDS, Leash},
    mutate::mutate,
    values::{self, index, once_in, pick},
};
use crate::{
    book::Book,
    contract::{Contract, Operation},
    fixture::{Action, Body, Mode, Plan},
    glob,
    random::Random,
};

/// A case of the fixtures is taken as far as this.
const CALLS_MAX: usize = 6;
/// The leash refuses most of what is tried where a path matters; then another sequence is made.
const TRIES_MAX: u64 = 200;

/// Makes sequences.
#[derive(Debug)]
pub(super) struct Generator {
    seed: u64,
    leash: Leash,
    operations: Vec<(&'static str, &'static Operation)>,
    /// What fixtures send, as far as the leash allows it.
    seeds: Vec<Sequence>,
}

impl Generator {
    /// One for the operations whose names fit.
    pub(super) fn new(seed: u64, leash: Leash, only: &str) -> Result<Self, String> {
        let operations: Vec<_> =
            Contract::own().operations().filter(|(name, _)| glob::fits(only, name)).collect();
        let mut random = Random::fork(seed, u64::MAX);
        let mut kept: Vec<_> = Vec::new();
        for case in Book::embedded()?.cases {
            let fixture = &case.fixture;
            let is_plain = fixture.daemon.is_empty()
                && fixture.stand_in.is_empty()
                && fixture.files.is_empty()
                && fixture.place.is_none()
                && !fixture.needs_root
                && fixture.needs_limits.is_empty();
            if !is_plain {
                continue;
            }
            let calls = fixture.steps.iter().filter_map(|step| match &step.action {
                Action::Send(sent) => of_plan(
                    &sent.plan,
                    matches!(sent.mode, Mode::Open { .. } | Mode::Unread { .. }),
                    &mut random,
                ),
                _ => None,
            });
            let is_wanted = |call: &Call| operations.iter().any(|(name, _)| *name == call.operation());
            let calls: Vec<_> = calls.filter(|call| leash.allows(call)).take(CALLS_MAX).collect();
            if calls.iter().any(is_wanted) {
                kept.push(Sequence(calls));
            }
        }
        let generator = Self { seed, leash, operations, seeds: kept };
        if generator.operations.iter().all(|(_, operation)| !generator.is_possible(operation)) {
            return Err(format!("no operation that may be asked fits `{only}`"));
        }
        Ok(generator)
    }

    /// The sequence of a number.
    pub(super) fn sequence(&self, number: u64) -> Sequence {
        for attempt in 0..TRIES_MAX {
            let mut random = Random::fork(self.seed, number * TRIES_MAX + attempt);
            let mut sequence = if once_in(&mut random, 3) && !self.seeds.is_empty() {
                self.seeds[index(&mut random, self.seeds.len())].clone()
            } else {
                self.described(&mut random)
            };
            for _ in 0..random.below(4) {
                mutate(&mut sequence, &mut random);
            }
            if sequence.0.iter().any(|call| call.capture.contains_key("upload")) {
                sequence.0.push(Call::new("DELETE", "/filesystem-multipart/{{upload}}/abort"));
            }
            if !sequence.0.is_empty() && sequence.0.iter().all(|call| self.leash.allows(call)) {
                return sequence;
            }
        }
        Sequence(vec![Call::new("GET", "/health")])
    }

    /// Whether the leash allows any request for it: it is tried with the simplest.
    fn is_possible(&self, operation: &Operation) -> bool {
        (0..8).any(|branch| {
            let mut random = Random::fork(self.seed, branch);
            self.leash.allows(&request(operation, &mut random))
        })
    }

    fn described(&self, random: &mut Random) -> Sequence {
        let (_, operation) = self.operations[index(random, self.operations.len())];
        let mut calls = Vec::new();
        if !once_in(random, 5) {
            calls.extend(surroundings(operation, random));
        }
        let mut call = request(operation, random);
        if calls.iter().any(|call| call.capture.contains_key("upload")) {
            call.target = call.target.replacen("{{name}}", "{{upload}}", 1);
        }
        calls.push(call);
        Sequence(calls)
    }
}

/// What has to be there for a request to find something.
fn surroundings(operation: &Operation, random: &mut Random) -> Vec<Call> {
    let path = operation.path.as_str();
    if path.contains("{identifier}") || (path == "/mcp" && once_in(random, 2)) {
        let command = pick(random, &COMMANDS);
        let start = json!({
            "name": "{{name}}", "command": command, "workingDir": "/tmp",
            "waitForCompletion": once_in(random, 2), "stdin": once_in(random, 3),
        });
        return vec![Call::new("POST", "/process").with(start)];
    }
    if path.contains("{uploadId}") {
        let mut begin = Call::new("POST", "/filesystem-multipart/initiate/{{dir}}/a").with(json!({}));
        begin.capture = BTreeMap::from([("upload".to_owned(), "/uploadId".to_owned())]);
        let mut calls = vec![begin];
        if once_in(random, 2) {
            let mut part = Call::new("PUT", "/filesystem-multipart/{{upload}}/part?partNumber=1");
            part.headers.insert("content-type".to_owned(), FORM.to_owned());
            part.body = Payload::Text(form("needle one\n"));
            calls.push(part);
        }
        return calls;
    }
    if path.contains("filesystem") || path == "/mcp" {
        let files = json!({"files": {"a": "needle one\n", "d/b": "two\n"}});
        let mut calls = vec![Call::new("PUT", "/filesystem/tree/{{dir}}").with(files)];
        if once_in(random, 3) {
            let link = json!({"target": "{{dir}}/d", "path": "{{dir}}/link"});
            calls.push(Call::new("POST", "/filesystem-symlink").with(link));
        }
        return calls;
    }
    Vec::new()
}

/// A request that the document describes.
fn request(operation: &Operation, random: &mut Random) -> Call {
    let (mut target, mut query, mut headers) = (operation.path.clone(), Vec::new(), BTreeMap::new());
    for parameter in &operation.parameters {
        let name = parameter.name.as_str();
        match parameter.place.as_str() {
            "path" => {
                let value = match name {
                    "pid" => pick(random, &["2147483646", "0", "-1", "1", "abc", "99999999999999999999"])
                        .to_owned(),
                    "port" => "1".to_owned(),
                    "path" if operation.path.starts_with("/port/") => "x".to_owned(),
                    "path" | "mountPath" => values::path(random),
                    _ => values::text(random, name),
                };
                target = target.replacen(&format!("{{{name}}}"), &value, 1);
            }
            _ if !parameter.required && !once_in(random, 3) => {}
            "query" => {
                let value = values::of_schema(random, name, &parameter.schema);
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                query.push(format!("{name}={}", escaped(&value)));
            }
            _ => {
                headers.insert(name.to_lowercase(), one_line(&values::text(random, name)));
            }
        }
    }
    if !query.is_empty() {
        target = format!("{target}?{}", query.join("&"));
    }
    let mut call = Call { headers, ..Call::new(&operation.method, target) };
    call.open = operation.path.starts_with("/watch/");
    let bodies: Vec<_> = operation.bodies.iter().collect();
    if !bodies.is_empty() {
        let (media_type, schema) = bodies[index(random, bodies.len())];
        body(&mut call, media_type, schema, random);
    }
    call
}

fn body(call: &mut Call, media_type: &str, schema: &Value, random: &mut Random) {
    if call.target == "/mcp" {
        call.body = Payload::Json(message(random));
        call.headers.insert("accept".to_owned(), "application/json, text/event-stream".to_owned());
        return;
    }
    match media_type {
        "application/json" => call.body = Payload::Json(values::of_schema(random, "", schema)),
        "multipart/form-data" => {
            call.headers.insert("content-type".to_owned(), FORM.to_owned());
            call.body = Payload::Text(form(&values::text(random, "content")));
        }
        other => {
            call.headers.insert("content-type".to_owned(), other.to_owned());
            call.body = match random.below(4) {
                0 => Payload::Bytes(vec![0; 1024]),
                1 => Payload::Bytes(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff]),
                2 => Payload::Bytes(b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec()),
                _ => Payload::Text(values::text(random, "content")),
            };
        }
    }
}

const FORM: &str = "multipart/form-data; boundary=fuzz";

fn form(content: &str) -> String {
    format!(
        "--fuzz\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{content}\r\n--fuzz--\r\n"
    )
}

/// A message of MCP.
fn message(random: &mut Random) -> Value {
    let (name, arguments) = match random.below(9) {
        0 => (
            "processExecute",
            json!({"command": pick(random, &COMMANDS), "name": "{{name}}", "waitForCompletion": once_in(random, 2)}),
        ),
        1 => ("processGet", json!({"identifier": "{{name}}"})),
        2 => ("processStop", json!({"identifier": "{{name}}"})),
        3 => ("processWait", json!({"identifier": "{{name}}", "timeout": 1})),
        4 => ("fsReadFile", json!({"path": "{{dir}}/a"})),
        5 => ("fsWriteFile", json!({"path": "{{dir}}/d/b", "content": "x"})),
        6 => ("fsEditFile", json!({"path": "{{dir}}/a", "oldString": "needle", "newString": "pin"})),
        7 => ("fsListDirectory", json!({"path": "{{dir}}"})),
        _ => {
            let method =
                pick(random, &["initialize", "tools/list", "ping", "notifications/initialized", "x"]);
            return json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}});
        }
    };
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}})
}

/// What a fixture sends, with a command of the list in the place of its own.
fn of_plan(plan: &Plan, open: bool, random: &mut Random) -> Option<Call> {
    let mut call = Call::new(&plan.method, plan.target.clone());
    call.headers = plan.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
    call.open = open || plan.target.starts_with("/watch/");
    call.body = match &plan.body {
        Body::Absent => Payload::Absent,
        Body::Json(value) => Payload::Json(with_harmless_commands(value.clone(), random)),
        Body::Text(text) => Payload::Text(text.clone()),
        Body::Chunked(pieces) => Payload::Chunked(pieces.clone()),
        // An archive from a fixture may be a trap, and a filler is large.
        Body::Bytes(_) | Body::Filler(_) => return None,
    };
    let text = format!("{call:?}");
    let known = ["{{name}}", "{{dir}}"].iter().fold(text, |text, known| text.replace(known, ""));
    (!known.contains("{{")).then_some(call)
}

fn with_harmless_commands(mut value: Value, random: &mut Random) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                if key == "command" && field.is_string() {
                    *field = pick(random, &COMMANDS).into();
                } else {
                    *field = with_harmless_commands(field.take(), random);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = with_harmless_commands(item.take(), random);
            }
        }
        _ => {}
    }
    value
}

/// As a value in a query.
pub(super) fn escaped(text: &str) -> String {
    // A variable of the fixture is filled in later.
    if text.starts_with("{{name}}") {
        return text.to_owned();
    }
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~*,/".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            crate::text::write(&mut escaped, format_args!("%{byte:02X}"));
        }
        escaped
    })
}

/// As a header's value.
pub(super) fn one_line(text: &str) -> String {
    text.chars().filter(|character| !matches!(character, '\r' | '\n' | '\0')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_sequences_again() {
        let [one, same, other] = [1, 1, 2].map(|seed| {
            let generator = Generator::new(seed, Leash { own: false }, "*").unwrap();
            (0..40).map(|number| generator.sequence(number)).collect::<Vec<_>>()
        });
        assert_eq!(one, same);
        assert_ne!(one, other);
    }

    #[test]
    fn every_sequence_is_a_fixture_and_on_the_leash() {
        let leash = Leash { own: false };
        let generator = Generator::new(7, leash, "*").unwrap();
        assert!(generator.seeds.len() > 50, "{} fixtures serve as seeds", generator.seeds.len());
        let mut reached = std::collections::BTreeSet::new();
        for number in 0..3000 {
            let sequence = generator.sequence(number);
            let text = sequence.fixture("It is a test.", 1000);
            if let Err(error) = crate::fixture::Fixture::parse(&text) {
                panic!("{error}\n{text}");
            }
            for call in &sequence.0 {
                assert!(leash.allows(call), "{call:?}");
                reached.insert(call.operation());
            }
        }
        assert!(reached.len() > 40, "only {} operations: {reached:?}", reached.len());
    }

    #[test]
    fn only_what_was_asked_for_is_in_the_document_part() {
        let generator = Generator::new(3, Leash { own: false }, "GET /metrics").unwrap();
        assert!((0..50).all(|number| {
            generator
                .sequence(number)
                .0
                .iter()
                .any(|call| call.target.contains("metrics") || call.operation() == "none")
        }));
        assert!(Generator::new(3, Leash { own: false }, "POST /upgrade").is_err());
    }
}
