//! `Upgrader`: replaces the worker by one of another program, while everything goes on.
//!
//! ```text
//! download (if asked for) ─> validate: the new program reads a copy of the state ─> replace: the keeper swaps the workers
//! ```
//! Until the new worker serves nothing has changed, and each failure leaves the old one and says why.

mod proof;
mod release;

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::attempt::Attempt;
use crate::clock;
use crate::custody::Report;
use crate::error::{Error, Result};
use crate::sandbox::Sandbox;
use crate::sys::packets::MESSAGE_BYTES_MAX;

pub use proof::prove;
pub(crate) use release::Release;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The program at this path.
    Path(PathBuf),
    /// The program that runs, as it is on disk now.
    OnDisk,
    /// A release.
    Release(Release),
}

impl Wanted {
    /// A program on this machine.
    pub(crate) fn path(text: String) -> Result<Self> {
        let fits = fits(&text);
        let path = PathBuf::from(text);
        if !path.is_absolute() {
            Err(Error::InvalidUpgrade { why: "the path is not absolute" })
        } else if !fits {
            Err(Error::InvalidUpgrade { why: "the path is too long" })
        } else {
            Ok(Self::Path(path))
        }
    }
}

/// Whether the keeper can be told a text twice in one message, as a string of JSON in a string of JSON.
fn fits(text: &str) -> bool {
    let quoted = serde_json::to_string(text).and_then(|once| serde_json::to_string(&once));
    quoted.is_ok_and(|text| text.len() <= MESSAGE_BYTES_MAX / 4)
}

/// How far an upgrade is. The names are the known server's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UpgradeStatus {
    /// `idle`, `running`, `completed` or `failed`.
    pub(crate) status: Phase,
    /// The step it is in or has come to.
    pub(crate) step: Step,
    /// The version it leads to, as far as it is known.
    pub(crate) version: String,
    /// When it was asked for: milliseconds since 1970.
    pub(crate) last_attempt_ms: Option<u64>,
    /// Why it failed.
    pub(crate) error: Option<String>,
    /// What is or was downloaded.
    pub(crate) download_url: Option<String>,
    /// How many bytes were downloaded.
    pub(crate) bytes_downloaded: Option<u64>,
    /// The program.
    pub(crate) binary_path: Option<PathBuf>,
    /// The program before, when that was downloaded: nobody starts it again.
    #[serde(default)]
    pub(crate) replaces: Option<PathBuf>,
}

/// See `UpgradeStatus`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    #[default]
    Idle,
    Running,
    Completed,
    Failed,
}

/// See `UpgradeStatus`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    #[default]
    None,
    Starting,
    Download,
    Validate,
    Replace,
    Completed,
}

impl Phase {
    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

impl Step {
    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starting => "starting",
            Self::Download => "download",
            Self::Validate => "validate",
            Self::Replace => "replace",
            Self::Completed => "completed",
        }
    }
}

/// One for the worker.
#[derive(Debug)]
pub(crate) struct Upgrader {
    /// The program that runs.
    program: Option<PathBuf>,
    /// How often a worker was replaced.
    pub(crate) count: u32,
    status: Mutex<UpgradeStatus>,
    /// The program that was downloaded for the present one.
    downloaded: Mutex<Option<PathBuf>>,
}

impl Upgrader {
    /// What the keeper says of the upgrades before.
    pub(crate) fn new(count: u32, report: Option<Report>, attempt: &Attempt) -> Self {
        let status = report.map(|Report { note, error }| {
            let asked: UpgradeStatus = serde_json::from_str(&note).unwrap_or_default();
            match error {
                None => UpgradeStatus { status: Phase::Completed, step: Step::Completed, ..asked },
                error => UpgradeStatus { status: Phase::Failed, error, ..asked },
            }
        });
        let status = last(status, attempt.last());
        let program = std::env::current_exe().ok().map(without_deleted);
        Self { program, count, status: Mutex::new(status.unwrap_or_default()), downloaded: Mutex::default() }
    }

