//! Two daemons side by side in the bench, and one of them beside a server that lacks nearly everything.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[expect(dead_code, reason = "other tests script more of it")]
mod mock;

use std::path::Path;

use boxd_harness::{bench::Side, daemon::Daemon, fixture::Fixture, target::Target};
use serde_json::Value;

use mock::{Mock, Reply};

/// Quick ones, of each kind.
const SOME: [&str; 6] = ["exec", "first-byte", "fanout", "processes", "listing", "search"];

fn table(servers: [(&str, &Target); 2]) -> (String, Value) {
    let servers = servers.map(|(name, target)| (name.to_owned(), target.clone())).to_vec();
    let table = Side::new(servers, 2).run(&SOME.map(str::to_owned), &|_| {}).unwrap();
    (table.to_string(), serde_json::from_str(&table.json()).unwrap())
}

fn daemon() -> Daemon {
    Daemon::start(Path::new(env!("CARGO_BIN_EXE_boxd")), &Fixture::without_steps()).unwrap()
}

#[test]
fn two_daemons_have_a_column_each_and_a_ratio() {
    let (one, other) = (daemon(), daemon());
    let (text, json) = table([("one", one.target()), ("other", other.target())]);
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
    let (text, json) = table([("boxd", daemon.target()), ("poor", &poor.target)]);
    for row in json["rows"].as_array().unwrap() {
        assert!(row["results"][0]["median"].is_number(), "{row}");
        let is_there = row["results"][1]["median"].is_number();
        assert_eq!(is_there, row["name"] == "processes", "{row}");
        assert_eq!(row["ratio"].is_number(), is_there, "{row}");
    }
    assert!(text.contains("\n- `exec` of poor: the server answered 404: HTTP/1.1 404 X"), "{text}");
    daemon.stop().unwrap();
}
