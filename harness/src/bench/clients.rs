//! Sixteen clients, each starting one command after the other.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use super::{
    Bench, Measured,
    exec::WAITED_TRUE,
    row::{Goal, Row, Unit},
    server::Server,
    shell,
    statistics::number,
    wire::Wire,
};

const CLIENTS: usize = 16;
const ROUND: Duration = Duration::from_secs(1);

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let (mut floors, mut results) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let server = bench.server()?;
        floors.push(repeated(ROUND, (0..CLIENTS).map(|_| || shell::run("true").map(|()| 1)).collect())?);
        results.push(of(&server)?);
    }
    Ok(Measured::row(Row {
        figure: format!("{CLIENTS} clients doing that; floor: {CLIENTS} threads doing the floor's"),
        n: format!("{} × {} s", bench.rounds, ROUND.as_secs()),
        floors,
        results,
        unit: Unit::PerSecond,
        goal: Goal::Share(0.8),
    }))
}

/// How often a second a server does that.
pub(super) fn of(server: &Server) -> io::Result<f64> {
    let request = server.post("/process", "application/json", WAITED_TRUE);
    let mut wires: Vec<Wire> = (0..CLIENTS).map(|_| server.connect()).collect::<io::Result<_>>()?;
    repeated(ROUND, wires.iter_mut().map(|wire| || wire.call(&request).map(|()| 1)).collect())
}

/// Repeats each deed on a thread of its own for the length of a round; how many answers a second all of them together gave.
pub(super) fn repeated<D: FnMut() -> io::Result<usize> + Send>(
    round: Duration,
    deeds: Vec<D>,
) -> io::Result<f64> {
    let began = Instant::now();
    let repeat = |mut deed: D| {
        let mut count = 0;
        while began.elapsed() < round {
            count += deed()?;
        }
        Ok::<usize, io::Error>(count)
    };
    let counts: Vec<usize> = thread::scope(|scope| {
        let threads: Vec<_> = deeds.into_iter().map(|deed| scope.spawn(|| repeat(deed))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a client doesn't panic"))
            .collect::<io::Result<_>>()
    })?;
    Ok(number(counts.iter().sum()) / began.elapsed().as_secs_f64())
}
