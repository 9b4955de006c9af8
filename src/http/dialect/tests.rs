//! The frames, byte for byte.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::id::IdSource;
use crate::log::OutputStream::{Stderr, Stdout};
use crate::log::{Offsets, Position};

fn cursor() -> Cursor {
    let position = Position { run: 1, offsets: Offsets { stdout: 14, stderr: 4 } };
    Cursor { process: IdSource::new().next(), position, ended: false }
}

/// What a dialect writes for a little story, with the process's id made plain.
fn story(mut dialect: impl Dialect) -> String {
    let cursor = cursor();
    let mut out = Vec::new();
    let mut output = |dialect: &mut dyn Dialect, stream, piece| {
        dialect.output(&mut out, &Output { stream, piece, at_ms: 1_795_469_000_130, cursor });
    };
    output(&mut dialect, Stdout, Piece::Text("one\ntw\u{2028}o"));
    output(&mut dialect, Stderr, Piece::Binary(b"\xff\x00"));
    output(&mut dialect, Stdout, Piece::Text("<three>\r\n"));
    let boundary =
        Boundary { run: 0, at: cursor.position.offsets, attempt: 1, exit_code: 2, delay_ms: 1000, at_ms: 0 };
    dialect.restart(&mut out, &Restart { boundary, notice: "[again]", cursor });
    dialect.heartbeat(&mut out);
    dialect.gap(&mut out, Stdout, 4096, cursor);
    dialect.result(&mut out, br#"{"pid":"1","status":"completed"}"#, cursor);
    String::from_utf8(out).unwrap().replace(&cursor.process.to_string(), "ID")
}

#[test]
fn server_sent_events() {
    let expect = r#"id: ID.1.14.4
event: stdout
data: {"type":"stdout","data":"one\ntw\u2028o","ts":1795469000130}

id: ID.1.14.4
event: stderr
data: {"type":"stderr","data":"/wA=","encoding":"base64","ts":1795469000130}

id: ID.1.14.4
event: stdout
data: {"type":"stdout","data":"\u003cthree\u003e\r\n","ts":1795469000130}

id: ID.1.14.4
event: restart
data: {"type":"restart","attempt":1,"exitCode":2,"delayMs":1000}

: hb
id: ID.1.14.4
event: gap
data: {"type":"gap","bytes":4096}

id: ID.1.14.4.end
event: result
data: {"pid":"1","status":"completed","type":"result"}

"#;
    assert_eq!(story(Sse), expect);
}

#[test]
fn a_server_sent_beginning_and_failure() {
    let cursor = cursor();
    let mut out = Vec::new();
    Sse.open(&mut out, &Opening { pid: 4711, name: "a \"b\"", cursor, is_quiet: true });
    Sse.failure(&mut out, "no <more>", cursor);
    let expect = r#"retry: 1000
event: start
data: {"type":"start","pid":"4711","name":"a \"b\"","cursor":"ID.1.14.4"}

id: ID.1.14.4
event: failure
data: {"error":"no \u003cmore\u003e","type":"failure"}

"#;
    assert_eq!(String::from_utf8(out).unwrap().replace(&cursor.process.to_string(), "ID"), expect);
}

#[test]
fn ndjson_for_the_sdks() {
    let expect = r#"{"type":"stdout","data":"one\ntw\u2028o"}
{"type":"stderr","data":"\ufffd\u0000"}
{"type":"stdout","data":"\u003cthree\u003e\r\n"}
{"type":"restart","data":"[again]"}
{"type":"keepalive"}
{"type":"truncated","data":"Output is incomplete: 4096 bytes of stdout were dropped"}
{"type":"result","data":"{\"pid\":\"1\",\"status\":\"completed\"}"}
"#;
    assert_eq!(story(Ndjson::new(NdjsonKind::SdkStart)), expect);
}

#[test]
fn ndjson_by_name() {
    let start = story(Ndjson::new(NdjsonKind::Start));
    assert!(start.contains("{\"type\":\"stderr\",\"data\":\"/wA=\",\"encoding\":\"base64\"}\n"), "{start}");
    assert!(start.contains("\"type\":\"result\""));
    let log = story(Ndjson::new(NdjsonKind::Log));
    assert!(!log.contains("\"type\":\"result\""), "{log}");
}

#[test]
fn text_keeps_the_streams_apart() {
    let expect = "stdout:one\nstdout:tw\u{2028}o\nstderr:\u{fffd}\0\nstdout:<three>\r\n[again]\n[keepalive]\n\
                  [output truncated: 4096 bytes of stdout were dropped]\n";
    assert_eq!(story(Text::default()), expect);
}

#[test]
fn text_marks_no_life_inside_a_line() {
    let (mut text, mut out) = (Text::default(), Vec::new());
    let output = Output { stream: Stdout, piece: Piece::Text("prompt> "), at_ms: 0, cursor: cursor() };
    text.output(&mut out, &output);
    text.heartbeat(&mut out);
    text.output(&mut out, &Output { piece: Piece::Text("yes\nnext"), ..output });
    text.result(&mut out, b"{}", cursor());
    assert_eq!(String::from_utf8(out).unwrap(), "stdout:prompt> yes\nstdout:next\n");
}

/// Events of SSE as the standard reads them: name, data, id.
fn read_sse(text: &str) -> Vec<(String, String, String)> {
    let (mut events, mut name, mut data, mut id) = (Vec::new(), String::new(), Vec::new(), String::new());
    for line in text.split('\n') {
        match line.split_once(':').map(|(field, value)| (field, value.strip_prefix(' ').unwrap_or(value))) {
            None if line.is_empty() && !data.is_empty() => {
                events.push((std::mem::take(&mut name), data.join("\n"), id.clone()));
                data.clear();
            }
            Some(("event", value)) => value.clone_into(&mut name),
            Some(("data", value)) => data.push(value.to_owned()),
            Some(("id", value)) => value.clone_into(&mut id),
            // A comment, or a line that says nothing.
            _ => {}
        }
    }
    events
}

/// The bytes that an object of output stands for.
fn bytes_of(object: &Value) -> Vec<u8> {
    let data = object["data"].as_str().unwrap();
    if object["encoding"] == "base64" { STANDARD.decode(data).unwrap() } else { data.as_bytes().to_vec() }
}

fn piece(bytes: &[u8]) -> Piece<'_> {
    std::str::from_utf8(bytes).map_or(Piece::Binary(bytes), Piece::Text)
}

