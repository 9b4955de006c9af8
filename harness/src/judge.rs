//! `Judgement`: how a case came out, by whose word, for whom.

use std::{path::Path, time::Instant};

use serde::{Deserialize, Serialize};

use crate::{
    book::Case,
    comparison::differences,
    daemon::Daemon,
    fixture::{Need, Source},
    helper, probe,
    profile::Profile,
    restart::{NotStarted, Restarted},
    run::{Failure, Home, Report, run},
    site::Site,
    target::Target,
    wire_log::{Piece, WireLog},
};

/// How a case came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything is as expected, required or not.
    Holds,
    /// All that the profile requires is as expected; something else is not.
    Deviates,
    /// Something that the profile requires is not as expected.
    Fails,
    /// It was not run, or could not be judged.
    Skipped,
}

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The step, from 1.
    pub step: usize,
    /// Whose word it goes against.
    pub source: Source,
    /// Whether the profile requires it.
    pub is_required: bool,
    /// A sentence, or the lines that differ.
    pub text: String,
}

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// The case.
    pub case: String,
    /// Why it exists.
    pub why: String,
    /// Where its expectations come from.
    pub sources: Vec<Source>,
    /// How it came out.
    pub verdict: Verdict,
    /// Why it was not run or judged; why it may fail, when it is a known deviation.
    pub reason: Option<String>,
    /// The step behind which it could not go on.
    #[serde(default)]
    pub stopped_at: Option<usize>,
    /// It is in the baseline.
    pub is_known: bool,
    /// How long it took.
    pub seconds: f64,
    /// What is not as expected.
    pub findings: Vec<Finding>,
    /// The transcript that was expected.
    pub expected: String,
    /// The transcript that was found.
    pub found: String,
    /// What went over the wire.
    pub wire: Vec<Piece>,
}

impl Judgement {
    fn skipped(case: &Case, reason: impl Into<String>) -> Self {
        Self {
            case: case.name.clone(),
            why: case.fixture.why.clone(),
            sources: case.fixture.sources().into_iter().collect(),
            verdict: Verdict::Skipped,
            reason: Some(reason.into()),
            stopped_at: None,
            is_known: false,
            seconds: 0.0,
            findings: Vec::new(),
            expected: case.snapshot.clone().unwrap_or_default(),
            found: String::new(),
            wire: Vec::new(),
        }
    }

    /// The same run, held to another profile; what was not run stays so.
    #[must_use]
    pub fn held_to(mut self, profile: &Profile) -> Self {
        if self.verdict == Verdict::Skipped && self.stopped_at.is_none() {
            return self;
        }
        for finding in &mut self.findings {
            finding.is_required = profile.requires(finding.source);
        }
        let (verdict, reason) = if self.sources.iter().any(|source| profile.requires(*source)) {
            verdict(&self.findings, self.stopped_at)
        } else {
            (Verdict::Skipped, Some(NOTHING_REQUIRED.to_owned()))
        };
        self.verdict = verdict;
        self.reason = if self.is_known { self.reason } else { reason };
        self
    }
}

/// Why a case is not run that no word of the profile's stands behind.
const NOTHING_REQUIRED: &str = "the profile requires nothing of it";

/// Runs a case against a server and judges it.
pub fn judge(case: &Case, target: &Target, site: &Site, profile: &Profile) -> Judgement {
    if let Some(reason) = site.lacks(&case.fixture) {
        return Judgement::skipped(case, reason);
    }
    if let Some(reason) = needless(case, profile) {
        return Judgement::skipped(case, reason);
    }
    match probe::missing_limit(&case.fixture, target) {
        Ok(None) => {}
        Ok(Some(reason)) | Err(reason) => return Judgement::skipped(case, reason),
    }
    let directory = match site.directory(&case.fixture, target) {
        Ok(directory) => directory,
        Err(error) => return Judgement::skipped(case, format!("no directory could be made: {error}")),
    };
    let (log, began) = (WireLog::default(), Instant::now());
    let report = run(case, &target.logged(&log), site.home(directory.as_ref()));
    judged(case, &report, profile, (&log, began))
}

