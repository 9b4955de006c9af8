//! The archive of what a sandbox has changed on top of its image: what is asked for, and what can be had here.
//!
//! An export compares the root with the pristine image, from a block device that only the vendor's machines have. Here there is
//! none, so nothing is frozen, stopped or sent: what was asked is checked as it would be there, in the same order, and then refused.
//! The one comparison that needs no image is that of the root with itself, which finds nothing. Nothing is kept, so nothing has to survive.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::error::{Error, Result};

/// Where an image may be mounted for a comparison.
const MOUNT_POINT: &str = "/mnt/blaxel-archive-image";

/// What of a request decides.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExportOptions {
    /// It says where the archive is to be sent.
    pub(crate) has_target: bool,
    /// Only to be told what would be in it.
    pub(crate) dry_run: bool,
    /// The device that holds the image; empty when not given.
    pub(crate) image_device: String,
    /// Where the image is mounted; empty when not given.
    pub(crate) image_mount_point: String,
}

impl ExportOptions {
    /// Checks what was asked for, in the known server's order, and finds out whether it can be done: a dry run that compares the root
    /// with itself, which finds nothing changed. Looks at the disk.
    ///
    /// # Errors
    /// `InvalidExport`, `ImageDevice` or `ExportUnavailable`.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.has_target && !self.dry_run {
            return invalid("url is required unless dryRun is set".to_owned());
        }
        check_mount_point(&self.image_mount_point)?;
        check_device(&self.image_device)?;
        let why = match (self.dry_run, self.image_mount_point.as_str()) {
            (true, "/") => return Ok(()),
            (false, "/") => "it would stop every process, and nothing could be restored from it",
            (_, "") if self.image_device.is_empty() => "the pristine image of this sandbox is not known",
            _ => "a sandbox is not compared with an image by this server",
        };
        Err(Error::ExportUnavailable { why })
    }
}

fn invalid<T>(why: String) -> Result<T> {
    Err(Error::InvalidExport { why })
}

fn check_mount_point(path: &str) -> Result<()> {
    if path.is_empty() || path == "/" {
        return Ok(());
    }
    if !is_clean(path) {
        return invalid("imageMountPoint must be an absolute, clean path".to_owned());
    }
    if path != MOUNT_POINT {
        return invalid(format!("imageMountPoint must be {MOUNT_POINT} or /"));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if !is_mounted(&mounts, path) {
        return invalid(format!("imageMountPoint {path} is not a mount point"));
    }
    Ok(())
}

fn check_device(path: &str) -> Result<()> {
    if path.is_empty() {
        return Ok(());
    }
    if !is_clean(path) || !path.starts_with("/dev/") {
        return invalid("imageDevice must be a path under /dev".to_owned());
    }
    match fs::metadata(path).map(|metadata| metadata.file_type()) {
        Ok(kind) if kind.is_block_device() || kind.is_char_device() => Ok(()),
        Ok(_) => invalid(format!("imageDevice {path} is not a device")),
        Err(source) => Err(Error::ImageDevice { path: Path::new(path).to_owned(), source }),
    }
}

/// Whether a path begins at the root and says nothing twice: no `.`, no `..`, no slash too many, no NUL.
fn is_clean(path: &str) -> bool {
    let is_plain = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_plain))
}

/// Whether something is mounted at a path of plain characters (`proc_pid_mountinfo(5)`: the fifth field).
fn is_mounted(mounts: &str, path: &str) -> bool {
    mounts.lines().any(|line| line.split(' ').nth(4) == Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_in_the_known_order() {
        #[track_caller]
        fn check(options: &ExportOptions, expect: &str) {
            assert_eq!(options.check().map_err(|error| error.to_string()), Err(expect.to_owned()));
        }
        let options = |device: &str, mount: &str| ExportOptions {
            has_target: true,
            dry_run: false,
            image_device: device.to_owned(),
            image_mount_point: mount.to_owned(),
        };
        let untargeted = |device, mount| ExportOptions { has_target: false, ..options(device, mount) };
        let dry = |device, mount| ExportOptions { dry_run: true, ..untargeted(device, mount) };
        check(&untargeted("x", "y"), "url is required unless dryRun is set");
        for path in ["mnt", "//", "/mnt/", "/mnt/.", "/../mnt", "/mnt//blaxel-archive-image", "/a\0"] {
            check(&options("x", path), "imageMountPoint must be an absolute, clean path");
        }
        for path in ["/mnt", "/proc"] {
            check(&options("x", path), "imageMountPoint must be /mnt/blaxel-archive-image or /");
        }
        check(&options("x", MOUNT_POINT), "imageMountPoint /mnt/blaxel-archive-image is not a mount point");
        for path in ["x", "/etc/passwd", "/dev/../etc/passwd", "/dev/", "/dev", "/development/x", "/dev/a\0"]
        {
            check(&options(path, "/"), "imageDevice must be a path under /dev");
        }
        let missing = "image device /dev/no-such-device is not available: no such file or directory";
        check(&options("/dev/no-such-device", ""), missing);
        check(&options("/dev/fd", ""), "imageDevice /dev/fd is not a device");
        let cannot = |why| format!("an archive cannot be exported here: {why}");
        let uncompared = cannot("a sandbox is not compared with an image by this server");
        check(&options("/dev/null", ""), &uncompared);
        check(&dry("/dev/null", ""), &uncompared);
        check(&options("", ""), &cannot("the pristine image of this sandbox is not known"));
        let stops = cannot("it would stop every process, and nothing could be restored from it");
        check(&options("", "/"), &stops);
        assert!(dry("", "/").check().is_ok() && dry("/dev/null", "/").check().is_ok());
    }

    #[test]
    fn a_mount_point_is_looked_up_whole() {
        let mounts = "22 1 0:21 / / rw - ext4 /dev/vda rw\n31 22 0:26 / /mnt/blaxel-archive-image ro - ext4 /dev/vdb ro\n";
        assert!(is_mounted(mounts, MOUNT_POINT));
        assert!(!is_mounted(mounts, "/mnt/blaxel-archive") && !is_mounted("", MOUNT_POINT));
    }
}
