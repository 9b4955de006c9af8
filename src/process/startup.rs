//! `StartupCommand`: what the daemon's command line (`-c`) wants to be started with it.
//!
//! It is a process like any other, so that it is found again by the next worker and ends with its whole tree; but nobody is told
//! of it. It is started when none is known, so once, whoever dies meanwhile and whatever takes over.

use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use futures_lite::FutureExt;

use super::end::EndRequest;
use super::limits::Limits;
use super::spec::{Origin, ProcessSpec, RestartPolicy};
use super::supervise::Supervisor;

/// Where it runs, as the known server has it.
const FOLDER: &str = "/";

/// Time in which what was killed is seen to be over.
const KILL_PATIENCE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StartupCommand(pub(crate) String);

impl StartupCommand {
    fn spec(self) -> ProcessSpec {
        ProcessSpec {
            // Nobody can ask for it; it only must not be a name that a client starts at this moment.
            name: format!("startup-{:016x}", fastrand::u64(..)),
            command: self.0,
            working_dir: FOLDER.into(),
            env: Vec::new(),
            stdin: false,
            timeout: None,
            restart: RestartPolicy { on_failure: false, max: 0 },
            keep_alive: false,
            limits: Limits::default(),
            origin: Origin::Startup,
        }
    }
}

impl Supervisor {
    /// Starts the command, unless it was started before. What came of that is logged.
    pub(crate) async fn start_once(self: Arc<Self>, command: StartupCommand) {
        if self.table.startup().is_some() {
            return;
        }
        match self.start(command.spec()).await {
            Ok(started) => {
                let process = started.process;
                tracing::info!(pid = process.state().pid, "the start-up command runs");
                drop(started.first_byte);
                let state = process.over().await;
                tracing::info!(exit_code = state.exit_code(), "the start-up command has ended");
            }
            Err(error) => tracing::error!("the start-up command cannot be started: {error}"),
        }
    }

    /// Ends the start-up command, if it runs: SIGTERM to its tree, and SIGKILL when the time is up.
    pub(crate) async fn end_startup(self: Arc<Self>, patience: Duration) {
        let Some(process) = self.table.startup() else { return };
        let over_within = async |time: Duration| {
            let over = async {
                process.over().await;
                true
            };
            let time_up = async {
                Timer::after(time).await;
                false
            };
            over.or(time_up).await
        };
        for (request, time) in [(EndRequest::STOP, patience), (EndRequest::KILL, KILL_PATIENCE)] {
            // One that is over already may have left descendants, which a kill reaches.
            if process.state().is_over() && request == EndRequest::STOP {
                return;
            }
            if let Err(error) = self.end(&process, request, "startup").await {
                tracing::debug!(%error, "the start-up command needs no end");
                return;
            }
            if over_within(time).await {
                return;
            }
        }
    }
}
