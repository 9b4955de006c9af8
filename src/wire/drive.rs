//! Drives: remote folders that are mounted here.

use serde::Serialize;
use utoipa::ToSchema;

use super::decode::{Field, Record};

/// A drive to mount.
#[derive(Clone, Debug, Default, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct DriveMountRequest {
    /// Letters, digits, `-` and `_`, 128 at most.
    #[schema(examples("my-drive"))]
    pub(crate) drive_name: String,
    /// Where to mount it; absolute, also without the first slash. 512 bytes at most.
    #[schema(examples("/mnt/data"))]
    pub(crate) mount_path: String,
    /// A folder of the drive.
    #[schema(required = false, default = "/")]
    pub(crate) drive_path: String,
    /// Nothing can be written.
    #[schema(required = false, default = false)]
    pub(crate) read_only: bool,
    /// The number of the user who is the drive's root here.
    #[schema(required = false, examples("1000"))]
    pub(crate) uid_map: String,
    /// The same of the group.
    #[schema(required = false)]
    pub(crate) gid_map: String,
}

impl Record for DriveMountRequest {
    const TYPE: &'static str = "handler.DriveMountRequest";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("driveName", &mut self.drive_name);
        field.read("mountPath", &mut self.mount_path);
        field.read("drivePath", &mut self.drive_path);
        field.read("readOnly", &mut self.read_only);
        field.read("uidMap", &mut self.uid_map);
        field.read("gidMap", &mut self.gid_map);
    }

    fn required(&self) -> Vec<(&'static str, bool)> {
        vec![("DriveName", !self.drive_name.is_empty()), ("MountPath", !self.mount_path.is_empty())]
    }
}

/// A drive is mounted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DriveMountResponse {
    /// Always true.
    pub(crate) success: bool,
    /// What was done.
    #[schema(examples("Drive mounted successfully"))]
    pub(crate) message: &'static str,
    /// As asked for, as the next.
    pub(crate) drive_name: String,
    /// Without needless slashes.
    pub(crate) mount_path: String,
    /// The folder of the drive.
    pub(crate) drive_path: String,
    /// Nothing can be written.
    pub(crate) read_only: bool,
    /// The number of the user who is the drive's root here; empty when it is not mapped.
    pub(crate) uid_map: String,
    /// The same of the group.
    pub(crate) gid_map: String,
}

/// A drive is unmounted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DriveUnmountResponse {
    /// Always true.
    pub(crate) success: bool,
    /// What was done.
    #[schema(examples("Drive unmounted successfully"))]
    pub(crate) message: &'static str,
    /// From where.
    pub(crate) mount_path: String,
}

/// All drives that are mounted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DriveListResponse {
    /// In the order in which they were mounted.
    pub(crate) mounts: Vec<DriveMountInfo>,
}

/// A drive that is mounted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DriveMountInfo {
    /// Its name.
    pub(crate) drive_name: String,
    /// Where it is.
    pub(crate) mount_path: String,
    /// The folder of the drive.
    pub(crate) drive_path: String,
    /// Nothing can be written.
    pub(crate) read_only: bool,
    /// Always empty: the kernel does not know it.
    pub(crate) uid_map: &'static str,
    /// Always empty.
    pub(crate) gid_map: &'static str,
}
