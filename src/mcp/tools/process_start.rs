//! Tools that start commands.

use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use futures_lite::FutureExt;
use serde_json::{Value, json};

use super::process::{WAIT_MAX, both};
use crate::calls::start;
use crate::error::{Error, Result};
use crate::mcp::arguments::Arguments;
use crate::mcp::call::{Call, Outcome};
use crate::process::Process;
use crate::wire::ProcessRequest;

/// How long a command without a timeout is waited for. It is not killed then: nobody asked for that.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where commands run when the agent does not say: the known server's choice.
const FOLDER: &str = "/";

pub(super) async fn execute(mut call: Call) -> Outcome {
    let arguments = &call.arguments;
    let asked = ProcessRequest {
        timeout: arguments.whole("timeout"),
        wait_for_ports: arguments.wholes("waitForPorts"),
        restart_on_failure: arguments.flag("restartOnFailure"),
        max_restarts: arguments.whole("maxRestarts").unwrap_or_default(),
        keep_alive: arguments.flag("keepAlive"),
        ..request(arguments)
    };
    let ports = start::ports(&asked.wait_for_ports)?;
    let waits_for_end = arguments.flag("waitForCompletion");
    let patience = if asked.timeout.is_none() && !asked.keep_alive { PATIENCE } else { WAIT_MAX };
    let process = run(&mut call, asked).await?;
    let mut is_late = false;
    if waits_for_end || !ports.is_empty() {
        let leaving = (call.mcp.leaving)();
        let waited = async {
            if !ports.is_empty() {
                start::until_open(&process, ports).await?;
            }
            if waits_for_end {
                start::until_over(&process).await?;
            }
            Ok(false)
        };
        let late = async {
            Timer::after(patience).await;
            Ok(true)
        };
        let left = async {
            leaving.await;
            Err(Error::ShuttingDown)
        };
        is_late = waited.or(late).or(left).await?;
    }
    let mut shown = show(&process);
    if waits_for_end {
        shown["logs"] = both(&mut call, &process).await?.into();
    }
    if is_late {
        // The known server's sentence says a minute after 58 s.
        let seconds = if patience == WAIT_MAX { 60 } else { patience.as_secs() };
        shown["pollRequired"] = true.into();
        shown["message"] = format!(
            "Process is still running after {seconds} seconds. Poll processGet with its pid or name until it is over, or wait with processWait."
        )
        .into();
    }
    call.done(shown).await
}

pub(super) async fn start_interactive(mut call: Call) -> Outcome {
    let asked =
        ProcessRequest { stdin: true, timeout: call.arguments.whole("timeout"), ..request(&call.arguments) };
    let process = run(&mut call, asked).await?;
    call.done(show(&process)).await
}

fn request(arguments: &Arguments) -> ProcessRequest {
    let text = |name: &str| arguments.text_if_any(name).filter(|text| !text.is_empty());
    ProcessRequest {
        command: arguments.text("command"),
        name: text("name"),
        working_dir: text("workingDir").unwrap_or_else(|| FOLDER.to_owned()),
        env: arguments.texts("env"),
        ..ProcessRequest::default()
    }
}

async fn run(call: &mut Call, asked: ProcessRequest) -> Result<Arc<Process>> {
    let spec = start::spec(&call.mcp.sandbox, call.mcp.settings.keep_alive_disabled, asked)?;
    let started = call.mcp.sandbox.start(spec).await?;
    // Whoever waits changes nothing any more.
    call.change = None;
    Ok(started.process)
}

fn show(process: &Process) -> Value {
    let state = process.state();
    json!({
        "pid": state.pid.to_string(),
        "name": process.spec.name,
        "status": state.status().name(),
        "exitCode": state.exit_code(),
    })
}
