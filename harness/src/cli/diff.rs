//! `boxd-harness diff`: two servers side by side, case by case.

use std::{collections::BTreeMap, process::ExitCode};

use boxd_harness::comparison::differences;
use clap::Args;

use super::server::{Choice, Server};

/// Run the cases against two servers and say where their answers differ.
///
/// Exits with 0 when the second answers as the first does, or adds to it, and with 1 when it differs.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The server that the other is compared with.
    first: String,
    /// The other.
    second: String,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    server: Server,
    /// Show both transcripts of each case that differs.
    #[arg(long)]
    transcripts: bool,
}

/// How two runs of a case compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Same,
    Addition,
    Different,
    Skipped,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Addition => "addition",
            Self::Different => "DIFFERENT",
            Self::Skipped => "skipped",
        }
    }
}

impl Diff {
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let targets = [self.server.target(&self.first)?, self.server.target(&self.second)?];
        let site = self.server.site(false)?;
        let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
        for case in self.choice.chosen()? {
            let runs: Result<Vec<_>, _> =
                targets.iter().map(|target| site.transcript(&case, target)).collect();
            let (kind, text) = match runs.as_deref() {
                Err(reason) => (Kind::Skipped, format!(": {reason}")),
                Ok([first, second]) => compared(first, second, self.transcripts),
                Ok(_) => continue,
            };
            *counts.entry(kind).or_default() += 1;
            super::say(&format!("{:<10}{}{text}", kind.word(), case.name));
        }
        let counts: Vec<_> = counts.iter().map(|(kind, count)| format!("{count} {}", kind.word())).collect();
        super::say(&format!("\n{}", counts.join(", ").to_lowercase()));
        let differs = counts.iter().any(|count| count.ends_with(Kind::Different.word()));
        Ok(if differs { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn compared(first: &str, second: &str, shows_both: bool) -> (Kind, String) {
    let differences = differences(first, second);
    if differences.is_empty() {
        return (Kind::Same, String::new());
    }
    let kind = if differences.iter().all(|difference| difference.is_addition) {
        Kind::Addition
    } else {
        Kind::Different
    };
    let mut lines = Vec::new();
    for difference in &differences {
        lines.push(format!("step {}", difference.step));
        lines.extend(difference.text.trim_end().lines().map(str::to_owned));
    }
    if shows_both {
        for (which, transcript) in [("first", first), ("second", second)] {
            lines.push(format!("the {which}:"));
            lines.extend(transcript.trim_end().lines().map(str::to_owned));
        }
    }
    (kind, lines.iter().fold(String::new(), |text, line| text + "\n    " + line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_an_addition_and_other_is_different() {
        #[track_caller]
        fn check(second: &str, expected: Kind) {
            assert_eq!(compared("## 1 [spec] GET /\n< 200\n{}\n", second, false).0, expected);
        }
        check("## 1 [spec] GET /\n< 200\n{}\n", Kind::Same);
        check("## 1 [spec] GET /\n< 200\n{}\n+ {\"x\":1}\n", Kind::Addition);
        check("## 1 [spec] GET /\n< 404\n{}\n", Kind::Different);
    }
}
