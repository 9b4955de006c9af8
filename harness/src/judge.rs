//! `Judgement`: how a case came out, by whose word, for whom.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{
    book::Case,
    comparison::differences,
    fixture::Source,
    probe,
    profile::Profile,
    run::{Home, Report, run},
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
            is_known: false,
            seconds: 0.0,
            findings: Vec::new(),
            expected: case.snapshot.clone().unwrap_or_default(),
            found: String::new(),
            wire: Vec::new(),
        }
    }
}

/// Runs a case against a server and judges it.
pub fn judge(case: &Case, target: &Target, site: &Site, profile: &Profile) -> Judgement {
    if let Some(reason) = site.lacks(&case.fixture) {
        return Judgement::skipped(case, reason);
    }
    if !case.fixture.sources().iter().any(|source| profile.requires(*source)) {
        return Judgement::skipped(case, "the profile requires nothing of it");
    }
    let Some(expected) = &case.snapshot else { return Judgement::skipped(case, "has no snapshot yet") };
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
    let found = report.transcript.to_string();
    let (verdict, findings, reason) = verdict(&report, expected, &found, profile);
    Judgement {
        verdict,
        findings,
        reason,
        found,
        seconds: began.elapsed().as_secs_f64(),
        wire: log.pieces(),
        ..Judgement::skipped(case, "")
    }
}

/// What a run without surroundings gives; for servers whose answers are scripted.
pub fn judge_alone(case: &Case, target: &Target, profile: &Profile) -> (Verdict, Vec<Finding>) {
    let report = run(case, target, Home::default());
    let found = report.transcript.to_string();
    let (verdict, findings, _) =
        verdict(&report, case.snapshot.as_deref().unwrap_or_default(), &found, profile);
    (verdict, findings)
}

fn verdict(
    report: &Report,
    expected: &str,
    found: &str,
    profile: &Profile,
) -> (Verdict, Vec<Finding>, Option<String>) {
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
    let is_broken = findings.iter().any(|finding| finding.is_required);
    match (is_broken, report.stopped_at, findings.is_empty()) {
        (true, _, _) => (Verdict::Fails, findings, None),
        (false, Some(step), _) => {
            let reason = format!("step {step}, which the profile does not require, kept it from going on");
            (Verdict::Skipped, findings, Some(reason))
        }
        (false, None, false) => (Verdict::Deviates, findings, None),
        (false, None, true) => (Verdict::Holds, findings, None),
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
        assert_eq!(verdict(&report, TEXT, found, &profile).0, expected);
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
