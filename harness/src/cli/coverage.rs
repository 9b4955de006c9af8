//! `boxd-harness coverage`: what of an OpenAPI document the cases reach.

use std::{fs, path::PathBuf, process::ExitCode};

use boxd_harness::{
    book::Book,
    coverage::{Coverage, Document, OWN},
};
use clap::Args;

/// Print which operations and statuses of an OpenAPI document the cases reach.
#[derive(Debug, Args)]
pub(crate) struct Cover {
    /// The document, in JSON or YAML; boxd's own when absent.
    document: Option<PathBuf>,
    /// End with 1 when an operation has no case, or when no case has seen a promised status, or a media type of one, that is not stated
    /// to be never given.
    #[arg(long)]
    require: bool,
}

impl Cover {
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let document = match &self.document {
            None => Document::parse(OWN),
            Some(path) => {
                let named = |error: String| format!("{}: {error}", path.display());
                let text = fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
                Document::parse(&text).map_err(named)
            }
        }?;
        let coverage = Coverage::of(document, &Book::embedded()?)?;
        coverage.lines().iter().for_each(|line| super::say(line));
        let uncovered = coverage.without_a_case();
        for name in &uncovered {
            super::say(&format!("no case: {name}"));
        }
        let unseen = coverage.unseen();
        for answer in &unseen {
            super::say(&format!("never seen: {answer}"));
        }
        let given = coverage.given_after_all();
        for answer in &given {
            super::say(&format!("said to be never given, but it is: {answer}"));
        }
        let is_short = !(uncovered.is_empty() && unseen.is_empty() && given.is_empty());
        Ok(if self.require && is_short { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
