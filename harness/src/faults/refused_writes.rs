//! Writes of log files that fail once, at each place: memory takes over, and no byte is lost.

use std::io;

use super::{
    Suite,
    daemon::{Daemon, Setup},
    follow::{Followed, follow_script},
    report::Row,
    script::{End, Script},
    strace::Injection,
};
use crate::random::Random;

const FAULT: &str = "A write of the logs fails";

/// Calls and the error that each gets: the first of them at its nth time, the second always. Memory is asked for room only when
/// the disk has refused.
const REFUSALS: [&[(&str, &str)]; 4] = [
    &[("splice", "EIO")],
    &[("splice", "ENOSPC")],
    &[("pwrite64", "EIO")],
    &[("splice", "ENOSPC"), ("memfd_create", "EMFILE")],
];

/// How often a call is made depends on the command's pace. After so many commands without an nth one there is hardly any.
const MISSES_MAX: usize = 4;

pub(super) fn run(suite: &Suite) -> io::Result<Vec<Row>> {
    if let Some(why) = Injection::unavailable() {
        return Ok(vec![Row::skipped(FAULT, why)]);
    }
    REFUSALS.iter().map(|refusals| refuse(suite, refusals)).collect()
}

fn refuse(suite: &Suite, refusals: &[(&str, &str)]) -> io::Result<Row> {
    let words: Vec<String> = refusals.iter().map(|(call, error)| format!("`{call}` gives {error}")).collect();
    let mut row = Row::new(format!("{FAULT}: {}", words.join(" and then ")));
    // strace counts each thread's calls: with one that stores, one call fails.
    let arguments = vec!["--pump-threads=1".to_owned()];
    let mut daemon = Daemon::start(suite, &Setup { arguments, ..Setup::default() })?;
    let mut random = Random::fork(suite.seed, 5);
    // Where memory refuses as well, output is lost, and a gap does not say of which stream.
    let is_lossy = refusals.len() > 1;
    let mut misses = 0;
    for nth in 1..=suite.times(3, 40, 200) {
        let script = script(&mut random, is_lossy);
        let injections: Vec<String> = refusals
            .iter()
            .enumerate()
            .map(|(index, (call, error))| {
                let when = if index == 0 { format!(":when={nth}") } else { String::new() };
                format!("inject={call}:error={error}{when}")
            })
            .collect();
        let injection = Injection::attach(daemon.server(), &injections, daemon.folder())?;
        let result = follow_script(&daemon, &format!("r{nth}"), &script, &mut || Ok(()));
        let trace = injection.detach()?;
        row.note(daemon.check().map_err(|error| error.to_string()));
        let last = refusals.last().map_or("", |(call, _)| call);
        // A call that took its time stands on two lines, and only its name on the second.
        let hits = injected(&trace).filter(|line| line.contains(last)).count();
        let result = result.and_then(|followed| match followed {
            Followed { cuts: cuts @ 1.., .. } => Err(format!("{cuts} cuts")),
            Followed { late_gaps, .. } if late_gaps > usize::from(is_lossy) => {
                Err(format!("a late reader meets {late_gaps} gaps"))
            }
            Followed { .. } => Ok(()),
        });
        row.note(result.map_err(|loss| format!("{loss} ({}, call {nth}, {hits} hits)", words.join(", "))));
        row.tried += hits;
        misses = if hits == 0 { misses + 1 } else { 0 };
        if misses == MISSES_MAX {
            break;
        }
    }
    let checked = if is_lossy {
        "every byte, or a gap that says how many are lost (one when read again afterwards); the exit code"
    } else {
        "every byte of both streams without a gap, live and read again afterwards; the exit code"
    };
    checked.clone_into(&mut row.checked);
    Ok(row)
}

fn injected(trace: &str) -> impl Iterator<Item = &str> {
    trace.lines().filter(|line| line.ends_with("(INJECTED)"))
}

/// Enough for several segments, for the staged way, and for an order of two streams.
fn script(random: &mut Random, is_one_stream: bool) -> Script {
    let mut size = |from: u64, more: u64| super::script::size(from + random.below(more));
    let (out, err, lot) = (size(200_000, 700_000), size(100_000, 200_000), size(10_000, 80_000));
    let bytes = [out, if is_one_stream { 0 } else { err }];
    let pause_ms = random.below(4);
    Script { seed: random.next() >> 16, bytes, lot, pause_ms, silence_ms: 0, end: End::Code(3) }
}
