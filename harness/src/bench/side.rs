//! `Side`: servers side by side: what can be measured over HTTP alone, of servers that run already, anywhere.
//!
//! ```text
//! figure ──> rounds of (first, second), (second, first), … ──> medians ──> row with a column for each and their ratio
//! ```
//! A figure that a server has no answer for is shown as `—`, with the reason below the table; the others go on.

mod command;
mod figures;
mod file;
mod place;
mod table;

use std::io;

pub use self::table::Table;
use self::{
    figures::{FIGURES, Figure},
    place::Place,
};
use crate::target::Target;

/// See the module.
#[derive(Debug)]
pub struct Side {
    servers: Vec<(String, Target)>,
    rounds: usize,
}

/// What the rounds of a figure gave for one server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Results {
    values: Vec<f64>,
    /// Why it cannot be measured.
    reason: Option<String>,
}

impl Side {
    /// Prepares a run about these servers, each with what it is called.
    pub fn new(servers: Vec<(String, Target)>, rounds: usize) -> Self {
        Self { servers, rounds: rounds.max(1) }
    }

    /// The names of the figures, in their order.
    pub fn names() -> Vec<&'static str> {
        FIGURES.iter().map(|figure| figure.name).collect()
    }

    /// Measures the figures with these names, all of them when there are none, and says which one it is at. What it makes on a server
    /// lies in one folder of `/tmp` there, which goes with the run.
    ///
    /// # Errors
    /// A sentence when a name is none of them.
    pub fn run(&self, only: &[String], at: &dyn Fn(&str)) -> Result<Table, String> {
        if let Some(name) = only.iter().find(|name| !Self::names().contains(&name.as_str())) {
            let names = Self::names().join(", ");
            return Err(format!("`{name}` cannot be measured side by side; what can be: {names}"));
        }
        let places: Vec<Place> = self
            .servers
            .iter()
            .map(|(_, target)| Place::new(target))
            .collect::<io::Result<_>>()
            .map_err(|e| e.to_string())?;
        let names = self.servers.iter().map(|(name, _)| name.clone()).collect();
        let mut table = Table::begin(names, self.rounds);
        for figure in FIGURES {
            if only.is_empty() || only.iter().any(|wanted| wanted == figure.name) {
                at(figure.name);
                let results = self.measure(&figure, &places);
                table.add(figure, results);
            }
        }
        Ok(table)
    }

    /// All rounds of a figure. Who is first changes from round to round, so that none has the warmer machine.
    fn measure(&self, figure: &Figure, places: &[Place]) -> Vec<Results> {
        let mut results = vec![Results::default(); places.len()];
        for round in 0..self.rounds {
            for turn in 0..places.len() {
                let index = if round % 2 == 0 { turn } else { places.len() - 1 - turn };
                let (place, results) = (&places[index], &mut results[index]);
                if results.reason.is_some() {
                    continue;
                }
                match (figure.measure)(place) {
                    Ok(value) => results.values.push(value),
                    Err(error) => results.reason = Some(line(&error)),
                }
            }
        }
        results
    }
}

/// An error on one line of a list.
fn line(error: &io::Error) -> String {
    const CHARACTERS: usize = 200;
    let text = error.to_string();
    let text: Vec<_> = text.split_whitespace().collect();
    text.join(" ").chars().take(CHARACTERS).collect()
}
