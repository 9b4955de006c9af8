//! The ports of a process with many descendants.

use std::{fs, io, time::Duration};

use super::{
    Bench, Measured, in_turn, ms,
    row::{Goal, Row, Unit},
    server::{Server, pause},
    wire::Wire,
};
use crate::helper;

const DESCENDANTS: usize = 200;
const TIMES: usize = 20;
const GOAL_MS: f64 = 10.0;
const LOOKS_MAX: usize = 400;
const LOOK_AGAIN: Duration = Duration::from_millis(25);

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let server = bench.server()?;
    let mut wire = server.connect()?;
    let (pid, request) = begin(&server, &mut wire)?;
    let family = family(pid)?;
    let (mut floors, mut results) = (Vec::new(), Vec::new());
    // The first round warms up.
    for _ in 0..=bench.rounds {
        let (floor, result) = in_turn(0, TIMES, || Ok((ms(|| read(&family))?, ms(|| wire.call(&request))?)))?;
        floors.push(floor);
        results.push(result);
    }
    wire.call(&server.delete("/process/ports/kill"))?;
    Ok(Measured::row(Row {
        figure: format!(
            "ports of a process with {DESCENDANTS} descendants; floor: each `/proc/*/stat` and their `fd/*` read"
        ),
        n: format!("{} × {TIMES}", bench.rounds),
        floors: floors.split_off(1),
        results: results.split_off(1),
        unit: Unit::Milliseconds,
        goal: Goal::AtMost(GOAL_MS),
    }))
}

/// Starts the process, and waits until all of it is there: its pid, and the request for its ports.
fn begin(server: &Server, wire: &mut Wire) -> io::Result<(u32, Vec<u8>)> {
    let helper = helper::command_line()?;
    let command = format!(
        "i=1; while [ $i -lt {DESCENDANTS} ]; do sleep 600 & i=$((i+1)); done; {helper} listen 127.0.0.1:0 & wait"
    );
    let body = serde_json::json!({ "name": "ports", "command": command }).to_string();
    wire.call(&server.post("/process", "application/json", &body))?;
    let answer: serde_json::Value = serde_json::from_slice(&wire.body()?)?;
    let pid = answer["pid"].as_str().and_then(|pid| pid.parse().ok());
    let pid = pid.ok_or_else(|| io::Error::other("the answer has no pid"))?;
    let request = server.get(&format!("/network/process/{pid}/ports"), "application/json");
    for _ in 0..LOOKS_MAX {
        wire.call(&request)?;
        let answer: serde_json::Value = serde_json::from_slice(&wire.body()?)?;
        if answer["ports"].as_array().is_some_and(|ports| ports.len() == 1)
            && family(pid)?.len() > DESCENDANTS
        {
            return Ok((pid, request));
        }
        pause(LOOK_AGAIN);
    }
    Err(io::Error::other("the process does not listen"))
}

/// A process and its children.
fn family(pid: u32) -> io::Result<Vec<u32>> {
    let mut family = vec![pid];
    for one in pids()? {
        // It may be gone by now.
        let stat = fs::read_to_string(format!("/proc/{one}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(1));
        if parent.and_then(|parent| parent.parse().ok()) == Some(pid) {
            family.push(one);
        }
    }
    Ok(family)
}

/// Reads what has to be read.
fn read(family: &[u32]) -> io::Result<()> {
    let mut bytes = 0;
    for pid in pids()? {
        bytes += fs::read(format!("/proc/{pid}/stat")).unwrap_or_default().len();
    }
    for pid in family {
        for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
            bytes += fs::read_link(entry?.path()).map_or(0, |link| link.as_os_str().len());
        }
    }
    if bytes == 0 { Err(io::Error::other("there is nothing in /proc")) } else { Ok(()) }
}

fn pids() -> io::Result<Vec<u32>> {
    let names = fs::read_dir("/proc")?.map(|entry| entry.map(|entry| entry.file_name()));
    let names: Vec<_> = names.collect::<io::Result<_>>()?;
    Ok(names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
}
