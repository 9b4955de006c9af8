//! `Report`: the table, as Markdown for people and as JSON for programs.

use std::{fmt, fs, io, thread};

use serde_json::{Value, json};

use super::{Measured, figures::Figure, row::Row};

/// What a run of the bench found.
#[derive(Debug)]
pub struct Report {
    machine: String,
    rounds: usize,
    rows: Vec<Line>,
    notes: Vec<String>,
    has_failed: bool,
}

#[derive(Debug)]
enum Line {
    Measured(Row),
    /// A figure that is not there, and why.
    Missing(Figure, String),
}

impl Report {
    pub(super) fn begin(rounds: usize) -> Self {
        Self { machine: machine(), rounds, rows: Vec::new(), notes: Vec::new(), has_failed: false }
    }

    pub(super) fn add(&mut self, measured: Measured) {
        self.rows.extend(measured.rows.into_iter().map(Line::Measured));
        self.notes.extend(measured.notes);
    }

    pub(super) fn leave_out(&mut self, figure: &Figure, why: &str) {
        self.notes.push(format!("`{}` cannot be measured by a URL: {why}", figure.name));
        self.rows.push(Line::Missing(*figure, why.to_owned()));
    }

    pub(super) fn fail(&mut self, figure: &Figure, error: &io::Error) {
        self.has_failed = true;
        let why = one_line(error);
        self.notes.push(format!("`{}` could **not** be measured: {why}", figure.name));
        self.rows.push(Line::Missing(*figure, why));
    }

    /// Whether something could not be measured. A figure that isn't reached is no failure.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// The same for programs: every row with its numbers, and whether its goal is reached.
    pub fn json(&self) -> String {
        let rows: Vec<_> = self.rows.iter().map(Line::json).collect();
        let report =
            json!({ "machine": self.machine, "rounds": self.rounds, "rows": rows, "notes": self.notes });
        format!("{report:#}\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}; medians of {} rounds, floor and server in turn, a fresh daemon a round where it is quick; MB = 10^6 bytes.\n",
            self.machine, self.rounds
        )?;
        writeln!(
            f,
            "| figure | floor | result (lowest–highest round) | against the floor | target | reached | n |"
        )?;
        writeln!(f, "|---|--:|--:|--:|--:|---|--:|")?;
        for row in &self.rows {
            writeln!(f, "{}", row.markdown())?;
        }
        if !self.notes.is_empty() {
            writeln!(f)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "- {note}"))
    }
}

impl Line {
    fn json(&self) -> Value {
        match self {
            Self::Measured(row) => json!({
                "figure": row.figure, "n": row.n, "unit": row.unit, "floor": row.floor(), "result": row.result(),
                "floors": row.floors, "results": row.results,
                "comparison": row.comparison(), "goal": row.goal, "target": row.target(), "reached": row.is_reached(),
            }),
            Self::Missing(figure, why) => {
                json!({ "name": figure.name, "figure": figure.what, "result": null, "reason": why })
            }
        }
    }

    fn markdown(&self) -> String {
        match self {
            Self::Measured(row) => row.markdown(),
            Self::Missing(figure, _) => format!("| {} | – | — | – | – | – | – |", figure.what),
        }
    }
}

/// An error on one line of a list.
pub(super) fn one_line(error: &io::Error) -> String {
    const CHARACTERS: usize = 200;
    let text = error.to_string();
    let text: Vec<_> = text.split_whitespace().collect();
    text.join(" ").chars().take(CHARACTERS).collect()
}

/// The machine in a few words, and how busy it was: who compares tables wants to know.
pub(super) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    format!("{cores} cores ({model}), Linux {}, load {load} at the start", kernel.trim())
}
