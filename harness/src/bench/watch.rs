//! How soon a watcher knows of a new file.

use std::{fs, io, time::Instant};

use super::{
    Bench, Measured, ms_since,
    row::{Goal, Row, Unit},
    statistics::percentile,
};

const FILES: usize = 500;
const GOAL_MS: f64 = 20.0;

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let mut results = Vec::new();
    for _ in 0..bench.rounds {
        let server = bench.server()?;
        let folder = server.folder().join("watched");
        fs::create_dir(&folder)?;
        let mut wire = server.connect()?;
        wire.send(&server.get(&format!("/watch/filesystem/{}", folder.display()), "text/plain"))?;
        wire.read_until(b"\r\n\r\n")?;
        let mut late = Vec::new();
        for n in 0..FILES {
            let name = format!("file-{n:04}");
            let began = Instant::now();
            fs::write(folder.join(&name), "x")?;
            wire.read_until(format!("\"name\":\"{name}\"").as_bytes())?;
            late.push(ms_since(began));
        }
        results.push(percentile(&late, 99));
    }
    Ok(Measured::row(Row {
        figure: "an event of `GET /watch/filesystem`, from before the file is written, p99".into(),
        n: format!("{} × {FILES}", bench.rounds),
        floors: Vec::new(),
        results,
        unit: Unit::Milliseconds,
        goal: Goal::AtMost(GOAL_MS),
    }))
}
