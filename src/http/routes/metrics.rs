//! The daemon in numbers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tide::{Request, Response};

use crate::http::context::Context;
use crate::http::exposition::{CONTENT_TYPE, Exposition, Kind};
use crate::http::refusal::Refusal;
use crate::http::respond;
use crate::http::traffic::Answers;
use crate::sandbox::{Figures, OutputFigures, OwnFigures, ProcessFigures};

/// Tells the daemon's figures, for Prometheus and what reads its format.
///
/// Counters begin at nothing with each worker (`process_start_time_seconds` says when that was); how often workers died or were replaced is
/// counted as long as the daemon lives. A request is counted when its answer begins, by the pattern of its route; `none` is what no route took.
#[utoipa::path(get, path = "/metrics", operation_id = "getMetrics", tag = "system", responses(
    (status = 200, description = "Prometheus text format 0.0.4.", content_type = "text/plain", body = String),
))]
pub(crate) async fn get(request: Request<Context>) -> Result<Response, Refusal> {
    let context = request.state();
    // First: a stream that ends meanwhile shall leave no lag of a follower that is not counted.
    let open = (context.followers.load(Ordering::Relaxed) as u64, context.watches.get());
    let figures = context.sandbox.figures().await;
    let mut out = Exposition::default();
    tell_daemon(&mut out, context, &figures);
    tell_http(&mut out, context);
    tell_processes(&mut out, context, &figures.processes);
    tell_output(&mut out, context, open, &figures.output);
    tell_files(&mut out, &figures);
    tell_own(&mut out, &figures.own);
    Ok(respond::whole(200, CONTENT_TYPE, out.finish().into_bytes()))
}

fn tell_daemon(out: &mut Exposition, context: &Context, figures: &Figures) {
    let build = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("git_commit", option_env!("BOXD_GIT_COMMIT").unwrap_or("unknown")),
        ("arch", std::env::consts::ARCH),
    ];
    out.family(Kind::Gauge, "boxd_build_info", "What runs; always 1.").sample(&build, 1);
    let (daemon, worker) = figures.started_ms;
    let seconds = |ms| Duration::from_millis(ms).as_secs_f64();
    out.gauge("boxd_start_time_seconds", "When the daemon started, in seconds since 1970.", seconds(daemon));
    out.gauge(
        "process_start_time_seconds",
        "When this worker started, in seconds since 1970: the counters count from then on.",
        seconds(worker),
    );
    out.counter(
        "boxd_worker_restarts_total",
        "Workers that were started because the one before had died, since the daemon started.",
        figures.restarts,
    );
    out.counter(
        "boxd_upgrades_total",
        "Workers that were replaced on purpose, since the daemon started.",
        context.upgrader.count,
    );
    let mut degraded =
        out.family(Kind::Gauge, "boxd_degraded", "1 while something is wrong, and the daemon goes on.");
    for (trouble, is_there) in &figures.troubles {
        degraded.sample(&[("trouble", trouble)], u8::from(*is_there));
    }
}

fn tell_http(out: &mut Exposition, context: &Context) {
    let traffic = &context.traffic;
    let mut requests =
        out.family(Kind::Counter, "boxd_http_requests_total", "Requests whose answers have begun.");
    for Answers { method, route, status, count } in traffic.answers() {
        requests.sample(&[("method", method), ("route", route), ("status", status)], count);
    }
    out.counter(
        "boxd_http_request_body_bytes_total",
        "Bytes of requests' bodies that were read.",
        traffic.received.get(),
    );
    out.counter(
        "boxd_http_response_body_bytes_total",
        "Bytes of answers' bodies that were handed to connections.",
        traffic.sent.get(),
    );
    let (busy, idle) = context.seats.busy_and_idle();
    let mut connections = out.family(Kind::Gauge, "boxd_http_connections", "Connections that are open.");
    connections.sample(&[("state", "busy")], busy);
    connections.sample(&[("state", "idle")], idle);
    out.gauge(
        "boxd_http_connections_max",
        "Connections that may be open (--max-connections).",
        context.seats.max(),
    );
}

