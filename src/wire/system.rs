//! Small answers: messages, errors, the daemon's own state.

use serde::Serialize;
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
    /// `ok`, or `degraded`: everything is answered, but commands would not survive the end of the process that answers.
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
}

/// The state of an upgrade of the daemon.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UpgradeState {
    /// `idle`, `running`, `completed` or `failed`.
    #[schema(examples("idle"))]
    pub(crate) status: &'static str,
    /// The step it is in, `none` when idle.
    #[schema(examples("none"))]
    pub(crate) step: &'static str,
    /// The version it leads to; empty when idle.
    pub(crate) version: &'static str,
}
