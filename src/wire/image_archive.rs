//! The archive of what a sandbox has changed on top of its image.

use serde::Serialize;
use utoipa::ToSchema;

use super::decode::{self, DecodeError, Field, Record};

/// What to export, and where to.
#[derive(Clone, Debug, Default, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct ExportRequest {
    /// Where the archive is sent with one PUT.
    #[schema(required = false)]
    pub(crate) url: String,
    /// Whether the answer comes at once.
    #[schema(required = false, default = false)]
    pub(crate) r#async: bool,
    /// Whether only what would be exported is told.
    #[schema(required = false, default = false)]
    pub(crate) dry_run: bool,
    /// Paths that are left out.
    #[schema(required = false)]
    pub(crate) excludes: Vec<String>,
    /// Headers of the upload.
    #[schema(required = false, value_type = std::collections::HashMap<String, String>)]
    pub(crate) headers: Vec<(String, String)>,
    /// The device that holds the pristine image, below `/dev`.
    #[schema(required = false)]
    pub(crate) image_device: String,
    /// Where the pristine image is mounted: `/mnt/blaxel-archive-image`, or `/` for the root itself.
    #[schema(required = false)]
    pub(crate) image_mount_point: String,
    /// An upload in parts, instead of `url`.
    #[schema(required = false, value_type = ExportMultipart)]
    pub(crate) multipart: Option<ExportMultipart>,
    /// Whether the running processes are noted in the archive; they are when absent.
    #[schema(required = false, value_type = bool, default = true)]
    pub(crate) save_processes: Option<bool>,
    /// How long a process may take to stop before it is killed; 30 when absent.
    #[schema(required = false, value_type = i64, default = 30)]
    pub(crate) stop_timeout_seconds: Option<i64>,
}

/// Where the parts of an archive are sent.
#[derive(Clone, Debug, Default, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct ExportMultipart {
    /// Bytes of each part but the last.
    #[schema(required = false)]
    pub(crate) part_size: i64,
    /// One for each part.
    #[schema(required = false)]
    pub(crate) part_urls: Vec<String>,
    /// Called when all parts are there.
    #[schema(required = false)]
    pub(crate) complete_url: String,
    /// Called when they will not be.
    #[schema(required = false)]
    pub(crate) abort_url: String,
}

impl ExportRequest {
    /// Reads a request body.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        decode::decode(body)
    }
}

impl Record for ExportRequest {
    const TYPE: &'static str = "handler.ExportRequest";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("url", &mut self.url);
        field.read("async", &mut self.r#async);
        field.read("dryRun", &mut self.dry_run);
        field.read("excludes", &mut self.excludes);
        field.read("headers", &mut self.headers);
        field.read("imageDevice", &mut self.image_device);
        field.read("imageMountPoint", &mut self.image_mount_point);
        field.record("multipart", &mut self.multipart);
        field.read("saveProcesses", &mut self.save_processes);
        field.read("stopTimeoutSeconds", &mut self.stop_timeout_seconds);
    }
}

impl Record for ExportMultipart {
    const TYPE: &'static str = "handler.MultipartUpload";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("partSize", &mut self.part_size);
        field.read("partUrls", &mut self.part_urls);
        field.read("completeUrl", &mut self.complete_url);
        field.read("abortUrl", &mut self.abort_url);
    }
}

/// Whether the sandbox is frozen for an archive.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuiesceStatus {
    /// Always `active`: nothing is frozen here.
    #[schema(examples("active"))]
    pub(crate) state: &'static str,
    /// Whether the root was made read-only.
    pub(crate) read_only_root: bool,
}

/// What an export came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExportResponse {
    /// What is in the archive.
    pub(crate) manifest: ExportManifest,
    /// Bytes of the archive.
    pub(crate) size: u64,
    /// Whether it was sent; not in a dry run.
    pub(crate) uploaded: bool,
    /// What would be in the archive; in a dry run.
    pub(crate) changes: Vec<ExportChange>,
    /// How long it took.
    #[schema(examples("4.2s"))]
    pub(crate) duration: String,
}

/// What is in an archive.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExportManifest {
    /// Of this form.
    pub(crate) version: u32,
    /// When it was made (RFC 3339, UTC).
    pub(crate) created_at: String,
    /// The version of boxd.
    pub(crate) api_version: &'static str,
    /// As asked for.
    pub(crate) image_device: String,
    /// The folder that was compared.
    pub(crate) root: &'static str,
    /// As asked for.
    pub(crate) excludes: Vec<String>,
    /// Files that the image does not have.
    pub(crate) added: u64,
    /// Files that are other than in the image.
    pub(crate) modified: u64,
    /// Files of the image that are no more.
    pub(crate) deleted: Vec<String>,
    /// Bytes of the files.
    pub(crate) payload_bytes: u64,
    /// How many running processes are noted.
    pub(crate) processes: u64,
}

/// A file that is other than in the image.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportChange {
    /// Its path.
    pub(crate) path: String,
    /// `added`, `modified` or `deleted`.
    pub(crate) kind: &'static str,
    /// Its bytes.
    pub(crate) size: u64,
}
