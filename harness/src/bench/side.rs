//! `Side`: servers side by side: what can be measured over HTTP alone, of servers that run already, anywhere.
//!
//! ```text
//! figure ──> rounds of (first, second), (second, first), … ──> medians ──> row with a column for each and their ratio
//! ```
//! A figure that a server has no answer for, or that no URL gives, is shown as `—`, with the reason below the table; the others go on.

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
use super::{FIGURES as ALL, Figure as OfBench, report::one_line};
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

    /// The names of the figures, in their order; those that no URL gives are last.
    pub fn names() -> Vec<&'static str> {
        FIGURES.iter().map(|figure| figure.name).chain(missing().map(|(figure, _)| figure.name)).collect()
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
        let is_wanted = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
        for figure in FIGURES.iter().filter(|figure| is_wanted(figure.name)) {
            at(figure.name);
            table.add(figure, self.measure(figure, &places));
        }
        for (figure, why) in missing().filter(|(figure, _)| is_wanted(figure.name)) {
            table.add_missing(figure, why);
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
                    Err(error) => results.reason = Some(one_line(&error)),
                }
            }
        }
        results
    }
}

/// The bench's figures that cannot be measured by URLs alone, and why.
fn missing() -> impl Iterator<Item = (&'static OfBench, &'static str)> {
    ALL.iter().filter_map(|figure| Some((figure, figure.not_by_url()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_figure_of_the_bench_is_passed_over() {
        let names = Side::names();
        for figure in &ALL {
            assert!(names.iter().any(|name| name.starts_with(figure.name)), "{}", figure.name);
        }
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), names.len());
    }
}
