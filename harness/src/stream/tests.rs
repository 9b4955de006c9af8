//! Decoding and judging: good streams give the same pieces however they are cut, bad ones get their sentence.

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn log(accept: &str, target: &str, media_type: &str) -> StreamLog {
    let method = if target == "/process" { "POST" } else { "GET" };
    let head = Head { status: 200, headers: vec![("content-type".into(), media_type.into())] };
    StreamLog::for_answer(&Asked::new(method, target, Some(&accept.to_owned())), &head).unwrap()
}

fn sse(body: &[u8]) -> StreamLog {
    let mut log = log("text/event-stream", "/process", "text/event-stream; charset=utf-8");
    log.feed(body);
    log.close(Ending::Whole, body);
    log
}

fn sdk(body: &[u8]) -> StreamLog {
    let mut log = log("text/event-stream", "/process", "application/x-ndjson");
    log.feed(body);
    log.close(Ending::Whole, body);
    log
}

fn text(body: &[u8]) -> StreamLog {
    let mut log = log("", "/process/x/logs/stream", "text/plain; charset=utf-8");
    log.feed(body);
    log.close(Ending::Whole, body);
    log
}

fn watch(body: &[u8]) -> StreamLog {
    let mut log = log("", "/watch/filesystem/x", "text/plain; charset=utf-8");
    log.feed(body);
    log.close(Ending::Whole, body);
    log
}

const START: &str = "retry: 1000\nevent: start\ndata: {\"type\":\"start\",\"pid\":\"1\"}\n\n";
const OUT: &str =
    "id: 1\nevent: stdout\ndata: {\"type\":\"stdout\",\"data\":\"hi\\n\",\"ts\":1795469000130}\n\n";
const END: &str = "id: 2\nevent: result\ndata: {\"pid\":\"1\",\"type\":\"result\"}\n\n";

#[test]
fn a_good_sse_stream_breaks_no_rule() {
    let log = sse(format!("{START}: hb\n{OUT}: hb\n: hb\n{END}").as_bytes());
    assert_eq!(log.broken(), [""; 0]);
    assert_eq!((log.heartbeats(), log.last_id(), log.count("stdout")), (3, Some("2"), 1));
    assert_eq!(log.subject(), Some(&json!({"pid": "1"})));
    assert_eq!(log.output("stdout"), b"hi\n");
}

#[test]
fn each_sse_defect_has_its_sentence() {
    #[track_caller]
    fn check(body: &str, part: &str) {
        let broken = sse(body.as_bytes()).broken().to_vec();
        assert!(broken.iter().any(|sentence| sentence.contains(part)), "{broken:?}");
    }
    check(&format!("{START}: hb\n\n{OUT}{END}"), "an empty line without an event");
    check(&format!("{START}id: 1\n: hb\nevent: stdout\ndata: {{}}\n\n{END}"), "inside an event");
    check(&format!("{START}: ping\n{END}"), "no heartbeat");
    check(&format!("retry: 1000\n\n{START}{END}"), "`retry` stands alone");
    check(&format!("{START}{}{END}", OUT.replace("id: 1", "id: 1\nretry: 5")), "outside the first event");
    check(&format!("{}{END}", START.replace("retry: 1000\n", "")), "not in the first event");
    check(&format!("{START}{}", END.replace('\n', "\r\n")), "holds a CR");
    check(&format!("{START}{}{END}", OUT.replace("hi", "a\u{2028}b")), "U+2028");
    check(&format!("{START}{}{END}", OUT.replace("\"type\":\"stdout\"", "\"type\":\"stderr\"")), "repeat");
    check(&format!("{START}{}{END}", OUT.replace("id: 1\n", "")), "has an id");
    check(&format!("{}{END}", START.replace("event:", "id: 0\nevent:")), "has none");
    check(&format!("{START}{}{END}", OUT.replace("130}", "}")), "no time in milliseconds");
    check(&format!("{START}id: 1\nevent: error\ndata: {{\"type\":\"error\"}}\n\n{END}"), "named `error`");
    check(&format!("{START}{OUT}"), "without a terminal event");
    check(&format!("{START}{END}{END}"), "after the terminal one");
    check(&format!("{START}{END}: hb\n"), "heartbeat came after");
    check(&format!("{START}{}", END.trim_end()), "inside an event");
    check(
        &format!("{START}id: 2\nevent: result\ndata: {{\"type\":\"result\",\"pid\":\"1\"}}\n\n"),
        "last key",
    );
    check(&format!("{START}data: x\n\n{END}"), "lacks its `event`");
    check(&format!("{START}data: x\ndata: y\nevent: z\n\n{END}"), "two `data` lines");
    check(&format!("{START}foo: x\n{END}"), "no SSE field");
}

