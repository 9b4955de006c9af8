//! The log folder when it takes no output: what is said, and how it comes back.
//!
//! Each writer that was refused asks again by itself, as long as its command writes. So that the daemon is well again also when
//! nobody writes any more, the folder is tried as long as it refuses.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_io::Timer;

use super::{LogDir, new_file, share_lock};
use crate::degradation::Trouble;

/// How long a folder that refused is left alone.
pub(in crate::log) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What a trial writes. A disk with less room than that is still full.
const TRIAL_BYTES: usize = 64 * 1024;

impl LogDir {
    /// Says that the folder takes no output now.
    pub(in crate::log) fn refused(&self, error: &io::Error) {
        let reason = format!("output of commands cannot be stored in {}: {error}", self.path.display());
        self.degradation.set(Trouble::Logs, reason);
    }

    /// Says that output which was refused is stored again.
    pub(in crate::log) fn took(&self) {
        self.degradation.clear(Trouble::Logs);
    }

    /// Tries the folder for as long as it refuses. Runs as long as the daemon.
    pub(crate) async fn try_while_refused(self: Arc<Self>) {
        loop {
            self.degradation.until(Trouble::Logs).await;
            Timer::after(RETRY_AFTER).await;
            let this = self.clone();
            // It blocks as long as the disk does.
            blocking::unblock(move || match this.trial() {
                Ok(()) => this.took(),
                Err(error) => this.refused(&error),
            })
            .await;
        }
    }

    /// Makes the folder again when somebody has deleted it, with the lock that keeps other daemons from its files.
    pub(crate) fn restore(&self) -> io::Result<()> {
        // One at a time: whoever comes second finds it there.
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_some() && self.path.is_dir() {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        *lock = Some(share_lock(&self.path, self.boot)?);
        if self.is_passable.load(Ordering::Relaxed) {
            self.let_others_through();
        }
        Ok(())
    }

    /// Lets others go through the folder, also when it is made again, to the file of a command that is too long for its line;
    /// they see no names, and the logs are the daemon's alone. A folder that is somebody else's is left as it is.
    pub(crate) fn open_to_others(&self) {
        self.is_passable.store(true, Ordering::Relaxed);
        self.let_others_through();
    }

    fn let_others_through(&self) {
        let opened = fs::metadata(&self.path).and_then(|metadata| {
            let mode = metadata.permissions().mode() | 0o011;
            fs::set_permissions(&self.path, Permissions::from_mode(mode))
        });
        if let Err(error) = opened {
            tracing::warn!(%error, "commands longer than 128 KiB cannot be read by the workload user");
        }
    }

    /// Writes a file and deletes it.
    fn trial(&self) -> io::Result<()> {
        self.restore()?;
        // The name of a process that there is never: what a crash leaves of it is swept out like a log.
        let path = self.path.join(format!("{:08x}-0.trial", self.boot));
        fs::remove_file(&path).ok();
        let written = new_file(&path)?.write_all_at(&vec![0; TRIAL_BYTES], 0);
        fs::remove_file(&path)?;
        written
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::custody::Custody;
    use crate::log::LogLimits;

    fn place() -> (PathBuf, LogLimits) {
        let folder = std::env::temp_dir().join(format!("boxd-recovery-{}", fastrand::u64(..)));
        let limits =
            LogLimits { file_bytes_max: 1, total_bytes_max: 1, memory_bytes_max: 1, memory_files_max: 1 };
        (folder, limits)
    }

    #[test]
    fn a_folder_that_was_deleted_comes_back_with_its_lock() {
        let (folder, limits) = place();
        let dir = LogDir::open(&folder, 7, limits, Duration::MAX, Custody::none()).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        fs::write(&folder, "in its place").unwrap();
        assert_eq!(dir.trial().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        fs::remove_file(&folder).unwrap();
        dir.trial().unwrap();
        let lock = fs::File::open(folder.join("00000007.lock")).unwrap();
        assert!(!crate::sys::file::try_lock(&lock).unwrap(), "the daemon holds it");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "a trial leaves nothing behind");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn others_go_through_a_folder_that_was_made_again() {
        let (folder, limits) = place();
        let dir = LogDir::open(&folder, 7, limits, Duration::MAX, Custody::none()).unwrap();
        let mode = || fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o700);
        dir.open_to_others();
        assert_eq!(mode(), 0o711);
        fs::remove_dir_all(&folder).unwrap();
        dir.trial().unwrap();
        assert_eq!(mode(), 0o711);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_worker_that_goes_on_needs_no_folder() {
        let (folder, limits) = place();
        fs::write(&folder, "in its place").unwrap();
        let first = LogDir::open(&folder, 7, limits.clone(), Duration::MAX, Custody::none());
        assert!(first.is_err(), "there it is an error of who starts it");
        let dir = LogDir::reopen(&folder, 7, limits, Duration::MAX, Custody::none());
        assert!(dir.degradation.is_set(Trouble::Logs));
        fs::remove_file(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        dir.trial().unwrap();
        let lock = fs::File::open(folder.join("00000007.lock")).unwrap();
        assert!(!crate::sys::file::try_lock(&lock).unwrap(), "the daemon holds it");
        fs::remove_dir_all(folder).unwrap();
    }
}
