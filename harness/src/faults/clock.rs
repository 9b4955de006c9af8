//! A wall clock that jumps: the daemon's, never the machine's.
//!
//! A debug build adds the milliseconds in a file to every wall-clock time it reads; a release build has no such seam. What
//! takes a time (a timeout, the pause before a restart, how long a finished process is remembered) must not notice.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    Suite,
    api::PATIENCE,
    daemon::{Daemon, Setup},
    report::Row,
};
use crate::bench::server::pause;

const FAULT: &str = "The wall clock jumps";
const VARIABLE: &str = "BOXD_CLOCK_OFFSET_FILE";
const DAY_MS: i64 = 86_400_000;
const JUMPS: [(&str, i64); 4] = [
    ("a day ahead", DAY_MS),
    ("a day back", -DAY_MS),
    ("ten years ahead", 3650 * DAY_MS),
    ("to before 1970", -30_000 * DAY_MS),
];
/// What a busy machine may add to each second.
const LATE: Duration = Duration::from_millis(1500);
const SECOND: Duration = Duration::from_secs(1);
/// How long finished processes are remembered here.
const AGE: Duration = Duration::from_secs(3);
/// A look that is made before this cannot be late.
const SURELY: Duration = Duration::from_millis(2800);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

pub(super) fn run(suite: &Suite) -> io::Result<Vec<Row>> {
    let Some(program) = suite.debug_program.clone() else {
        return Ok(vec![Row::skipped(FAULT, "it needs a debug build of the daemon (`--debug-bin`)")]);
    };
    let offset = std::env::temp_dir().join(format!("boxd-clock-{}", crate::variables::unique_name()));
    let setup = Setup {
        arguments: vec![format!("--finished-age={}ms", AGE.as_millis())],
        env: vec![(VARIABLE.to_owned(), offset.display().to_string())],
        program: Some(program),
        ..Setup::default()
    };
    let mut row = Row::new(FAULT);
    for round in 0..suite.times(1, 3, 20) {
        for (what, jump) in JUMPS {
            fs::write(&offset, "0")?;
            let mut daemon = Daemon::start(suite, &setup)?;
            row.tried += 1;
            let result = once(&daemon, &|| fs::write(&offset, jump.to_string()), jump);
            row.note(result.map_err(|loss| format!("{what}, round {round}: {loss}")));
            row.note(daemon.check().map_err(|error| error.to_string()));
        }
    }
    fs::remove_file(&offset)?;
    let jumps: Vec<_> = JUMPS.iter().map(|(what, _)| *what).collect();
    row.checked = format!(
        "{}: a timeout, the pause before a restart, a bounded wait, `durationMs` and how long a finished process is remembered \
         take their time, and no stream is cut",
        jumps.join(", ")
    );
    Ok(vec![row])
}

/// Starts what takes time, moves the clock, and looks at what it took.
fn once(daemon: &Daemon, jump: &dyn Fn() -> io::Result<()>, by: i64) -> Result<(), String> {
    let api = daemon.api();
    // It ends somewhere between these two: its age is at most what the first shows, and at least what the second does.
    let asked = Instant::now();
    api.start(&json!({ "name": "early", "command": "true", "waitForCompletion": true }))?;
    let remembered = Instant::now();
    api.start(&json!({ "name": "late", "command": "sleep 60", "timeout": 1 }))?;
    let marks = daemon.marks().join("runs");
    let failing = format!("echo >> '{}'; exit 1", marks.display());
    api.start(&json!({ "name": "again", "command": failing, "restartOnFailure": true, "maxRestarts": 1 }))?;
    api.start(&json!({ "name": "waited", "command": "sleep 60" }))?;
    let began = Instant::now();
    jump().map_err(|error| error.to_string())?;
    has_jumped(daemon, by)?;
    let late = api.over("late")?;
    took("a timeout of 1 s", began, SECOND)?;
    let duration = late["durationMs"].as_u64().unwrap_or(u64::MAX);
    if late["reason"] != "timeout" || !(900..3000).contains(&duration) {
        return Err(format!("a timeout of 1 s: reason {}, durationMs {duration}", late["reason"]));
    }
    let again = api.over("again")?;
    if again["restartCount"] != 1 || fs::read(&marks).map_or(0, |runs| runs.len()) != 2 {
        return Err(format!("a restart: restartCount is {}", again["restartCount"]));
    }
    took("a restart after 1 s", began, SECOND)?;
    let waiting = Instant::now();
    api.look("/process/waited/wait?timeout=1")?;
    took("a wait of 1 s", waiting, SECOND)?;
    if remembered.elapsed() < SURELY && api.look("/process/early")?.status() != 200 {
        return Err(format!("a finished process was forgotten after {:?}", remembered.elapsed()));
    }
    while api.look("/process/early")?.status() != 404 {
        if remembered.elapsed() > AGE + LATE {
            return Err(format!("a finished process is remembered after {:?}", remembered.elapsed()));
        }
        pause(LOOK_AGAIN);
    }
    let age_at_most = asked.elapsed();
    if age_at_most < AGE {
        return Err(format!("a finished process was forgotten after {age_at_most:?}"));
    }
    Ok(())
}

/// Whether the daemon's own idea of the time is the moved one: else nothing would be tried.
fn has_jumped(daemon: &Daemon, by: i64) -> Result<(), String> {
    let request = json!({ "name": "clock", "command": "true", "waitForCompletion": true });
    let answer =
        daemon.api().call("POST", "/process", Some(&request)).map_err(|trouble| trouble.to_string())?;
    let told = answer.json()["startedAt"].as_str().and_then(|date| httpdate::parse_http_date(date).ok());
    let seconds = |time: std::time::SystemTime| {
        time.duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
    };
    let (now, told) = (seconds(std::time::SystemTime::now()), told.map_or(0, seconds));
    let expected = (now + by / 1000).max(0);
    if (told - expected).abs() <= 60 {
        Ok(())
    } else {
        Err(format!("the clock shows {told} s, not {expected} s"))
    }
}

fn took(what: &str, since: Instant, expected: Duration) -> Result<(), String> {
    let took = since.elapsed();
    // It began a little before the clock was moved.
    let is_early = took + Duration::from_millis(300) < expected;
    if is_early || took > expected + LATE + PATIENCE / 30 {
        return Err(format!("{what} took {took:?}"));
    }
    Ok(())
}
