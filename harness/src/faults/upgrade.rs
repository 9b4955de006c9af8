//! Upgrades under load: to a good binary, to one that is none, and with a worker killed in the middle.

use std::{
    fs, io, thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    Suite,
    api::{Api, Trouble},
    daemon::{Daemon, signal},
    report::Row,
    worker::{Echo, answered, keeping_all},
    worker_load::Load,
};
use crate::{bench::server::pause, random::Random};

const FAULT: &str = "Upgrade under load";
const SLOTS: u64 = 10;
const WITHIN: Duration = Duration::from_secs(90);
/// After an upgrade has failed.
const PROOF_GONE_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const KILL_MS_MAX: u64 = 150;

/// What is done to an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Untouched,
    Killed,
    NoProgram,
}

pub(super) fn run(suite: &Suite) -> io::Result<Vec<Row>> {
    let mut daemon = Daemon::start(suite, &keeping_all())?;
    if daemon.await_worker().is_none() {
        return Ok(vec![Row::skipped(FAULT, "this daemon has no keeper")]);
    }
    let asked = daemon.api().call("POST", "/upgrade", Some(&json!({ "path": "/nonexistent" })));
    if asked.is_ok_and(|answer| [404, 405, 501].contains(&answer.status())) {
        return Ok(vec![Row::skipped(FAULT, "this daemon has no /upgrade")]);
    }
    let ways = [
        (Way::Untouched, "to a good binary", suite.times(3, 25, 100)),
        (Way::NoProgram, "to a file that is no daemon", suite.times(3, 12, 50)),
        (Way::Killed, "and a worker killed in the middle of it", suite.times(5, 50, 200)),
    ];
    let mut rows = Vec::new();
    for (way, what, times) in ways {
        let mut row = Row::new(format!("{FAULT}, {what}"));
        let load = Load::new(daemon.api(), daemon.marks(), suite.seed ^ times as u64);
        let mut echo = Echo::start(daemon.api(), &mut row);
        thread::scope(|scope| {
            let load = &load;
            let first = 1000 * (1 + way as u64);
            let slots: Vec<_> =
                (first..first + SLOTS).map(|slot| scope.spawn(move || load.run(slot))).collect();
            let mut random = Random::fork(suite.seed, first);
            for _ in 0..times {
                row.tried += 1;
                row.note(once(suite, &daemon, way, &mut random));
                row.note(echo.say(daemon.api()));
            }
            load.stop();
            drop(slots);
        });
        row.note(echo.finish(daemon.api()));
        load.check_again();
        row.losses.extend(load.losses());
        row.note(daemon.check().map_err(|error| error.to_string()));
        let (commands, bytes, cuts) = load.figures();
        row.checked = format!(
            "`lastUpgrade` ends in the truth; {commands} commands, {} KB byte for byte, {cuts} cut streams; no connection refused",
            bytes / 1000
        );
        rows.push(row);
    }
    Ok(rows)
}

/// One upgrade and what it comes to.
fn once(suite: &Suite, daemon: &Daemon, way: Way, random: &mut Random) -> Result<(), String> {
    let api = daemon.api();
    answered(api)?;
    daemon.await_worker().ok_or("no worker is there")?;
    let workers = daemon.workers();
    let before = health(api)?;
    let path = match way {
        Way::NoProgram => {
            let path = daemon.folder().join("no-daemon");
            // By turns: what can't be executed, what exits at once, what never answers.
            let text = ["garbage", "#!/bin/sh\nexit 1\n", "#!/bin/sh\nsleep 1000\n"]
                [super::script::size(random.below(3))];
            fs::write(&path, text).map_err(|error| error.to_string())?;
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&path, mode).map_err(|error| error.to_string())?;
            path
        }
        _ => suite.program.clone(),
    };
    let answer = match api.call("POST", "/upgrade", Some(&json!({ "path": path }))) {
        Ok(answer) => answer.status(),
        // The answering worker may be the one that goes.
        Err(Trouble::Cut) if way == Way::Killed => 0,
        Err(trouble) => return Err(format!("/upgrade: {trouble}")),
    };
    if way == Way::Killed {
        pause(Duration::from_millis(random.below(KILL_MS_MAX)));
        // The old one, the new one, or the one that is being proven.
        let there = daemon.workers();
        if let Some(worker) = there.get(super::script::size(random.below(there.len().max(1) as u64))) {
            signal(*worker, Signal::KILL);
        }
        answered(api)?;
    }
    let after = settled(api)?;
    let status = after["lastUpgrade"]["status"].as_str().unwrap_or_default().to_owned();
    let counts = (before["upgradeCount"].as_u64().unwrap_or(0), after["upgradeCount"].as_u64().unwrap_or(0));
    match way {
        Way::Untouched if status != "completed" || counts.1 != counts.0 + 1 => {
            Err(format!("an upgrade came to {} (answer {answer}, count {counts:?})", after["lastUpgrade"]))
        }
        Way::Untouched if daemon.workers().iter().all(|pid| workers.contains(pid)) => {
            Err("an upgrade is called completed and no worker is new".to_owned())
        }
        Way::NoProgram if status == "completed" || counts.0 != counts.1 => {
            Err(format!("an upgrade to no daemon came to {} (answer {answer})", after["lastUpgrade"]))
        }
        Way::NoProgram => only_these_are_left(daemon, &workers),
        _ => Ok(()),
    }
}

/// Waits until the process by which a binary was proven is gone.
fn only_these_are_left(daemon: &Daemon, workers: &[u32]) -> Result<(), String> {
    let began = Instant::now();
    while daemon.workers().iter().any(|pid| !workers.contains(pid)) {
        if began.elapsed() > PROOF_GONE_WITHIN {
            return Err("an upgrade failed, and a process that it started is left".to_owned());
        }
        pause(LOOK_AGAIN);
    }
    let is_left = daemon.workers().iter().any(|pid| workers.contains(pid));
    if is_left { Ok(()) } else { Err("an upgrade failed and the worker is gone".to_owned()) }
}

fn health(api: &Api) -> Result<Value, String> {
    Ok(api.look("/health")?.json())
}

/// The health once no upgrade is under way.
fn settled(api: &Api) -> Result<Value, String> {
    let began = Instant::now();
    loop {
        let health = health(api)?;
        if health["lastUpgrade"]["status"] != "running" {
            return Ok(health);
        }
        if began.elapsed() > WITHIN {
            return Err(format!("an upgrade runs for ever: {}", health["lastUpgrade"]));
        }
        pause(LOOK_AGAIN);
    }
}
