//! `Uploads`: the handle to all uploads in parts. Cheap to clone; what it does may wait for a disk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use event_listener::Event;
use rustix::fs::FlockOperation;

use super::folder::{self, Folder, NEW};
use super::id::UploadId;
use super::metadata::{self, Metadata};
use super::room::Room;
use crate::error::{Error, Result};
use crate::filesystem::{Files, Place};

/// How much there may be, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UploadBounds {
    /// An upload that nobody touches for so long is removed.
    pub(crate) expiry: Duration,
    /// Uploads at one time.
    pub(crate) count_max: usize,
    /// Bytes of all parts together.
    pub(crate) bytes_max: u64,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Uploads {
    shared: Arc<Shared>,
}

/// What all handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The folder for temporary files.
    temp: PathBuf,
    pub(crate) bounds: UploadBounds,
    pub(super) room: Room,
    /// Fires when an upload begins.
    pub(super) begun: Event,
    /// Who changes an upload here waits for the others without holding a thread.
    turns: Mutex<HashMap<UploadId, Weak<smol::lock::Mutex<()>>>>,
}

impl std::ops::Deref for Uploads {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Uploads {
    /// The uploads of this folder for temporary files; those of an earlier daemon are there at once.
    pub(crate) fn new(temp: &Path, bounds: UploadBounds) -> Self {
        let shared = Shared {
            temp: temp.to_owned(),
            bounds,
            room: Room::new(bounds.bytes_max),
            begun: Event::new(),
            turns: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Does something where waiting is allowed.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        deed: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = self.clone();
        blocking::unblock(move || deed(&this)).await
    }

    /// The same for what changes one upload, when those who came before are done.
    pub(crate) async fn run_in_turn<T: Send + 'static>(
        &self,
        id: UploadId,
        deed: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = self.turn(id).lock_arc().await;
        self.run(move |this| {
            // A client that leaves does not end the deed, and the turn is the deed's.
            let _turn = turn;
            deed(this)
        })
        .await
    }

    fn turn(&self, id: UploadId) -> Arc<smol::lock::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&id).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(id, Arc::downgrade(&turn));
        turn
    }

    /// Begins an upload to a file; nothing is asked of the file yet.
    ///
    /// # Errors
    /// `TooManyUploads`, or what the disk says.
    pub(crate) fn begin(&self, place: &Place, mode: u32) -> Result<UploadId> {
        let Some(all) = self.folder(true)? else {
            return Err(Error::file("open", &self.temp, rustix::io::Errno::NOENT));
        };
        let failed = |action| move |errno| Error::file(action, self.temp.clone(), errno);
        // So that of two who come at once, in two workers even, only one has the last place.
        rustix::fs::flock(&all.fd, FlockOperation::LockExclusive).map_err(failed("lock"))?;
        if all.sessions()?.len() >= self.bounds.count_max {
            return Err(Error::TooManyUploads { max: self.bounds.count_max });
        }
        let id = UploadId::random();
        let (name, now) = (format!("{NEW}{id}"), crate::clock::now_parts());
        rustix::fs::mkdirat(&all.fd, &name, folder::FOLDER_MODE).map_err(failed("mkdir"))?;
        let bytes = serde_json::to_vec(&Metadata::new(&place.absolute, mode, now))
            .expect("paths and numbers are what JSON has");
        let session = folder::open_folder(&all.fd, name.as_ref()).map_err(failed("open"))?;
        folder::write_file(&session, metadata::NAME, &bytes).map_err(failed("write"))?;
        rustix::fs::renameat(&all.fd, &name, &all.fd, id.to_string()).map_err(failed("rename"))?;
        self.begun.notify(usize::MAX);
        Ok(id)
    }

    /// The ids of all uploads.
    pub(crate) fn ids(&self) -> Result<Vec<UploadId>> {
        self.folder(false)?.map_or(Ok(Vec::new()), |folder| folder.sessions())
    }

    /// The folder of all; `None` when there never was an upload.
    pub(super) fn folder(&self, make: bool) -> Result<Option<Folder>> {
        Folder::open(&self.temp, make)
    }

    /// Bytes of all parts.
    pub(super) fn count_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for id in self.ids()? {
            // One that has gone meanwhile has none.
            bytes += self.session(id).and_then(|session| session.bytes()).unwrap_or(0);
        }
        Ok(bytes)
    }

    /// Makes the file of the parts that are wanted, as the workload user, and removes the upload. Gives the file's path.
    ///
    /// # Errors
    /// `UploadNotFound`, `PartNotFound`, `EtagMismatch`, and what can befall a file that is written. The upload is as it was then.
    pub(crate) fn complete(
        &self,
        id: UploadId,
        wanted: Vec<super::WantedPart>,
        files: &Files,
    ) -> Result<PathBuf> {
        let session = self.locked(id)?;
        let path = session.assemble(wanted, files)?;
        session.remove(&self.room);
        Ok(path)
    }

    /// Removes an upload.
    pub(crate) fn abort(&self, id: UploadId) -> Result<()> {
        self.locked(id)?.remove(&self.room);
        Ok(())
    }
}
