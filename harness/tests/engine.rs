//! The engine against a scripted server: what a fixture's steps send, what the transcript says, what counts as a failure.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod examples;
mod mock;
mod programs;
mod schema;

use boxd_harness::{
    book::Case,
    run::{Home, Report, run},
};

use mock::{Asked, Mock, Reply, Then};

const START: &str =
    "retry: 1000\nevent: start\ndata: {\"type\":\"start\",\"pid\":\"4711\",\"cursor\":\"a.0\"}\n\n";
const NDJSON: &str = "application/x-ndjson";

fn case(steps: &str) -> Case {
    Case::new("process/case", format!("why = \"w\"\nsource = \"spec\"\n{steps}"), None).unwrap()
}

/// Runs the steps; nothing may fail.
#[track_caller]
fn transcript(mock: &Mock, steps: &str) -> String {
    let report = run(&case(steps), &mock.target, Home::default());
    assert_eq!(report.failures, [], "{}", report.transcript);
    report.transcript.to_string()
}

/// Runs the steps; gives the sentences of what failed.
fn failures(mock: &Mock, steps: &str) -> Vec<String> {
    let report: Report = run(&case(steps), &mock.target, Home::default());
    report.failures.into_iter().map(|failure| failure.sentence).collect()
}

#[track_caller]
fn assert_failure(mock: &Mock, steps: &str, part: &str) {
    let sentences = failures(mock, steps);
    assert!(sentences.iter().any(|sentence| sentence.contains(part)), "{sentences:?}");
}

fn output(id: usize, data: &str) -> String {
    let data = format!("{{\"type\":\"stdout\",\"data\":\"{data}\",\"ts\":1795469000130}}");
    format!("id: a.{id}\nevent: stdout\ndata: {data}\n\n")
}

fn result(id: usize) -> String {
    let process =
        "\"pid\":\"4711\",\"status\":\"completed\",\"command\":\"c\",\"exitCode\":0,\"reason\":\"exited\"";
    format!("id: a.{id}.end\nevent: result\ndata: {{{process},\"type\":\"result\"}}\n\n")
}

#[test]
fn a_stream_becomes_a_transcript_without_its_chunking() {
    let mock = Mock::start(|_| {
        let body = format!("{START}{}: hb\n{}{}", output(1, "h"), output(2, "i\\n"), result(3));
        let chunks: Vec<_> =
            body.as_bytes().chunks(7).map(|chunk| std::str::from_utf8(chunk).unwrap()).collect();
        Reply::stream("text/event-stream; charset=utf-8", &chunks, Then::Keep)
    });
    let steps = r#"
        [[step]]
        send = "POST /process"
        headers = { accept = "text/event-stream" }
        json = { name = "{{name}}", command = "echo hi" }
        expect = [{ heartbeats_at_least = 1 }, { stream = "stdout", bytes = 3 }]
        "#;
    assert_eq!(
        transcript(&mock, steps),
        r#"## 1 [spec] POST /process
> accept: text/event-stream
> {"command":"echo hi","name":"{{name}}"}
< 200 content-type: text/event-stream; charset=utf-8
start {"cursor":"[cursor]","pid":"[pid:1]"}
stdout "hi\n"
result {"command":"c","exitCode":0,"pid":"[pid:1]","status":"completed"}
+ {"reason":"exited"}
"#
    );
    let asked = &mock.seen()[0];
    assert!(asked.body.contains("\"name\":\"hx-"), "{asked:?}");
    assert!(asked.headers.contains(&"content-type: application/json".to_owned()), "{asked:?}");
}

