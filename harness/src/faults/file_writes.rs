//! The worker is killed while files are written: each file is whole at any instant, and what was answered is there.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::json;

use super::{
    Suite,
    api::Api,
    daemon::{Daemon, signal},
    report::Row,
    worker::answered,
};
use crate::{bench::server::pause, random::Random};

const NAME: &str = "SIGKILL of the worker while files are written";
const WRITERS: u64 = 6;
/// How often the version is repeated in a file: small ones and some that are more than one batch on its way to the disk.
const REPEATS: [usize; 3] = [20, 5_000, 90_000];
/// Kills of one daemon.
const KILLS: usize = 3;
const BETWEEN_KILLS_MS: u64 = 60;

/// A file that one writer writes, and the last version whose answer came.
struct Written {
    path: PathBuf,
    repeats: usize,
    answered: AtomicU64,
}

impl Written {
    fn text(&self, version: u64) -> String {
        format!("{version:010} ").repeat(self.repeats)
    }

    /// Nothing when the file is one whole version, and none older than the last that was answered before the look.
    fn check(&self) -> Result<(), String> {
        let least = self.answered.load(Ordering::SeqCst);
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(_) if least == 0 => return Ok(()),
            Err(error) => return Err(format!("{}: {error}", self.path.display())),
        };
        let version = text.get(..10).and_then(|digits| digits.parse().ok());
        match version {
            Some(version) if version >= least && text == self.text(version) => Ok(()),
            Some(version) if version < least => {
                Err(format!("version {version} is there, {least} was answered"))
            }
            _ => Err(format!("a file of {} bytes is no version", text.len())),
        }
    }
}

/// What was seen in all rounds.
#[derive(Default)]
struct Seen {
    looks: u64,
    versions: u64,
    left: usize,
}

pub(super) fn run(suite: &Suite) -> io::Result<Vec<Row>> {
    let mut row = Row::new(NAME);
    let mut seen = Seen::default();
    let mut random = Random::fork(suite.seed, 31);
    for _ in 0..suite.times(3, 33, 200) {
        if !round(suite, &mut random, &mut seen, &mut row)? {
            return Ok(vec![Row::skipped(NAME, "the daemon has no worker of its own")]);
        }
    }
    let left = seen.left;
    row.expect(left == 0, || format!("{left} temporary files are left"));
    row.checked = format!(
        "{} files written by {WRITERS} clients: each is a whole version, none older than the last one answered, at {} looks and at \
         the end; no temporary file is left",
        seen.versions, seen.looks
    );
    Ok(vec![row])
}

/// A daemon of its own, so that its keeper has not begun to wait before it starts the next worker; false when it has none.
fn round(suite: &Suite, random: &mut Random, seen: &mut Seen, row: &mut Row) -> io::Result<bool> {
    let mut daemon = Daemon::plain(suite)?;
    if daemon.await_worker().is_none() {
        return Ok(false);
    }
    let folder = daemon.folder().join("files");
    fs::create_dir(&folder)?;
    let files: Vec<Written> = (0..WRITERS)
        .map(|n| Written {
            path: folder.join(format!("file-{n}")),
            repeats: REPEATS[usize::try_from(n).unwrap_or(0) % REPEATS.len()],
            answered: AtomicU64::new(0),
        })
        .collect();
    let (stop, looks) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let (api, stop) = (daemon.api(), &stop);
        for file in &files {
            scope.spawn(move || write(api, file, stop));
        }
        let reader = scope.spawn(|| {
            let mut losses = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                losses.extend(files.iter().filter_map(|file| file.check().err()));
                looks.fetch_add(1, Ordering::Relaxed);
            }
            losses
        });
        for _ in 0..KILLS {
            pause(Duration::from_millis(random.below(BETWEEN_KILLS_MS)));
            if let Some(worker) = daemon.await_worker() {
                signal(worker, Signal::KILL);
                row.tried += 1;
            }
            row.note(answered(api).map(drop));
        }
        stop.store(true, Ordering::SeqCst);
        row.losses.extend(reader.join().unwrap_or_else(|_| vec!["the reader failed".to_owned()]));
    });
    for file in &files {
        row.note(file.check());
        seen.versions += file.answered.load(Ordering::SeqCst);
    }
    seen.looks += looks.load(Ordering::Relaxed);
    seen.left += left_over(&folder)?;
    row.note(daemon.check().map_err(|error| error.to_string()));
    Ok(true)
}

/// One version after the other, until told to stop. A request that was cut is made again.
fn write(api: &Api, file: &Written, stop: &AtomicBool) {
    let path = format!("/filesystem/{}", file.path.display());
    let mut version = 1;
    while !stop.load(Ordering::SeqCst) {
        let body = json!({ "content": file.text(version) });
        if api.call("PUT", &path, Some(&body)).is_ok_and(|answer| answer.status() == 200) {
            file.answered.store(version, Ordering::SeqCst);
            version += 1;
        }
    }
}

/// What has another name than the files that were asked for.
fn left_over(folder: &Path) -> io::Result<usize> {
    let names = fs::read_dir(folder)?.filter_map(Result::ok).map(|entry| entry.file_name());
    Ok(names.filter(|name| !name.as_encoded_bytes().starts_with(b"file-")).count())
}