    /// The worker serves, so nobody goes back to the program before: one that was downloaded is removed.
    pub(crate) fn served(&self) {
        let status = self.lock();
        if let UpgradeStatus { status: Phase::Completed, replaces: Some(before), binary_path, .. } = &*status
            && release::is_download(before)
            && binary_path.as_ref() != Some(before)
        {
            std::fs::remove_file(before).ok();
        }
    }

    /// How far it is.
    pub(crate) fn status(&self) -> UpgradeStatus {
        self.lock().clone()
    }

    /// Says that one begins. The error says why none can.
    pub(crate) fn begin(&self, sandbox: &Sandbox) -> Result<()> {
        if !sandbox.custody().is_kept() || !sandbox.custody().is_well() {
            return Err(Error::NoKeeper);
        }
        let mut status = self.lock();
        if status.status == Phase::Running {
            return Err(Error::UpgradeUnderWay);
        }
        *status = UpgradeStatus {
            status: Phase::Running,
            step: Step::Starting,
            last_attempt_ms: Some(clock::now_ms()),
            ..UpgradeStatus::default()
        };
        note(sandbox.attempt(), &status);
        Ok(())
    }

    /// SIGHUP: one to the program as it is on disk now.
    pub(crate) async fn reload(&self, sandbox: &Sandbox) {
        match self.begin(sandbox) {
            Ok(()) => self.run(sandbox, Wanted::OnDisk).await,
            Err(error) => tracing::warn!(%error, "the worker is not replaced"),
        }
    }

    /// Does what was begun, up to the point where the keeper goes on.
    pub(crate) async fn run(&self, sandbox: &Sandbox, wanted: Wanted) {
        if let Err(why) = self.try_run(sandbox, wanted).await {
            self.failed(&why, sandbox);
        }
    }

    async fn try_run(&self, sandbox: &Sandbox, wanted: Wanted) -> Result<(), String> {
        let path = match wanted {
            Wanted::Path(path) => path,
            Wanted::Release(release) => self.download(sandbox, release).await?,
            Wanted::OnDisk => {
                self.program.clone().ok_or("the program that runs cannot be found: no /proc")?
            }
        };
        self.step(sandbox, Step::Validate, |status| status.binary_path = Some(path.clone()));
        let (program, proof) =
            proof::test(&path, sandbox).await.map_err(|why| format!("Binary validation failed: {why}"))?;
        self.step(sandbox, Step::Replace, |status| {
            status.version = proof.version;
            status.replaces = self.program.clone().filter(|program| release::is_download(program));
        });
        let note = serde_json::to_string(&self.status()).map_err(|error| error.to_string())?;
        tracing::info!("replacing this worker by one of {}", path.display());
        let asked = sandbox.custody().ask_for_upgrade(&path.to_string_lossy(), note, program.as_fd());
        asked.map_err(|error| error.to_string())
    }

    async fn download(&self, sandbox: &Sandbox, release: Release) -> Result<PathBuf, String> {
        let url = release.shown_url();
        self.step(sandbox, Step::Download, |status| status.download_url = Some(url));
        let (path, bytes) = blocking::unblock(move || release.download()).await?;
        *self.downloaded.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.clone());
        self.step(sandbox, Step::Download, |status| status.bytes_downloaded = Some(bytes));
        Ok(path)
    }

    /// It came to nothing.
    pub(crate) fn failed(&self, why: &str, sandbox: &Sandbox) {
        tracing::error!("the upgrade failed: {why}");
        if let Some(program) = self.downloaded.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody asks for it again.
            std::fs::remove_file(program).ok();
        }
        let mut status = self.lock();
        status.status = Phase::Failed;
        status.error = Some(why.to_owned());
        note(sandbox.attempt(), &status);
    }

    fn step(&self, sandbox: &Sandbox, step: Step, change: impl FnOnce(&mut UpgradeStatus)) {
        let mut status = self.lock();
        status.step = step;
        change(&mut status);
        note(sandbox.attempt(), &status);
    }

    fn lock(&self) -> MutexGuard<'_, UpgradeStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes for the next worker how far it is.
fn note(attempt: &Attempt, status: &UpgradeStatus) {
    if let Ok(text) = serde_json::to_string(status) {
        attempt.note(text);
    }
}

