//! Clients that go away in the middle of a request, one by one and a thousand at once.

use std::{
    fs, io, thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::json;

use super::{
    Suite,
    api::PATIENCE,
    daemon::{Daemon, signal},
    report::Row,
    script::size,
    worker::answered,
    worker_load::Load,
};
use crate::{bench::server::pause, client::Deadline, random::Random};

const AT_ONCE: usize = 1000;
/// What the daemon may take to see that clients have left.
const SETTLE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Chatty commands and followers beside the crowd.
const SLOTS: u64 = 4;

pub(super) fn run(suite: &Suite) -> io::Result<Vec<Row>> {
    Ok(vec![bodies(suite)?, crowds(suite)?])
}

/// Requests that end inside their body, or inside their head.
fn bodies(suite: &Suite) -> io::Result<Row> {
    let mut daemon = Daemon::plain(suite)?;
    let mut row = Row::new("A client is cut in the middle of a request");
    let mut random = Random::fork(suite.seed, 11);
    row.note(answered(daemon.api()).map(drop));
    let before = daemon.descriptors();
    for number in 0..suite.times(300, 3000, 20_000) {
        row.tried += 1;
        let name = format!("cut-{number}");
        let command = format!(": > '{}'", daemon.marks().join(&name).display());
        let filler = "x".repeat(size(random.below(60_000)));
        let body = json!({ "command": command, "env": { "FILLER": filler }, "name": name });
        let request = daemon.api().bytes("POST", "/process", &[], Some(&body));
        // Never the whole: the last byte closes the object.
        let sent = &request[..size(random.below(request.len() as u64))];
        match daemon.api().connect() {
            Ok(mut connection) => {
                row.note(
                    connection.write(sent, &Deadline::within(PATIENCE)).map_err(|error| error.to_string()),
                );
                connection.close(random.below(2) == 0);
            }
            Err(trouble) => row.losses.push(format!("{name}: {trouble}")),
        }
    }
    row.note(settle(&daemon, before));
    let ran = fs::read_dir(daemon.marks())?.count();
    row.expect(ran == 0, || format!("{ran} commands ran whose requests never came whole"));
    let listed = daemon.api().look("/process").map(|answer| answer.json());
    row.expect(listed == Ok(json!([])), || {
        format!("processes are listed that nobody could ask for: {listed:?}")
    });
    row.note(daemon.check().map_err(|error| error.to_string()));
    "no command ran, none is listed, no descriptor is left, the API answers".clone_into(&mut row.checked);
    Ok(row)
}

/// A thousand connections at once that say nothing, half a request, or a request whose answer they don't wait for.
fn crowds(suite: &Suite) -> io::Result<Row> {
    let mut daemon = Daemon::plain(suite)?;
    let worker = daemon.await_worker();
    let killed = if worker.is_some() { ", the worker killed meanwhile in every second round" } else { "" };
    let mut row = Row::new(format!("{AT_ONCE} connections at once, opened and dropped{killed}"));
    row.note(answered(daemon.api()).map(drop));
    let before = daemon.descriptors();
    let load = Load::new(daemon.api(), daemon.marks(), suite.seed);
    let rounds = suite.times(3, 20, 100);
    thread::scope(|scope| {
        let load = &load;
        let slots: Vec<_> = (0..SLOTS).map(|slot| scope.spawn(move || load.run(slot))).collect();
        let mut random = Random::fork(suite.seed, 12);
        for round in 0..rounds {
            row.tried += 1;
            let mut crowd = Vec::new();
            for _ in 0..AT_ONCE {
                match daemon.api().connect() {
                    Ok(mut connection) => {
                        let request = daemon.api().bytes("GET", "/process", &[], None);
                        let sent = [0, size(random.below(request.len() as u64)), request.len()]
                            [size(random.below(3))];
                        row.note(
                            connection
                                .write(&request[..sent], &Deadline::within(PATIENCE))
                                .map_err(|error| error.to_string()),
                        );
                        crowd.push(connection);
                    }
                    Err(trouble) => row.losses.push(format!("round {round}: {trouble}")),
                }
            }
            if let (1, Some(worker)) = (round % 2, daemon.worker()) {
                signal(worker, Signal::KILL);
            }
            for connection in crowd {
                connection.close(random.below(2) == 0);
            }
            row.note(answered(daemon.api()).map(drop));
        }
        load.stop();
        drop(slots);
    });
    row.losses.extend(load.losses());
    row.note(settle(&daemon, before));
    row.note(daemon.check().map_err(|error| error.to_string()));
    let (commands, bytes, _) = load.figures();
    row.checked = format!(
        "none is refused, no descriptor is left, the API answers; beside them {commands} commands, {} KB byte for byte",
        bytes / 1000
    );
    Ok(row)
}

/// Waits until the daemon holds no more descriptors than before.
fn settle(daemon: &Daemon, before: usize) -> Result<(), String> {
    let began = Instant::now();
    loop {
        answered(daemon.api())?;
        let now = daemon.descriptors();
        if now <= before {
            return Ok(());
        }
        if began.elapsed() > SETTLE {
            return Err(format!("{before} descriptors became {now}"));
        }
        pause(LOOK_AGAIN);
    }
}
