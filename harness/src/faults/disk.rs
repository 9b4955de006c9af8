//! A disk that is full: the log folder is a small tmpfs in a mount namespace of the daemon's own.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use rustix::process::Signal;

use super::{
    Suite,
    daemon::{Daemon, Setup, signal},
    follow::follow_script,
    report::Row,
    script::{End, Script},
};
use crate::{bench::server::pause, random::Random};

const FAULT: &str = "No space on the disk of the logs";
const MOUNT: &str = "mount -t tmpfs -o size=4m tmpfs logs && exec \"$0\" \"$@\"";
/// The daemon asks a disk that refused again after five seconds.
const ASKED_AGAIN: Duration = Duration::from_secs(6);
/// Which read of its follower, of some dozens, ends the worker.
const KILLED_AT_TURN: u32 = 5;

pub(super) fn run(suite: &Suite) -> io::Result<Vec<Row>> {
    let words = ["unshare", "--mount", "sh", "-c", MOUNT].map(str::to_owned);
    let setup = Setup { wrapper: words.to_vec(), ..Setup::default() };
    let mut daemon = match Daemon::start(suite, &setup) {
        Ok(daemon) => daemon,
        Err(error) => {
            let sentence = error.to_string();
            let line = sentence.lines().next().unwrap_or_default();
            return Ok(vec![Row::skipped(
                FAULT,
                format!("a tmpfs of its own needs root and unshare ({line})"),
            )]);
        }
    };
    let disk = Disk::of(&daemon);
    if disk.is_foreign() {
        return Ok(vec![Row::skipped(FAULT, "the daemon's mounts can't be seen")]);
    }
    let mut full = Row::new(format!("{FAULT}: full before the command starts"));
    let mut fills = Row::new(format!("{FAULT}: fills under a command, is freed, and takes output again"));
    let mut killed = Row::new(format!("{FAULT}: full when the worker is killed"));
    let mut random = Random::fork(suite.seed, 3);
    for round in 0..suite.times(1, 10, 50) {
        disk.fill()?;
        for (kind, bytes) in [("some", 600_000), ("much", 5_000_000)] {
            full.tried += 1;
            let name = format!("{kind}-{round}");
            // Faster than any disk, but not than a follower that is to be seen to lose at most once.
            let script = one_stream(random.next() >> 16, round % 2, bytes, 50_000, 2);
            full.note(with_one_gap(&daemon, &name, &script, &mut || Ok(())));
        }
        killed.tried += 1;
        let script = one_stream(random.next() >> 16, round % 2, 10_000_000, 50_000, 2);
        killed.note(over_a_kill(&daemon, &format!("killed-{round}"), &script));
        disk.free()?;
        fills.tried += 1;
        let script = one_stream(random.next() >> 16, round % 2, 1_300_000, 8_000, 50);
        let mut turns = 0;
        fills.note(with_one_gap(&daemon, &format!("fills-{round}"), &script, &mut || {
            turns += 1;
            match turns {
                20 => disk.fill(),
                60 => disk.free(),
                _ => Ok(()),
            }
        }));
        // It is asked again for a command that starts now, at the latest.
        pause(ASKED_AGAIN);
        let script = one_stream(random.next() >> 16, round % 2, 100_000, 50_000, 1);
        fills.note(with_one_gap(&daemon, &format!("after-{round}"), &script, &mut || Ok(())));
        let stored = disk.stored()?;
        fills.expect(stored >= 100_000, || {
            format!("round {round}: {stored} bytes are on the disk that is free again")
        });
    }
    for row in [&mut full, &mut fills, &mut killed] {
        row.note(daemon.check().map_err(|error| error.to_string()));
    }
    "the command goes on to its exit code; a follower has every byte, or at most one gap and then the rest"
        .clone_into(&mut full.checked);
    "the same; afterwards new output is in files on the disk again".clone_into(&mut fills.checked);
    "the same over a cut, and perhaps a gap for the time without a follower: what is in memory outlives the worker"
        .clone_into(&mut killed.checked);
    Ok(vec![full, fills, killed])
}

fn one_stream(seed: u64, stream: usize, bytes: usize, lot: usize, pause_ms: u64) -> Script {
    let mut both = [0, 0];
    both[stream] = bytes;
    Script { seed, bytes: both, lot, pause_ms, silence_ms: 0, end: End::Code(7) }
}

/// Follows it. A reader may be told of one gap.
fn with_one_gap(
    daemon: &Daemon,
    name: &str,
    script: &Script,
    meanwhile: &mut dyn FnMut() -> io::Result<()>,
) -> Result<(), String> {
    follow_script(daemon, name, script, meanwhile)?.expect(name, 0)
}

/// Follows it while the worker is killed. That cuts its follower, once.
fn over_a_kill(daemon: &Daemon, name: &str, script: &Script) -> Result<(), String> {
    let mut worker = daemon.await_worker();
    let (mut turns, mut kills) = (0, 0);
    let followed = follow_script(daemon, name, script, &mut || {
        turns += 1;
        if turns == KILLED_AT_TURN
            && let Some(worker) = worker.take()
        {
            signal(worker, Signal::KILL);
            kills += 1;
        }
        Ok(())
    })?;
    match kills {
        0 => Err(format!("{name}: it ended before the worker could be killed")),
        kills => followed.expect(name, kills),
    }
}

/// The daemon's disk, seen through its own root.
#[derive(Debug)]
struct Disk {
    folder: PathBuf,
    from_outside: PathBuf,
}

impl Disk {
    fn of(daemon: &Daemon) -> Self {
        let outside = daemon.logs();
        let root = PathBuf::from(format!("/proc/{}/root", daemon.keeper()));
        Self { folder: root.join(outside.strip_prefix("/").unwrap_or(&outside)), from_outside: outside }
    }

    /// Whether this is not the mount: filling it would fill the machine's own disk.
    fn is_foreign(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let device = |path: &PathBuf| fs::metadata(path).map(|data| data.dev()).ok();
        device(&self.folder).is_none() || device(&self.folder) == device(&self.from_outside)
    }

    fn fill(&self) -> io::Result<()> {
        let mut file = fs::File::create(self.folder.join("filler"))?;
        let block = vec![b'.'; 4096];
        loop {
            match file.write_all(&block) {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
                result => result?,
            }
        }
    }

    fn free(&self) -> io::Result<()> {
        fs::remove_file(self.folder.join("filler"))
    }

    /// Bytes of output in files.
    fn stored(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(&self.folder)? {
            // A file may go at any moment.
            if let Ok(data) = entry?.metadata()
                && data.is_file()
            {
                bytes += data.len();
            }
        }
        Ok(bytes)
    }
}
