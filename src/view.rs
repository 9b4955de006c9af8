//! The core's types as the wire shows them. One function a type; no decisions.
//!
//! HTTP and MCP show the same things in the same words, so this stands between both and the core.

pub(crate) mod file;
pub(crate) mod log_text;
pub(crate) mod piece;

use std::time::{Duration, UNIX_EPOCH};

use rustix::process::Signal;

use crate::capabilities::Report;
use crate::network::Port;
use crate::process::{Limits, Process, Stats};
use crate::wire::capabilities::{CapabilitiesResponse, LimitCapabilityResponse, MechanismResponse};
use crate::wire::limits::ProcessLimits;
use crate::wire::network::PortResponse;
use crate::wire::process::ProcessResponse;
use crate::wire::stats::{CpuStats, IoStats, MemoryStats, StatsResponse, UsageResponse};

/// A process with empty texts.
pub(crate) fn process(process: &Process) -> ProcessResponse {
    let (spec, state) = (&process.spec, process.state());
    ProcessResponse {
        pid: state.pid.to_string(),
        name: spec.name.clone(),
        command: spec.command.clone(),
        status: state.status().name(),
        started_at: date(state.started_ms),
        completed_at: state.ended_ms.map(date).unwrap_or_default(),
        exit_code: state.exit_code(),
        working_dir: spec.working_dir.to_string_lossy().into_owned(),
        restart_on_failure: spec.restart.on_failure,
        max_restarts: spec.restart.max,
        restart_count: state.restarts,
        keep_alive: state.keeps_alive(spec),
        stdin: spec.stdin,
        signal: state.signal().map(signal_name),
        reason: state.reason().map(crate::process::Reason::name),
        duration_ms: state.took_ms(),
        usage: state.usage.map(|usage| UsageResponse {
            user_ms: usage.user_us / 1000,
            system_ms: usage.system_us / 1000,
            max_rss_bytes: usage.max_rss_bytes,
        }),
        limits: (!spec.limits.is_none()).then(|| limits(&spec.limits)),
        ..ProcessResponse::default()
    }
}

/// A local port.
pub(crate) fn port(port: Port) -> PortResponse {
    PortResponse {
        pid: port.pid,
        protocol: port.protocol.name(),
        local_addr: port.local_address,
        local_port: port.number,
        remote_addr: port.remote_address,
        remote_port: port.remote_number,
        state: port.state.name(),
        process_name: port.process_name,
    }
}

/// What the host lets the daemon do.
pub(crate) fn capabilities(report: Report) -> CapabilitiesResponse {
    let ok = report.is_well();
    let mechanisms = report.mechanisms.into_iter().map(|mechanism| MechanismResponse {
        name: mechanism.name,
        in_use: mechanism.is_in_use,
        important: mechanism.is_important,
        detail: mechanism.detail,
    });
    let limits = report.limits.into_iter().map(|limit| LimitCapabilityResponse {
        name: limit.name,
        enforced: limit.is_enforced,
        detail: limit.detail,
    });
    CapabilitiesResponse {
        ok,
        mechanisms: mechanisms.collect(),
        limits: limits.collect(),
        evades_kill: report.evades_kill,
    }
}

/// What a process uses.
pub(crate) fn stats(process: &Process, used: &Stats) -> StatsResponse {
    let state = process.state();
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    StatsResponse {
        pid: state.pid.to_string(),
        name: process.spec.name.clone(),
        status: state.status().name(),
        cpu: CpuStats { user_ms: ms(used.user), system_ms: ms(used.system) },
        memory: MemoryStats { rss_bytes: used.rss_bytes, peak_bytes: used.peak_bytes },
        io: IoStats { read_bytes: used.read_bytes, written_bytes: used.written_bytes },
        threads: used.threads,
        processes: used.processes,
        source: if used.by_group { "cgroup" } else { "proc" },
    }
}

fn limits(limits: &Limits) -> ProcessLimits {
    let count = |number: Option<u64>| number.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    ProcessLimits {
        memory_bytes: count(limits.memory_bytes),
        cpu_seconds: seconds(limits.cpu),
        pids: count(limits.pids),
        wall_seconds: seconds(limits.wall),
        output_bytes: count(limits.output_bytes),
        idle_seconds: seconds(limits.idle),
        unknown: Vec::new(),
    }
}

/// An HTTP date in UTC (RFC 9110 §5.6.7).
fn date(ms: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(ms))
}

/// The name of a signal; real-time signals have only a number.
fn signal_name(number: i32) -> String {
    const NAMED: [(Signal, &str); 29] = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::STKFLT, "SIGSTKFLT"),
        (Signal::CONT, "SIGCONT"),
        (Signal::STOP, "SIGSTOP"),
        (Signal::TSTP, "SIGTSTP"),
        (Signal::TTIN, "SIGTTIN"),
        (Signal::TTOU, "SIGTTOU"),
        (Signal::URG, "SIGURG"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
        (Signal::VTALARM, "SIGVTALRM"),
        (Signal::PROF, "SIGPROF"),
        (Signal::WINCH, "SIGWINCH"),
        (Signal::IO, "SIGIO"),
        (Signal::SYS, "SIGSYS"),
    ];
    NAMED
        .iter()
        .find(|(s, _)| s.as_raw() == number)
        .map_or_else(|| format!("SIG{number}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_in_utc() {
        assert_eq!(date(1_795_469_701_999), "Mon, 23 Nov 2026 21:35:01 GMT");
    }

    #[test]
    fn signals_have_names() {
        assert_eq!(
            (signal_name(9).as_str(), signal_name(15).as_str(), signal_name(40).as_str()),
            ("SIGKILL", "SIGTERM", "SIG40")
        );
    }
}