/// Starts a program for a case as the case wants it, runs the case against it and judges it. That it starts, and ends with exit code 0
/// when it is asked to, is part of the case.
pub fn judge_program(case: &Case, program: &Path, profile: &Profile) -> Judgement {
    if let Some(reason) = needless(case, profile).or_else(|| impossible(case)) {
        return Judgement::skipped(case, reason);
    }
    let helper = match helper::command_line() {
        Ok(helper) => helper,
        Err(error) => return Judgement::skipped(case, error.to_string()),
    };
    let (log, began) = (WireLog::default(), Instant::now());
    let daemon = match Daemon::start(program, &case.fixture) {
        Ok(daemon) => daemon,
        Err(sentence) => return judged(case, &not_started(case, sentence), profile, (&log, began)),
    };
    if let Ok(Some(reason)) | Err(reason) = probe::missing_limit(&case.fixture, daemon.target()) {
        return Judgement::skipped(case, reason);
    }
    let report = run(case, &daemon.target().logged(&log), daemon.home(&helper));
    let said = daemon.log();
    let ended = daemon.stop().map_err(|sentence| format!("{sentence}\nit said:\n{said}"));
    judged(case, &with_end(case, report, ended), profile, (&log, began))
}

/// Has a command start the server for a case as the case wants it, runs the case against it and judges it. That the command can start
/// and end it is part of the case; what it says it cannot do is skipped.
pub fn judge_restarted(
    case: &Case,
    target: &Target,
    command: &str,
    site: &Site,
    profile: &Profile,
) -> Judgement {
    if let Some(reason) = needless(case, profile).or_else(|| impossible(case)) {
        return Judgement::skipped(case, reason);
    }
    let (log, began) = (WireLog::default(), Instant::now());
    let server = match Restarted::start(command, case, target, site) {
        Ok(server) => server,
        Err(NotStarted::Cannot(reason)) => return Judgement::skipped(case, reason),
        Err(NotStarted::Failed(sentence)) => {
            return judged(case, &not_started(case, sentence), profile, (&log, began));
        }
    };
    let missing = probe::missing_limit(&case.fixture, server.target());
    let report = match &missing {
        Ok(None) => run(case, &server.target().logged(&log), server.home(site)),
        _ => Report::default(),
    };
    let ended = server.stop();
    if let Ok(Some(reason)) | Err(reason) = missing {
        return Judgement::skipped(case, reason);
    }
    judged(case, &with_end(case, report, ended), profile, (&log, began))
}

/// Why a case that gets a server of its own can't be run on this machine, if so.
fn impossible(case: &Case) -> Option<&'static str> {
    if case.fixture.needs_root && !rustix::process::geteuid().is_root() {
        return Some(Need::Root.sentence());
    }
    case.fixture.place.is_some_and(|place| !place.is_possible()).then(|| Need::Place.sentence())
}

/// What a case comes to whose server is not there.
fn not_started(case: &Case, sentence: String) -> Report {
    let failures = vec![Failure { step: 1, source: case.fixture.source, sentence }];
    Report { failures, stopped_at: Some(1), ..Report::default() }
}

/// A case is not over before its server has ended well.
fn with_end(case: &Case, mut report: Report, ended: Result<(), String>) -> Report {
    let step = case.fixture.steps.len();
    let failure = |sentence| Failure { step, source: case.fixture.source, sentence };
    report.failures.extend(ended.err().map(failure));
    report
}

/// Why a case need not be run, wherever.
fn needless(case: &Case, profile: &Profile) -> Option<&'static str> {
    if !case.fixture.sources().iter().any(|source| profile.requires(*source)) {
        return Some(NOTHING_REQUIRED);
    }
    case.snapshot.is_none().then_some("has no snapshot yet")
}

fn judged(case: &Case, report: &Report, profile: &Profile, (log, began): (&WireLog, Instant)) -> Judgement {
    let found = report.transcript.to_string();
    let expected = case.snapshot.as_deref().unwrap_or_default();
    let findings = findings(report, expected, &found, profile);
    let (verdict, reason) = verdict(&findings, report.stopped_at);
    Judgement {
        verdict,
        findings,
        reason,
        found,
        stopped_at: report.stopped_at,
        seconds: began.elapsed().as_secs_f64(),
        wire: log.pieces(),
        ..Judgement::skipped(case, "")
    }
}

/// What a run without surroundings gives; for servers whose answers are scripted.
pub fn judge_alone(case: &Case, target: &Target, profile: &Profile) -> (Verdict, Vec<Finding>) {
    let report = run(case, target, Home::default());
    let found = report.transcript.to_string();
    let findings = findings(&report, case.snapshot.as_deref().unwrap_or_default(), &found, profile);
    (verdict(&findings, report.stopped_at).0, findings)
}

