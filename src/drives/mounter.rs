//! Mounting and unmounting. Everything here blocks; `Drives` calls it where waiting is allowed, in the turn of the path.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::FutureExt;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

use super::Drives;
use super::drive::{Drive, filer};
use super::folder;
use super::program::{Exit, Program};
use super::table::{self, Mount, MountTable};
use crate::error::{Error, Result};

/// The pause between two looks into a drive that is mounted and refuses to be read: there is no event for that.
const READ_AGAIN: Duration = Duration::from_millis(100);

/// Programs that may unmount what this user has mounted, where the daemon itself may not.
const FUSERMOUNTS: [&str; 2] = ["fusermount3", "fusermount"];

fn failed(why: impl Into<String>) -> Error {
    Error::MountFailed { why: why.into() }
}

/// Says that a path cannot be looked at.
fn silent(path: &Path) -> String {
    format!("what {} lies on does not answer", path.display())
}

fn table() -> Result<MountTable> {
    MountTable::read().map_err(|error| failed(format!("the mounts cannot be read: {error}")))
}

impl Drives {
    /// Mounts a drive, unless it is there already, and waits until it can be read. Gives the program to watch.
    pub(super) fn mount_blocking(&self, drive: &Drive) -> Result<Option<Program>> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let pass = self.supervisor.gate.enter()?;
            // Opened before the table is read: what changes after that is told.
            let changes = File::open(table::PATH).map_err(|error| failed(error.to_string()))?;
            let (there, path) =
                self.look_up(&drive.mount_path)?.ok_or_else(|| failed(silent(&drive.mount_path)))?;
            if let Some(mount) = there {
                return self.is_already(drive, &mount).map(|()| None);
            }
            let arguments = self.arguments(drive)?;
            let (folder, owner) = (drive.mount_path.clone(), self.owner());
            let made = self.looks.within(move || folder::make(&folder, owner));
            made.unwrap_or_else(|| Err(silent(&drive.mount_path)))
                .map_err(|error| failed(format!("failed to create mount directory: {error}")))?;
            let mut program = match Program::find(&self.program, &drive.mount_path) {
                Some((_, theirs)) if theirs != arguments => {
                    let why = format!("{} is being used by another mount", drive.mount_path.display());
                    return Err(Error::MountPathInUse { why });
                }
                Some((program, _)) => program,
                None => Program::start(&self.program, &arguments, &self.supervisor.environment.variables())?,
            };
            drop(pass);
            match Self::wait(&changes, &mut program, &path, deadline) {
                Ok(()) => return Ok(Some(program)),
                // It was about to end, of a drive that was unmounted.
                Err(NotReady::Exited(_)) if program.is_found() && Instant::now() < deadline => {}
                Err(NotReady::Exited(exit)) => {
                    // Its own words go nowhere: whoever wants them runs it by hand.
                    tracing::warn!(program = %self.program.display(), ?arguments, "a drive was not mounted: {exit}");
                    let why =
                        format!("failed to mount drive: blfs mount process exited unexpectedly: {exit}");
                    return Err(failed(why));
                }
                Err(NotReady::TimeUp) => {
                    program.kill();
                    if table().is_ok_and(|table| table.at(&path).is_some_and(|mount| mount.is_drive)) {
                        unmount(&path, UnmountFlags::NOFOLLOW | UnmountFlags::DETACH).ok();
                    }
                    // The answer says that the drive is not there, and so its program is not, either.
                    program.settle();
                    self.watch(program, drive);
                    let after = in_words(self.timeout);
                    return Err(failed(format!(
                        "failed to mount drive: timeout waiting for mount point to be ready after {after}"
                    )));
                }
            }
        }
    }

    /// Unmounts the drive on a path; nothing that is not one.
    pub(super) fn unmount_blocking(&self, asked: &Path) -> Result<()> {
        let _pass = self.supervisor.gate.enter()?;
        let refused = |why: String| Error::UnmountFailed { why };
        let (there, path) = self.look_up(asked)?.ok_or_else(|| refused(silent(asked)))?;
        match there {
            Some(mount) if mount.is_drive => unmount_drive(&path).map_err(|source| {
                refused(Error::File { action: "umount", path: asked.to_owned(), source }.to_string())
            }),
            Some(_) => Err(Error::NotDrive { path: asked.to_owned() }),
            None => {
                let path = asked.to_owned();
                Err(refused(match self.looks.within(move || std::fs::symlink_metadata(path).is_ok()) {
                    Some(true) => format!("path is not a mount point: {}", asked.display()),
                    Some(false) => format!("mount path does not exist: {}", asked.display()),
                    None => silent(asked),
                }))
            }
        }
    }

    /// What is mounted on a path, and the path as the kernel knows it; `None` when that cannot be found out in time. A path that is in the
    /// table as it stands is not touched: a drive that hangs would be waited for.
    fn look_up(&self, asked: &Path) -> Result<Option<(Option<Mount>, PathBuf)>> {
        let table = table()?;
        if let Some(mount) = table.at(asked) {
            return Ok(Some((Some(mount.clone()), asked.to_owned())));
        }
        let path = asked.to_owned();
        let resolved = self.looks.within(move || folder::resolve(&path));
        Ok(resolved.map(|path| (table.at(&path).cloned(), path)))
    }

    fn is_already(&self, drive: &Drive, mount: &Mount) -> Result<()> {
        let at = drive.mount_path.display();
        let Some(there) = mount.drive(self.workspace().as_deref()) else {
            return Err(Error::MountPathInUse { why: format!("{at} is occupied by a non-blfs mount") });
        };
        let is_same = (&there.name, &there.drive_path, there.is_read_only)
            == (&drive.name, &drive.folder, drive.is_read_only);
        if is_same {
            return Ok(());
        }
        let how = if there.is_read_only { ", read-only" } else { "" };
        let why = format!("{} (drivePath={}{how}) is already mounted at {at}", there.name, there.drive_path);
        Err(Error::MountPathInUse { why })
    }

    fn arguments(&self, drive: &Drive) -> Result<Vec<String>> {
        let workspace =
            self.workspace().ok_or_else(|| failed("BL_WORKSPACE_ID environment variable not set"))?;
        let named = self.variable("BL_DRIVE_FILER");
        let resolv_conf = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let filer = filer(named, &resolv_conf).ok_or_else(|| {
            failed("failed to get filer address: no valid nameserver found in /etc/resolv.conf")
        })?;
        Ok(drive.arguments(&filer, &workspace, &|name| self.variable(name)))
    }

    /// Waits until the drive is mounted and can be read.
    fn wait(changes: &File, program: &mut Program, path: &Path, deadline: Instant) -> Result<(), NotReady> {
        loop {
            let is_there =
                MountTable::read().is_ok_and(|table| table.at(path).is_some_and(|mount| mount.is_drive));
            if is_there && is_readable(path, deadline) {
                return Ok(());
            }
            if let Some(exit) = program.exit() {
                return Err(NotReady::Exited(exit));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NotReady::TimeUp);
            }
            let most = if is_there { left.min(READ_AGAIN) } else { left };
            // The table itself can always be read: only its changes count.
            let mut fds = [
                PollFd::from_borrowed_fd(changes.as_fd(), PollFlags::PRI),
                PollFd::new(&*program, PollFlags::IN),
            ];
            poll(&mut fds, Timespec::try_from(most).ok().as_ref()).ok();
        }
    }
}

