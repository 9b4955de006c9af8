//! `boxd-harness list`: the cases, where their expectations come from, and why they exist.

use std::process::ExitCode;

use boxd_harness::fixture::Source;
use clap::Args;

use super::server::Choice;

/// Print every case: its name, where its expectations come from, and why it exists.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    choice: Choice,
}

impl List {
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let cases = self.choice.chosen()?;
        for case in &cases {
            let sources: Vec<_> = case.fixture.sources().iter().map(Source::to_string).collect();
            let needs =
                case.fixture.own_daemon_reason().map(|reason| format!(" ({reason})")).unwrap_or_default();
            super::say(&format!("{} [{}]{needs}\n    {}", case.name, sources.join(" "), case.fixture.why));
        }
        super::say(&format!("{} cases", cases.len()));
        Ok(ExitCode::SUCCESS)
    }
}
