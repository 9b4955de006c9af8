//! What becomes of headers, by table.

use super::*;

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn sorted(headers: &HeaderMap) -> Vec<String> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
    let mut lines: Vec<String> = headers.iter().map(line).collect();
    lines.sort();
    lines
}

/// What is left of a request's headers, but for those that every request gets.
#[track_caller]
fn check(token: Option<&str>, length: Option<u64>, given: &[(&'static str, &'static str)], expect: &[&str]) {
    let mut headers = headers(given);
    headers.insert(HOST, HeaderValue::from_static("box.test:8080"));
    let token = token.map(|token| Secret::new(token.to_owned()));
    let how = Forwarding { port: 3000, peer: None, token: token.as_ref(), length };
    let upgrade = wanted_upgrade(&headers);
    forward(&mut headers, upgrade, &how);
    for name in ["host", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix"] {
        assert!(headers.remove(name).is_some(), "{name}");
    }
    assert_eq!(sorted(&headers), expect);
}

#[test]
fn what_belongs_to_the_connection_stays_with_it() {
    check(
        None,
        Some(0),
        &[
            ("connection", "close, X-Mine"),
            ("connection", "keep-alive"),
            ("keep-alive", "timeout=5"),
            ("x-mine", "1"),
            ("te", "gzip, trailers"),
            ("proxy-authorization", "x"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
        ],
        &["accept: */*", "te: trailers"],
    );
    check(
        None,
        Some(0),
        &[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "k")],
        &["connection: Upgrade", "sec-websocket-key: k", "upgrade: websocket"],
    );
}

#[test]
fn the_framing_is_what_was_read() {
    let both = [("content-length", "5"), ("transfer-encoding", "chunked")];
    check(None, None, &both, &["transfer-encoding: chunked"]);
    check(None, Some(7), &[("content-length", "5")], &["content-length: 7"]);
    check(None, Some(0), &[("content-length", "0")], &["content-length: 0"]);
    check(
        None,
        Some(3),
        &[("connection", "content-length, host"), ("content-length", "3")],
        &["content-length: 3"],
    );
    assert!(!has_strange_coding(&headers(&[("transfer-encoding", "Chunked")])));
    assert!(has_strange_coding(&headers(&[("transfer-encoding", "gzip, chunked")])));
    assert!(has_strange_coding(&headers(&[
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "chunked")
    ])));
}

#[test]
fn credentials_of_ours_stay_here_and_those_of_the_server_go_on() {
    let bearer = ("authorization", "Bearer t0ken");
    check(Some("t0ken"), Some(0), &[bearer], &[]);
    check(Some("t0ken"), Some(0), &[("authorization", "t0ken")], &[]);
    let sdk = [
        ("x-blaxel-authorization", "Bearer t0ken"),
        ("x-blaxel-workspace", "w"),
        ("x-blaxel-preview-token", "p"),
    ];
    check(
        Some("t0ken"),
        Some(0),
        &[sdk[0], sdk[1], sdk[2], ("authorization", "Basic x")],
        &["authorization: Basic x"],
    );
    check(None, Some(0), &[bearer], &["authorization: Bearer t0ken"]);
    check(None, Some(0), &[bearer, sdk[0]], &[]);
    check(None, Some(0), &[("cookie", "a=b")], &["cookie: a=b"]);
}

#[test]
fn the_server_is_told_who_asked_for_what() {
    let forwarded = |given: &[(&'static str, &'static str)], peer: &str| {
        let mut headers = headers(given);
        let how = Forwarding { port: 3000, peer: Some(peer.parse().unwrap()), token: None, length: Some(0) };
        forward(&mut headers, None, &how);
        sorted(&headers)
    };
    assert_eq!(
        forwarded(&[("host", "box.test"), ("origin", "https://box.test")], "::ffff:10.0.0.1"),
        [
            "host: localhost:3000",
            "origin: http://localhost:3000",
            "x-forwarded-for: 10.0.0.1",
            "x-forwarded-host: box.test",
            "x-forwarded-prefix: /port/3000",
            "x-forwarded-proto: http",
        ]
    );
    assert_eq!(
        forwarded(
            &[
                ("host", "inner"),
                ("origin", "https://app.test"),
                ("x-forwarded-for", "1.2.3.4"),
                ("x-forwarded-for", "5.6.7.8"),
                ("x-forwarded-host", "box.test"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-prefix", "/a/"),
            ],
            "::1"
        ),
        [
            "host: localhost:3000",
            "origin: https://app.test",
            "x-forwarded-for: 1.2.3.4, 5.6.7.8, ::1",
            "x-forwarded-host: box.test",
            "x-forwarded-prefix: /a/port/3000",
            "x-forwarded-proto: https",
        ]
    );
}

#[test]
fn a_page_does_not_tell_with_what_token_it_was_asked_for() {
    let ours = "http://box.test/port/3000/?a=1&tok%65n=s3cret";
    check(Some("s3cret"), Some(0), &[("referer", ours)], &[]);
    for theirs in ["http://box.test/?token=theirs", "http://box.test/s3cret?a=token", "http://box.test/"] {
        check(Some("s3cret"), Some(0), &[("referer", theirs)], &[&format!("referer: {theirs}")]);
    }
    check(None, Some(0), &[("referer", ours)], &[&format!("referer: {ours}")]);
}

#[test]
fn the_coding_of_an_answer_decides_where_it_ends() {
    let mut both = headers(&[("content-length", "2"), ("transfer-encoding", "chunked"), ("etag", "x")]);
    give_back(&mut both);
    assert_eq!(sorted(&both), ["etag: x"]);
    let mut one = headers(&[("content-length", "2")]);
    give_back(&mut one);
    assert_eq!(sorted(&one), ["content-length: 2"]);
}