fn outputs() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let text = "(\r|\n|\u{2028}|data: |event: |id: |\0|[a-z<\"\\\\é]){0,12}".prop_map(String::into_bytes);
    let bytes = prop_oneof![text, prop::collection::vec(any::<u8>(), 0..20)];
    prop::collection::vec((any::<bool>(), bytes), 0..12)
}

/// What a dialect writes of outputs, with heartbeats between them.
fn written(mut dialect: impl Dialect, outputs: &[(bool, Vec<u8>)]) -> String {
    let (mut out, cursor) = (Vec::new(), cursor());
    for (is_stdout, bytes) in outputs {
        let stream = if *is_stdout { Stdout } else { Stderr };
        dialect.output(&mut out, &Output { stream, piece: piece(bytes), at_ms: 1, cursor });
        dialect.heartbeat(&mut out);
    }
    String::from_utf8(out).unwrap()
}

proptest! {
    #[test]
    fn sse_is_read_as_it_was_written(outputs in outputs()) {
        let events = read_sse(&written(Sse, &outputs));
        let read: Vec<_> = events
            .iter()
            .map(|(name, data, _)| (name == "stdout", bytes_of(&serde_json::from_str(data).unwrap())))
            .collect();
        prop_assert_eq!(read, outputs);
        for (_, _, id) in events {
            prop_assert!(id.parse::<Cursor>().is_ok(), "{}", id);
        }
    }

    #[test]
    fn ndjson_is_read_as_it_was_written(outputs in outputs()) {
        let text = written(Ndjson::new(NdjsonKind::Log), &outputs);
        let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let read: Vec<_> = objects
            .iter()
            .filter(|object| object["type"] != "keepalive")
            .map(|object| (object["type"] == "stdout", bytes_of(object)))
            .collect();
        prop_assert_eq!(read, outputs);
    }
}