/// Why a drive is not there.
enum NotReady {
    Exited(Exit),
    TimeUp,
}

/// Whether the folder can be listed. One that hangs is given up with the deadline; the thread comes back when the program is killed.
fn is_readable(path: &Path, deadline: Instant) -> bool {
    let path = path.to_owned();
    let read = blocking::unblock(move || {
        std::fs::read_dir(path).and_then(|mut entries| entries.next().transpose()).is_ok()
    });
    let time_up = async {
        Timer::at(deadline).await;
        false
    };
    smol::block_on(read.or(time_up))
}

fn unmount_drive(path: &Path) -> io::Result<()> {
    match unmount(path, UnmountFlags::NOFOLLOW) {
        // Whoever mounted it without rights may unmount it with help.
        Err(errno @ Errno::PERM) => {
            let helped = FUSERMOUNTS.iter().any(|program| {
                let mut command = std::process::Command::new(program);
                command.args(["-u", "--"]).arg(path).stdin(std::process::Stdio::null());
                command.output().is_ok_and(|output| output.status.success())
            });
            if helped { Ok(()) } else { Err(errno.into()) }
        }
        result => Ok(result?),
    }
}

/// As Go writes a duration.
fn in_words(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{}s", time.as_secs()) } else { format!("{}ms", time.as_millis()) }
}
