//! The daemon itself: a greeting and its health.

use std::time::{Duration, UNIX_EPOCH};

use tide::{Request, Response};

use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::Refusal;
use crate::http::{respond, view};
use crate::upgrade::UpgradeStatus;
use crate::wire::capabilities::CapabilitiesResponse;
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
        started_at: rfc3339(started_ms),
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
        last_attempt: status.last_attempt_ms.map(rfc3339),
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

/// A time in UTC, to the second.
fn rfc3339(ms: u64) -> String {
    // `Mon, 23 Nov 2026 21:32:51 GMT` has all the parts, in another order.
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(ms));
    let parts: Vec<&str> = date.split(' ').collect();
    let [_, day, month, year, time, _] = parts[..] else { return date };
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|name| *name == month).map_or(0, |i| i + 1);
    format!("{year}-{month:02}-{day}T{time}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people_and_machines() {
        let words = |s| in_words(Duration::from_secs(s));
        assert_eq!((words(0), words(90), words(3723)), ("0s".into(), "1m30s".into(), "1h2m3s".into()));
        assert_eq!(rfc3339(1_795_469_571_000), "2026-11-23T21:32:51Z");
    }
}
