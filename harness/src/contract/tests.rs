//! Answers against the document of boxd itself.

use super::*;
use crate::client::Head;

#[track_caller]
fn check(name: &str, status: u16, media_type: &str, body: &str, expected: Option<&str>) {
    let contract = Contract::own();
    assert!(contract.knows(name), "{name}");
    let headers = vec![("content-type".to_owned(), media_type.to_owned())];
    let head = Head { status, headers };
    let answer = View { head: Some(&head), body: body.as_bytes(), stream: None };
    match (contract.complaint(name, answer), expected) {
        (None, None) => {}
        (Some(found), Some(part)) if found.contains(part) => {}
        (found, expected) => panic!("{name} {status}: {found:?}, expected: {expected:?}"),
    }
}

const JSON: &str = "application/json; charset=utf-8";
const ERROR: &str = r#"{"error":"no"}"#;

#[test]
fn answers_are_held_to_the_document() {
    check("GET /process/{identifier}", 404, JSON, ERROR, None);
    check(
        "GET /process/{identifier}",
        404,
        JSON,
        r#"{"error":1}"#,
        Some("`/error` is 1, not of type string"),
    );
    check("GET /process/{identifier}", 404, JSON, "{", Some("JSON and isn't"));
    check("GET /process/{identifier}", 404, "text/html", "x", Some("`text/html` with 404"));
    check("GET /process/{identifier}", 200, JSON, r#"{"pid":"1"}"#, Some("is missing"));
    check("GET /process/{identifier}", 202, JSON, ERROR, Some("the status 202"));
    check("GET /process/{identifier}", 500, JSON, ERROR, Some("500, a fault"));
    check("GET /process/{identifier}", 503, JSON, ERROR, Some("the status 503"));
    check("POST /process", 503, JSON, ERROR, None);
    check("POST /process", 413, JSON, "[]", Some("not of type object"));
    check("POST /process", 431, "text/plain", "", None);
    check("GET /filesystem-find/{path}", 500, JSON, ERROR, None);
    check("GET /filesystem/{path}", 500, JSON, ERROR, Some("500, a fault"));
    check("GET /filesystem/{path}", 304, "", "", None);
    check("GET /filesystem/{path}", 304, "", "x", Some("has a body"));
    check(NONE, 404, "text/plain", "404 page not found", None);
    check(NONE, 400, JSON, "", None);
    check("HEAD /filesystem/{path}", 400, JSON, "", None);
    check(NONE, 400, JSON, "[]", Some("the refusal is none"));
    check(NONE, 502, JSON, ERROR, Some("the status 502"));
    check(NONE, 500, JSON, ERROR, Some("500, a fault"));
}

#[test]
fn a_server_that_says_nothing_is_wrong() {
    let answer = View { head: None, body: b"", stream: None };
    assert!(Contract::own().complaint("GET /health", answer).is_some());
}

#[test]
fn each_500_that_is_allowed_is_in_the_document() {
    let contract = Contract::own();
    for (name, _) in REASONED {
        let listed =
            contract.operations.get(name).is_some_and(|operation| operation.answers.contains_key(&500));
        assert!(listed, "{name}");
    }
}

#[test]
fn requests_are_for_operations() {
    let contract = Contract::own();
    assert_eq!(contract.operation_of("GET", "/process/{{name}}?x=/y"), "GET /process/{identifier}");
    assert_eq!(contract.operation_of("DELETE", "/filesystem/{{dir}}/a"), "DELETE /filesystem/{path}");
    assert_eq!(contract.operation_of("PATCH", "/process"), NONE);
}