fn tell_processes(out: &mut Exposition, context: &Context, figures: &ProcessFigures) {
    out.histogram(
        "boxd_exec_duration_seconds",
        "From a POST /process that waits for the end of its command to the answer.",
        &context.traffic.exec.read(),
    );
    out.histogram(
        "boxd_spawn_duration_seconds",
        "From the request for a process to its running command.",
        &figures.spawn,
    );
    out.counter(
        "boxd_process_start_failures_total",
        "Requests for a process that came to none: the name was taken, there was no room, or the command could not be started.",
        figures.failed,
    );
    out.counter("boxd_process_restarts_total", "Commands that were started again.", figures.restarts);
    let mut processes =
        out.family(Kind::Gauge, "boxd_processes", "Processes that are remembered, by their status.");
    for (status, count) in figures.by_status {
        processes.sample(&[("status", status.name())], count);
    }
    let mut ended = out.family(
        Kind::Counter,
        "boxd_processes_ended_total",
        "Processes that are over, by the reason of their end.",
    );
    for (reason, count) in &figures.ended {
        ended.sample(&[("reason", reason)], count);
    }
}

fn tell_output(
    out: &mut Exposition,
    context: &Context,
    (streams, watches): (u64, u64),
    figures: &OutputFigures,
) {
    let mut printed =
        out.family(Kind::Counter, "boxd_output_bytes_total", "Bytes that commands have printed.");
    for (stream, bytes) in figures.printed {
        printed.sample(&[("stream", stream)], bytes);
    }
    out.counter("boxd_output_lost_bytes_total", "Bytes of those that nothing took.", figures.lost);
    out.counter(
        "boxd_output_followed_bytes_total",
        "Bytes of output that followers were given, once for each of them.",
        figures.followed,
    );
    let mut stored = out.family(Kind::Gauge, "boxd_log_stored_bytes", "Bytes of output that are stored now.");
    stored.sample(&[("place", "disk")], figures.on_disk);
    stored.sample(&[("place", "memory")], figures.in_memory);
    out.gauge(
        "boxd_log_stored_bytes_max",
        "Bytes that may be stored (--max-log-bytes-total).",
        figures.stored_max,
    );
    let mut open = out.family(Kind::Gauge, "boxd_followers", "Streams that are followed.");
    open.sample(&[("kind", "output")], streams.saturating_sub(watches));
    open.sample(&[("kind", "watch")], watches);
    out.gauge("boxd_followers_max", "Streams that may be followed (--max-followers).", context.followers_max);
    out.gauge(
        "boxd_follower_lag_bytes",
        "Bytes of output that the slowest follower has yet to read.",
        figures.lag,
    );
    out.counter("boxd_gaps_total", "How often a follower was told that output is missing.", figures.gaps);
    out.counter("boxd_gap_bytes_total", "Bytes that were missing.", figures.gap_bytes);
}

fn tell_files(out: &mut Exposition, figures: &Figures) {
    out.gauge_if_known("boxd_uploads", "Uploads in parts that have begun.", figures.uploads);
    out.gauge(
        "boxd_uploads_max",
        "Uploads in parts that may have begun (--max-multipart-uploads).",
        figures.uploads_max,
    );
    let (working, waiting) = figures.searches;
    let mut searches = out.family(
        Kind::Gauge,
        "boxd_file_searches",
        "Listings, trees, searches and the like: those at work, and those that wait for their turn.",
    );
    searches.sample(&[("state", "working")], working);
    searches.sample(&[("state", "waiting")], waiting);
}

fn tell_own(out: &mut Exposition, own: &OwnFigures) {
    if let Some(cpu) = own.cpu {
        out.counter("process_cpu_seconds_total", "CPU time of this worker.", cpu.as_secs_f64());
    }
    out.gauge_if_known("process_resident_memory_bytes", "Memory of this worker.", own.resident_bytes);
    out.gauge_if_known("process_open_fds", "Descriptors of this worker.", own.descriptors);
    out.gauge_if_known("process_max_fds", "Descriptors that it may have.", own.descriptors_max);
}
