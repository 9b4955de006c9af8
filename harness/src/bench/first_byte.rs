//! From the request to the first byte of streamed output.

use std::{
    io::{self, Read},
    time::Instant,
};

use super::{
    Bench, Measured, ms_since,
    row::{Goal, Row, Unit},
    server::Server,
    shell,
    statistics::median,
    text::SSE,
    wire::Wire,
};

const PAIRS: usize = 30;
const WARM_UP: usize = 5;
const COMMAND: &str = "echo x; sleep 0.03";

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let (mut floors, mut results) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let server = bench.server()?;
        let request = request(&server);
        let mut wire = server.connect()?;
        for _ in 0..WARM_UP {
            streamed(&mut wire, &request)?;
        }
        let (mut floor, mut result) = (Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            floor.push(bare()?);
            result.push(streamed(&mut wire, &request)?);
        }
        floors.push(median(&floor));
        results.push(median(&result));
    }
    Ok(Measured::row(Row {
        figure: format!(
            "Request to the first streamed byte (SSE of `{COMMAND}`), p50; floor: the bare shell's"
        ),
        n: format!("{} × {PAIRS}", bench.rounds),
        floors,
        results,
        unit: Unit::Milliseconds,
        goal: Goal::Adds(0.5),
    }))
}

/// The start of the command, streamed.
pub(super) fn request(server: &Server) -> Vec<u8> {
    server.post("/process", SSE, &format!(r#"{{"command":"{COMMAND}"}}"#))
}

/// From sending it to the first output, in milliseconds.
pub(super) fn streamed(wire: &mut Wire, request: &[u8]) -> io::Result<f64> {
    let began = Instant::now();
    wire.send(request)?;
    wire.read_until(b"event: stdout")?;
    let took = ms_since(began);
    wire.finish()?;
    Ok(took)
}

fn bare() -> io::Result<f64> {
    let began = Instant::now();
    let mut child = shell::start(COMMAND)?;
    let mut pipe = child.stdout.take().expect("stdout is piped");
    pipe.read_exact(&mut [0])?;
    let took = ms_since(began);
    pipe.read_to_end(&mut Vec::new())?;
    child.wait()?;
    Ok(took)
}