fn findings(report: &Report, expected: &str, found: &str, profile: &Profile) -> Vec<Finding> {
    let broken = report.failures.iter().map(|failure| (failure.step, failure.source, &failure.sentence));
    let differing = differences(expected, found);
    let differing = differing.iter().map(|difference| (difference.step, difference.source, &difference.text));
    let mut findings: Vec<_> = broken
        .chain(differing)
        .map(|(step, source, text)| Finding {
            step,
            source,
            is_required: profile.requires(source),
            text: text.clone(),
        })
        .collect();
    findings.sort_by_key(|finding| finding.step);
    // What stands behind a step that the case could not go on from says nothing about the server.
    let last = report.stopped_at.unwrap_or(usize::MAX);
    findings.retain(|finding| finding.step <= last);
    findings
}

fn verdict(findings: &[Finding], stopped_at: Option<usize>) -> (Verdict, Option<String>) {
    let is_broken = findings.iter().any(|finding| finding.is_required);
    match (is_broken, stopped_at, findings.is_empty()) {
        (true, _, _) => (Verdict::Fails, None),
        (false, Some(step), _) => {
            let reason = format!("step {step}, which the profile does not require, kept it from going on");
            (Verdict::Skipped, Some(reason))
        }
        (false, None, false) => (Verdict::Deviates, None),
        (false, None, true) => (Verdict::Holds, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Failure;

    const TEXT: &str =
        "## 1 [spec] GET /a\n< 200\n\n## 2 [extension] GET /b\n< 200\n\n## 3 [spec] GET /c\n< 200\n";

    #[track_caller]
    fn check(found: &str, failure: Option<(usize, Source)>, stopped_at: Option<usize>, expected: Verdict) {
        let failures = failure.map(|(step, source)| Failure { step, source, sentence: "wrong".to_owned() });
        let report = Report { failures: failures.into_iter().collect(), stopped_at, ..Report::default() };
        let profile = Profile::named("blaxel").unwrap();
        let findings = findings(&report, TEXT, found, &profile);
        assert_eq!(verdict(&findings, stopped_at).0, expected);
    }

    #[test]
    fn a_run_can_be_held_to_another_profile() {
        let text = "why = 'w'\nsource = 'spec'\n[[step]]\nsend = 'GET /a'\n[[step]]\nsource = 'extension'\nsend = 'GET /b'\n";
        let case = Case::new("a/b", text.to_owned(), Some(TEXT)).unwrap();
        let failures = vec![Failure { step: 2, source: Source::Extension, sentence: "wrong".to_owned() }];
        let report = Report { failures, ..Report::default() };
        let [boxd, blaxel] = ["boxd", "blaxel"].map(|name| Profile::named(name).unwrap());
        let judgement = judged(&case, &report, &boxd, (&WireLog::default(), Instant::now()));
        assert_eq!(judgement.verdict, Verdict::Fails);
        let only_extension = Judgement {
            findings: judgement.findings.iter().filter(|f| f.source == Source::Extension).cloned().collect(),
            ..judgement
        };
        assert_eq!(only_extension.clone().held_to(&boxd).verdict, Verdict::Fails);
        assert_eq!(only_extension.clone().held_to(&blaxel).verdict, Verdict::Deviates);
        let nothing = Judgement { sources: vec![Source::Extension], ..only_extension };
        assert_eq!(nothing.clone().held_to(&blaxel).reason.as_deref(), Some(NOTHING_REQUIRED));
        assert_eq!(
            nothing.held_to(&blaxel).held_to(&boxd).verdict,
            Verdict::Skipped,
            "it tells nothing any more"
        );
    }

    #[test]
    fn only_what_is_required_fails_a_case() {
        check(TEXT, None, None, Verdict::Holds);
        check(&TEXT.replace("/c\n< 200", "/c\n< 500"), None, None, Verdict::Fails);
        check(&TEXT.replace("/b\n< 200", "/b\n< 500"), None, None, Verdict::Deviates);
        check(TEXT, Some((1, Source::Spec)), None, Verdict::Fails);
        check(TEXT, Some((2, Source::Extension)), None, Verdict::Deviates);
        let half = TEXT.split("\n\n## 3").next().unwrap();
        check(half, Some((2, Source::Extension)), Some(2), Verdict::Skipped);
        check(half, Some((2, Source::Spec)), Some(2), Verdict::Fails);
    }
}
