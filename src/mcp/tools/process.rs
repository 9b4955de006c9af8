//! Tools that look at processes, end them, and write to them.

use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_lite::FutureExt;
use serde_json::{Value, json};

use crate::calls::stdin;
use crate::log::OutputStream;
use crate::mcp::call::{Call, Failure, Outcome};
use crate::mcp::room::Room;
use crate::process::{EndRequest, Process};
use crate::view;
use crate::view::log_text::{Shown, Stretch};

/// Bytes of each stream in an answer that shows one process: an agent cannot read more.
pub(super) const LOG_BYTES_MAX: u64 = 4 << 20;

/// Bytes of output of all processes that a list shows; each has its share of them.
const LIST_BYTES_MAX: u64 = 4 << 20;

/// What a port takes, about.
const PORT_BYTES: u64 = 256;

/// How long a wait holds when the agent does not say, and at most: clients give a call up after a minute.
const WAIT: Duration = Duration::from_secs(30);
pub(super) const WAIT_MAX: Duration = Duration::from_secs(58);

pub(super) async fn list(mut call: Call) -> Outcome {
    let processes = call.mcp.sandbox.all();
    let share = LIST_BYTES_MAX / (processes.len() as u64).max(1);
    let tail_bytes = call.mcp.settings.inline_bytes_max.min(share);
    let mut shown = Vec::with_capacity(processes.len());
    for process in &processes {
        shown.push(show(&mut call.room, process, tail_bytes).await?);
    }
    call.done(json!({ "processes": shown })).await
}

pub(super) async fn get(mut call: Call) -> Outcome {
    let process = find(&call, |_| "failed to get process: process not found".to_owned())?;
    let tail_bytes = call.mcp.settings.inline_bytes_max.min(LOG_BYTES_MAX);
    let shown = show(&mut call.room, &process, tail_bytes).await?;
    call.done(shown).await
}

pub(super) async fn logs(mut call: Call) -> Outcome {
    let process = find(&call, |id| format!("failed to get process logs: process with PID {id} not found"))?;
    let logs = both(&mut call, &process).await?;
    call.done(json!({ "logs": logs })).await
}

pub(super) async fn stop(call: Call) -> Outcome {
    end(call, EndRequest::STOP, "stop", "stopped").await
}

pub(super) async fn kill(call: Call) -> Outcome {
    end(call, EndRequest::KILL, "kill", "killed").await
}

async fn end(call: Call, wanted: EndRequest, verb: &'static str, status: &str) -> Outcome {
    let not_found = |id: &str| format!("failed to {verb} process: process with Identifier {id} not found");
    let process = find(&call, not_found)?;
    let identifier = call.arguments.text("identifier");
    let ended = call.mcp.sandbox.end(&process, wanted, &identifier).await;
    ended.map_err(|error| Failure(format!("failed to {verb} process: {error}")))?;
    call.done(json!({ "status": status })).await
}

pub(super) async fn wait(mut call: Call) -> Outcome {
    let process = find(&call, |_| "failed to wait for process: process not found".to_owned())?;
    let seconds = call.arguments.whole("timeout").map(|s| Duration::from_secs(s.max(0).unsigned_abs()));
    let time = seconds.unwrap_or(WAIT).min(WAIT_MAX);
    call.change = None;
    let over = async {
        process.over().await;
    };
    let time_up = async {
        Timer::after(time).await;
    };
    over.or(time_up).or((call.mcp.leaving)()).await;
    let tail_bytes = call.mcp.settings.inline_bytes_max.min(LOG_BYTES_MAX);
    let shown = show(&mut call.room, &process, tail_bytes).await?;
    call.done(shown).await
}

pub(super) async fn ports(mut call: Call) -> Outcome {
    let process = find(&call, |_| "failed to get ports: process not found".to_owned())?;
    let found = call.mcp.sandbox.ports(process.state().pid.into()).await;
    let ports: Vec<_> =
        found.map_err(Failure::of("failed to get ports"))?.into_iter().map(view::port).collect();
    call.room.take(ports.len() as u64 * PORT_BYTES)?;
    call.done(json!({ "ports": ports })).await
}

pub(super) async fn write_stdin(call: Call) -> Outcome {
    let failed = Failure::of("failed to write to stdin");
    let process = find(&call, no_stdin_of)?;
    let data = call.arguments.text("data");
    let bytes = match call.arguments.text_if_any("encoding").as_deref() {
        None | Some("" | "text") => data.into_bytes(),
        Some("base64") => BASE64_STANDARD.decode(&data).map_err(|_| failed("data is not in base64"))?,
        Some(_) => return Err(failed("encoding is neither text nor base64")),
    };
    stdin::write(&process, &bytes).await?;
    call.done(json!({ "message": "Bytes written to stdin", "bytesWritten": bytes.len() })).await
}

pub(super) async fn close_stdin(call: Call) -> Outcome {
    let process = find(&call, no_stdin_of)?;
    stdin::close(&process).await?;
    call.done(json!({ "message": "Stdin closed" })).await
}

fn no_stdin_of(identifier: &str) -> String {
    format!("process with identifier {identifier} not found")
}

fn find(call: &Call, not_found: impl Fn(&str) -> String) -> Result<Arc<Process>, Failure> {
    let identifier = call.arguments.text("identifier");
    call.mcp.sandbox.find(&identifier, false).ok_or_else(|| Failure(not_found(&identifier)))
}

/// The output of a process, both streams as they came.
pub(super) async fn both(call: &mut Call, process: &Arc<Process>) -> Result<String, Failure> {
    let bytes_max = call.mcp.settings.response_bytes_max.min(LOG_BYTES_MAX);
    let stretch = Stretch::tail(process.log.clone(), process.spec.restart, bytes_max);
    call.room.take(stretch.len())?;
    Ok(stretch.plain(Shown::Both).await)
}

/// A process as the schema has it: without what is our own, because it allows nothing else.
async fn show(room: &mut Room, process: &Arc<Process>, tail_bytes: u64) -> Result<Value, Failure> {
    // The state before the log: what says "ended" then shows everything up to the end.
    let shown = view::process(process);
    let stretch = Stretch::tail(process.log.clone(), process.spec.restart, tail_bytes);
    room.take(stretch.len().saturating_mul(2) + (shown.command.len() + shown.name.len()) as u64)?;
    Ok(json!({
        "pid": shown.pid,
        "name": shown.name,
        "command": shown.command,
        "status": shown.status,
        "startedAt": shown.started_at,
        "completedAt": shown.completed_at,
        "exitCode": shown.exit_code,
        "workingDir": shown.working_dir,
        "logs": stretch.plain(Shown::Both).await,
        "stdout": stretch.plain(Shown::One(OutputStream::Stdout)).await,
        "stderr": stretch.plain(Shown::One(OutputStream::Stderr)).await,
        "restartOnFailure": shown.restart_on_failure,
        "maxRestarts": shown.max_restarts,
        "restartCount": shown.restart_count,
        "keepAlive": shown.keep_alive,
    }))
}