#[test]
fn a_cut_stream_is_said_to_be_cut() {
    let mut log = log("text/event-stream", "/process", "text/event-stream");
    log.feed(format!("{START}{OUT}").as_bytes());
    log.close(Ending::Cut, format!("{START}{OUT}").as_bytes());
    assert!(log.broken()[0].contains("was cut"), "{:?}", log.broken());
}

#[test]
fn each_ndjson_defect_has_its_sentence() {
    #[track_caller]
    fn check(body: &str, part: &str) {
        let broken = sdk(body.as_bytes()).broken().to_vec();
        assert!(broken.iter().any(|sentence| sentence.contains(part)), "{broken:?}");
    }
    let end = "{\"type\":\"result\",\"data\":\"{}\"}\n";
    assert_eq!(sdk(format!("{{\"type\":\"keepalive\"}}\n{end}").as_bytes()).broken(), [""; 0]);
    check(&format!("\n{end}"), "is empty");
    check(&format!("nonsense\n{end}"), "no JSON");
    check("{\"type\":\"result\",\"data\":{}}\n", "no string");
    check(
        &format!("{{\"type\":\"stdout\",\"data\":\"/w==\",\"encoding\":\"base64\"}}\n{end}"),
        "SDKs don't know",
    );
    check(end.trim_end(), "inside an event");
    check("{\"type\":\"keepalive\"}\n", "without a terminal event");
    check(&format!("{end}{{\"type\":\"stdout\",\"data\":\"x\"}}\n"), "after the terminal one");
}

#[test]
fn text_lines_need_their_prefix() {
    let log = text(b"stdout:a\n[keepalive]\nstderr:b\nstdout:prompt> ");
    assert_eq!(log.broken(), [""; 0]);
    assert_eq!((log.output("stdout"), log.output("stderr")), (b"a\nprompt> ".to_vec(), b"b\n".to_vec()));
    assert_eq!(log.heartbeats(), 1);
    assert!(text(b"stdout:a\nb\n").broken()[0].contains("no prefix"));
    assert!(text(b"stdout:a\nstd").broken()[0].contains("inside"));
    assert_eq!(text(b"").broken(), [""; 0]);
}

#[test]
fn order_across_streams_is_kept_only_when_asked() {
    let output = |stream: &str, bytes: &str| Event {
        id: None,
        kind: event::Kind::Output { stream: stream.into(), bytes: bytes.into() },
    };
    let events = [output("stderr", "1"), output("stdout", "2"), output("stderr", "3")];
    let joined = |ordered| {
        let pieces = join(&events, ordered).into_iter();
        pieces
            .map(|piece| match piece {
                Piece::Output { stream, bytes } => format!("{stream} {}", String::from_utf8_lossy(&bytes)),
                Piece::Event { name, .. } => name,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(joined(false), ["stdout 2", "stderr 13"]);
    assert_eq!(joined(true), ["stderr 1", "stdout 2", "stderr 3"]);
}

/// Output, cut into chunks: `true` is stdout.
fn chunks() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 1..30)), 0..12)
}

fn expected(chunks: &[(bool, Vec<u8>)], wanted: bool) -> Vec<u8> {
    chunks.iter().filter(|(stream, _)| *stream == wanted).flat_map(|(_, bytes)| bytes.clone()).collect()
}

fn name(is_stdout: bool) -> &'static str {
    if is_stdout { "stdout" } else { "stderr" }
}

fn record(is_stdout: bool, bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({"type": name(is_stdout), "data": text, "ts": 1_795_469_000_130_u64}),
        Err(_) => json!({
            "type": name(is_stdout), "data": STANDARD.encode(bytes), "encoding": "base64", "ts": 1_795_469_000_130_u64
        }),
    }
}

