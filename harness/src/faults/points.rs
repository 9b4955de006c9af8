//! A kill of the worker at each system call by which it starts a command, takes it over, stores its output, notes its end,
//! reaps it and tells the keeper.
//!
//! First the life of a command without a limit and of one with a limit are traced, which shows the calls and how often one
//! thread makes them. Then the worker is killed at the first, the second, … of each of them, each time in the life of another
//! command, and that command's client is asked what it has seen.

use std::{collections::BTreeMap, io};

use super::{
    Suite,
    daemon::Daemon,
    report::Row,
    strace::Injection,
    worker::{Echo, answered, keeping_all},
    worker_load::Load,
};
use crate::random::Random;

const FAULT: &str = "Kill at a system call of the worker";

const AT_GROUPS: &str = "at the control groups of a limit";

/// Calls on the way of a command, by what lies between them, under all their names: the libraries of C differ. Before it
/// executes a command's child makes none of them but a `write` for each of its groups, and the thread that started it has made
/// at least as many by then: so it is the worker that is met.
const POINTS: [(&str, &[&str]); 7] = [
    (
        "between spawn and hand-over",
        &["clone", "clone3", "vfork", "pidfd_open", "prlimit64", "epoll_ctl", "pipe2"],
    ),
    (AT_GROUPS, &["mkdir", "mkdirat", "rmdir", "flock"]),
    ("between exit and reap", &["waitid", "pidfd_send_signal"]),
    ("between log write and order record", &["splice", "pwrite64", "fallocate", "memfd_create"]),
    (
        "at the log's files",
        &["openat", "symlink", "symlinkat", "rename", "renameat", "renameat2", "unlink", "unlinkat"],
    ),
    ("at a message to the keeper or the journal", &["sendmsg", "recvmsg", "write", "writev"]),
    ("at a message to a client", &["sendto", "recvfrom", "accept4", "shutdown"]),
];

/// The keeper's pause before the next worker doubles with each death: a daemon that died so often is replaced.
const KILLS_OF_ONE: usize = 5;

pub(super) fn run(suite: &Suite) -> io::Result<Vec<Row>> {
    if let Some(why) = Injection::unavailable() {
        return Ok(vec![Row::skipped(FAULT, why)]);
    }
    let mut row = Row::new(FAULT);
    let Some(mut stage) = Stage::new(suite, 0, &mut row)? else {
        return Ok(vec![Row::skipped(FAULT, "this daemon has no keeper")]);
    };
    let lives: &[bool] = if stage.load.has_limits() { &[false, true] } else { &[false] };
    let counts: Vec<_> =
        lives.iter().map(|is_limited| counts(&stage, *is_limited)).collect::<io::Result<_>>()?;
    let mut rows = Vec::new();
    for (what, calls) in POINTS {
        if what == AT_GROUPS && lives.len() == 1 {
            rows.push(Row::skipped(format!("{FAULT}: {what}"), "no control group can be had"));
            continue;
        }
        let mut row = Row::new(format!("{FAULT}: {what}"));
        let (mut hit, mut missed) = (Vec::new(), Vec::new());
        for call in calls {
            let mut kills = vec![0; lives.len()];
            for ((is_limited, counts), kills) in lives.iter().zip(&counts).zip(&mut kills) {
                for nth in 1..=counts.get(*call).copied().unwrap_or(0).min(suite.times(2, 25, 200)) {
                    stage = stage.or_fresh(suite, &mut row)?;
                    *kills += usize::from(stage.kill_at(call, nth, *is_limited, &mut row)?);
                }
            }
            row.tried += kills.iter().sum::<usize>();
            let numbers: Vec<String> = kills.iter().map(ToString::to_string).collect();
            match kills.iter().sum() {
                0_usize => missed.push(format!("`{call}`")),
                _ => hit.push(format!("`{call}` {}", numbers.join("+"))),
            }
        }
        row.losses.extend(stage.load.losses());
        row.checked = format!(
            "start, every byte, exit, name of the command in whose life it was, then and later; kills at {} ({}); not \
             tried, because no such life came to it: {}",
            hit.join(", "),
            if lives.len() > 1 {
                "without+with limits"
            } else {
                "none with limits: no control group can be had"
            },
            if missed.is_empty() { "none".to_owned() } else { missed.join(", ") }
        );
        rows.push(row);
    }
    if let Some(row) = rows.last_mut() {
        stage.end(row);
    }
    Ok(rows)
}

