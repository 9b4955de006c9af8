//! `boxd-harness report`: a page about several runs side by side.

use std::{path::PathBuf, process::ExitCode};

use boxd_harness::report::{self, Record};
use clap::Args;

/// Make one page of runs that were written with `run --json`.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The runs, in the order of their columns.
    #[arg(required = true, value_name = "FILE")]
    runs: Vec<PathBuf>,
    /// The folder for the page.
    #[arg(long, value_name = "DIR")]
    html: PathBuf,
}

impl Report {
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let records: Vec<_> = self.runs.iter().map(|path| Record::read(path)).collect::<Result<_, _>>()?;
        let page = self.html.join("index.html");
        report::write(&page, &report::html(&records))?;
        super::say(&page.display().to_string());
        Ok(ExitCode::SUCCESS)
    }
}
