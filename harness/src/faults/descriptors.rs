//! A daemon that runs out of descriptors: starts are refused with "try again", and nothing else happens.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    Suite,
    api::{Answer, Api, PATIENCE},
    daemon::{Daemon, Setup},
    report::Row,
};
use crate::bench::server::pause;

const LIMIT: usize = 160;
const CONNECTIONS: usize = 2 * LIMIT;
/// What the API may take to see that connections are gone.
const SETTLE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

pub(super) fn run(suite: &Suite) -> io::Result<Vec<Row>> {
    let limit = format!("ulimit -n {LIMIT}; exec \"$0\" \"$@\"");
    let wrapper = ["sh", "-c", &limit].map(str::to_owned).to_vec();
    let mut daemon = Daemon::start(suite, &Setup { wrapper, ..Setup::default() })?;
    let mut starts = Row::new(format!("No descriptors left ({LIMIT}): starts until they are refused"));
    let mut connections =
        Row::new(format!("No descriptors left ({LIMIT}): {CONNECTIONS} connections that do nothing"));
    for round in 0..suite.times(2, 20, 100) {
        starts.tried += 1;
        let result = starve_by_starts(&daemon, round);
        starts.note(result);
        connections.tried += 1;
        let result = starve_by_connections(&daemon, round);
        connections.note(result);
        starts.note(daemon.check().map_err(|error| error.to_string()));
    }
    "503 with Retry-After, a refused command never ran, the API answers meanwhile, each accepted command ends as told, and \
     starts work again"
        .clone_into(&mut starts.checked);
    "the API answers again when they are gone; a running command lost nothing"
        .clone_into(&mut connections.checked);
    Ok(vec![starts, connections])
}

fn start(api: &Api, daemon: &Daemon, name: &str) -> Result<Answer, String> {
    let mark = daemon.marks().join(name);
    let command = format!("echo here; : > '{}'; read line; exit 5", mark.display());
    api.call("POST", "/process", Some(&json!({ "name": name, "command": command, "stdin": true })))
        .map_err(|trouble| format!("{name}: {trouble}"))
}

fn starve_by_starts(daemon: &Daemon, round: usize) -> Result<(), String> {
    let api = daemon.api();
    let mut accepted = Vec::new();
    let refused = loop {
        let name = format!("s{round}-{}", accepted.len());
        let answer = start(api, daemon, &name)?;
        match answer.status() {
            200 if accepted.len() < LIMIT => accepted.push(name),
            503 if answer.head.header("retry-after").is_some() => break name,
            _ => return Err(format!("start {} was answered {}", accepted.len(), answer.excerpt())),
        }
    };
    for again in 0..10 {
        // A connection that was closed meanwhile may have left room for one.
        let name = format!("again{round}-{again}");
        let answer = start(api, daemon, &name)?;
        match answer.status() {
            200 => accepted.push(name),
            503 if fs::exists(daemon.marks().join(&name)).unwrap_or(true) => {
                return Err(format!("{name} was refused and ran"));
            }
            503 => {}
            _ => return Err(format!("a start without room was answered {}", answer.excerpt())),
        }
        let list = api.look("/process")?.json();
        let listed = list.as_array().map_or(0, |all| all.iter().filter(|p| p["status"] == "running").count());
        if listed != accepted.len() {
            return Err(format!("{listed} processes are listed as running of {}", accepted.len()));
        }
    }
    if fs::exists(daemon.marks().join(&refused)).unwrap_or(true) {
        return Err(format!("{refused} was refused and ran"));
    }
    // By turns: one ends by itself, one is killed.
    for (index, name) in accepted.iter().enumerate() {
        let (path, expected) = if index % 2 == 0 {
            (format!("/process/{name}/stdin"), json!(["failed", "exited", 5, "here\n"]))
        } else {
            (format!("/process/{name}/kill"), json!(["killed", "killed", -1, "here\n"]))
        };
        if index % 2 == 1 {
            // A command that is killed before it wrote has nothing to say.
            await_file(&daemon.marks().join(name))?;
        }
        api.call("DELETE", &path, None).map_err(|trouble| format!("{path}: {trouble}"))?;
        let process = api.over(name)?;
        let told = json!([process["status"], process["reason"], process["exitCode"], process["stdout"]]);
        if told != expected {
            return Err(format!("{name}: {told} is told of {expected}"));
        }
    }
    let answer = start(api, daemon, &refused)?;
    if answer.status() != 200 {
        return Err(format!("with room again, a start was answered {}", answer.excerpt()));
    }
    api.call("DELETE", &format!("/process/{refused}/kill"), None).map_err(|trouble| trouble.to_string())?;
    api.over(&refused).map(drop)
}

fn starve_by_connections(daemon: &Daemon, round: usize) -> Result<(), String> {
    let api = daemon.api();
    let name = format!("lives-{round}");
    let answer = start(api, daemon, &name)?;
    if answer.status() != 200 {
        return Err(format!("the start was answered {}", answer.excerpt()));
    }
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        held.push(api.connect().map_err(|trouble| trouble.to_string())?);
    }
    drop(held);
    let began = Instant::now();
    while api.look("/health")?.status() != 200 {
        if began.elapsed() > SETTLE {
            return Err("the API does not answer when the connections are gone".to_owned());
        }
        pause(LOOK_AGAIN);
    }
    api.call("DELETE", &format!("/process/{name}/stdin"), None).map_err(|trouble| trouble.to_string())?;
    let process = api.over(&name)?;
    let told = json!([process["exitCode"], process["stdout"]]);
    if told == json!([5, "here\n"]) { Ok(()) } else { Err(format!("{name}: {told}")) }
}

/// Waits for a file that a command makes.
fn await_file(path: &std::path::Path) -> Result<(), String> {
    let began = Instant::now();
    while !fs::exists(path).unwrap_or(false) {
        if began.elapsed() > PATIENCE {
            return Err(format!("{} is not made", path.display()));
        }
        pause(LOOK_AGAIN);
    }
    Ok(())
}
