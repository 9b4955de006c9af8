//! The daemon itself: a greeting and its health.

use std::time::Duration;

use tide::{Request, Response};

use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::Refusal;
use crate::http::{respond, view};
use crate::upgrade::UpgradeStatus;
use crate::wire::capabilities::CapabilitiesResponse;
use crate::wire::rfc3339;
use crate::wire::system::{HealthResponse, UpgradeState, WelcomeResponse};

/// Says what this server is.
#[utoipa::path(get, path = "/", operation_id = "welcome", tag = "system", responses(
    (status = 200, description = "What this server is. POST, PUT, DELETE and PATCH are answered alike.", body = WelcomeResponse),
))]
pub(crate) async fn welcome(_request: Request<Context>) -> Result<Response, Refusal> {
    let welcome = WelcomeResponse {
        message: "Welcome to your boxd sandbox",
        documentation: "/docs",
        description: "Run commands here and follow what they print: POST /process starts one, and the documentation has the rest.",
    };
    respond::json(200, JsonBody::value(&welcome)).await
}

/// Says how the daemon is.
#[utoipa::path(get, path = "/health", operation_id = "getHealth", tag = "system", responses(
    (status = 200, description = "The daemon answers. Also when it is degraded, that is, when something is wrong and it goes on.", body = HealthResponse),
))]
pub(crate) async fn health(request: Request<Context>) -> Result<Response, Refusal> {
    let (uptime, started_ms) = request.state().sandbox.uptime();
    let degraded = request.state().sandbox.degradation();
    let health = HealthResponse {
        status: if degraded.is_empty() { "ok" } else { "degraded" },
        version: env!("CARGO_PKG_VERSION"),
        git_commit: option_env!("BOXD_GIT_COMMIT").unwrap_or("unknown"),
        build_time: option_env!("BOXD_BUILD_TIME").unwrap_or("unknown"),
        go_version: "none",
        os: std::env::consts::OS,
        arch: go_arch(std::env::consts::ARCH),
        uptime: in_words(uptime),
        uptime_seconds: uptime.as_secs_f64(),
        upgrade_count: request.state().upgrader.count,
        started_at: rfc3339::from_ms(started_ms),
        last_upgrade: last_upgrade(request.state().upgrader.status()),
        degraded,
    };
    respond::json(200, JsonBody::value(&health)).await
}

fn last_upgrade(status: UpgradeStatus) -> UpgradeState {
    UpgradeState {
        status: status.status.name(),
        step: status.step.name(),
        version: status.version,
        last_attempt: status.last_attempt_ms.map(rfc3339::from_ms),
        error: status.error,
        download_url: status.download_url,
        binary_path: status.binary_path.map(|path| path.to_string_lossy().into_owned()),
        bytes_downloaded: status.bytes_downloaded,
    }
}

/// Says what the host lets the daemon do.
#[utoipa::path(get, path = "/capabilities", operation_id = "getCapabilities", tag = "system", responses(
    (status = 200, description = "Which mechanisms are in use, which limits can be enforced, what is missing and why.", body = CapabilitiesResponse),
))]
pub(crate) async fn capabilities(request: Request<Context>) -> Result<Response, Refusal> {
    let report = request.state().sandbox.capabilities().await;
    respond::json(200, JsonBody::value(&view::capabilities(report))).await
}

/// Go's name of an architecture: clients of the known server know those.
fn go_arch(arch: &'static str) -> &'static str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `1h2m3s`, leading zeros left out, like Go prints a duration.
fn in_words(uptime: Duration) -> String {
    let seconds = uptime.as_secs();
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (h, m) {
        (0, 0) => format!("{s}s"),
        (0, _) => format!("{m}m{s}s"),
        _ => format!("{h}h{m}m{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_for_people() {
        let words = |s| in_words(Duration::from_secs(s));
        assert_eq!((words(0), words(90), words(3723)), ("0s".into(), "1m30s".into(), "1h2m3s".into()));
    }
}
