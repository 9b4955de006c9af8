//! `Suite`: many cases against one server, some at a time.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    baseline::Baseline,
    book::Case,
    judge::{Judgement, Verdict, judge, judge_program, judge_restarted},
    profile::Profile,
    site::{Shell, Site, await_server},
    target::Target,
};

/// What is asked.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A server that somebody else started; or several of the same, each for some of the cases.
    Running(Vec<Target>),
    /// A program that is started for each case as the case wants it.
    Program(PathBuf),
}

/// See the module.
#[derive(Debug)]
pub struct Suite {
    /// The server.
    pub subject: Subject,
    /// What it is held to.
    pub profile: Profile,
    /// What is around it.
    pub site: Site,
    /// Failures that are known.
    pub baseline: Baseline,
    /// Cases at one time. With a reset, one for each server.
    pub jobs: usize,
    /// How the server is brought back to its beginning before each case, if it is.
    pub reset: Option<Reset>,
}

/// A command for a shell that brings a server back to its beginning.
#[derive(Debug, Clone)]
pub struct Reset {
    /// The command.
    pub command: String,
    /// Whether it starts the server as the case wants it (see `restart`).
    pub as_wanted: bool,
}

impl Suite {
    /// Runs the cases that the profile has and calls `progress` with each as it comes out. They are given ordered by name.
    ///
    /// # Errors
    /// A sentence when a command of the caller fails, or the server does not come back after it.
    pub fn run(
        &self,
        cases: &[Case],
        progress: impl Fn(&Judgement) + Sync,
    ) -> Result<Vec<Judgement>, String> {
        let cases: Vec<&Case> = cases.iter().filter(|case| self.profile.has(&case.name)).collect();
        let next = AtomicUsize::new(0);
        let done: Mutex<Result<Vec<Judgement>, String>> = Mutex::new(Ok(Vec::new()));
        let work = |job: usize| {
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                let judged = self.one(case, job);
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                match (&mut *done, judged) {
                    (Ok(list), Ok(judgement)) => {
                        progress(&judgement);
                        list.push(judgement);
                    }
                    (Ok(_), Err(error)) => *done = Err(error),
                    (Err(_), _) => return,
                }
            }
        };
        thread::scope(|scope| {
            for job in 1..self.jobs() {
                scope.spawn(move || work(job));
            }
            work(0);
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        done.sort_by(|a, b| a.case.cmp(&b.case));
        Ok(done)
    }

    /// A server that is reset has one case at one time.
    fn jobs(&self) -> usize {
        match (&self.subject, &self.reset) {
            (Subject::Running(targets), Some(_)) => targets.len().max(1),
            _ => self.jobs.max(1),
        }
    }

    fn one(&self, case: &Case, job: usize) -> Result<Judgement, String> {
        let mut judgement = match &self.subject {
            Subject::Program(program) => judge_program(case, program, &self.profile),
            Subject::Running(targets) => {
                let target = targets.get(job % targets.len().max(1)).ok_or("there is no server")?;
                self.one_of(case, target)?
            }
        };
        if let Some(why) = self.baseline.why(&case.name) {
            judgement.is_known = true;
            judgement.reason.get_or_insert_with(|| why.to_owned());
        }
        Ok(judgement)
    }

    fn one_of(&self, case: &Case, target: &Target) -> Result<Judgement, String> {
        match &self.reset {
            Some(Reset { command, as_wanted: true }) => {
                return Ok(judge_restarted(case, target, command, &self.site, &self.profile));
            }
            // A case that is skipped needs no reset.
            Some(Reset { command, .. }) if self.site.lacks(&case.fixture).is_none() => {
                Shell::run(command, [("CASE_URL", target.url().as_str())])?.good(command)?;
                await_server(target, self.site.patience)?;
            }
            _ => {}
        }
        Ok(judge(case, target, &self.site, &self.profile))
    }
}

/// What of a run is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Cases that came out in each way; those that fail and may are not among the failed.
    pub held: usize,
    /// See [`Verdict::Deviates`].
    pub deviating: usize,
    /// See [`Verdict::Fails`].
    pub failed: usize,
    /// See [`Verdict::Skipped`].
    pub skipped: usize,
    /// Failures that are in the baseline.
    pub known: usize,
    /// Cases of the baseline that do not fail any more, or that there are none of.
    pub stale: Vec<String>,
}

impl Summary {
    /// Counts a run; `known` are the cases of the baseline.
    pub fn of<'a>(judgements: &[Judgement], known: impl Iterator<Item = &'a str>) -> Self {
        let count = |verdict, is_known| {
            judgements.iter().filter(|j| j.verdict == verdict && j.is_known == is_known).count()
        };
        let both = |verdict| count(verdict, true) + count(verdict, false);
        // One that was not run tells nothing of it.
        let unchanged: BTreeSet<_> = judgements
            .iter()
            .filter(|j| matches!(j.verdict, Verdict::Fails | Verdict::Skipped))
            .map(|j| j.case.as_str())
            .collect();
        Self {
            held: both(Verdict::Holds),
            deviating: both(Verdict::Deviates),
            failed: count(Verdict::Fails, false),
            skipped: both(Verdict::Skipped),
            known: count(Verdict::Fails, true),
            stale: known.filter(|case| !unchanged.contains(case)).map(str::to_owned).collect(),
        }
    }

    /// Whether all that the profile requires holds, and the baseline tells the truth.
    pub fn is_good(&self) -> bool {
        self.failed == 0 && self.stale.is_empty() && self.held + self.deviating + self.known > 0
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { held, deviating, failed, skipped, known, stale } = self;
        write!(f, "{held} hold, {deviating} deviate, {failed} failed, {skipped} skipped")?;
        if *known > 0 {
            write!(f, ", {known} failed as the baseline says")?;
        }
        for case in stale {
            write!(f, "\n{case} is in the baseline and does not fail any more: take it out")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judgement(case: &str, verdict: Verdict, is_known: bool) -> Judgement {
        Judgement {
            case: case.to_owned(),
            why: String::new(),
            sources: Vec::new(),
            verdict,
            reason: None,
            stopped_at: None,
            is_known,
            seconds: 0.0,
            findings: Vec::new(),
            expected: String::new(),
            found: String::new(),
            wire: Vec::new(),
        }
    }

    #[test]
    fn a_known_failure_is_none_until_it_passes() {
        let run = [judgement("a", Verdict::Fails, true), judgement("b", Verdict::Holds, false)];
        let summary = Summary::of(&run, ["a"].into_iter());
        assert!(summary.is_good() && summary.known == 1, "{summary}");
        let run = [judgement("a", Verdict::Deviates, true), judgement("b", Verdict::Holds, false)];
        let summary = Summary::of(&run, ["a", "gone"].into_iter());
        assert!(!summary.is_good());
        assert_eq!(summary.stale, ["a", "gone"]);
        assert!(!Summary::of(&[judgement("a", Verdict::Fails, false)], std::iter::empty()).is_good());
        assert!(
            !Summary::of(&[judgement("a", Verdict::Skipped, false)], std::iter::empty()).is_good(),
            "nothing ran"
        );
    }
}
