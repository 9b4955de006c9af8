//! Twenty followers of one command, and one more that never reads.

use std::{io, sync::Barrier, thread, time::Instant};

use crate::variables::unique_name;

use super::{
    Bench, Measured,
    ceiling::Ceiling,
    row::{Goal, Row, Unit},
    server::Server,
    statistics::number,
    text::{SSE, Text},
    wire::Wire,
};

const FOLLOWERS: usize = 20;
const GOAL_MB_PER_S: f64 = 1000.0;

pub(super) fn measure(bench: &Bench) -> io::Result<Measured> {
    let server = bench.server()?;
    let text = Text::new()?;
    let mut scene = Scene::new(&server, &text)?;
    // Warms up, and records an answer for the ceiling.
    scene.rate(Also::Nobody)?;
    let ceiling = Ceiling::start(scene.wires[0].raw(), FOLLOWERS)?;
    let connect = |_| Wire::connect(ceiling.target(), text.room());
    let mut limits: Vec<Wire> = (0..FOLLOWERS).map(connect).collect::<io::Result<_>>()?;
    let (mut floors, mut without, mut with) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        floors.push(limit(&mut limits, &text)?);
        without.push(scene.rate(Also::Nobody)?);
        with.push(scene.rate(Also::OneThatNeverReads)?);
    }
    let row = |figure: String, floors, results, goal| Row {
        figure,
        n: bench.rounds.to_string(),
        floors,
        results,
        unit: Unit::MegabytesPerSecond,
        goal,
    };
    let together = format!("{FOLLOWERS} followers of that together (SSE); floor: the same bytes from memory");
    let stuck = "The same with a 21st that reads nothing; floor: without it".to_owned();
    let rows = vec![
        row(together, floors, without.clone(), Goal::AtLeast(GOAL_MB_PER_S)),
        row(stuck, without, with, Goal::Noise),
    ];
    Ok(Measured { rows, notes: Vec::new() })
}

/// Who follows beside the twenty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Also {
    Nobody,
    OneThatNeverReads,
}

/// The followers' connections, kept over the rounds.
struct Scene<'a> {
    server: &'a Server,
    text: &'a Text,
    control: Wire,
    wires: Vec<Wire>,
}

impl<'a> Scene<'a> {
    fn new(server: &'a Server, text: &'a Text) -> io::Result<Self> {
        let connect = |_| Wire::connect(server.target(), text.room());
        let wires = (0..FOLLOWERS).map(connect).collect::<io::Result<_>>()?;
        Ok(Self { server, text, control: server.connect()?, wires })
    }

    /// Starts the command, which waits for a line; attaches everybody; sends the line; and waits until the last of the
    /// twenty has all.
    fn rate(&mut self, also: Also) -> io::Result<f64> {
        let name = unique_name();
        let command = self.text.command();
        let body = format!(r#"{{"name":"{name}","command":"read line; exec {command}","stdin":true}}"#);
        self.control.call(&self.server.post("/process", "application/json", &body))?;
        let follow = self.server.get(&format!("/process/{name}/logs/stream"), SSE);
        for wire in &mut self.wires {
            wire.send(&follow)?;
            wire.read_until(b"event: start")?;
        }
        let mut stuck = (also == Also::OneThatNeverReads).then(|| self.server.connect()).transpose()?;
        if let Some(stuck) = &mut stuck {
            stuck.send(&follow)?;
            stuck.await_unread()?;
        }
        let go = self.server.post(&format!("/process/{name}/stdin"), "application/json", "go\n");
        let ready = Barrier::new(FOLLOWERS + 1);
        let took = thread::scope(|scope| {
            let threads: Vec<_> = self
                .wires
                .iter_mut()
                .map(|wire| {
                    scope.spawn(|| {
                        ready.wait();
                        wire.finish()
                    })
                })
                .collect();
            ready.wait();
            let began = Instant::now();
            self.control.call(&go)?;
            join(threads)?;
            Ok::<_, io::Error>(began.elapsed())
        })?;
        verify(&self.wires, self.text)?;
        Ok(self.text.megabytes() * number(FOLLOWERS) / took.as_secs_f64())
    }
}

/// The same answer to each of the same clients, without a daemon.
fn limit(wires: &mut [Wire], text: &Text) -> io::Result<f64> {
    let began = Instant::now();
    thread::scope(|scope| {
        join(wires.iter_mut().map(|wire| scope.spawn(|| wire.call(b"GET / HTTP/1.1\r\n\r\n"))).collect())
    })?;
    Ok(text.megabytes() * number(FOLLOWERS) / began.elapsed().as_secs_f64())
}

fn verify(wires: &[Wire], text: &Text) -> io::Result<()> {
    let cores = thread::available_parallelism()?.get();
    let verify = |wires: &[Wire]| wires.iter().try_for_each(|wire| text.verify(wire, SSE));
    thread::scope(|scope| {
        let shares = wires.chunks(wires.len().div_ceil(cores));
        join(shares.map(|share| scope.spawn(move || verify(share))).collect())
    })
}

fn join(threads: Vec<thread::ScopedJoinHandle<'_, io::Result<()>>>) -> io::Result<()> {
    threads.into_iter().try_for_each(|thread| thread.join().expect("a follower doesn't panic"))
}
