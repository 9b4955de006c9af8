//! Recorded bodies of `POST /process` and what the known server made of them, then requests written by another
//! serialiser, cut and broken at every place.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::wire::decode::SyntaxError;

#[track_caller]
fn check(body: &str, expect: ProcessRequest) {
    assert_eq!(ProcessRequest::decode(body.as_bytes()), Ok(expect));
}

#[track_caller]
fn check_error(body: &str, expect: &str) {
    assert_eq!(ProcessRequest::decode(body.as_bytes()).unwrap_err().to_string(), expect);
}

fn request(command: &str) -> ProcessRequest {
    ProcessRequest { command: command.to_owned(), ..ProcessRequest::default() }
}

fn waited(command: &str) -> ProcessRequest {
    ProcessRequest { wait_for_completion: true, ..request(command) }
}

/// What the known server took, with the commands that show what it understood.
#[test]
fn bodies_taken() {
    check(r#"{"command":"true"} trailing"#, request("true"));
    check(r#"{"command":"true"}{"a":1}"#, request("true"));
    check(r#"{"COMMAND":"echo ci","WaitForCompletion":true}"#, waited("echo ci"));
    check(r#"{"command":"echo a","command":"echo b","waitForCompletion":true}"#, waited("echo b"));
    check(r#"{"command":"true","foo":1,"cwd":"/","user":"root"}"#, request("true"));
    check(r#"{"command":"a\u0000b","waitForCompletion":true}"#, waited("a\0b"));
    check(
        r#"{"command":"pwd","name":"../../x"}"#,
        ProcessRequest { name: Some("../../x".to_owned()), ..request("pwd") },
    );
    check(r#"{"command":"pwd","name":""}"#, request("pwd"));
    check(
        r#"{"command":"pwd","workingDir":"~"}"#,
        ProcessRequest { working_dir: "~".to_owned(), ..request("pwd") },
    );
    let env = vec![("A=B".to_owned(), "c".to_owned()), (String::new(), "x".to_owned())];
    check(r#"{"command":"env","env":{"A=B":"c","":"x"}}"#, ProcessRequest { env, ..request("env") });
    let expect = ProcessRequest { timeout: Some(-5), ..waited("sleep 1") };
    check(r#"{"command": "sleep 1", "timeout": -5, "waitForCompletion": true}"#, expect);
    check(r#"{"command":"a","timeout":0}"#, ProcessRequest { timeout: Some(0), ..request("a") });
    let expect = ProcessRequest { restart_on_failure: true, max_restarts: 2, ..request("false") };
    check(r#"{"command":"false","restartOnFailure":true,"maxRestarts":2}"#, expect);
    let expect =
        ProcessRequest { keep_alive: true, stdin: true, wait_for_ports: vec![80, 80], ..request("cat") };
    check(r#"{"command":"cat","stdin":true,"keepAlive":true,"waitForPorts":[80,80]}"#, expect);
}

#[test]
fn null_is_the_zero_value() {
    check(
        r#"{"command":"a","name":null,"workingDir":null,"env":null,"waitForCompletion":null,"timeout":null,
            "waitForPorts":null,"restartOnFailure":null,"maxRestarts":null,"keepAlive":null,"stdin":null}"#,
        request("a"),
    );
}

/// What the known server refused, in its words.
#[test]
fn bodies_refused() {
    const COMMAND: &str =
        "Key: 'ProcessRequest.Command' Error:Field validation for 'Command' failed on the 'required' tag";
    check_error("", "EOF");
    check_error("{", "unexpected EOF");
    check_error("command=ls", "invalid character 'c' looking for beginning of value");
    check_error("not json", "invalid character 'o' in literal null (expecting 'u')");
    check_error("\u{feff}{\"command\":\"true\"}", "invalid character 'ï' looking for beginning of value");
    check_error("[]", "json: cannot unmarshal array into Go value of type handler.ProcessRequest");
    check_error("\"x\"", "json: cannot unmarshal string into Go value of type handler.ProcessRequest");
    check_error("{}", COMMAND);
    check_error("null", COMMAND);
    check_error(r#"{"command":""}"#, COMMAND);
    check_error(r#"{"command":null}"#, COMMAND);
    for (field, found) in [
        (r#""command":123"#, "number into Go struct field ProcessRequest.command of type string"),
        (r#""name":5"#, "number into Go struct field ProcessRequest.name of type string"),
        (r#""env":["a"]"#, "array into Go struct field ProcessRequest.env of type map[string]string"),
        (r#""env":{"A":1}"#, "number into Go struct field ProcessRequest.env of type string"),
        (
            r#""waitForCompletion":"yes""#,
            "string into Go struct field ProcessRequest.waitForCompletion of type bool",
        ),
        (r#""timeout":"5""#, "string into Go struct field ProcessRequest.timeout of type int"),
        (r#""timeout":1.5"#, "number 1.5 into Go struct field ProcessRequest.timeout of type int"),
        (
            r#""timeout":99999999999999999999"#,
            "number 99999999999999999999 into Go struct field ProcessRequest.timeout of type int",
        ),
        (r#""waitForPorts":"80""#, "string into Go struct field ProcessRequest.waitForPorts of type []int"),
        (r#""waitForPorts":["80"]"#, "string into Go struct field ProcessRequest.waitForPorts of type int"),
        (r#""maxRestarts":"3""#, "string into Go struct field ProcessRequest.maxRestarts of type int"),
    ] {
        let body = if field.starts_with("\"command") {
            format!("{{{field}}}")
        } else {
            format!(r#"{{"command":"true",{field}}}"#)
        };
        check_error(&body, &format!("json: cannot unmarshal {found}"));
    }
}

#[test]
fn large_command() {
    let command = "echo größer; ".repeat(200_000);
    check(&json!({ "command": command }).to_string(), request(&command));
}

fn any_request() -> impl Strategy<Value = ProcessRequest> {
    let texts = (
        "(?s).+",
        proptest::option::of("(?s).+"),
        "(?s).*",
        prop::collection::btree_map("(?s).*", "(?s).*", 0..4),
    );
    let numbers =
        (proptest::option::of(any::<i64>()), prop::collection::vec(any::<i64>(), 0..4), any::<i64>());
    (texts, numbers, any::<[bool; 4]>()).prop_map(|(texts, numbers, bools)| ProcessRequest {
        command: texts.0,
        name: texts.1,
        working_dir: texts.2,
        env: texts.3.into_iter().collect(),
        timeout: numbers.0,
        wait_for_ports: numbers.1,
        max_restarts: numbers.2,
        wait_for_completion: bools[0],
        restart_on_failure: bools[1],
        keep_alive: bools[2],
        stdin: bools[3],
        limits: None,
    })
}

fn body(request: &ProcessRequest) -> serde_json::Value {
    json!({
        "command": request.command,
        "name": request.name,
        "workingDir": request.working_dir,
        "env": request.env.iter().cloned().collect::<BTreeMap<_, _>>(),
        "waitForCompletion": request.wait_for_completion,
        "timeout": request.timeout,
        "waitForPorts": request.wait_for_ports,
        "restartOnFailure": request.restart_on_failure,
        "maxRestarts": request.max_restarts,
        "keepAlive": request.keep_alive,
        "stdin": request.stdin,
    })
}

proptest! {
    #[test]
    fn reads_what_others_write(request in any_request()) {
        prop_assert_eq!(ProcessRequest::decode(body(&request).to_string().as_bytes()).unwrap(), request.clone());
        let pretty = serde_json::to_vec_pretty(&body(&request)).unwrap();
        prop_assert_eq!(ProcessRequest::decode(&pretty).unwrap(), request.clone());
        let escaped = crate::wire::json::to_vec(&body(&request));
        prop_assert_eq!(ProcessRequest::decode(&escaped).unwrap(), request);
    }

    #[test]
    fn never_panics(body in prop::collection::vec(any::<u8>(), 0..64)) {
        drop(ProcessRequest::decode(&body));
    }
}

proptest! {
    // Each case is as many bodies as it has bytes.
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn every_cut_is_an_early_end(request in any_request(), garbage in any::<u8>()) {
        let body = body(&request).to_string().into_bytes();
        for cut in 1..body.len() {
            prop_assert_eq!(ProcessRequest::decode(&body[..cut]), Err(SyntaxError::Truncated.into()));
            let mut broken = body.clone();
            broken[cut] = garbage;
            drop(ProcessRequest::decode(&broken));
        }
    }
}
