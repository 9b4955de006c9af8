//! `boxd-harness schema`: what a fixture file may say, for editors.

use std::process::ExitCode;

use boxd_harness::fixture::schema;
use clap::Args;

/// Print the JSON Schema of fixture files: with it editors complete and explain their keys.
#[derive(Debug, Args)]
pub(crate) struct Schema {}

impl Schema {
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as the other subcommands are")]
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        super::say(schema().trim_end());
        Ok(ExitCode::SUCCESS)
    }
}
