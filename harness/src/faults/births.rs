//! A start that the worker's death cuts short, of a command that ends while the next worker takes over.
//!
//! The worker is killed when the command runs and before the keeper is told which child it is. So the next one has to find out whose
//! child that was: alive, or dead, or, the narrow part, just between two looks. The command's life is as short as that takes, and another
//! one each time.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    Suite,
    api::{PATIENCE, Trouble},
    daemon::Daemon,
    report::Row,
    strace::Injection,
};
use crate::{bench::server::pause, random::Random};

const FAULT: &str = "A start is cut short by a kill, and the command ends in the next moments";

/// What a worker calls for the command itself after it was started, before it tells anybody.
const CALL: &str = "pidfd_open";

/// A thread calls it for other things before that; this many are looked at for the one that is meant.
const CALLS_MAX: usize = 6;

/// Turns of a shell's empty loop: some milliseconds at most, as long as a worker takes to begin.
const TURNS_MAX: u64 = 15_000;

/// How it ends, which nobody could guess.
const CODE: u64 = 73;

const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// What came of one start.
#[derive(Debug, PartialEq, Eq)]
enum Try {
    /// The worker was not killed, or before the command ran.
    Missed,
    /// It was killed where it should be.
    Hit,
}

pub(super) fn run(suite: &Suite) -> io::Result<Vec<Row>> {
    if let Some(why) = Injection::unavailable() {
        return Ok(vec![Row::skipped(FAULT, why)]);
    }
    let mut row = Row::new(FAULT);
    let mut random = Random::fork(suite.seed, 0);
    let Some(nth) = nth_call(suite, &mut row)? else {
        return Ok(vec![Row::skipped(FAULT, format!("no worker makes `{CALL}` after a start"))]);
    };
    let tries = suite.times(20, 200, 2000);
    for _ in 0..tries {
        let hit = cut_short(suite, nth, random.below(TURNS_MAX), &mut row)?;
        row.tried += usize::from(hit == Try::Hit);
    }
    let hits = row.tried;
    row.expect(hits > tries / 2, || format!("only {hits} of {tries} kills met a start"));
    row.checked = format!("that it is known by its name, its output and exit code; killed at `{CALL}` {nth}");
    Ok(vec![row])
}

/// Which call of a thread is the first after a start.
fn nth_call(suite: &Suite, row: &mut Row) -> io::Result<Option<usize>> {
    for nth in 1..=CALLS_MAX {
        if cut_short(suite, nth, TURNS_MAX, row)? == Try::Hit {
            return Ok(Some(nth));
        }
    }
    Ok(None)
}

/// Starts a command of so many turns with a daemon of its own, whose worker dies at that call.
fn cut_short(suite: &Suite, nth: usize, turns: u64, row: &mut Row) -> io::Result<Try> {
    let mut daemon = Daemon::plain(suite)?;
    let Some(worker) = daemon.await_worker() else {
        return Err(io::Error::other("this daemon has no keeper"));
    };
    let what = format!("inject={CALL}:signal=KILL:when={nth}");
    let injection = Injection::attach(worker, &[what], daemon.folder())?;
    let mark = daemon.marks().join("ran");
    let command = format!(
        ": > '{}'; echo begun; i=0; while [ $i -lt {turns} ]; do i=$((i+1)); done; exit {CODE}",
        mark.display()
    );
    let request = json!({ "name": "cut", "command": command });
    let answer = daemon.api().call("POST", "/process", Some(&request));
    let was_cut = matches!(answer, Err(Trouble::Cut));
    if let Err(trouble @ (Trouble::Refused(_) | Trouble::Other(_))) = answer {
        row.losses.push(format!("the start: {trouble}"));
    }
    // Long before strace has let go, the next worker is there.
    if was_cut && let Err(loss) = check(&daemon, turns, &mark) {
        row.losses.push(loss);
    }
    drop(injection);
    row.note(daemon.check().map_err(|error| error.to_string()));
    Ok(if was_cut && mark.exists() { Try::Hit } else { Try::Missed })
}

/// Whether the command is known as it was, or, when it never ran, is not known at all.
fn check(daemon: &Daemon, turns: u64, mark: &Path) -> Result<(), String> {
    let began = Instant::now();
    let process = loop {
        let answer = daemon.api().look("/process/cut")?;
        match (answer.status(), answer.json()) {
            // Asked last: it may just have begun when the worker died.
            (404, _) if !mark.exists() => return Ok(()),
            (200, process) if process["status"] == "running" && began.elapsed() < PATIENCE => {
                pause(LOOK_AGAIN);
            }
            (200, process) => break process,
            _ => return Err(format!("it ran, of {turns} turns, and nobody knows it: {}", answer.excerpt())),
        }
    };
    let told = (&process["status"], &process["reason"], &process["exitCode"]);
    if told != (&json!("failed"), &json!("exited"), &json!(CODE)) {
        return Err(format!("of {turns} turns: {told:?} is told of an exit with {CODE}"));
    }
    let logs = daemon.api().look("/process/cut/logs")?.json();
    if logs["stdout"] == "begun\n" {
        Ok(())
    } else {
        Err(format!("of {turns} turns: its stdout is {}", logs["stdout"]))
    }
}
