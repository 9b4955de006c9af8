//! `boxd-harness run`: the cases against a server that is already there.
//!
//! Nothing is written but the report. A case fails when a rule or an expectation is broken, or when its transcript differs
//! from its snapshot; a case that needs a daemon of its own is skipped, with the reason.

use std::process::ExitCode;

use boxd_harness::{
    book::{Book, Case},
    fixture::Source,
    probe,
    run::run,
    target::Target,
    transcript::without_extensions,
};
use clap::Args;
use similar::TextDiff;

/// Run the cases against a server and say which of them hold.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The server, like `http://127.0.0.1:8080`.
    #[arg(long, value_name = "URL")]
    target: String,
    /// Only cases whose name fits, like 'process/*' or '*sse*'.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    only: String,
    /// A header that goes with every request, like 'Authorization: Bearer abc'. May be given several times.
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Judge only what isn't boxd's own: leave out extension steps and extension fields.
    #[arg(long)]
    ignore_extensions: bool,
}

/// How a case came out.
enum Verdict {
    Holds,
    Skipped(String),
    Failed(String),
}

impl Run {
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let mut target = Target::parse(&self.target)?;
        for header in &self.header {
            target.add_header(header)?;
        }
        let (mut held, mut failed, mut skipped) = (0, 0, 0);
        for case in Book::embedded()?.cases {
            if !super::fits(&self.only, &case.name) {
                continue;
            }
            match self.judge(&case, &target) {
                Verdict::Holds => {
                    held += 1;
                    super::say(&format!("ok       {}", case.name));
                }
                Verdict::Skipped(reason) => {
                    skipped += 1;
                    super::say(&format!("skipped  {}: {reason}", case.name));
                }
                Verdict::Failed(report) => {
                    failed += 1;
                    super::say(&format!("FAILED   {}\n         {}\n{report}", case.name, case.fixture.why));
                }
            }
        }
        super::say(&format!("\n{held} passed, {failed} failed, {skipped} skipped"));
        if held + failed == 0 {
            return Err(format!("no case was run: nothing fits `{}` and this server", self.only));
        }
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn judge(&self, case: &Case, target: &Target) -> Verdict {
        if let Some(reason) = case.fixture.own_daemon_reason() {
            return Verdict::Skipped(reason.to_owned());
        }
        if self.ignore_extensions && case.fixture.sources().iter().all(|source| *source == Source::Extension)
        {
            return Verdict::Skipped("is an extension".to_owned());
        }
        let Some(snapshot) = &case.snapshot else {
            return Verdict::Skipped("has no snapshot yet".to_owned());
        };
        match probe::missing_limit(&case.fixture, target) {
            Ok(None) => {}
            Ok(Some(reason)) | Err(reason) => return Verdict::Skipped(reason),
        }
        let report = run(case, target, None);
        let failures = report.failures.iter();
        let failures: Vec<_> = failures
            .filter(|failure| !(self.ignore_extensions && failure.source == Source::Extension))
            .map(|failure| format!("step {} [{}]: {}", failure.step, failure.source, failure.sentence))
            .collect();
        let layer = |text: &str| {
            let text = if self.ignore_extensions { without_extensions(text) } else { text.to_owned() };
            text.trim_end().to_owned() + "\n"
        };
        let difference = difference(&layer(snapshot), &layer(&report.transcript.to_string()));
        match (failures.is_empty(), difference) {
            (true, None) => Verdict::Holds,
            (_, difference) => {
                let failures = indented(failures.iter().map(String::as_str));
                Verdict::Failed(failures + &difference.unwrap_or_default())
            }
        }
    }
}

/// The differing lines with some context, `-` expected and `+` found; nothing when there are none.
fn difference(expected: &str, found: &str) -> Option<String> {
    if expected == found {
        return None;
    }
    let diff = TextDiff::from_lines(expected, found);
    let text = diff.unified_diff().context_radius(3).header("expected", "found").to_string();
    Some(indented(text.lines()))
}

fn indented<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.fold(String::new(), |text, line| text + "    " + line + "\n")
}
