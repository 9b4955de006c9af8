//! `boxd-harness show`: one case as it is written.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::server::Choice;

/// Print a case: its fixture, and the transcript that is expected.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The case, like `process/exec_true`.
    case: String,
    /// Take fixtures/ and snapshots/ from this folder, and not those that the program was built with.
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
}

impl Show {
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let choice = Choice { only: "*".to_owned(), cases: self.cases };
        let case = choice.chosen()?.into_iter().find(|case| case.name == self.case);
        let case = case.ok_or_else(|| format!("there is no case `{}`; `list` shows them", self.case))?;
        super::say(&format!("# fixtures/{}.toml\n{}", case.name, case.text.trim_end()));
        let snapshot = case.snapshot.as_deref().unwrap_or("(none yet)");
        super::say(&format!("\n# snapshots/{}.snap\n{snapshot}", case.name));
        Ok(ExitCode::SUCCESS)
    }
}
