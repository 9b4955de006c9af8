//! `Table`: a column for each server and their ratio, as Markdown for people and as JSON for programs. Pure.

use std::fmt;

use serde_json::json;

use super::{
    super::{
        Figure as OfBench,
        report::machine,
        row::Unit,
        statistics::{greatest, least, median},
    },
    Results,
    figures::Figure,
};

/// What servers have side by side.
#[derive(Debug)]
pub struct Table {
    machine: String,
    servers: Vec<String>,
    rounds: usize,
    rows: Vec<(Figure, Vec<Results>)>,
    /// What cannot be measured of any server, and why.
    missing: Vec<(&'static OfBench, &'static str)>,
}

impl Table {
    pub(super) fn begin(servers: Vec<String>, rounds: usize) -> Self {
        Self { machine: machine(), servers, rounds, rows: Vec::new(), missing: Vec::new() }
    }

    pub(super) fn add(&mut self, figure: &Figure, results: Vec<Results>) {
        self.rows.push((*figure, results));
    }

    pub(super) fn add_missing(&mut self, figure: &'static OfBench, why: &'static str) {
        self.missing.push((figure, why));
    }

    /// Whether there is no figure that both gave.
    pub fn is_empty(&self) -> bool {
        self.rows.iter().all(|(_, results)| results.iter().any(|results| results.median().is_none()))
    }

    /// The same for programs: each round of each figure, and the reasons for what is not there.
    pub fn json(&self) -> String {
        let of = |results: &Results| json!({ "median": results.median(), "rounds": results.values, "reason": results.reason });
        let row = |(figure, results): &(Figure, Vec<Results>)| {
            json!({
                "name": figure.name, "figure": figure.what, "unit": figure.unit,
                "results": results.iter().map(of).collect::<Vec<_>>(), "ratio": ratio(results),
            })
        };
        let missing = |(figure, why): &(&OfBench, &str)| {
            let none = json!({ "median": null, "rounds": [], "reason": why });
            let results = vec![none; self.servers.len()];
            json!({ "name": figure.name, "figure": figure.what, "results": results, "ratio": null })
        };
        let rows: Vec<_> = self.rows.iter().map(row).chain(self.missing.iter().map(missing)).collect();
        let table =
            json!({ "machine": self.machine, "servers": self.servers, "rounds": self.rounds, "rows": rows });
        format!("{table:#}\n")
    }
}

impl Results {
    /// `None` when it could not be measured.
    fn median(&self) -> Option<f64> {
        (self.reason.is_none() && !self.values.is_empty()).then(|| median(&self.values))
    }

    /// The median, and behind it the lowest and the highest round.
    fn text(&self, unit: Unit) -> String {
        let Some(median) = self.median() else { return "—".to_owned() };
        let [low, high] = [least, greatest].map(|end| unit.number(end(&self.values)));
        let range = if self.values.len() > 1 { format!(" ({low}–{high})") } else { String::new() };
        unit.text(median) + &range
    }
}

/// The first server's figure over the second's.
fn ratio(results: &[Results]) -> Option<f64> {
    let [first, second] = results else { return None };
    Some(first.median()? / second.median()?).filter(|ratio| ratio.is_finite())
}

/// How the first stands against the second: the ratio, and what it means.
fn comparison(unit: Unit, results: &[Results]) -> String {
    const ALIKE: f64 = 0.05;
    let Some(ratio) = ratio(results) else { return "—".to_owned() };
    let word = match (ratio - 1.0, unit) {
        (more, _) if more.abs() < ALIKE => "alike",
        (more, Unit::Milliseconds) if more > 0.0 => "slower",
        (more, Unit::Milliseconds) if more < 0.0 => "faster",
        (more, _) if more > 0.0 => "faster",
        _ => "slower",
    };
    format!("× {ratio:.2}, {word}")
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_pair = self.servers.len() == 2;
        let turns = if is_pair { ", the servers in turn" } else { "" };
        writeln!(
            f,
            "Measured from {}; medians of {} rounds{turns}; MB = 10^6 bytes.\n",
            self.machine, self.rounds
        )?;
        let ratio = if is_pair { " the first against the second |" } else { "" };
        writeln!(f, "| figure | {} |{ratio}", self.servers.join(" | "))?;
        writeln!(f, "|---|{}", "--:|".repeat(self.servers.len() + usize::from(is_pair)))?;
        for (figure, results) in &self.rows {
            let cells: Vec<_> = results.iter().map(|results| results.text(figure.unit)).collect();
            let ratio =
                if is_pair { format!(" {} |", comparison(figure.unit, results)) } else { String::new() };
            writeln!(f, "| {} | {} |{ratio}", figure.what, cells.join(" | "))?;
        }
        for (figure, _) in &self.missing {
            writeln!(f, "| {} |{}", figure.what, " — |".repeat(self.servers.len() + usize::from(is_pair)))?;
        }
        let mut gap = "\n";
        for (figure, results) in &self.rows {
            for (server, results) in self.servers.iter().zip(results) {
                let Some(reason) = &results.reason else { continue };
                writeln!(f, "{gap}- `{}` of {server}: {reason}", figure.name)?;
                gap = "";
            }
        }
        for (figure, why) in &self.missing {
            writeln!(f, "{gap}- `{}` cannot be measured by a URL: {why}", figure.name)?;
            gap = "";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_says_who_is_faster() {
        #[track_caller]
        fn check(unit: Unit, values: [f64; 2], expected: &str) {
            let results = values.map(|value| Results { values: vec![value], reason: None });
            assert_eq!(comparison(unit, &results), expected);
        }
        check(Unit::Milliseconds, [2.0, 4.0], "× 0.50, faster");
        check(Unit::Milliseconds, [4.0, 2.0], "× 2.00, slower");
        check(Unit::PerSecond, [4.0, 2.0], "× 2.00, faster");
        check(Unit::MegabytesPerSecond, [1.0, 2.0], "× 0.50, slower");
        check(Unit::PerSecond, [100.0, 101.0], "× 0.99, alike");
        check(Unit::PerSecond, [100.0, 0.0], "—");
    }

    #[test]
    fn what_one_cannot_do_is_a_dash_with_its_reason() {
        let mut table = Table::begin(vec!["a".to_owned(), "b".to_owned()], 1);
        let missing = Results { values: Vec::new(), reason: Some("the server answered 404".to_owned()) };
        let there = Results { values: vec![2.0], reason: None };
        table.add(&super::super::FIGURES[0], vec![there, missing]);
        let text = table.to_string();
        assert!(text.contains("waited, p50 | 2.00 ms | — | — |\n"), "{text}");
        assert!(text.ends_with("\n- `exec` of b: the server answered 404\n"), "{text}");
        assert!(table.is_empty(), "nothing can be compared");
    }
}
