//! One command at a time: `true`, waited for.

use std::io;

use super::{
    Bench, Measured, in_turn, ms,
    row::{Goal, Row, Unit},
    server::Server,
    shell,
};

/// Nobody, by number.
const USER: &str = "65534:65534";
const PAIRS: usize = 200;
const WARM_UP: usize = 50;

/// A start that is answered when the command is over.
pub(super) const WAITED_TRUE: &str = r#"{"command":"true","waitForCompletion":true}"#;

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    measure_on(bench, "", || bench.server())
}

/// The same with a daemon that starts commands as another user.
pub(super) fn measure_as_user(bench: &Bench) -> io::Result<Measured> {
    if !rustix::process::geteuid().is_root() {
        return Err(io::Error::other("only root can start commands as another user"));
    }
    let mut program = bench.program()?.clone();
    program.arguments.extend(["--user".to_owned(), USER.to_owned()]);
    measure_on(bench, " as another user (`--user`)", || Server::start(&program))
}

fn measure_on(bench: &Bench, how: &str, start: impl Fn() -> io::Result<Server>) -> io::Result<Measured> {
    let (mut floors, mut results) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let server = start()?;
        let request = server.post("/process", "application/json", WAITED_TRUE);
        let mut wire = server.connect()?;
        let (floor, result) =
            in_turn(WARM_UP, PAIRS, || Ok((ms(|| shell::run("true"))?, ms(|| wire.call(&request))?)))?;
        floors.push(floor);
        results.push(result);
    }
    Ok(Measured::row(Row {
        figure: format!("`POST /process` of `true`, waited{how}, p50; floor: `sh -c true`, two pipes"),
        n: format!("{} × {PAIRS}", bench.rounds),
        floors,
        results,
        unit: Unit::Milliseconds,
        goal: Goal::Adds(0.5),
    }))
}
