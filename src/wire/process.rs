//! The JSON object of a process.

use serde::Serialize;
use utoipa::ToSchema;

use super::limits::ProcessLimits;
use super::stats::UsageResponse;

/// A process: what was asked for, where it stands, and the end of its output.
///
/// The keys come in this order. The last five are boxd's own and are absent while they do not apply.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessResponse {
    /// The operating system's number of the first run, as text. Restarts do not change it.
    #[schema(examples("4711"))]
    pub(crate) pid: String,
    /// The name asked for, or `proc-` and eight letters or digits.
    #[schema(examples("build"))]
    pub(crate) name: String,
    /// The shell command as asked for.
    #[schema(examples("make -j4"))]
    pub(crate) command: String,
    /// `running` (also while a restart is pending), `completed` (ended by itself with code 0), `failed` (in any other way),
    /// `stopped` (a client stopped it) or `killed` (a client killed it, its time was up, or it exceeded a limit).
    #[schema(examples("completed"))]
    pub(crate) status: &'static str,
    /// When the present or last run started: an HTTP date in UTC, to the second.
    #[schema(examples("Mon, 23 Nov 2026 21:35:01 GMT"))]
    pub(crate) started_at: String,
    /// When the process was over, in the same form; empty while it runs.
    #[schema(examples("Mon, 23 Nov 2026 21:35:09 GMT"))]
    pub(crate) completed_at: String,
    /// The exit code; 0 while it runs, -1 when a signal ended it or it was killed.
    #[schema(examples(0))]
    pub(crate) exit_code: i32,
    /// The folder it runs in.
    #[schema(examples("/home/user"))]
    pub(crate) working_dir: String,
    /// Both streams in the order in which boxd read them. The last 64 KiB of each stream (by default; 4 MiB in the answer of
    /// a waited start), with a line that says so in front when older output was left out.
    pub(crate) logs: String,
    /// Standard output, as much as `logs` holds of it.
    pub(crate) stdout: String,
    /// Standard error, as much as `logs` holds of it.
    pub(crate) stderr: String,
    /// Whether a failed run is followed by another.
    pub(crate) restart_on_failure: bool,
    /// How many runs may follow; below zero for no limit.
    pub(crate) max_restarts: i64,
    /// How many runs did follow.
    pub(crate) restart_count: u32,
    /// Whether it holds scale-to-zero off now.
    pub(crate) keep_alive: bool,
    /// Whether it was started with a pipe as its standard input.
    pub(crate) stdin: bool,
    /// The signal that ended it, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("SIGKILL"))]
    pub(crate) signal: Option<String>,
    /// Why it is over: `exited`, `signaled` (by a signal that boxd did not send), `timeout`, `stopped`, `killed`,
    /// `spawn_failed` (it could not be started again), `memory_limit`, `cpu_limit`, `pids_limit`, `wall_limit`, `output_limit`,
    /// `idle_limit`, or `oom` (the kernel took it because there was no memory left, as far as can be told).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("exited"))]
    pub(crate) reason: Option<&'static str>,
    /// How long the last run took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples(8123))]
    pub(crate) duration_ms: Option<u64>,
    /// What the finished runs have used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<UsageResponse>,
    /// The limits that were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limits: Option<ProcessLimits>,
}

/// The texts of a process's log.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct LogsResponse {
    /// The last 4 MiB (by default) of standard output, with a line that says so in front when older output was left out.
    pub(crate) stdout: String,
    /// The same of standard error.
    pub(crate) stderr: String,
    /// Both in the order in which boxd read them.
    pub(crate) logs: String,
}
