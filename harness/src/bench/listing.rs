//! A folder with many files, listed.

use std::{fs, io};

use super::{
    Bench, Measured, in_turn, ms,
    row::{Goal, Row, Unit},
    shell,
    wire::Wire,
};

const ENTRIES: usize = 10_000;
const TIMES: usize = 10;
const ROOM: usize = 4 << 20;
const GOAL: f64 = 3.0;

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let server = bench.server()?;
    let folder = server.folder().join("many");
    fs::create_dir(&folder)?;
    for n in 0..ENTRIES {
        fs::write(folder.join(format!("file-{n:05}.txt")), "x")?;
    }
    let mut wire = Wire::connect(server.target(), ROOM)?;
    let request = server.get(&format!("/filesystem/{}", folder.display()), "application/json");
    let list = format!("ls -l {}", folder.display());
    let (mut floors, mut results) = (Vec::new(), Vec::new());
    // The first round warms up.
    for _ in 0..=bench.rounds {
        let (floor, result) =
            in_turn(0, TIMES, || Ok((ms(|| shell::run(&list))?, ms(|| wire.call(&request))?)))?;
        floors.push(floor);
        results.push(result);
    }
    Ok(Measured::row(Row {
        figure: "listing of 10,000 files; floor: `ls -l`, its output read".into(),
        n: format!("{} × {TIMES}", bench.rounds),
        floors: floors.split_off(1),
        results: results.split_off(1),
        unit: Unit::Milliseconds,
        goal: Goal::Times(GOAL),
    }))
}
