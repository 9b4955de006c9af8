//! `Report`: the table of faults, times tried and losses, and what each loss was.

use std::{fmt, io, thread};

/// Losses that are shown of one fault; the rest is counted.
const SHOWN_MAX: usize = 12;

/// One fault.
#[derive(Debug)]
pub(super) struct Row {
    fault: String,
    /// How often it was tried.
    pub(super) tried: usize,
    /// A sentence a loss.
    pub(super) losses: Vec<String>,
    /// What was compared, in a line.
    pub(super) checked: String,
    /// Why it was not tried.
    skipped: Option<String>,
}

impl Row {
    /// A fault that is about to be tried.
    pub(super) fn new(fault: impl Into<String>) -> Self {
        let checked = String::new();
        Self { fault: fault.into(), tried: 0, losses: Vec::new(), checked, skipped: None }
    }

    /// A fault that can't be tried here.
    pub(super) fn skipped(fault: impl Into<String>, why: impl Into<String>) -> Self {
        Self { skipped: Some(why.into()), ..Self::new(fault) }
    }

    /// Notes a loss, when there is one.
    pub(super) fn note(&mut self, result: Result<(), String>) {
        self.losses.extend(result.err());
    }

    /// Notes a loss when something that has to hold doesn't.
    pub(super) fn expect(&mut self, holds: bool, loss: impl FnOnce() -> String) {
        if !holds {
            self.losses.push(loss());
        }
    }
}

/// What a run of the suite found.
#[derive(Debug)]
pub struct Report {
    seed: u64,
    rows: Vec<Row>,
}

impl Report {
    pub(super) fn begin(seed: u64) -> Self {
        Self { seed, rows: Vec::new() }
    }

    /// An error of the machine is no loss, but a fault that could not be tried to its end, or that was never met and does not
    /// say why, must not look like one that was.
    pub(super) fn add(&mut self, name: &str, rows: io::Result<Vec<Row>>) {
        let mut rows = rows.unwrap_or_else(|error| {
            let mut row = Row::new(name);
            row.losses.push(format!("it could not be tried to its end: {error}"));
            vec![row]
        });
        if rows.is_empty() {
            rows.push(Row::new(name));
        }
        let is_untold = |row: &&mut Row| row.tried == 0 && row.skipped.is_none() && row.losses.is_empty();
        for row in rows.iter_mut().filter(is_untold) {
            row.losses.push("it was never met, and nothing says why".to_owned());
        }
        self.rows.extend(rows);
    }

    /// Whether anything was lost, or nothing was tried at all.
    pub fn has_losses(&self) -> bool {
        self.rows.iter().any(|row| !row.losses.is_empty()) || self.rows.iter().all(|row| row.tried == 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = thread::available_parallelism().map_or(0, usize::from);
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        writeln!(f, "{cores} cores, Linux {}; seed {}.\n", kernel.trim(), self.seed)?;
        writeln!(f, "| fault | times tried | losses | what was checked |\n|---|--:|--:|---|")?;
        for row in &self.rows {
            let Row { fault, tried, losses, checked, skipped } = row;
            match skipped {
                Some(why) => writeln!(f, "| {fault} | 0 | – | **not tried**: {why} |")?,
                None => writeln!(f, "| {fault} | {tried} | {} | {checked} |", losses.len())?,
            }
        }
        for row in self.rows.iter().filter(|row| !row.losses.is_empty()) {
            writeln!(f, "\n{}:", row.fault)?;
            row.losses.iter().take(SHOWN_MAX).try_for_each(|loss| writeln!(f, "- {loss}"))?;
            let more = row.losses.len().saturating_sub(SHOWN_MAX);
            if more > 0 {
                writeln!(f, "- and {more} more")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tried_is_no_success() {
        let mut report = Report::begin(1);
        report.add("x", Ok(vec![Row::skipped("a fault", "no strace")]));
        assert!(report.has_losses());
        assert!(report.to_string().contains("| a fault | 0 | – | **not tried**: no strace |"));
    }

    #[test]
    fn what_was_never_met_is_a_loss_beside_what_was() {
        #[track_caller]
        fn check(rows: Vec<Row>, expected: bool) {
            let mut report = Report::begin(1);
            let mut met = Row::new("met");
            met.tried = 1;
            report.add("x", Ok(vec![met]));
            report.add("y", Ok(rows));
            assert_eq!(report.has_losses(), expected, "{report}");
        }
        check(vec![Row::new("never met")], true);
        check(vec![], true);
        check(vec![Row::skipped("a call", "the daemon never makes it")], false);
    }

    #[test]
    fn losses_are_counted_and_told() {
        let mut row = Row::new("a fault");
        row.tried = 3;
        row.note(Ok(()));
        let mut report = Report::begin(1);
        report.add("x", Ok(vec![row]));
        assert!(!report.has_losses());
        let mut row = Row::new("another");
        row.tried = 1;
        row.expect(false, || "a byte is gone".to_owned());
        report.add("y", Ok(vec![row]));
        report.add("z", Err(io::Error::other("no memory")));
        let text = report.to_string();
        assert!(report.has_losses() && text.contains("| another | 1 | 1 |"), "{text}");
        assert!(text.contains("- a byte is gone\n") && text.contains("no memory"), "{text}");
    }
}
