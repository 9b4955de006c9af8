//! Writes of log files that fail once, at each place: memory takes over, and no byte is lost.

use std::io;

use super::{
    Suite,
    daemon::{Daemon, Setup},
    follow::follow_script,
    random::Random,
    report::Row,
    script::{End, Script},
    strace::Injection,
};

const FAULT: &str = "A write of the logs fails";

/// The call, and the error it gets.
const REFUSALS: [(&str, &str); 5] = [
    ("splice", "EIO"),
    ("splice", "ENOSPC"),
    ("pwrite64", "EIO"),
    ("ftruncate", "EIO"),
    ("memfd_create", "EMFILE"),
];

pub(super) fn run(suite: &Suite) -> io::Result<Vec<Row>> {
    if let Some(why) = Injection::unavailable() {
        return Ok(vec![Row::skipped(FAULT, why)]);
    }
    let mut rows = Vec::new();
    for (call, error) in REFUSALS {
        // strace counts each thread's calls: with one that stores, one call fails.
        let arguments = vec!["--pump-threads=1".to_owned()];
        let mut daemon = Daemon::start(suite, &Setup { arguments, ..Setup::default() })?;
        let mut row = Row::new(format!("{FAULT}: `{call}` gives {error}"));
        let mut random = Random::fork(suite.seed, 5);
        for nth in 1..=suite.times(3, 40, 200) {
            let name = format!("r{nth}");
            // Enough for several segments and for the staged way.
            let script = Script {
                seed: random.next() >> 16,
                bytes: [
                    super::script::size(random.below(900_000)),
                    super::script::size(random.below(300_000)),
                ],
                lot: super::script::size(1 + random.below(90_000)),
                pause_ms: random.below(4),
                silence_ms: 0,
                end: End::Code(3),
            };
            let what = format!("inject={call}:error={error}:when={nth}");
            let injection = Injection::attach(daemon.server(), &what, daemon.folder())?;
            let result = follow_script(&daemon, &name, &script, &mut || Ok(()));
            let hits = injection.detach()?.matches("(INJECTED)").count();
            row.note(result.map_err(|loss| format!("{loss} ({call} {error} at call {nth}, {hits} hits)")));
            row.note(daemon.check().map_err(|error| error.to_string()));
            row.tried += hits;
            if hits == 0 {
                break;
            }
        }
        "every byte of both streams without a gap, live and read again afterwards; the exit code"
            .clone_into(&mut row.checked);
        if row.tried == 0 && row.losses.is_empty() {
            continue;
        }
        rows.push(row);
    }
    Ok(rows)
}
