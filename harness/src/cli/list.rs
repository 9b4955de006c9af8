//! `boxd-harness list`: the cases, where their expectations come from, and why they exist.

use std::process::ExitCode;

use boxd_harness::{book::Book, fixture::Source};
use clap::Args;

/// Print every case: its name, where its expectations come from, and why it exists.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only cases whose name fits, like 'process/*' or '*sse*'.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    only: String,
}

impl List {
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let mut count = 0;
        for case in Book::embedded()?.cases {
            if !super::fits(&self.only, &case.name) {
                continue;
            }
            count += 1;
            let sources: Vec<_> = case.fixture.sources().iter().map(Source::to_string).collect();
            let needs =
                case.fixture.own_daemon_reason().map(|reason| format!(" ({reason})")).unwrap_or_default();
            super::say(&format!("{} [{}]{needs}\n    {}", case.name, sources.join(" "), case.fixture.why));
        }
        super::say(&format!("{count} cases"));
        Ok(ExitCode::SUCCESS)
    }
}