proptest! {
    #[test]
    fn any_cutting_of_an_sse_stream_gives_the_same_pieces(
        chunks in chunks(), cut in 1_usize..50, beats in any::<bool>(),
    ) {
        let mut body = START.to_owned();
        for (number, (is_stdout, bytes)) in chunks.iter().enumerate() {
            let data = crate::text::json(&record(*is_stdout, bytes));
            body.push_str(if beats { ": hb\n" } else { "" });
            body.push_str(&["id: of-", &number.to_string(), "\nevent: ", name(*is_stdout), "\ndata: ", &data, "\n\n"].concat());
        }
        body.push_str(END);
        let mut log = log("text/event-stream", "/process", "text/event-stream");
        for piece in body.as_bytes().chunks(cut) {
            log.feed(piece);
        }
        log.close(Ending::Whole, body.as_bytes());
        prop_assert_eq!(log.broken(), [""; 0]);
        prop_assert_eq!(log.output("stdout"), expected(&chunks, true));
        prop_assert_eq!(log.output("stderr"), expected(&chunks, false));
        prop_assert_eq!(log.heartbeats(), if beats { chunks.len() } else { 0 });
    }

    #[test]
    fn any_cutting_of_an_ndjson_stream_gives_the_same_pieces(chunks in chunks(), cut in 1_usize..50) {
        let mut body: String =
            chunks.iter().map(|(is_stdout, bytes)| record(*is_stdout, bytes).to_string() + "\n").collect();
        body.push_str("{\"type\":\"result\",\"data\":\"{}\"}\n");
        let mut log = log("application/x-ndjson", "/process", "application/x-ndjson");
        for piece in body.as_bytes().chunks(cut) {
            log.feed(piece);
        }
        log.close(Ending::Whole, body.as_bytes());
        prop_assert_eq!(log.broken(), [""; 0]);
        prop_assert_eq!(log.output("stdout"), expected(&chunks, true));
        prop_assert_eq!(log.output("stderr"), expected(&chunks, false));
    }

    #[test]
    fn any_cutting_of_a_text_stream_gives_the_same_pieces(
        lines in prop::collection::vec((any::<bool>(), "[ -~é€]{0,20}"), 0..12), cut in 1_usize..50,
    ) {
        let body: String = lines.iter().map(|(is_stdout, line)| [name(*is_stdout), ":", line, "\n"].concat()).collect();
        let mut log = log("", "/process/x/logs/stream", "text/plain");
        for piece in body.as_bytes().chunks(cut) {
            log.feed(piece);
        }
        log.close(Ending::Whole, body.as_bytes());
        let wanted = |wanted| lines.iter().filter(|(stream, _)| *stream == wanted).map(|(_, line)| line.clone() + "\n").collect::<String>();
        prop_assert_eq!(log.broken(), [""; 0]);
        prop_assert_eq!(log.output("stdout"), wanted(true).into_bytes());
        prop_assert_eq!(log.output("stderr"), wanted(false).into_bytes());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_events_or_broken_rules(
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            "(event: |data: |id: |: hb|\\{\"type\":\"(stdout|result|start)\",\"data\":\"[a-z=]{0,3}\"\\}|\n|\r|stdout:|[a-z{}\"é]){0,24}".prop_map(String::into_bytes),
        ],
        cut in 1_usize..30,
    ) {
        for (accept, target, media_type) in [
            ("text/event-stream", "/process", "text/event-stream"),
            ("application/x-ndjson", "/process", "application/x-ndjson"),
            ("", "/process/x/logs/stream", "text/plain"),
            ("", "/watch/filesystem//w", "text/plain"),
        ] {
            let read = |cut: usize| {
                let mut log = log(accept, target, media_type);
                body.chunks(cut).for_each(|piece| log.feed(piece));
                log.close(Ending::Whole, &body);
                (log.output("stdout"), log.heartbeats(), log.broken().is_empty())
            };
            prop_assert_eq!(read(cut), read(body.len().max(1)));
        }
    }
}

#[test]
fn a_watched_folder_is_read_line_by_line() {
    let line = r#"{"op":"CREATE","name":"a","path":"/w","error":null}"#;
    let log = watch(format!("{line}\n[keepalive]\n{line}\n").as_bytes());
    assert_eq!(log.broken(), [""; 0]);
    assert_eq!((log.heartbeats(), log.count("CREATE"), log.ends_silently()), (1, 2, true));
    assert_eq!(log.value_of("CREATE"), Some(&json!({"name": "a", "path": "/w", "error": null})));
    assert!(log.holds("CREATE", "\"a\"") && !log.holds("WRITE", "a") && !log.holds("CREATE", "b"));
}

#[test]
fn each_defect_of_a_watched_folder_has_its_sentence() {
    #[track_caller]
    fn check(body: &str, part: &str) {
        let broken = watch(body.as_bytes()).broken().to_vec();
        assert!(broken.iter().any(|sentence| sentence.contains(part)), "{broken:?}");
    }
    check("\n", "no JSON");
    check("[]\n", "no object");
    check("{\"op\":\"MOVE\",\"name\":\"a\",\"path\":\"/w\",\"error\":null}\n", "no known `op`");
    check("{\"op\":\"WRITE\",\"name\":\"a\",\"path\":\"/w/\",\"error\":null}\n", "a slash behind it");
    check("{\"op\":\"WRITE\",\"name\":\"a\",\"path\":\"w\",\"error\":null}\n", "absolute");
    check("{\"op\":\"WRITE\",\"name\":\"a\",\"path\":\"/w\"}\n", "`error`");
    check("{\"op\":", "isn't whole");
}
