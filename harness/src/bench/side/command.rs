//! Commands, and what they print. The text is made by the command itself, so that the server may be anywhere.

use std::{io, thread, time::Instant};

use serde_json::{Value, json};

use super::{
    super::{
        clients,
        exec::WAITED_TRUE,
        first_byte, health as pulse, mcp as tools, ms_since,
        statistics::{median, number, percentile},
        terminal as keys,
        text::{NDJSON, SSE},
        wire::Wire,
    },
    place::Place,
};
use crate::variables::unique_name;

const STARTS: usize = 50;
const STREAMS: usize = 20;
const LISTS: usize = 50;
const FOLLOWERS: usize = 20;
const MIB: usize = 1 << 20;
const FOLLOWED: usize = 16 * MIB;
const SHARED: usize = 4 * MIB;
const BUSY: usize = 64 * MIB;
/// What a command prints, again and again.
const LINE: &str = "2026-11-24T09:14:03Z INFO w07 request 000012345 done in 042 ms lorem ipsum";
/// Answers are JSON or text of little more than what they carry.
const ROOM_FACTOR: usize = 2;

pub(super) fn exec(place: &Place) -> io::Result<f64> {
    place.median_of(STARTS, &place.server.post("/process", "application/json", WAITED_TRUE))
}

pub(super) fn mcp(place: &Place) -> io::Result<f64> {
    let call = tools::call(&place.server);
    let mut wire = place.server.connect()?;
    wire.call(&call)?;
    let answer = String::from_utf8_lossy(&wire.body()?).into_owned();
    if !answer.contains("\"result\"") {
        return Err(io::Error::other(format!("the tool is not there: {answer}")));
    }
    place.median_of(STARTS, &call)
}

pub(super) fn terminal(place: &Place) -> io::Result<f64> {
    Ok(median(&keys::echoes(place.server.target())?))
}

pub(super) fn clients(place: &Place) -> io::Result<f64> {
    clients::of(&place.server)
}

pub(super) fn list(place: &Place) -> io::Result<f64> {
    place.median_of(LISTS, &place.server.get("/process", "application/json"))
}

pub(super) fn health(place: &Place) -> io::Result<f64> {
    pulse::with_our_own(&place.server)
}

pub(super) fn health_busy(place: &Place) -> io::Result<f64> {
    let latencies = pulse::probe_during(&place.server, || waited(place, BUSY))?;
    Ok(percentile(&latencies, 99))
}

pub(super) fn first_byte(place: &Place) -> io::Result<f64> {
    let request = first_byte::request(&place.server);
    let mut wire = place.server.connect()?;
    first_byte::streamed(&mut wire, &request)?;
    let taken: Vec<f64> =
        (0..STREAMS).map(|_| first_byte::streamed(&mut wire, &request)).collect::<io::Result<_>>()?;
    Ok(median(&taken))
}

pub(super) fn follow_sse(place: &Place) -> io::Result<f64> {
    follow(place, SSE)
}

pub(super) fn follow_ndjson(place: &Place) -> io::Result<f64> {
    follow(place, NDJSON)
}

pub(super) fn unfollowed(place: &Place) -> io::Result<f64> {
    let began = Instant::now();
    waited(place, FOLLOWED)?;
    Ok(per_second(FOLLOWED, began))
}

/// Everybody is there when the command begins to print: it waits for a file, which another command makes.
pub(super) fn fanout(place: &Place) -> io::Result<f64> {
    place.folder()?;
    let (name, gate) = (unique_name(), place.path("gate"));
    let command =
        format!("echo ready; while [ ! -e {gate} ]; do sleep 0.01; done; {}; rm {gate}", prints(SHARED));
    let body = json!({ "name": name, "command": command }).to_string();
    place.server.connect()?.call(&place.server.post("/process", "application/json", &body))?;
    let follow = place.server.get(&format!("/process/{name}/logs/stream"), "*/*");
    let connect = |_| Wire::connect(place.server.target(), SHARED * ROOM_FACTOR);
    let mut wires: Vec<Wire> = (0..FOLLOWERS).map(connect).collect::<io::Result<_>>()?;
    for wire in &mut wires {
        wire.send(&follow)?;
        wire.read_until(b"ready")?;
    }
    let began = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = wires.iter_mut().map(|wire| scope.spawn(|| wire.finish())).collect();
        place.exec(&format!("touch {gate}"))?;
        threads.into_iter().try_for_each(|thread| thread.join().expect("a follower doesn't panic"))
    })?;
    let rate = per_second(SHARED * FOLLOWERS, began);
    match wires.iter().find(|wire| wire.raw().len() < SHARED) {
        None => Ok(rate),
        Some(wire) => Err(io::Error::other(format!("a follower got {} bytes of {SHARED}", wire.raw().len()))),
    }
}

fn follow(place: &Place, accept: &str) -> io::Result<f64> {
    let body = json!({ "command": prints(FOLLOWED) }).to_string();
    let mut wire = Wire::connect(place.server.target(), FOLLOWED * ROOM_FACTOR)?;
    let began = Instant::now();
    wire.call(&place.server.post("/process", accept, &body))?;
    let rate = per_second(FOLLOWED, began);
    match printed(&wire.body()?) {
        FOLLOWED => Ok(rate),
        bytes => Err(io::Error::other(format!("the stream has {bytes} of {FOLLOWED} bytes of output"))),
    }
}

/// How much output a stream carries, in either form.
fn printed(stream: &[u8]) -> usize {
    let text = String::from_utf8_lossy(stream);
    let events = text.lines().filter_map(|line| {
        let json = line.strip_prefix("data:").unwrap_or(line);
        serde_json::from_str::<Value>(json).ok().filter(|event| event["type"] == "stdout")
    });
    events.map(|event| event["data"].as_str().map_or(0, str::len)).sum()
}

fn prints(bytes: usize) -> String {
    format!("yes '{LINE}' | head -c {bytes}")
}

fn waited(place: &Place, bytes: usize) -> io::Result<()> {
    place.exec(&prints(bytes))
}

fn per_second(bytes: usize, began: Instant) -> f64 {
    number(bytes) / 1e3 / ms_since(began)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_counted_in_either_form() {
        let sse = "event: start\ndata: {\"type\":\"start\"}\n\ndata: {\"type\":\"stdout\",\"data\":\"a\\nb\"}\n\n: hb\n";
        assert_eq!(printed(sse.as_bytes()), 3);
        let ndjson = "{\"type\":\"stdout\",\"data\":\"ab\"}\n{\"type\":\"stderr\",\"data\":\"x\"}\n{\"type\":\"stdout\",\"data\":\"c\"}\n";
        assert_eq!(printed(ndjson.as_bytes()), 3);
        assert_eq!(printed(b"<html>not found</html>"), 0);
    }
}
