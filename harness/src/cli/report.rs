//! `boxd-harness report`: runs that were made before, as one page, or held to another profile.

use std::{path::PathBuf, process::ExitCode};

use boxd_harness::{
    judge::Verdict,
    profile::Profile,
    report::{self, Record},
    suite::Summary,
};
use clap::Args;

/// Make one page of runs that were written with `run --json`, or hold them to another profile.
///
/// Exits with 1 when a profile is given and a run does not hold what it requires.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The runs, in the order of their columns.
    #[arg(required = true, value_name = "FILE")]
    runs: Vec<PathBuf>,
    /// The folder for the page.
    #[arg(long, value_name = "DIR", required_unless_present = "profile")]
    html: Option<PathBuf>,
    /// Judge the runs anew by this profile; what was not run tells nothing, so run with `--profile boxd` before.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

impl Report {
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let mut records: Vec<_> =
            self.runs.iter().map(|path| Record::read(path)).collect::<Result<_, _>>()?;
        let mut is_good = true;
        if let Some(name) = &self.profile {
            let profile = Profile::named(name)?;
            records = records.into_iter().map(|record| held_to(record, name, &profile)).collect();
            is_good = records.iter().all(|record| record.is_compliant);
        }
        if let Some(folder) = &self.html {
            let page = folder.join("index.html");
            report::write(&page, &report::html(&records))?;
            super::say(&page.display().to_string());
        }
        Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn held_to(mut record: Record, name: &str, profile: &Profile) -> Record {
    record.cases.retain(|case| profile.has(&case.case));
    record.cases = record.cases.into_iter().map(|case| case.held_to(profile)).collect();
    name.clone_into(&mut record.profile);
    // A known failure that this profile does not require is no lie of the baseline's.
    let summary = Summary::of(&record.cases, std::iter::empty());
    record.is_compliant = summary.is_good();
    super::say(&format!("{}, profile {name}: {summary}", record.name));
    for case in &record.cases {
        if matches!(case.verdict, Verdict::Fails | Verdict::Deviates) {
            let word = if case.verdict == Verdict::Deviates { "deviates" } else { "FAILED  " };
            super::say(&format!("  {word} {}", case.case));
        }
    }
    record
}
