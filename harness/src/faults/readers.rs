//! A thousand followers of one process, a tenth of which never read.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    Suite,
    api::PATIENCE,
    daemon::Daemon,
    follow::Follower,
    report::Row,
    script::{End, Script, notes},
};
use crate::{bench::server::pause, client::Deadline};

/// What the last follower may lag behind the end of the command: so many times what it does when all others read, and this.
const LATE_TIMES: u128 = 2;
const LATE_MS: u128 = 3000;
/// Resident memory of the daemon at its most.
const RESIDENT_KIB_MAX: u64 = 96 * 1024;
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// A reader needs little.
const STACK_BYTES: usize = 256 * 1024;

pub(super) fn run(suite: &Suite) -> io::Result<Vec<Row>> {
    let readers = suite.times(180, 900, 900);
    let silent = readers / 9;
    let mut row = Row::new(format!("{silent} of {} followers never read", readers + silent));
    for round in 0..suite.times(1, 2, 10) {
        row.tried += silent;
        let (without, _) = once(suite, round, readers, 0, &mut row)?;
        let (with, most) = once(suite, round, readers, silent, &mut row)?;
        row.expect(with <= LATE_TIMES * without + LATE_MS, || {
            format!(
                "the last follower had its end {with} ms after the command's, and {without} ms when all read"
            )
        });
        row.checked = format!(
            "the other {readers} had every byte, the last {with} ms after the command's end ({without} ms when all read); memory \
             at most {most} KiB (of {RESIDENT_KIB_MAX})"
        );
    }
    Ok(vec![row])
}

/// How late the last reader had its end, in milliseconds, and the most memory the daemon took, in KiB.
fn once(
    suite: &Suite,
    round: usize,
    readers: usize,
    silent: usize,
    row: &mut Row,
) -> io::Result<(u128, u64)> {
    let mut daemon = Daemon::plain(suite)?;
    let api = daemon.api();
    let script = Script {
        seed: suite.seed.wrapping_add(round as u64),
        bytes: [2_000_000, 400_000],
        lot: 8_000,
        pause_ms: 40,
        silence_ms: 0,
        end: End::Code(9),
    };
    let output = Arc::new(script.output());
    // It begins when all followers are there.
    let command = format!("read line; {}", script.command(&daemon.marks(), "many")?);
    row.note(api.start(&json!({ "name": "many", "command": command, "stdin": true })));
    let mut held = Vec::new();
    for _ in 0..silent {
        let mut connection =
            api.narrow().connect().map_err(|trouble| io::Error::other(trouble.to_string()))?;
        let request = api.bytes("GET", "/process/many/logs/stream", &[("accept", "text/event-stream")], None);
        connection.write(&request, &Deadline::within(PATIENCE)).map_err(io::Error::other)?;
        held.push(connection);
    }
    let (ready, is_ready) = mpsc::channel();
    let ends: Mutex<Vec<(Instant, Result<(), String>)>> = Mutex::default();
    let mut most = 0;
    thread::scope(|scope| -> io::Result<()> {
        for _ in 0..readers {
            let (ready, output, ends) = (ready.clone(), output.clone(), &ends);
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, move || {
                let mut follower = Follower::new("many", output);
                let opened = follower.connect(api);
                let _told: bool = ready.send(()).is_ok();
                let read = opened.and_then(|exchange| match exchange {
                    Some(mut exchange) => follower.read(&mut exchange, &Deadline::within(PATIENCE)),
                    None => Ok(()),
                });
                let result = read.and_then(|()| follower.finish(api, PATIENCE));
                ends.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), result));
            })?;
        }
        for _ in 0..readers {
            is_ready.recv_timeout(PATIENCE).map_err(|_| io::Error::other("not all followers came"))?;
        }
        api.write_stdin("many", "go\n").map_err(|trouble| io::Error::other(trouble.to_string()))?;
        while ends.lock().unwrap_or_else(PoisonError::into_inner).len() < readers {
            most = daemon.resident_kib().max(most);
            pause(LOOK_AGAIN);
        }
        Ok(())
    })?;
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_millis();
    let (here, ended) = (Instant::now(), notes(&daemon.marks(), "many", "end").last().copied().unwrap_or(0));
    let mut latest = 0;
    for (at, result) in ends.into_inner().unwrap_or_else(PoisonError::into_inner) {
        row.note(result);
        let late = now.saturating_sub((here - at).as_millis()).saturating_sub(u128::from(ended));
        latest = late.max(latest);
    }
    row.expect(most <= RESIDENT_KIB_MAX, || format!("the daemon took {most} KiB"));
    drop(held);
    row.note(daemon.check().map_err(|error| error.to_string()));
    Ok((latest, most))
}
