//! `Drives`: remote folders that a program of the platform mounts (`blfs`), through FUSE.
//!
//! The kernel's table of mounts is the only truth: nothing is remembered here, so nothing can be lost with the worker. What is asked
//! for is checked (`drive`), done in the turn of its path (`mounter`), by a program that nobody else is to end (`program`).
//!
//! **Invariants.** Only drives are unmounted. Of two that want one path at once, one waits for the other. A client that leaves ends
//! nothing. A drive that hangs holds up for a moment who wants something below it, and nobody else.

mod drive;
mod folder;
mod look;
mod mounter;
mod program;
mod table;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_io::Timer;
use futures_lite::FutureExt;
use smol::lock::{Mutex as Turn, Semaphore};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::process::Supervisor;
use look::Looks;

pub(crate) use drive::{Drive, DriveRequest};
pub(crate) use table::MountedDrive;

/// Drives that are mounted at one time, and those that are unmounted: each has a thread.
const AT_ONCE: usize = 4;

/// How much longer than for its drive a client waits for its turn at most.
const TURN_PATIENCE: Duration = Duration::from_secs(5);

/// The handle. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Drives {
    supervisor: Arc<Supervisor>,
    /// What mounts drives.
    program: Arc<Path>,
    /// How long a drive may take until it can be read.
    timeout: Duration,
    /// Held for a few lines at a time.
    turns: Arc<Mutex<HashMap<PathBuf, Weak<Turn<()>>>>>,
    mounts: Arc<Semaphore>,
    /// By itself, so that a drive that does not come is no hindrance to one that is to go.
    unmounts: Arc<Semaphore>,
    looks: Looks,
}

impl Drives {
    pub(crate) fn new(config: &Config, supervisor: Arc<Supervisor>) -> Self {
        let (program, timeout) = (config.drive_program.as_path().into(), config.drive_timeout);
        Self {
            supervisor,
            program,
            timeout,
            turns: Arc::default(),
            mounts: Arc::new(Semaphore::new(AT_ONCE)),
            unmounts: Arc::new(Semaphore::new(AT_ONCE)),
            looks: Looks::new(),
        }
    }

    /// All drives that are mounted, in that order.
    pub(crate) async fn list(&self) -> Result<Vec<MountedDrive>> {
        let workspace = self.workspace();
        let table = blocking::unblock(table::MountTable::read).await;
        let table = table.map_err(|source| {
            let error = Error::File { action: "read", path: table::PATH.into(), source };
            Error::MountsUnreadable { why: error.to_string() }
        })?;
        Ok(table.drives(workspace.as_deref()))
    }

    /// Mounts a drive and waits until it can be read. One that is there already is well.
    pub(crate) async fn mount(&self, asked: DriveRequest) -> Result<Drive> {
        let drive = Drive::check(asked, &|name| self.variable(name), self.owner())?;
        let (this, wanted) = (self.clone(), drive.clone());
        let mount = move || {
            if let Some(program) = this.mount_blocking(&wanted)? {
                this.watch(program, &wanted);
            }
            Ok(())
        };
        let too_late = |why| Error::MountFailed { why };
        self.in_turn(drive.mount_path.clone(), &self.mounts, too_late, mount).await?;
        Ok(drive)
    }

    /// Unmounts the drive on a path, and gives the path.
    pub(crate) async fn unmount(&self, asked: &str) -> Result<PathBuf> {
        let path = drive::mount_path(asked)
            .map_err(|why| Error::UnmountFailed { why: format!("invalid mount path: {why}") })?;
        let (this, of) = (self.clone(), path.clone());
        let too_late = |why| Error::UnmountFailed { why };
        self.in_turn(path.clone(), &self.unmounts, too_late, move || this.unmount_blocking(&of)).await?;
        Ok(path)
    }

    /// Does something with a path, one after the other, to its end, whoever still waits for it. Whose turn does not come in time is told
    /// so, and then nothing was done.
    async fn in_turn(
        &self,
        path: PathBuf,
        at_once: &Arc<Semaphore>,
        too_late: fn(String) -> Error,
        work: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let (done, wait) = smol::channel::bounded(1);
        let (turn, at_once) = (self.turn(path), at_once.clone());
        let patience = self.timeout + TURN_PATIENCE;
        let work = async move {
            let held = async { Some((turn.lock_arc().await, at_once.acquire_arc().await)) };
            let time_up = async {
                Timer::after(patience).await;
                None
            };
            let outcome = match held.or(time_up).await {
                Some(held) => {
                    let work = move || {
                        let _held = held;
                        work()
                    };
                    blocking::unblock(work).await
                }
                None => Err(too_late("other drives are in the way; try again".to_owned())),
            };
            // Nobody may be there to hear it.
            done.send(outcome).await.ok();
        };
        self.supervisor.runtime.spawn(work).detach();
        wait.recv().await.unwrap_or(Err(Error::ShuttingDown))
    }

    /// The turn of a path. Those that nobody wants any more are forgotten.
    fn turn(&self, path: PathBuf) -> Arc<Turn<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = turns.get(&path).and_then(Weak::upgrade).unwrap_or_default();
        turns.insert(path, Arc::downgrade(&turn));
        turn
    }

    /// Reaps a program when its drive is over, and says so.
    fn watch(&self, program: program::Program, drive: &Drive) {
        let (name, path) = (drive.name.clone(), drive.mount_path.clone());
        let watch = async move {
            if let Some(exit) = program.watch().await {
                tracing::info!(drive = name, path = %path.display(), "the program of a drive has ended: {exit}");
            }
        };
        // Detached: it ends with the drive.
        self.supervisor.runtime.spawn(watch).detach();
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.supervisor.environment.text(name)
    }

    /// The part of a bucket's name that is the workspace's.
    fn workspace(&self) -> Option<String> {
        self.variable("BL_WORKSPACE_ID").map(|id| id.to_lowercase())
    }

    /// Whose folders that are made for drives are.
    fn owner(&self) -> Option<(u32, u32)> {
        self.supervisor.user.as_ref().map(|user| (user.ids.uid, user.ids.gid))
    }
}
