//! `boxd-harness run`: the cases against a server that is already there, or a program that is started for each.
//!
//! Nothing is written but the reports that were asked for. What the profile requires decides; the rest is told.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::SystemTime,
};

use boxd_harness::{
    baseline::Baseline,
    book::Case,
    judge::{Finding, Judgement, Verdict},
    profile::Profile,
    report::{self, Record},
    site::Site,
    suite::{Reset, Subject, Suite, Summary},
};
use clap::Args;

use super::server::{Choice, Server};

/// Run the cases against a server and say which of them hold.
///
/// Exits with 0 when all that the profile requires holds, with 1 when it does not, and with 2 when it could not be found out.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The server, like `http://127.0.0.1:8080`. May be given several times for several of the same: each gets some of the cases.
    #[arg(long, value_name = "URL", required_unless_present = "bin")]
    target: Vec<String>,
    /// A program to start for each case with its flags, variables and files, on this machine: so no case is skipped. It is run as
    /// `PROGRAM serve --listen 127.0.0.1:0 --log-dir DIR FLAGS…` in a fresh folder, says `listening on http://HOST:PORT` on stderr, and
    /// ends with 0 after SIGTERM.
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["target", "header", "wait", "workspace", "working_folder", "local", "kill_cmd", "reset_cmd", "reset_as_wanted"])]
    bin: Option<PathBuf>,
    /// What it is held to: seed, blaxel, baseten or boxd.
    #[arg(long, value_name = "NAME", default_value = "boxd")]
    profile: String,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    server: Server,
    /// Cases at one time.
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// A command for the shell that brings the server (`$CASE_URL`) back to its beginning, run before each case; each server has one case
    /// at a time.
    #[arg(long, value_name = "COMMAND")]
    reset_cmd: Option<String>,
    /// The reset command starts the server as the case wants it, on this machine: it gets the case's flags, variables, files and more in
    /// its environment (README: "A server behind a script"), so no case is skipped but those it ends with 77 for.
    #[arg(long, requires = "reset_cmd", conflicts_with_all = ["workspace", "working_folder"])]
    reset_as_wanted: bool,
    /// Failures that are known; one that does not fail any more is an error.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// What the server is called in reports.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Write the run as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the run as `JUnit` XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write a page about the run into this folder.
    #[arg(long, value_name = "DIR")]
    html: Option<PathBuf>,
}

impl Run {
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let started = SystemTime::now();
        let profile = Profile::named(&self.profile)?;
        let cases: Vec<Case> =
            self.choice.chosen()?.into_iter().filter(|case| profile.has(&case.name)).collect();
        let baseline = self.baseline.as_deref().map(Baseline::read).transpose()?.unwrap_or_default();
        self.choice.knows(baseline.cases())?;
        let (subject, shown) = self.subject()?;
        let reset = self.reset_cmd.clone().map(|command| Reset { command, as_wanted: self.reset_as_wanted });
        let suite = Suite {
            subject,
            profile,
            site: Site { is_reset: reset.is_some(), ..self.server.site(self.reset_as_wanted)? },
            baseline,
            jobs: self.jobs,
            reset,
        };
        let (count, total) = (AtomicUsize::new(0), cases.len());
        let judgements = suite.run(&cases, |judgement| {
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            super::say(&format!("[{number}/{total}] {}", line(judgement)));
        })?;
        let known = suite.baseline.cases().filter(|known| cases.iter().any(|case| case.name == **known));
        let summary = Summary::of(&judgements, known);
        super::say(&format!("\nprofile {}: {summary}", self.profile));
        let name = self.name.as_deref().unwrap_or(&shown);
        let mut record = Record::new(name, &shown, &self.profile, started);
        record.is_compliant = summary.is_good();
        record.cases = judgements;
        self.report(&record)?;
        if summary.held + summary.deviating + summary.failed + summary.known == 0 {
            return Err(format!("no case was run: nothing fits `{}` and this server", self.choice.only));
        }
        Ok(if summary.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// What is asked, and how it is called in a report.
    fn subject(&self) -> Result<(Subject, String), String> {
        if let Some(first) = self.target.first() {
            if self.target.len() > 1 && self.server.working_folder.is_some() {
                return Err("several servers can't share a --working-folder".to_owned());
            }
            // One that is started for each case need not be there yet.
            let target =
                |url| if self.reset_as_wanted { self.server.named(url) } else { self.server.target(url) };
            let targets = self.target.iter().map(|url| target(url)).collect::<Result<_, _>>()?;
            return Ok((Subject::Running(targets), first.clone()));
        }
        let program = self.bin.as_deref().unwrap_or_else(|| Path::new(""));
        // It is started in other folders.
        let whole = program.canonicalize().map_err(|error| format!("{}: {error}", program.display()))?;
        let shown = program.display().to_string();
        Ok((Subject::Program(whole), shown))
    }

    fn report(&self, record: &Record) -> Result<(), String> {
        if let Some(path) = &self.json {
            record.write(path)?;
        }
        if let Some(path) = &self.junit {
            report::write(path, &report::junit(record))?;
        }
        if let Some(folder) = &self.html {
            report::write(&folder.join("index.html"), &report::html(std::slice::from_ref(record)))?;
        }
        Ok(())
    }
}

/// A case's progress line, and below it what is wrong.
fn line(judgement: &Judgement) -> String {
    let Judgement { case, why, reason, findings, is_known, .. } = judgement;
    let reason = reason.as_deref().unwrap_or_default();
    match judgement.verdict {
        Verdict::Holds => format!("holds    {case}"),
        Verdict::Skipped => format!("skipped  {case}: {reason}"),
        Verdict::Deviates => format!("deviates {case}{}", indented(findings)),
        Verdict::Fails if *is_known => format!("known    {case}: {reason}"),
        Verdict::Fails => format!("FAILED   {case}\n         {why}{}", indented(findings)),
    }
}

fn indented(findings: &[Finding]) -> String {
    findings.iter().fold(String::new(), |text, finding| {
        let asked = if finding.is_required { "" } else { ", not required" };
        let head = format!("\n    step {} [{}{asked}]", finding.step, finding.source);
        finding.text.trim_end().lines().fold(text + &head, |text, line| text + "\n    " + line)
    })
}