#[test]
fn captured_values_go_on_and_come_back() {
    let mock = Mock::start(|asked: &Asked| match asked.line.as_str() {
        "POST /process HTTP/1.1" => Reply::json(200, r#"{"pid":"4711","status":"failed"}"#),
        "DELETE /process/4711 HTTP/1.1" => {
            Reply::json(404, r#"{"error":"process with Identifier 4711 not found"}"#)
        }
        other => Reply::plain(404, "text/plain", other),
    });
    let steps = r#"
        [[step]]
        send = "POST /process"
        text = "{}"
        capture = { pid = "/pid" }
        show = ["/status", "/exitCode"]
        [[step]]
        source = "observed"
        send = "DELETE /process/{{pid}}"
        "#;
    assert_eq!(
        transcript(&mock, steps),
        "## 1 [spec] POST /process\n> \"{}\"\n< 200 content-type: application/json; charset=utf-8\n\
         /status \"failed\"\n/exitCode (absent)\n\n\
         ## 2 [observed] DELETE /process/{{pid}}\n< 404 content-type: application/json; charset=utf-8\n\
         {\"error\":\"process with Identifier {{pid}} not found\"}\n"
    );
}

#[test]
fn a_cut_stream_is_resumed_and_shown_as_one() {
    let mock = Mock::start(|asked: &Asked| {
        if asked.headers.contains(&"last-event-id: a.1".to_owned()) {
            Reply::stream("text/event-stream", &[&output(2, "two"), &result(3)], Then::Keep)
        } else {
            Reply::stream("text/event-stream", &[START, &output(1, "one ")], Then::Hang)
        }
    });
    // A resumed stream has no first event here, so no `retry` either: the mock is no model of a server.
    let steps = r#"
        [[step]]
        send = "GET /process/x/logs/stream"
        headers = { accept = "text/event-stream" }
        open = "s1"
        until = { event = "stdout", contains = "one" }
        [[step]]
        disconnect = "s1"
        reset = true
        capture = { seen = "last_event_id" }
        [[step]]
        send = "GET /process/x/logs/stream"
        headers = { accept = "text/event-stream", last-event-id = "{{seen}}" }
        resumes = "s1"
        "#;
    let report = run(&case(steps), &mock.target, Home::default());
    let text = report.transcript.to_string();
    assert!(
        text.contains("## 1 [spec] GET /process/x/logs/stream, open as s1 until stdout contains \"one\"\n"),
        "{text}"
    );
    assert!(
        text.contains("start {\"cursor\":\"[cursor]\",\"pid\":\"[pid:1]\"}\nstdout \"one two\"\nresult {"),
        "{text}"
    );
}

#[test]
fn waits_end_by_condition_or_with_its_name() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let mock = Mock::start(move |asked: &Asked| {
        let polls = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        match asked.line.as_str() {
            "GET /poll HTTP/1.1" => Reply::json(200, &format!(r#"{{"polls":{}}}"#, polls.min(3))),
            _ => Reply::stream(NDJSON, &[r#"{"type":"stdout","data":"a"}"#, "\n"], Then::Hang),
        }
    });
    let poll = r#"
        [[step]]
        poll = "GET /poll"
        until = { pointer = "/polls", equals = 3 }
        "#;
    assert!(transcript(&mock, poll).ends_with("{\"polls\":3}\n"));
    assert_failure(
        &mock,
        "[[step]]\npoll = 'GET /poll'\nuntil = { status = 404 }\nwithin_ms = 60",
        "status 404",
    );
    assert_failure(
        &mock,
        "[[step]]\nsend = 'POST /process'\nopen = 's'\nuntil = { event = 'stderr' }\nwithin_ms = 60",
        "for stderr",
    );
    assert_failure(&mock, "[[step]]\nsend = 'POST /process'\nwithin_ms = 60", "the end of the answer");
    assert_failure(&mock, "[[step]]\nawait = 's'\nuntil = { event = 'x' }", "no stream is open");
}

#[test]
fn many_answers_are_shown_as_kinds_with_counts() {
    let mock = Mock::start(|asked: &Asked| {
        let number: u32 = asked.line.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
        Reply::json(if number.is_multiple_of(5) { 400 } else { 200 }, &format!(r#"{{"pid":"{number}"}}"#))
    });
    let steps = "[[step]]\nsend = 'GET /{{n}}'\nrepeat = 20\nparallel = 4\nshow = 'head'";
    let lines = "< 200 content-type: application/json; charset=utf-8";
    assert_eq!(
        transcript(&mock, steps),
        format!(
            "## 1 [spec] GET /{{{{n}}}}, 20 times, 4 at once\n16 ×\n{lines}\n4 ×\n{}\n",
            lines.replace("200", "400")
        )
    );
}

#[test]
fn background_requests_answer_later() {
    let (release, held) = std::sync::mpsc::channel();
    let (release, held) = (std::sync::Mutex::new(release), std::sync::Mutex::new(held));
    let mock = Mock::start(move |asked: &Asked| {
        if asked.line.contains("/wait") {
            held.lock().unwrap().recv().unwrap();
        } else {
            release.lock().unwrap().send(()).unwrap();
        }
        Reply::json(200, "{}")
    });
    let steps = r#"
        [[step]]
        send = "GET /wait"
        background = "w1"
        [[step]]
        send = "GET /release"
        [[step]]
        join = "w1"
        "#;
    let text = transcript(&mock, steps);
    assert!(text.starts_with("## 1 [spec] GET /wait, in the background as w1\n\n## 2"), "{text}");
    assert!(text.contains("## 3 [spec] answer of w1\n< 200"), "{text}");
}

#[test]
fn raw_bytes_take_several_answers_and_see_the_close() {
    let mock = Mock::start(|asked: &Asked| {
        let reply = Reply::json(200, "{}");
        match asked.line.as_str() {
            "GET /last HTTP/1.1" => Reply { then: Then::Close, ..reply },
            "GET /none HTTP/1.1" => Reply { pieces: vec![], then: Then::Close },
            _ => reply,
        }
    });
    let steps = r#"
        [[step]]
        raw = ["GET /a HTTP/1.1\r\nhost: {{host}}\r\n\r\nGET /la", "st HTTP/1.1\r\n\r\n"]
        answers = 2
        closes = true
        [[step]]
        raw = ["GET /none HTTP/1.1\r\n\r\n"]
        "#;
    let answer = "< 200 content-type: application/json; charset=utf-8\n{}\n";
    assert_eq!(
        transcript(&mock, steps),
        format!(
            "## 1 [spec] raw bytes\n> \"GET /a HTTP/1.1\\r\\nhost: {{{{host}}}}\\r\\n\\r\\nGET /la\"\n\
             > \"st HTTP/1.1\\r\\n\\r\\n\"\n{answer}{answer}< closed\n\n\
             ## 2 [spec] raw bytes\n> \"GET /none HTTP/1.1\\r\\n\\r\\n\"\n< closed without an answer\n"
        )
    );
}

#[test]
fn a_kept_connection_is_used_again() {
    let mock = Mock::start(|_| Reply::json(200, "{}"));
    let step = "[[step]]\nsend = 'GET /a'\nkeep_connection = true\n";
    transcript(&mock, &step.repeat(3));
    assert_eq!(mock.seen().len(), 3);
}

#[test]
fn an_answer_before_the_body_is_read_is_seen() {
    // The mock reads the body by its length; a length that never comes is never read.
    let mock = Mock::start(|_| Reply::json(200, "{}"));
    let big = r#"
        [[step]]
        send = "POST /process"
        filler = { prefix = '"', text = "a", times = 3000000, suffix = '"' }
        "#;
    assert!(transcript(&mock, big).contains("> \"\\\"\" + 3000000 × \"a\" + \"\\\"\"\n"));
    assert_eq!(mock.seen()[0].body.len(), 3_000_002);
}

#[test]
fn broken_rules_fail_the_case() {
    let mock = Mock::start(|asked: &Asked| match asked.line.as_str() {
        "GET /header HTTP/1.1" => Reply {
            pieces: vec![b"HTTP/1.1 204 X\r\nx-powered-by: magic\r\ndate: today\r\n\r\n".to_vec()],
            then: Then::Keep,
        },
        "GET /pid HTTP/1.1" => Reply::json(200, r#"{"pid":4711}"#),
        "GET /cut HTTP/1.1" => Reply::stream("application/json", &["{}"], Then::Close),
        "GET /nojson HTTP/1.1" => Reply::json(200, "oops"),
        _ => Reply::stream(NDJSON, &["\n"], Then::Keep),
    });
    assert_failure(&mock, "[[step]]\nsend = 'GET /header'", "`x-powered-by: magic` is on no list");
    assert_failure(&mock, "[[step]]\nsend = 'GET /header'", "`date` is `today`");
    assert_failure(&mock, "[[step]]\nsend = 'GET /pid'", "`pid` is 4711, not a positive number in a string");
    assert_failure(&mock, "[[step]]\nsend = 'GET /cut'", "was cut");
    assert_failure(&mock, "[[step]]\nsend = 'GET /nojson'", "says that it is JSON");
    assert_failure(&mock, "[[step]]\nsend = 'POST /process'", "without a terminal event");
    assert_failure(&mock, "[[step]]\nsend = 'GET /pid'\nexpect = [{ raw_lacks = 'pid' }]", "the body holds");
    assert_failure(
        &mock,
        "[[step]]\nsend = 'GET /pid'\nexpect = [{ raw_key_order = ['name'] }]",
        "expected to begin: name",
    );
    assert_failure(&mock, "[[step]]\nsend = 'GET /{{nope}}'", "{{nope}}");
}

#[test]
fn processes_that_still_run_are_killed_at_the_end() {
    let mock = Mock::start(|asked: &Asked| match asked.line.as_str() {
        "POST /process HTTP/1.1" => Reply::json(200, r#"{"pid":"7","status":"running"}"#),
        "POST /done HTTP/1.1" => Reply::json(200, r#"{"pid":"8","status":"completed"}"#),
        _ => Reply::json(200, "{}"),
    });
    transcript(
        &mock,
        "[[step]]\nsend = 'POST /process'\nheaders = { authorization = 'Bearer x' }\n[[step]]\nsend = 'POST /done'",
    );
    let seen = mock.seen();
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(seen[2].line, "DELETE /process/7/kill HTTP/1.1");
    assert!(seen[2].headers.contains(&"authorization: Bearer x".to_owned()));
}
