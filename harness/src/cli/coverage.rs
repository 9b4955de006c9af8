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
    /// End with 1 when an operation has no case.
    #[arg(long)]
    require: bool,
    /// End with 1 when a status, or a media type of one, was never seen.
    #[arg(long)]
    require_statuses: bool,
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
        let coverage = Coverage::of(document, &Book::embedded()?);
        coverage.lines().iter().for_each(|line| super::say(line));
        let uncovered = coverage.without_a_case();
        for name in &uncovered {
            super::say(&format!("no case: {name}"));
        }
        let is_short = (self.require && !uncovered.is_empty())
            || (self.require_statuses && !coverage.unseen().is_empty());
        Ok(if is_short { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
