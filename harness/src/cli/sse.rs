//! `boxd-harness sse`: what our own parser makes of SSE bodies, for other parsers to be compared with.

use std::{fs, path::PathBuf, process::ExitCode};

use boxd_harness::stream::Recording;
use clap::Args;

/// Print the events of recorded SSE bodies, a line of JSON each; a body may break off anywhere.
#[derive(Debug, Args)]
pub(crate) struct Sse {
    /// The bodies, as they came.
    #[arg(required = true)]
    bodies: Vec<PathBuf>,
}

impl Sse {
    /// Ends with 1 when a body breaks a rule of the API's streams.
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let mut are_clean = true;
        for path in &self.bodies {
            let named = |error: String| format!("{}: {error}", path.display());
            let recording = Recording::read(&fs::read(path).map_err(|error| named(error.to_string()))?);
            super::say(&recording.json().map_err(|error| named(error.to_string()))?);
            are_clean &= recording.is_clean();
        }
        Ok(if are_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
