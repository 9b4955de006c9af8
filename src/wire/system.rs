//! Small answers: messages, errors, the daemon's own state.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// It was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageResponse {
    /// What was done.
    #[schema(examples("Process stopped successfully"))]
    pub(crate) message: &'static str,
}

/// It was not done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorResponse {
    /// Why, for people.
    #[schema(examples("process not found"))]
    pub(crate) error: String,
    /// What it is, for programs, where a program needs to tell it from the rest: `FILE_ALREADY_EXISTS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'static str>,
}

/// What this server is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WelcomeResponse {
    /// A greeting.
    pub(crate) message: &'static str,
    /// Where the API is described: a path on this server.
    #[schema(examples("/docs"))]
    pub(crate) documentation: &'static str,
    /// What can be done here.
    pub(crate) description: &'static str,
}

/// The daemon's state.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HealthResponse {
    /// `ok`, or `degraded`: something is wrong, and the daemon goes on.
    #[schema(examples("ok"))]
    pub(crate) status: &'static str,
    /// The version of boxd.
    pub(crate) version: &'static str,
    /// The commit it was built from, or `unknown`.
    pub(crate) git_commit: &'static str,
    /// When it was built, or `unknown`.
    pub(crate) build_time: &'static str,
    /// Clients of the known server require this key; boxd is not written in Go.
    pub(crate) go_version: &'static str,
    /// The operating system.
    #[schema(examples("linux"))]
    pub(crate) os: &'static str,
    /// The processor architecture, by Go's name.
    #[schema(examples("amd64"))]
    pub(crate) arch: &'static str,
    /// How long the daemon has been up, for people.
    #[schema(examples("1m30s"))]
    pub(crate) uptime: String,
    /// The same in seconds.
    pub(crate) uptime_seconds: f64,
    /// How often the daemon was replaced while it ran.
    pub(crate) upgrade_count: u32,
    /// When the daemon started (RFC 3339, UTC).
    #[schema(examples("2026-11-23T21:32:51Z"))]
    pub(crate) started_at: String,
    /// What became of the last upgrade.
    pub(crate) last_upgrade: UpgradeState,
    /// What is wrong; only there when the status is `degraded`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) degraded: Vec<String>,
}

/// What a reload of the variables did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReloadResponse {
    /// As the document says; 0 when it does not.
    pub(crate) generation: u64,
    /// Variables that the document sets.
    pub(crate) applied: usize,
    /// Variables that an earlier document had set and this one does not.
    pub(crate) removed: usize,
}

/// What to replace the daemon by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UpgradeRequest {
    /// The absolute path of a program on this machine.
    #[schema(examples("/usr/local/bin/boxd"))]
    pub(crate) path: Option<String>,
    /// Where releases are: `<baseUrl>/download/<version>/sandbox-api-linux-amd64`, or `<baseUrl>/latest/download/…`.
    pub(crate) base_url: Option<String>,
    /// The release; `latest` when absent.
    #[schema(examples("latest"))]
    pub(crate) version: Option<String>,
    /// The SHA-256 of what is downloaded, in hexadecimal digits; checked when given.
    pub(crate) sha256: Option<String>,
}

impl UpgradeRequest {
    /// Reads a body. What is malformed counts as absent, as in the known server.
    pub(crate) fn read(body: &[u8]) -> Self {
        let asked: Self = serde_json::from_slice(body).unwrap_or_default();
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self {
            path: given(asked.path),
            base_url: given(asked.base_url),
            version: given(asked.version),
            sha256: given(asked.sha256),
        }
    }
}

/// An upgrade has begun.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpgradeResponse {
    /// As asked for; empty when the program is on this machine.
    pub(crate) base_url: String,
    /// What is done.
    pub(crate) message: &'static str,
    /// As asked for.
    #[schema(examples("latest"))]
    pub(crate) version: String,
}

impl UpgradeResponse {
    /// The answer to a request.
    pub(crate) fn to(asked: &UpgradeRequest) -> Self {
        Self {
            base_url: asked.base_url.clone().unwrap_or_default(),
            message: "Upgrade initiated. Process state saved. The server will upgrade shortly.",
            version: asked.version.clone().unwrap_or_else(|| "latest".to_owned()),
        }
    }
}

/// The state of an upgrade of the daemon.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpgradeState {
    /// `idle`, `running`, `completed` or `failed`.
    #[schema(examples("idle"))]
    pub(crate) status: &'static str,
    /// The step it is in or has come to: `none`, `starting`, `download`, `validate`, `replace` or `completed`.
    #[schema(examples("none"))]
    pub(crate) step: &'static str,
    /// The version it leads to; empty when idle.
    pub(crate) version: String,
    /// When it was asked for (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_attempt: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// What is or was downloaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) download_url: Option<String>,
    /// The program that takes over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) binary_path: Option<String>,
    /// How many bytes were downloaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_downloaded: Option<u64>,
}