/// Of what the keeper says and what an earlier worker has noted that which was asked for last. What that worker was about when it died is
/// over.
fn last(told: Option<UpgradeStatus>, noted: Option<String>) -> Option<UpgradeStatus> {
    let noted = noted.and_then(|text| serde_json::from_str::<UpgradeStatus>(&text).ok());
    let since = told.as_ref().and_then(|status| status.last_attempt_ms);
    let Some(mut noted) = noted.filter(|noted| noted.last_attempt_ms > since) else { return told };
    if noted.status == Phase::Running {
        noted.status = Phase::Failed;
        noted.error = Some("the worker died before it came to the replacement".to_owned());
    }
    Some(noted)
}

/// The kernel marks a program whose file was replaced.
fn without_deleted(path: PathBuf) -> PathBuf {
    match path.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
        Some(before) => before.into(),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_last_counts_and_dies_with_its_worker() {
        let status =
            |at: u64, status| UpgradeStatus { status, last_attempt_ms: Some(at), ..Default::default() };
        #[track_caller]
        fn check(told: Option<UpgradeStatus>, noted: Option<UpgradeStatus>, expect: Option<(u64, Phase)>) {
            let noted = noted.map(|noted| serde_json::to_string(&noted).unwrap());
            let found = last(told, noted).map(|found| (found.last_attempt_ms.unwrap(), found.status));
            assert_eq!(found, expect);
        }
        check(None, None, None);
        check(None, Some(status(1, Phase::Running)), Some((1, Phase::Failed)));
        check(None, Some(status(1, Phase::Failed)), Some((1, Phase::Failed)));
        let done = || Some(status(1, Phase::Completed));
        check(done(), Some(status(1, Phase::Running)), Some((1, Phase::Completed)));
        check(done(), Some(status(2, Phase::Running)), Some((2, Phase::Failed)));
        check(done(), None, Some((1, Phase::Completed)));
        assert_eq!(last(done(), Some("nonsense".to_owned())), done());
    }

    /// Whether a program is there after a worker serves that has replaced it by another.
    fn is_kept(before: PathBuf, after: &str) -> bool {
        std::fs::write(&before, "").unwrap();
        let asked = UpgradeStatus {
            binary_path: Some(after.into()),
            replaces: Some(before.clone()),
            ..UpgradeStatus::default()
        };
        let note = serde_json::to_string(&asked).unwrap();
        let attempt = Attempt::new(crate::custody::Custody::none(), None);
        let failed = Report { note: note.clone(), error: Some("it did not serve".to_owned()) };
        Upgrader::new(1, Some(failed), &attempt).served();
        assert!(before.exists(), "it goes on");
        Upgrader::new(1, Some(Report { note, error: None }), &attempt).served();
        let is_kept = before.exists();
        std::fs::remove_file(before).ok();
        is_kept
    }

    #[test]
    fn a_download_that_was_replaced_is_removed_and_nothing_else() {
        let folder = std::env::temp_dir();
        let download = folder.join(format!("boxd-upgrade-{:016x}", fastrand::u64(..)));
        assert!(!is_kept(download.clone(), "/usr/bin/boxd"));
        assert!(is_kept(download.clone(), download.to_str().unwrap()), "it replaced itself");
        assert!(is_kept(folder.join(format!("boxd-upgrade-mine-{:x}", fastrand::u64(..))), "/usr/bin/boxd"));
        let elsewhere = folder.join(format!("boxd-test-{:x}", fastrand::u64(..)));
        std::fs::create_dir(&elsewhere).unwrap();
        assert!(is_kept(elsewhere.join("boxd-upgrade-0123456789abcdef"), "/usr/bin/boxd"));
        std::fs::remove_dir(elsewhere).unwrap();
    }

    #[test]
    fn a_note_of_an_older_worker_is_read() {
        let text = serde_json::to_string(&UpgradeStatus::default()).unwrap();
        let older = text.replace(r#","replaces":null"#, "");
        assert_ne!(text, older);
        assert_eq!(serde_json::from_str::<UpgradeStatus>(&older).unwrap(), UpgradeStatus::default());
    }
}
