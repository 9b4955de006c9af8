//! SIGKILL of the worker at random instants, under commands that write and clients that follow.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::json;

use super::{
    Suite,
    api::{Api, PATIENCE, Trouble},
    daemon::{Daemon, Setup, signal},
    follow::Follower,
    report::Row,
    worker_load::Load,
};
use crate::{bench::server::pause, random::Random};

const FAULT: &str = "SIGKILL of the worker at random instants";
/// Commands at once, and as many followers.
const SLOTS: u64 = 50;
/// The longest pause between an answer of the new worker and its death. One pause in eight is none.
const PAUSE_MS_MAX: u64 = 300;
/// The keeper's pause before the next worker doubles with each.
const KILLS_IN_A_ROW: usize = 7;
const LOOK_AGAIN: Duration = Duration::from_millis(1);

pub(super) fn run(suite: &Suite) -> io::Result<Vec<Row>> {
    let mut row = Row::new(format!("{FAULT}, {SLOTS} commands and {SLOTS} followers"));
    let mut seen = Seen::default();
    for batch in 0..suite.times(3, 29, 143) {
        let daemon = Daemon::start(suite, &keeping_all())?;
        if daemon.await_worker().is_none() {
            return Ok(vec![Row::skipped(FAULT, "this daemon has no keeper")]);
        }
        try_batch(suite, batch as u64, daemon, &mut row, &mut seen);
    }
    let Seen { commands, limits, bytes, cuts, mut first_ms, longest_ms } = seen;
    first_ms.sort_by(f64::total_cmp);
    let median = first_ms.get(first_ms.len() / 2).copied().unwrap_or_default();
    row.checked = format!(
        "{commands} commands (restarts and timeouts among them; {limits}), {} KB compared byte for byte three times, over \
         {cuts} cut streams: ids, exit codes, times, names, stdin, starts; a first kill to the next answer {median:.0} ms (median), with \
         back-off {longest_ms:.0} ms (longest)",
        bytes / 1000
    );
    Ok(vec![row])
}

/// What was seen over all daemons.
#[derive(Debug, Default)]
struct Seen {
    commands: usize,
    /// Which of them have limits.
    limits: String,
    bytes: u64,
    cuts: usize,
    /// From the first kill of each daemon to its next answer.
    first_ms: Vec<f64>,
    longest_ms: f64,
}

/// Kills the worker of one daemon a few times in a row: the keeper waits longer each time, so many in a row would only wait.
fn try_batch(suite: &Suite, batch: u64, mut daemon: Daemon, row: &mut Row, found: &mut Seen) {
    let seed = suite.seed.wrapping_add(batch);
    let load = Load::new(daemon.api(), daemon.marks(), seed);
    let mut echo = Echo::start(daemon.api(), row);
    thread::scope(|scope| {
        let load = &load;
        let slots: Vec<_> = (0..SLOTS).map(|slot| scope.spawn(move || load.run(slot))).collect();
        let mut random = Random::fork(seed, u64::MAX);
        for kill in 0..KILLS_IN_A_ROW {
            let length = if random.below(8) == 0 { 0 } else { random.below(PAUSE_MS_MAX) };
            pause(Duration::from_millis(length));
            let Some(worker) = daemon.await_worker() else {
                row.losses.push("no worker came back".to_owned());
                break;
            };
            signal(worker, Signal::KILL);
            row.tried += 1;
            match answered(daemon.api()) {
                Ok(ms) if kill == 0 => found.first_ms.push(ms),
                Ok(ms) => found.longest_ms = found.longest_ms.max(ms),
                Err(loss) => row.losses.push(loss),
            }
            row.note(echo.say(daemon.api()));
        }
        load.stop();
        drop(slots);
    });
    row.note(echo.finish(daemon.api()));
    load.check_again();
    row.losses.extend(load.losses().into_iter().map(|loss| format!("seed {seed}: {loss}")));
    row.note(daemon.check().map_err(|error| error.to_string()));
    let (commands, bytes, cuts) = load.figures();
    found.commands += commands;
    found.limits = load.told_limits();
    found.bytes += bytes;
    found.cuts += cuts;
}

/// A daemon that forgets nothing meanwhile.
pub(super) fn keeping_all() -> Setup {
    Setup { arguments: vec!["--max-finished=1000000".to_owned()], ..Setup::default() }
}

/// Milliseconds until the daemon answers. A connection may be cut, never refused.
pub(super) fn answered(api: &Api) -> Result<f64, String> {
    let began = Instant::now();
    loop {
        match api.call("GET", "/health", None) {
            Ok(answer) if answer.status() == 200 => return Ok(began.elapsed().as_secs_f64() * 1e3),
            Ok(_) | Err(Trouble::Cut) if began.elapsed() < PATIENCE => pause(LOOK_AGAIN),
            Ok(answer) => return Err(format!("/health: {}", answer.excerpt())),
            Err(trouble) => return Err(format!("/health: {trouble}")),
        }
    }
}

/// A command that lives as long as all workers together, and says again what it is told: its stdin has to outlive them.
#[derive(Debug)]
pub(super) struct Echo {
    said: String,
}

impl Echo {
    const NAME: &str = "echo";

    pub(super) fn start(api: &Api, row: &mut Row) -> Self {
        row.note(api.start(&json!({ "name": Self::NAME, "command": "exec cat", "stdin": true })));
        Self { said: String::new() }
    }

    /// Tells it a line.
    pub(super) fn say(&mut self, api: &Api) -> Result<(), String> {
        let line = format!("line {}\n", self.said.len());
        match api.write_stdin(Self::NAME, &line) {
            Ok(answer) if answer.status() == 200 => self.said.push_str(&line),
            Ok(answer) => return Err(format!("stdin was answered {}", answer.excerpt())),
            Err(trouble) => return Err(format!("stdin: {trouble}")),
        }
        Ok(())
    }

    /// Closes its stdin and compares all that it said.
    pub(super) fn finish(&mut self, api: &Api) -> Result<(), String> {
        let path = format!("/process/{}/stdin", Self::NAME);
        let closed = api.call("DELETE", &path, None).map_err(|trouble| format!("stdin: {trouble}"))?;
        if closed.status() != 200 {
            return Err(format!("closing stdin was answered {}", closed.excerpt()));
        }
        Follower::new(
            Self::NAME,
            std::sync::Arc::new([std::mem::take(&mut self.said).into_bytes(), Vec::new()]),
        )
        .finish(api, PATIENCE)
    }
}
