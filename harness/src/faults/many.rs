//! Thousands of processes, one after the other: what is finished leaves nothing behind beyond what is remembered.

use std::{
    fs, io,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use serde_json::json;

use super::{Suite, api::Api, daemon::Daemon, report::Row};
use crate::bench::server::pause;

const CLIENTS: usize = 8;
/// Finished processes that the daemon remembers by default.
const REMEMBERED: usize = 1000;
/// Of each at most: two streams, their links and their order. And a few of the daemon's own.
const FILES_PER_PROCESS: usize = 5;
const FILES_OWN: usize = 8;
/// Memory may grow by this much between the two looks: an allocator's own untidiness.
const GROWTH_KIB_MAX: u64 = 2048;
/// Threads that wait for blocking work come and go, a few at a time.
const THREADS_MORE_MAX: u64 = 8;
/// What the daemon still does when it has answered; longer than an idle thread lives.
const SETTLE: Duration = Duration::from_secs(2);

pub(super) fn run(suite: &Suite) -> io::Result<Vec<Row>> {
    let mut daemon = Daemon::plain(suite)?;
    let (first, all) = (suite.times(1500, 2000, 2000), suite.times(3000, 10_000, 50_000));
    let mut row = Row::new(format!("{all} processes started and finished"));
    let done = AtomicUsize::new(0);
    let before = look(&daemon, &done, first, &mut row)?;
    let after = look(&daemon, &done, all, &mut row)?;
    row.tried = done.load(Ordering::Relaxed);
    row.expect(after.resident_kib <= before.resident_kib + GROWTH_KIB_MAX, || {
        format!("memory grew from {} to {} KiB", before.resident_kib, after.resident_kib)
    });
    row.expect(after.descriptors <= before.descriptors, || {
        format!("descriptors grew from {} to {}", before.descriptors, after.descriptors)
    });
    row.expect(after.threads <= before.threads + THREADS_MORE_MAX, || {
        format!("threads grew from {} to {}", before.threads, after.threads)
    });
    row.expect(after.files <= REMEMBERED * FILES_PER_PROCESS + FILES_OWN, || {
        format!("{} files are left of {REMEMBERED} processes", after.files)
    });
    row.expect(after.zombies == 0, || format!("{} zombies are left", after.zombies));
    row.note(daemon.check().map_err(|error| error.to_string()));
    row.checked = format!(
        "each answer's output and exit code; after {first} and after all: memory {} → {} KiB (at most +{GROWTH_KIB_MAX}), \
         descriptors {} → {}, threads {} → {}, files {} → {}, zombies {}",
        before.resident_kib,
        after.resident_kib,
        before.descriptors,
        after.descriptors,
        before.threads,
        after.threads,
        before.files,
        after.files,
        after.zombies
    );
    Ok(vec![row])
}

#[derive(Debug)]
struct Look {
    resident_kib: u64,
    descriptors: usize,
    threads: u64,
    files: usize,
    zombies: usize,
}

/// Runs processes until so many are done, and looks at the daemon.
fn look(daemon: &Daemon, done: &AtomicUsize, all: usize, row: &mut Row) -> io::Result<Look> {
    let losses: Vec<String> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| client(daemon.api(), done, all))).collect();
        clients
            .into_iter()
            .filter_map(|client| client.join().unwrap_or(Err("a client panicked".to_owned())).err())
            .collect()
    });
    row.losses.extend(losses);
    pause(SETTLE);
    let own = [Some(daemon.keeper()), daemon.worker()];
    let zombies = own.iter().flatten().map(|pid| super::daemon::zombies(*pid)).sum();
    Ok(Look {
        resident_kib: daemon.resident_kib(),
        descriptors: daemon.descriptors(),
        threads: daemon.threads(),
        files: fs::read_dir(daemon.logs())?.count(),
        zombies,
    })
}

fn client(api: &Api, done: &AtomicUsize, all: usize) -> Result<(), String> {
    loop {
        let number = done.fetch_add(1, Ordering::Relaxed);
        if number >= all {
            done.fetch_sub(1, Ordering::Relaxed);
            return Ok(());
        }
        let command = format!("echo out {number}; echo err {number} >&2; exit {}", number % 100);
        let request = json!({ "name": format!("p{number}"), "command": command, "waitForCompletion": true });
        let answer = api
            .call("POST", "/process", Some(&request))
            .map_err(|trouble| format!("p{number}: {trouble}"))?;
        let process = answer.json();
        let told = json!([process["exitCode"], process["stdout"], process["stderr"]]);
        let expected = json!([number % 100, format!("out {number}\n"), format!("err {number}\n")]);
        if told != expected {
            return Err(format!("p{number}: {} is told of {expected}", answer.excerpt()));
        }
    }
}
