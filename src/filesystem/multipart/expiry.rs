//! Removing uploads that nobody has touched for long, and what is left of those that were being removed.

use std::ffi::OsStr;
use std::time::Duration;

use async_io::Timer;

use super::folder::{Folder, Found};
use super::session::touched_at;
use super::uploads::Uploads;
use crate::clock;
use crate::error::{Error, Result};

/// What is due and cannot be removed is tried again after so long.
const TRY_AGAIN_AFTER: Duration = Duration::from_mins(1);

impl Uploads {
    /// Removes uploads as they grow old. Runs as long as the daemon: asleep until the next one is due, or one begins.
    pub(crate) async fn expire(self) {
        loop {
            let begun = self.begun.listen();
            let next = self.run(|uploads| Ok(uploads.sweep())).await;
            match next {
                Ok(None) => begun.await,
                Ok(Some(left)) => drop(Timer::after(left).await),
                Err(_) => drop(Timer::after(TRY_AGAIN_AFTER).await),
            }
        }
    }

    /// Removes what is due, and says when to look again; `None` when there is nothing.
    pub(super) fn sweep(&self) -> Option<Duration> {
        let swept = self.folder(false).and_then(|all| all.map_or(Ok(None), |all| self.sweep_folder(&all)));
        swept.unwrap_or_else(|error| {
            tracing::warn!(?error, "old uploads are not removed");
            Some(TRY_AGAIN_AFTER)
        })
    }

    fn sweep_folder(&self, all: &Folder) -> Result<Option<Duration>> {
        let mut next: Option<Duration> = None;
        for found in all.entries()? {
            let (name, id) = match found {
                Found::Session(id) => (id.to_string().into(), Some(id)),
                Found::New(name) => (name, None),
                Found::Gone(name) => {
                    clear(all, &name);
                    continue;
                }
            };
            let mut left = self.left(all, &name);
            if left == Some(Duration::ZERO) {
                left = id.and_then(|id| self.remove_if_old(id));
                if id.is_none() {
                    clear(all, &name);
                }
            }
            next = left.map_or(next, |left| Some(next.map_or(left, |next| next.min(left))));
        }
        Ok(next)
    }

    /// How long an upload is still kept; `None` when it has gone.
    fn left(&self, all: &Folder, name: &OsStr) -> Option<Duration> {
        let touched = u64::try_from(touched_at(&all.fd, name)?).unwrap_or(0);
        // Its second has to be over.
        let due = Duration::from_secs(touched + 1).saturating_add(self.bounds.expiry);
        Some(due.saturating_sub(Duration::from_millis(clock::now_ms())))
    }

    /// Removes an upload that has been due, unless somebody touched it meanwhile; says how long it is kept.
    fn remove_if_old(&self, id: super::UploadId) -> Option<Duration> {
        let session = match self.locked(id) {
            Ok(session) => session,
            Err(Error::UploadNotFound { .. }) => return None,
            Err(_) => return Some(TRY_AGAIN_AFTER),
        };
        let all = self.folder(false).ok().flatten()?;
        let left = self.left(&all, id.to_string().as_ref());
        if left != Some(Duration::ZERO) {
            return left;
        }
        session.remove(&self.room);
        tracing::info!(%id, "an upload in parts has expired");
        None
    }
}

fn clear(all: &Folder, name: &OsStr) {
    if let Err(error) = crate::filesystem::folder::clear(&all.fd, name) {
        // Another worker may be at it.
        tracing::debug!(%error, ?name, "what is left of an upload is not removed");
    }
}