/// A daemon whose worker is killed a few times.
#[derive(Debug)]
struct Stage {
    number: u64,
    daemon: Daemon,
    load: Load,
    echo: Echo,
    random: Random,
    kills: usize,
}

impl Stage {
    /// A fresh one; `None` when it has no keeper.
    fn new(suite: &Suite, number: u64, row: &mut Row) -> io::Result<Option<Self>> {
        let daemon = Daemon::start(suite, &keeping_all())?;
        if daemon.await_worker().is_none() {
            return Ok(None);
        }
        let load = Load::new(daemon.api(), daemon.marks(), suite.seed);
        let echo = Echo::start(daemon.api(), row);
        let random = Random::fork(suite.seed, number);
        Ok(Some(Self { number, daemon, load, echo, random, kills: 0 }))
    }

    /// This one, or after some kills the next.
    fn or_fresh(mut self, suite: &Suite, row: &mut Row) -> io::Result<Self> {
        if self.kills < KILLS_OF_ONE {
            return Ok(self);
        }
        self.end(row);
        let next = Self::new(suite, self.number + 1, row)?;
        next.ok_or_else(|| io::Error::other("a daemon has no worker"))
    }

    /// Kills the worker at the `nth` call of one of its threads, in the life of a command. Whether it came to that.
    fn kill_at(&mut self, call: &str, nth: usize, is_limited: bool, row: &mut Row) -> io::Result<bool> {
        row.note(answered(self.daemon.api()).map(drop));
        let Some(worker) = self.daemon.await_worker() else {
            row.losses.push(format!("{call} {nth}: no worker is there"));
            return Ok(false);
        };
        if is_limited {
            // A worker finds out once which groups there are, by calls that are not the command's: this makes it.
            row.note(self.daemon.api().look("/capabilities").map(drop));
        }
        let what = format!("inject={call}:signal=KILL:when={nth}");
        let injection = Injection::attach(worker, &[what], self.daemon.folder())?;
        let name = format!("{call}-{nth}{}", if is_limited { "-limited" } else { "" });
        self.load.try_short(&name, self.random.next() >> 16, is_limited);
        let was_killed = injection.detach()?.contains("+++ killed by SIGKILL +++");
        self.kills += usize::from(was_killed);
        row.note(self.echo.say(self.daemon.api()));
        Ok(was_killed)
    }

    /// Looks at everything once more.
    fn end(&mut self, row: &mut Row) {
        row.note(self.echo.finish(self.daemon.api()));
        self.load.check_again();
        row.losses.extend(self.load.losses());
        row.note(self.daemon.check().map_err(|error| error.to_string()));
    }
}

/// How often the busiest thread makes each call in the life of a command.
fn counts(stage: &Stage, is_limited: bool) -> io::Result<BTreeMap<String, usize>> {
    let all: Vec<&str> = POINTS.iter().flat_map(|(_, calls)| *calls).copied().collect();
    // A name that this machine's strace lacks would make it refuse them all.
    let set = format!("trace={}", all.iter().map(|call| format!("?{call}")).collect::<Vec<_>>().join(","));
    let injection = Injection::attach(stage.daemon.server(), &[set], stage.daemon.folder())?;
    stage.load.try_short(if is_limited { "traced-limited" } else { "traced" }, 3, is_limited);
    let trace = injection.detach()?;
    let mut by_thread: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        if let Some((call, _)) = rest.trim_start().split_once('(') {
            *by_thread.entry((call, thread)).or_default() += 1;
        }
    }
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for ((call, _), count) in by_thread {
        let known = most.entry(call.to_owned()).or_default();
        *known = count.max(*known);
    }
    Ok(most)
}
