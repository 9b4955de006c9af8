//! One command at a time: `true`, waited for.

use std::io;

use super::{
    Bench, Measured, ms,
    row::{Goal, Row, Unit},
    shell,
    statistics::median,
};

const PAIRS: usize = 200;
const WARM_UP: usize = 50;

/// A start that is answered when the command is over.
pub(super) const WAITED_TRUE: &str = r#"{"command":"true","waitForCompletion":true}"#;

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let (mut floors, mut results) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let server = bench.server()?;
        let request = server.post("/process", "application/json", WAITED_TRUE);
        let mut wire = server.connect()?;
        let mut pair = || Ok::<_, io::Error>((ms(|| shell::run("true"))?, ms(|| wire.call(&request))?));
        for _ in 0..WARM_UP {
            pair()?;
        }
        let pairs: Vec<(f64, f64)> = (0..PAIRS).map(|_| pair()).collect::<io::Result<_>>()?;
        let (floor, result): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        floors.push(median(&floor));
        results.push(median(&result));
    }
    Ok(Measured::row(Row {
        figure: "`POST /process` of `true`, waited, p50; floor: `sh -c true`, two pipes".into(),
        n: format!("{} × {PAIRS}", bench.rounds),
        floors,
        results,
        unit: Unit::Milliseconds,
        goal: Goal::Adds(0.5),
    }))
}
