//! The bench: how fast and how small, as figures a reader can repeat.
//!
//! ```text
//! figure ──> rounds of (floor, server, floor, server, …) ──> medians ──> row ──> table
//! ```
//! A floor is what the same machine does in the same run without a daemon, because a number alone says more about the
//! machine than about the server. Nothing here is a test: a figure that isn't reached is shown, not an error.

mod age;
mod ceiling;
mod clients;
mod download;
mod exec;
mod fanout;
mod figures;
mod file_writes;
mod first_byte;
mod follow;
mod health;
mod keeper;
mod listing;
mod mcp;
mod memory;
pub(crate) mod pass_through;
mod ports;
mod proxy;
pub(crate) mod relay;
mod report;
mod row;
mod search;
pub(crate) mod server;
mod shell;
mod side;
mod start;
mod statistics;
mod terminal;
mod text;
mod watch;
mod wire;
mod write;

use std::{io, path::PathBuf, time::Instant};

use crate::target::Target;

pub(crate) use self::memory::raise_descriptor_limit;
use self::{
    figures::{FIGURES, Figure, Needs},
    row::Row,
    server::{Program, Server},
    statistics::median,
};
pub use self::{
    report::Report,
    side::{Side, Table},
};

/// What is measured.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A daemon that is started for each figure.
    Program {
        /// Its binary.
        path: PathBuf,
        /// Arguments behind those that every start has.
        arguments: Vec<String>,
    },
    /// A server that runs already, on this machine.
    Running(Target),
}

/// A run of the bench.
#[derive(Debug)]
pub struct Bench {
    subject: Source,
    rounds: usize,
}

#[derive(Debug)]
enum Source {
    Program(Program),
    Running(Target),
}

/// What a figure gives.
#[derive(Debug)]
struct Measured {
    rows: Vec<Row>,
    /// What a reader has to know of how it was measured.
    notes: Vec<String>,
}

impl Measured {
    fn row(row: Row) -> Self {
        Self { rows: vec![row], notes: Vec::new() }
    }
}

impl Bench {
    /// Prepares a run. Each figure is measured in so many rounds, with few exceptions that the table shows.
    pub fn new(subject: Subject, rounds: usize) -> Self {
        let subject = match subject {
            Subject::Program { path, arguments } => Source::Program(Program { path, arguments }),
            Subject::Running(target) => Source::Running(target),
        };
        Self { subject, rounds: rounds.max(1) }
    }

    /// The names of the figures, in their order.
    pub fn names() -> Vec<&'static str> {
        FIGURES.iter().map(|figure| figure.name).collect()
    }

    /// Measures the figures with these names, all of them when there are none, and says which one it is at. What cannot be measured is a
    /// row without a number, with the reason below the table.
    pub fn run(&self, only: &[String], at: &dyn Fn(&str)) -> Report {
        let mut report = Report::begin(self.rounds);
        let is_wanted = |figure: &&Figure| only.is_empty() || only.iter().any(|wanted| wanted == figure.name);
        for figure in FIGURES.iter().filter(is_wanted) {
            if let (Needs::Daemon(why), Source::Running(_)) = (figure.needs, &self.subject) {
                report.leave_out(figure, why);
                continue;
            }
            at(figure.name);
            match (figure.measure)(self) {
                Ok(measured) => report.add(measured),
                Err(error) => report.fail(figure, &error),
            }
        }
        report
    }

    /// A fresh daemon, or the server that runs.
    fn server(&self) -> io::Result<Server> {
        match &self.subject {
            Source::Program(program) => Server::start(program),
            Source::Running(target) => Server::running(target.clone()),
        }
    }

    fn program(&self) -> io::Result<&Program> {
        match &self.subject {
            Source::Program(program) => Ok(program),
            Source::Running(_) => Err(io::Error::other("a server that runs already can't be started")),
        }
    }
}

/// Does two things in turn, so many times after a warm-up: the median of what each takes, in milliseconds.
fn in_turn(
    warm_up: usize,
    times: usize,
    mut pair: impl FnMut() -> io::Result<(f64, f64)>,
) -> io::Result<(f64, f64)> {
    (0..warm_up).try_for_each(|_| pair().map(drop))?;
    let (floors, results): (Vec<_>, Vec<_>) =
        (0..times).map(|_| pair()).collect::<io::Result<Vec<_>>>()?.into_iter().unzip();
    Ok((median(&floors), median(&results)))
}

/// How long a deed takes, in milliseconds.
fn ms(deed: impl FnOnce() -> io::Result<()>) -> io::Result<f64> {
    let began = Instant::now();
    deed()?;
    Ok(ms_since(began))
}

fn ms_since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}
