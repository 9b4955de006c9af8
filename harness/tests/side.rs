//! Two daemons side by side in the bench, and one of them beside a server that lacks nearly everything.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[expect(dead_code, reason = "other tests script more of it")]
mod mock;

use std::path::Path;

use boxd_harness::{
    bench::{Bench, Side, Subject},
    daemon::Daemon,
    fixture::Fixture,
    target::Target,
};
use serde_json::Value;

use mock::{Mock, Reply};

/// Quick ones, of each kind.
const SOME: [&str; 7] = ["exec", "first-byte", "fanout", "processes", "listing", "search", "mcp"];

/// What no URL gives: the daemon's own process, its flags, its files.
const NO_URL_GIVES: [&str; 4] = ["exec-user", "memory", "start", "keeper"];

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn table(servers: [(&str, &Target); 2], only: &[&str]) -> (String, Value) {
    let servers = servers.map(|(name, target)| (name.to_owned(), target.clone())).to_vec();
    let table = Side::new(servers, 2).run(&names(only), &|_| {}).unwrap();
    (table.to_string(), serde_json::from_str(&table.json()).unwrap())
}

fn daemon() -> Daemon {
    Daemon::start(Path::new(env!("CARGO_BIN_EXE_boxd")), &Fixture::without_steps()).unwrap()
}

#[test]
fn two_daemons_have_a_column_each_and_a_ratio() {
    let (one, other) = (daemon(), daemon());
    let (text, json) = table([("one", one.target()), ("other", other.target())], &SOME);
    assert!(text.contains("| figure | one | other | the first against the second |"), "{text}");
    assert!(!text.contains('—'), "{text}");
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), SOME.len());
    for row in rows {
        let of = |n: usize| row["results"][n]["median"].as_f64().unwrap();
        assert!((row["ratio"].as_f64().unwrap() - of(0) / of(1)).abs() < 1e-9, "{row}");
        assert_eq!(row["results"][1]["rounds"].as_array().unwrap().len(), 2, "{row}");
    }
    one.stop().unwrap();
    other.stop().unwrap();
}

#[test]
fn what_a_server_lacks_is_a_dash_and_the_rest_goes_on() {
    let daemon = daemon();
    let poor = Mock::start(|asked| {
        if asked.line.starts_with("GET /process ") { Reply::json(200, "[]") } else { Reply::json(404, "{}") }
    });
    let (text, json) = table([("boxd", daemon.target()), ("poor", &poor.target)], &SOME);
    for row in json["rows"].as_array().unwrap() {
        assert!(row["results"][0]["median"].is_number(), "{row}");
        let is_there = row["results"][1]["median"].is_number();
        assert_eq!(is_there, row["name"] == "processes", "{row}");
        assert_eq!(row["ratio"].is_number(), is_there, "{row}");
    }
    assert!(text.contains("\n- `exec` of poor: the server answered 404: HTTP/1.1 404 X"), "{text}");
    daemon.stop().unwrap();
}

#[test]
fn what_no_url_gives_is_a_row_with_its_reason_side_by_side() {
    let daemon = daemon();
    let missing = ["exec-user", "age", "memory", "start", "keeper", "watch", "ports", "proxy"];
    let (text, json) = table([("one", daemon.target()), ("other", daemon.target())], &missing);
    assert_eq!(text.matches("| — | — | — |\n").count(), missing.len(), "{text}");
    for (row, name) in json["rows"].as_array().unwrap().iter().zip(&missing) {
        assert_eq!(row["name"], *name);
        let results = row["results"].as_array().unwrap();
        assert!(results.len() == 2 && results.iter().all(|one| one["median"].is_null()), "{row}");
        let reason = results[0]["reason"].as_str().unwrap();
        assert!(text.contains(&format!("- `{name}` cannot be measured by a URL: {reason}\n")), "{text}");
    }
    daemon.stop().unwrap();
}

#[test]
fn what_no_url_gives_is_a_row_with_its_reason_of_one_server() {
    let daemon = daemon();
    let only = names(&[&NO_URL_GIVES[..], &["mcp"]].concat());
    let report = |target: &Target| {
        let report = Bench::new(Subject::Running(target.clone()), 1).run(&only, &|_| {});
        let json: Value = serde_json::from_str(&report.json()).unwrap();
        (report.to_string(), json["rows"].as_array().unwrap().clone(), report.has_failed())
    };
    let (text, rows, has_failed) = report(daemon.target());
    assert!(!has_failed, "{text}");
    assert_eq!(rows.len(), only.len(), "{text}");
    let (missing, [mcp]) = rows.split_at(NO_URL_GIVES.len()) else { panic!("{text}") };
    assert!(mcp["result"].is_number(), "{mcp}");
    for (row, name) in missing.iter().zip(NO_URL_GIVES) {
        assert!(row["name"] == name && row["result"].is_null(), "{row}");
        let what = row["figure"].as_str().unwrap();
        assert!(text.contains(&format!("\n| {what} | – | — | – | – | – | – |\n")), "{text}");
        let reason = row["reason"].as_str().unwrap();
        assert!(text.contains(&format!("- `{name}` cannot be measured by a URL: {reason}\n")), "{text}");
    }
    // A server that lacks what is measured has the row, too, and that is a failure.
    let poor = Mock::start(|_| Reply::json(404, "{}"));
    let (text, rows, has_failed) = report(&poor.target);
    assert!(has_failed && rows.len() == only.len() && rows[4]["result"].is_null(), "{text}");
    assert!(text.contains("- `mcp` could **not** be measured: the server answered 404"), "{text}");
    daemon.stop().unwrap();
}
